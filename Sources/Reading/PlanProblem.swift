/// One broken rule: its place, the value found, the values allowed, and the way to repair it.
package struct PlanProblem: Hashable, Codable, Sendable, Error {
    /// The kind of mistake, which the command line turns into an exit code.
    package enum Kind: String, Hashable, Codable, Sendable {
        /// A value is misspelt, missing, of the wrong type or out of range.
        case input
        /// Each value is valid, but together they do not divide or fit.
        case misfit
    }

    package var kind: Kind
    /// The file as the user named it; nil if no file is involved.
    package var file: String?
    /// Line and column, counted from 1; nil if the problem has no single place.
    package var line: Int?
    package var column: Int?
    /// Dotted path of the field, e.g. `layout.tensor`; empty for the whole file.
    package var field: String
    /// The value found, as written; empty if there is none.
    package var value: String
    /// The values allowed, e.g. `must be a whole number from 1 to 4096`.
    package var rule: String
    /// The advice for a repair; empty if there is none.
    package var fix: String

    package init(
        _ kind: Kind = .input, file: String? = nil, line: Int? = nil, column: Int? = nil, field: String,
        value: String = "", rule: String, fix: String = ""
    ) {
        self.kind = kind
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.value = value
        self.rule = rule
        self.fix = fix
    }
}

/// All problems of one file or one layout, in the order of the file.
package struct PlanProblems: Error, Hashable, Sendable {
    package var problems: [PlanProblem]

    package init(_ problems: [PlanProblem]) { self.problems = problems }

    /// Whether all problems are misfits: values that are valid but do not divide or fit together.
    package var isMisfitOnly: Bool { !problems.isEmpty && problems.allSatisfy { $0.kind == .misfit } }
}
