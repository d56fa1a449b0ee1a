package import Reading

/// The kinds of files that an import reads.
package enum ImportFormat: String, CaseIterable, Sendable {
    case megatronLM = "megatron-lm"
    case torchtitan, deepspeed, accelerate, transformers
    case megatronBridge = "megatron-bridge"
    case nemo, primus, nanotron
    case gptNeoX = "gpt-neox"
    case maxText = "maxtext"

    /// The tool and its files, for people.
    package var words: String {
        switch self {
        case .megatronLM: "Megatron-LM: a script, a list of arguments, or a log"
        case .torchtitan: "torchtitan: a TOML file, a list of arguments, or a script"
        case .deepspeed: "DeepSpeed: a JSON configuration (needs --model and --world)"
        case .accelerate: "accelerate: a YAML configuration of FSDP, DeepSpeed or Megatron-LM (needs --model)"
        case .transformers:
            "transformers: TrainingArguments in YAML or JSON (needs --model), or a model's config.json (needs --devices)"
        case .megatronBridge: "Megatron-Bridge: the YAML of a whole ConfigContainer (run_config.yaml)"
        case .nemo: "NeMo: the YAML of NeMo 1 (model, trainer), or of NeMo 2 as NeMo-Run writes it"
        case .primus: "Primus: an experiment whose trainer is Megatron-LM"
        case .nanotron: "nanotron: its YAML"
        case .gptNeoX: "GPT-NeoX: its YAML, with hyphens or underscores"
        case .maxText: "MaxText: its YAML, with a shape of its own or a model_name"
        }
    }

    /// The tool's name.
    package var tool: String { words.split(separator: ":").first.map(String.init) ?? rawValue }

    /// The format of a file that was taken for a plan; nil: it looks like a plan, or like no file of a tool that is known here.
    package static func ofForeign(text: String, name: String) -> ImportFormat? {
        let settings = try? TreeSettings.read(text: text, name: name)
        let roots = Set((settings ?? []).compactMap { $0.name.split(separator: ".").first.map(String.init) })
        // A plan with a mistake in its syntax is no tree.
        let isPlan = ["layout", "cluster", "devices"].contains { key in
            roots.contains(key) || text.split(separator: "\n").contains { $0.hasPrefix("\(key):") }
        }
        guard !isPlan, let format = detect(text: text, name: name) else { return nil }
        // Any text may be a script, so that one of Megatron-LM is known by its arguments.
        let isScript = settings == nil || format == .megatronLM
        let words = ["--num-layers", "--tensor-model-parallel-size", "--micro-batch-size", "pretrain_", "torchrun"]
        return isScript && format == .megatronLM && !words.contains(where: text.contains) ? nil : format
    }

    /// The format of a file; nil: it looks like none.
    package static func detect(text: String, name: String) -> ImportFormat? {
        if TorchtitanDetection.looks(text) { return .torchtitan }
        guard let settings = try? TreeSettings.file(text: text, name: name, allowsLooseJSON: true).settings else {
            // No other tool that is known here has files of TOML.
            if name.lowercased().hasSuffix(".toml") { return .torchtitan }
            if TreeDetection.isTree(text, name: name) { return TreeDetection.damaged(text) }
            // Scripts, lists of arguments and logs are no trees.
            return TorchtitanDetection.starts(text) ? .torchtitan : .megatronLM
        }
        let keys = Set(settings.map(\.name))
        if let format = TreeDetection.format(settings) { return format }
        if TransformersImport.looks(keys) { return .transformers }
        if AccelerateImport.looks(keys) { return .accelerate }
        if DeepspeedImport.looks(keys) { return .deepspeed }
        return nil
    }

    /// Whether a file is a plan of ours already.
    package static func isPlan(_ file: ForeignText) -> Bool {
        guard let settings = try? TreeSettings.read(text: file.text, name: file.name) else { return false }
        let roots = Set(settings.map { String($0.name.prefix { $0 != "." }) })
        // Keys that no import sets come after those that one does.
        let own = Set(PlanDraft.sections).union([
            "frozen", "quantized", "padding", "accumulation", "offload", "source",
        ])
        return roots.isSubset(of: own) && roots.contains("model")
            && !roots.isDisjoint(with: ["layout", "cluster", "devices"])
    }

    /// The format of the files of one run; nil: none of them tells it.
    package static func detect(_ files: [ForeignText]) -> ImportFormat? {
        let formats = files.compactMap { detect(text: $0.text, name: $0.name) }
        // One of several files of GPT-NeoX may hold nothing but what DeepSpeed has too.
        return files.count > 1 && formats.contains(.gptNeoX) ? .gptNeoX : formats.first
    }

    /// Reads the files of one run.
    /// - Throws: every problem of the files. More than one is a problem unless the format has runs of several.
    package func read(
        _ files: [ForeignText], request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        if self == .gptNeoX { return try NeoXImport.read(files, request: request, library: library) }
        guard let first = files.first, files.count == 1 else {
            throw PlanProblems([
                PlanProblem(
                    file: files.dropFirst().first?.name, field: "",
                    rule: "is a second file, and only runs of gpt-neox have several", fix: "import one file at a time")
            ])
        }
        return try read(text: first.text, path: first.name, request: request, library: library)
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
        case .megatronBridge: try BridgeImport.read(text: text, name: path, request: request, library: library)
        case .nemo: try NeMoImport.read(text: text, name: path, request: request, library: library)
        case .primus: try PrimusImport.read(text: text, name: path, request: request, library: library)
        case .nanotron: try NanotronImport.read(text: text, name: path, request: request, library: library)
        case .gptNeoX: try NeoXImport.read(text: text, name: path, request: request, library: library)
        case .maxText: try MaxTextImport.read(text: text, name: path, request: request, library: library)
        }
    }
}
