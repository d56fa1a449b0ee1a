package import Reading

/// The arguments of Megatron-LM's pretraining programs, of all releases: `interchange/megatron-lm.json`.
package struct MegatronTable: Sendable {
    /// The values that an argument takes.
    package enum Arity: Hashable, Sendable {
        case none, one, optional, several
    }

    package struct Argument: Hashable, Sendable {
        /// The name in the parsed object and in a log's `arguments` block.
        package var destination: String
        package var arity: Arity
        /// What a flag without a value stores.
        package var constant: String?
    }

    package var arguments: [String: Argument]
    /// The releases that were read.
    package var source: String

    package var destinations: Set<String> { Set(arguments.values.map(\.destination)) }

    static let file = "interchange/megatron-lm.json"

    /// - Throws: one problem if the file is not where the program's files are.
    package static func read(_ library: Library) throws(PlanProblems) -> MegatronTable {
        let loss = "arguments of Megatron-LM cannot be read"
        let root = try ToolTable.root(file, so: loss, library)
        let problem = ToolTable.missing(file, so: loss)
        guard let flags = root["flags"]?.map else { throw problem }
        var arguments: [String: Argument] = [:]
        for (flag, entry) in flags {
            guard let fields = entry.list, fields.count >= 2, let destination = fields[0].text else { throw problem }
            let arity: Arity =
                if let count = fields[1].count { count == 0 ? .none : count == 1 ? .one : .several } else {
                    fields[1].text == "?" ? .optional : .several
                }
            var constant: String?
            if arity == .none {
                let stored = fields.count > 2 ? fields[2] : .flag(true)
                constant = stored.text ?? stored.flag.map { $0 ? "True" : "False" }
            }
            arguments[flag] = Argument(destination: destination, arity: arity, constant: constant)
        }
        return MegatronTable(arguments: arguments, source: root["source"]?.text ?? "")
    }
}
