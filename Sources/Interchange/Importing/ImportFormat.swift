package import Reading

/// The kinds of files that an import reads.
package enum ImportFormat: String, CaseIterable, Sendable {
    case megatronLM = "megatron-lm"
    case megatronBridge = "megatron-bridge"
    case nemo, primus, nanotron
    case gptNeoX = "gpt-neox"
    case maxText = "maxtext"

    /// The tool and its files, for people.
    package var words: String {
        switch self {
        case .megatronLM: "Megatron-LM: a script, a list of arguments, or a log"
        case .megatronBridge: "Megatron-Bridge: the YAML of a whole ConfigContainer (run_config.yaml)"
        case .nemo: "NeMo: the YAML of NeMo 1 (model, trainer), or of NeMo 2 as NeMo-Run writes it"
        case .primus: "Primus: an experiment whose trainer is Megatron-LM"
        case .nanotron: "nanotron: its YAML"
        case .gptNeoX: "GPT-NeoX: its YAML, with hyphens or underscores"
        case .maxText: "MaxText: its YAML, with a shape of its own or a model_name"
        }
    }

    /// The format of a file; nil: it looks like none.
    package static func detect(text: String, name: String) -> ImportFormat? {
        TreeDetection.format(text: text, name: name) ?? (TreeDetection.isTree(text, name: name) ? nil : .megatronLM)
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
