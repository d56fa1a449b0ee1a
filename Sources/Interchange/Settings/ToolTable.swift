internal import Reading

/// The tables of other tools' names, JSON files of `interchange/`.
enum ToolTable {
    /// The problem of a table that is not where the program's files are, or is damaged.
    /// - Parameter loss: what cannot be done without it, as a clause.
    static func missing(_ file: String, so loss: String) -> PlanProblems {
        PlanProblems([
            PlanProblem(
                file: file, field: "", rule: "is not found, so that \(loss)",
                fix: "set TRAINYARD_HOME to the folder that holds cluster/ and interchange/")
        ])
    }

    /// The values at the root of a table.
    static func root(_ file: String, so loss: String, _ library: Library) throws(PlanProblems) -> [String: JSONValue] {
        guard let path = library.existing(file), let root = JSONFile.value(path)?.map else {
            throw missing(file, so: loss)
        }
        return root
    }
}
