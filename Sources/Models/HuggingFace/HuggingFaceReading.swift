internal import Foundation
internal import Numbers
package import Reading

/// The language model that a Hugging Face configuration describes.
package struct HuggingFaceModel: Sendable {
    package var model: Model
    /// The file that was read.
    package var path: String
    package var modelType: String
    /// Longest sequence that the configuration states.
    package var longest: Int
    /// What a reader should know about the count.
    package var notes: [String]
    /// Keys that change no shape.
    package var ignored: [String]
    /// Parts beside the language model, by their keys.
    package var towers: [String]
    /// Numbers in the safetensors files beside the configuration; nil if there are none.
    package var stored: Int?

    /// Tokens of a sequence that are priced where nobody states a length.
    package static let usualSequence = 4096

    /// Reads the configuration at `path`: a `config.json`, a model's directory, a folder of the local cache of the Hub,
    /// or the name of a model in that cache.
    /// - Throws: all problems of the configuration.
    package static func read(
        _ path: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> HuggingFaceModel {
        guard let file = ConfigurationPath.resolve(path, library: library) else {
            throw PlanProblems([
                PlanProblem(
                    field: "", value: "'\(path)'", rule: "no Hugging Face configuration there",
                    fix: "name a config.json, a directory with one, or a model in the local cache of the Hub")
            ])
        }
        let collector = ProblemCollector(file: file)
        defer { files.formUnion(collector.files) }
        let root = try JSONFile.read(file, collector: collector)
        guard root.map != nil else {
            throw PlanProblems([PlanProblem(file: file, field: "", rule: "must be a map of keys and values")])
        }
        let table = try TypeFactsTable(library: library)
        guard let reading = Self.read(root, file: file, table: table, collector: collector), collector.isEmpty else {
            throw collector.all
        }
        return reading
    }

    /// Remarks on the reading.
    /// - Parameter isSequenceStated: whether the user states the tokens of a sequence.
    package func remarks(isSequenceStated: Bool) -> [Remark] {
        var remarks = notes.map { Remark(.modelRead, "\(path): \($0)") }
        if let stored { remarks.append(Remark(.modelRead, "\(path): \(compared(stored))")) }
        if !towers.isEmpty {
            remarks.append(
                Remark(
                    .modelRead,
                    "\(path): the language model counts; beside it stand \(towers.joined(separator: ", "))"))
        }
        if !ignored.isEmpty {
            remarks.append(
                Remark(
                    .modelKeysIgnored, "\(path): keys that change no shape: \(ignored.joined(separator: ", "))"))
        }
        if !isSequenceStated, longest > model.sequence {
            remarks.append(
                Remark(
                    .sequenceAssumed,
                    "sequences of \(Figures.grouped(model.sequence)) tokens are assumed; the model takes up to "
                        + "\(Figures.grouped(longest)): state sequence"))
        }
        return remarks
    }

    /// The count beside that of the safetensors files, as a phrase.
    private func compared(_ stored: Int) -> String {
        let counted = model.parameters().total
        if stored == counted { return "its safetensors files hold the same \(Figures.grouped(stored)) parameters" }
        return "its safetensors files hold \(Figures.grouped(stored)) numbers, \(Figures.grouped(counted)) are counted "
            + "(towers, layers for multi-token prediction, tied copies and packed formats differ)"
    }

    /// Whether `reference` names a configuration rather than a shape in `plans/models/`.
    package static func isConfiguration(_ reference: String, library: Library) -> Bool {
        library.modelFile(reference) == nil
            && (reference.hasSuffix(".json") || ConfigurationPath.resolve(reference, library: library) != nil)
    }

    private static func read(
        _ root: JSONValue, file: String, table: TypeFactsTable, collector: ProblemCollector
    ) -> HuggingFaceModel? {
        guard let language = LanguagePart(root, table: table, collector: collector) else { return nil }
        let configuration = language.configuration
        let type = configuration.type
        if let kind = ModelTypes.refused[type] {
            collector.adopt(
                PlanProblem(
                    field: "model_type", value: "'\(type)'", rule: "is \(kind), and decoders of text are planned"))
            return nil
        }
        var draft = (ModelTypes.all[type] ?? GenericType.read)(configuration)
        if let isTied = language.isTied, !configuration.facts.isNeverTied { draft.isTied = isTied }
        let ignored = configuration.unasked(table: table) + language.ignored
        guard collector.isEmpty, let model = draft.model(name: nil, sequence: usualSequence) else { return nil }
        for problem in model.problems {
            var problem = problem
            problem.rule = "\(problem.field) \(problem.rule)"
            problem.field = ""
            collector.adopt(problem)
        }
        return HuggingFaceModel(
            model: model, path: file, modelType: type, longest: draft.longest, notes: draft.notes + language.notes,
            ignored: ignored.sorted(), towers: language.towers, stored: CheckpointCount.parameters(besides: file))
    }
}

/// The configuration of the language model in one file, which may have other parts beside it.
private struct LanguagePart {
    let configuration: Configuration
    var towers: [String] = []
    var ignored: [String] = []
    var notes: [String] = []
    /// Whether the whole model ties embedding and head; nil: the language model's own configuration says so.
    var isTied: Bool?

    /// Keys under which configurations of several parts keep that of the language model.
    private static let keys = ["text_config", "llm_config", "language_config", "thinker_config"]

    init?(_ root: JSONValue, table: TypeFactsTable, collector: ProblemCollector) {
        let map = root.map ?? [:]
        let outer = map["model_type"]?.text
        let outerFacts = outer.flatMap { table[$0] }
        let wanted = outerFacts?.text?.key
        guard let key = ([wanted].compactMap(\.self) + Self.keys).first(where: { map[$0]?.map != nil }),
            let inner = map[key]?.map
        else {
            guard let outer else {
                collector.adopt(
                    PlanProblem(
                        field: "model_type", rule: "is missing", fix: "it names the architecture, e.g. \"llama\""))
                return nil
            }
            // A flat file of a type with several parts: its keys are those of the language model.
            let type = outerFacts?.text.flatMap { $0.type ?? outer } ?? outer
            let facts = table[ModelTypes.factsOf[type] ?? type] ?? outerFacts ?? table["llama"] ?? TypeFacts()
            configuration = Configuration(root, type: type, facts: facts, collector: collector)
            if type != outer { notes.append("a flat file of type '\(outer)': its keys are read as those of '\(type)'") }
            return
        }
        // A thinker holds the language model's configuration in turn.
        if key == "thinker_config", let text = inner["text_config"] {
            let type = text.map?["model_type"]?.text ?? "qwen2_5_omni_text"
            configuration = Configuration(
                text, type: type, facts: table[type] ?? TypeFacts(), path: "thinker_config.text_config.",
                collector: collector)
            towers = inner.keys.filter { $0.hasSuffix("_config") && $0 != "text_config" }.sorted()
            return
        }
        let type = inner["model_type"]?.text ?? outerFacts?.text?.type ?? outer ?? "llama"
        let known = ModelTypes.factsOf[type] ?? type
        configuration = Configuration(
            .map(inner), type: type, facts: table[known] ?? table["llama"] ?? TypeFacts(), path: "\(key).",
            collector: collector)
        isTied = map["tie_word_embeddings"]?.flag ?? (inner["tie_word_embeddings"] == nil ? outerFacts?.isTied : nil)
        if let own = inner["tie_word_embeddings"]?.flag { isTied = own }
        towers = map.keys.filter { $0.hasSuffix("_config") && $0 != key && map[$0]?.map != nil }
            .filter { $0 != "quantization_config" && $0 != "generation_config" }.sorted()
        ignored = map.keys.filter { $0 != key && !towers.contains($0) }
    }
}

extension Draft {
    /// The model of these blocks; nil if there are none.
    func model(name: String?, sequence usual: Int) -> Model? {
        guard let first = blocks.first else { return nil }
        let family: Model.Family = norm == .layerNorm && positions == .learned ? .gpt : .llama
        var model = Model(
            name: name, family: family, layers: blocks.count, hidden: hidden, heads: first.heads, vocab: vocab,
            sequence: min(longest, usual), tiedEmbeddings: isTied)
        let conventions = family.conventions
        if norm != conventions.norm { model.norm = norm }
        if positions != conventions.positions { model.positionKind = positions }
        if positions == .learned { model.positionEntries = positionEntries }
        if biases != conventions.biases { model.biases = biases.sorted() }
        model.embeddingNorm = embeddingNorm
        model.hasFinalNorm = hasFinalNorm
        model.embeddingSize = embeddingSize
        model.otherParameters = otherParameters
        model.setBlocks(blocks)
        return model
    }
}

extension Configuration {
    /// The keys of this configuration that nobody has asked for: they change no shape. A key that no type has, and whose
    /// name is that of a size, is reported.
    fileprivate func unasked(table: TypeFactsTable) -> [String] {
        let others = keys.filter { !asked.contains($0) }
        for key in others
        where !facts.knows(key) && !table.keysWithoutShape.contains(key) && isSize(key)
            && !Self.harmless.contains(key)
        {
            report(
                key, rule: "is not known, and its name is that of a size", fix: "remove it if it changes no shape")
        }
        return others
    }

    /// Whether a key has the name and the value of a size.
    private func isSize(_ key: String) -> Bool {
        guard let value = value(key), let count = value.count, count > 1 else { return false }
        return key.contains(
            #/(^|_)(size|sizes|dim|dims|rank|heads?|layers?|experts?|width|depth|groups|channels|kernel|streams)(_|$)/#)
    }

    /// Keys with names of sizes that change no tensor: those of published files whose code is not in transformers.
    private static let harmless: Set<String> = [
        "ep_size", "num_nextn_predict_layers", "moe_layer_freq", "pretraining_tp", "num_mtp_modules", "max_window_layers",
        "tp_size", "expert_parallel_size", "sliding_window_size", "attn_window_size", "n_group", "topk_group",
        "num_expert_group", "mtp_num_layers", "mtp_num_hidden_layers", "rotary_dim", "block_size", "max_batch_size",
        "num_experts_per_tok", "num_fp8_layers", "logits_chunk_size", "window_size", "experts_per_token",
    ]
}
