package import Reading

/// The kinds of files that an import reads.
package enum ImportFormat: String, CaseIterable, Sendable {
    case megatronLM = "megatron-lm"
    case torchtitan, deepspeed, accelerate, transformers

    /// The tool and its files, for people.
    package var words: String {
        switch self {
        case .megatronLM: "Megatron-LM: a script, a list of arguments, or a log"
        case .torchtitan: "torchtitan: a TOML file, a list of arguments, or a script"
        case .deepspeed: "DeepSpeed: a JSON configuration (needs --model and --world)"
        case .accelerate: "accelerate: a YAML configuration of FSDP, DeepSpeed or Megatron-LM (needs --model)"
        case .transformers:
            "transformers: TrainingArguments in YAML or JSON (needs --model), or a model's config.json (needs --devices)"
        }
    }

    /// The format of a file; nil: it looks like none.
    package static func detect(text: String, name: String) -> ImportFormat? {
        if TorchtitanArguments.looks(text) { return .torchtitan }
        if let settings = try? TreeSettings.read(text: text, name: name) {
            let keys = Set(settings.map(\.name))
            if TransformersImport.looks(keys) { return .transformers }
            if AccelerateImport.looks(keys) { return .accelerate }
            if DeepspeedImport.looks(keys) { return .deepspeed }
            return nil
        }
        return .megatronLM
    }

    /// Reads a file of this format.
    ///
    /// - Parameters:
    ///   - path: the file, for problems.
    ///   - library: where clusters, frameworks and the tables of other tools are found.
    /// - Throws: every problem of the file, with line and column.
    package func read(
        text: String, path: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        switch self {
        case .torchtitan: try TorchtitanImport.read(text: text, name: path, request: request, library: library)
        case .deepspeed: try DeepspeedImport.read(text: text, name: path, request: request, library: library)
        case .accelerate: try AccelerateImport.read(text: text, name: path, request: request, library: library)
        case .transformers: try TransformersImport.read(text: text, name: path, request: request, library: library)
        case .megatronLM: try MegatronImport.read(text: text, name: path, request: request, library: library)
        }
    }
}
