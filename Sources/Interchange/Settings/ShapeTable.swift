import Reading

/// Shapes that another tool's configurations name instead of stating: `interchange/nemo.json` and its like, which
/// `scripts/interop/model_tables.py` reads from the tools' repositories.
struct ShapeTable: Sendable {
    /// Settings of a shape by their names, under the shape's name.
    var shapes: [String: [String: Setting.Value]]
    /// The commit that was read.
    var source: String

    /// - Parameter tool: `nemo`, `primus` or `maxtext`.
    /// - Throws: one problem if the file is not where the program's files are.
    static func read(_ tool: String, _ library: Library) throws(PlanProblems) -> ShapeTable {
        let file = "interchange/\(tool).json"
        let loss = "shapes cannot be looked up"
        let root = try ToolTable.root(file, so: loss, library)
        guard let models = root["models"]?.map else { throw ToolTable.missing(file, so: loss) }
        var shapes: [String: [String: Setting.Value]] = [:]
        for (name, fields) in models {
            var values: [String: Setting.Value] = [:]
            for (key, value) in fields.map ?? [:] { values[key] = Self.value(value) }
            shapes[name] = values
        }
        return ShapeTable(shapes: shapes, source: root["source"]?.text ?? "")
    }

    private static func value(_ json: JSONValue) -> Setting.Value? {
        if let list = json.list { return .list(list.compactMap(word)) }
        return word(json).map(Setting.Value.word)
    }

    private static func word(_ json: JSONValue) -> String? {
        switch json {
        case .text(let text): text
        case .flag(let flag): "\(flag)"
        case .count(let count): "\(count)"
        case .number(let number): "\(number)"
        case .null, .list, .map: nil
        }
    }

    /// The settings of a shape, all at the place that names it. Their names begin with `section`.
    func settings(_ shape: String, section: String, at place: Setting) -> [Setting] {
        (shapes[shape] ?? [:]).sorted { $0.key < $1.key }.map { key, value in
            Setting(
                name: section + key, written: place.written, value: value, line: place.line, column: place.column)
        }
    }
}

/// Entries of well-known tokenizers. Tools that read the vocabulary from a tokenizer's files do not state it.
enum TokenizerVocabulary {
    /// Parts of names, and the entries as the published models' configurations count them. The first match wins.
    private static let known: [(part: String, entries: Int)] = [
        ("codellama", 32016), ("llama-4", 202_048), ("llama4", 202_048), ("llama-3", 128_256), ("llama3", 128_256),
        ("llama_3", 128_256), ("llama31", 128_256), ("llama32", 128_256), ("llama-2", 32000), ("llama2", 32000),
        ("llama_tokenizer", 32000), ("mistral-nemo", 131_072), ("mistral", 32000),
        ("mixtral", 32000), ("gpt2", 50257), ("gpt-neox-20b", 50277), ("20b_tokenizer", 50277), ("pythia", 50277),
        ("qwen2.5-72b", 152_064), ("qwen2.5-32b", 152_064), ("qwen2.5-14b", 152_064), ("qwen2.5-7b", 152_064),
        ("qwen2", 151_936), ("qwen3", 151_936), ("deepseek-v2", 102_400), ("deepseekv2", 102_400),
        ("deepseek-v3", 129_280), ("deepseekv3", 129_280), ("gpt-oss", 201_088), ("kimi-k2", 163_840),
        ("gemma", 256_000), ("starcoder2", 49152), ("smollm3", 128_256), ("smollm", 49152), ("cosmo2", 49152),
        ("grok", 131_072), ("falcon", 65024), ("nemotron", 256_000), ("olmo", 100_278),
    ]

    /// The entries of the tokenizer of that name or path; nil: it is not known here.
    static func entries(_ name: String) -> Int? {
        let word = name.lowercased()
        return known.first { word.contains($0.part) }?.entries
    }
}
