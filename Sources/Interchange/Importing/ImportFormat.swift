package import Reading

/// The kinds of files that an import reads.
package enum ImportFormat: String, CaseIterable, Sendable {
    case megatronLM = "megatron-lm"

    /// The tool and its files, for people.
    package var words: String {
        switch self {
        case .megatronLM: "Megatron-LM: a script, a list of arguments, or a log"
        }
    }

    /// The format of a file; nil: it looks like none.
    package static func detect(text: String, name: String) -> ImportFormat? {
        .megatronLM
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
        }
    }
}
