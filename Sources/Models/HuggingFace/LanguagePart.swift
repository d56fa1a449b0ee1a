internal import Reading

/// The configuration of the language model in one file, which may have other parts beside it.
struct LanguagePart {
    let configuration: Configuration
    private(set) var towers: [String] = []
    private(set) var ignored: [String] = []
    private(set) var notes: [String] = []
    /// Whether the whole model ties embedding and head; nil: the language model's type says so.
    private(set) var isTied: Bool?

    /// Keys under which configurations of several parts keep that of the language model. A thinker keeps it in turn.
    private static let keys = ["text_config", "llm_config", "language_config", "thinker_config"]
    /// Keys that end like those of parts and are none.
    private static let noParts: Set<String> = ["quantization_config", "generation_config", "rope_config"]

    init?(_ root: JSONValue, table: TypeFactsTable, collector: ProblemCollector) {
        var map = root.map ?? [:]
        let outer = map["model_type"]?.text
        var (outerType, outerFacts) = (outer, outer.flatMap { table[$0] })
        var path = ""
        /// Whether the parts around the language model tie its head to its token table, the outermost first.
        var stated: [Bool] = []
        while let key = Self.key(of: map, wanted: outerFacts?.text?.key), let inner = map[key]?.map {
            if let isTied = map["tie_word_embeddings"]?.flag { stated.append(isTied) }
            let parts = map.keys.filter {
                $0.hasSuffix("_config") && $0 != key && map[$0]?.map != nil && !Self.noParts.contains($0)
            }
            towers += parts
            ignored += map.keys.filter { $0 != key && !parts.contains($0) }
            path += "\(key)."
            // The part's own type, that which its parent declares, or its parent's.
            let type = inner["model_type"]?.text ?? outerFacts?.text?.type ?? outerType ?? "llama"
            (map, outerType) = (inner, type)
            guard key == "thinker_config" else { break }
            outerFacts = table[type] ?? outerFacts
        }
        towers.sort()
        ignored.sort()
        guard let outer, !outer.isEmpty else {
            guard !path.isEmpty, let type = outerType else {
                collector.adopt(
                    PlanProblem(
                        field: "model_type", rule: "is missing", fix: "it names the architecture, e.g. \"llama\""))
                return nil
            }
            configuration = Self.configuration(map, type: type, path: path, table: table, collector: collector)
            return
        }
        let facts = table[outer]
        guard !path.isEmpty, let type = outerType else {
            // A flat file of a type with several parts: its keys are those of the language model.
            let type = facts?.text.flatMap { $0.type ?? outer } ?? outer
            configuration = Self.configuration(map, type: type, path: "", table: table, collector: collector)
            if type != outer { notes.append("a flat file of type '\(outer)': its keys are read as those of '\(type)'") }
            return
        }
        var values = map
        for (key, value) in facts?.textDefaults ?? [:] where values[key] == nil { values[key] = value }
        configuration = Self.configuration(values, type: type, path: path, table: table, collector: collector)
        let own = map["tie_word_embeddings"]?.flag
        switch facts?.tiesBy ?? .nearest {
        case .nearest: isTied = own ?? stated.first
        case .whole: isTied = stated.first ?? facts?.isTied ?? false
        case .text: isTied = own
        case .never: isTied = false
        }
        if let own, let whole = stated.first, own != whole {
            notes.append(
                "the whole model and its language model differ in tie_word_embeddings: the head is counted as "
                    + ((isTied ?? own) ? "tied" : "untied"))
        }
    }

    private static func key(of map: [String: JSONValue], wanted: String?) -> String? {
        ([wanted].compactMap(\.self) + keys).first { map[$0]?.map != nil }
    }

    private static func configuration(
        _ map: [String: JSONValue], type: String, path: String, table: TypeFactsTable, collector: ProblemCollector
    ) -> Configuration {
        // A type that is in no table declares nothing: what a configuration leaves out is missing.
        let facts = table[ModelTypes.factsOf[type] ?? type] ?? TypeFacts(reads: ["head_dim"], isTied: type == "minicpm")
        return Configuration(.map(map), type: type, facts: facts, path: path, collector: collector)
    }
}
