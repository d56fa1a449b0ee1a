/// One broken rule: where it stands, what was found, what is allowed and how to repair it.
package struct PlanProblem: Hashable, Codable, Sendable, Error {
    /// What sort of mistake it is; the command line turns it into an exit code.
    package enum Kind: String, Hashable, Codable, Sendable {
        /// Something is misspelt, missing, of the wrong type or out of range.
        case input
        /// Every value is fine by itself, but together they do not divide or fit.
        case misfit
    }

    package var kind: Kind
    /// The file as the user named it; nil when no file is involved.
    package var file: String?
    /// 1-based line and column; nil when the problem has no single place.
    package var line: Int?
    package var column: Int?
    /// Dotted path of the field, e.g. `layout.tensor`; empty for the file as a whole.
    package var field: String
    /// The value found, as written; empty when there is none.
    package var value: String
    /// What is allowed, e.g. `must be a whole number from 1 to 4096`.
    package var rule: String
    /// What to write instead; empty when there is nothing to suggest.
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

/// Every problem of one file (or one layout), in the order of the file.
package struct PlanProblems: Error, Hashable, Sendable {
    package var problems: [PlanProblem]

    package init(_ problems: [PlanProblem]) { self.problems = problems }

    /// Whether nothing is wrong but that the parts do not divide or fit.
    package var isMisfitOnly: Bool { !problems.isEmpty && problems.allSatisfy { $0.kind == .misfit } }
}
