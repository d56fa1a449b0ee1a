package import Output

/// The plan, model, cluster and framework files that a command has read. None of its outputs may replace them.
package struct ReadFiles: Hashable, Sendable {
    /// Paths as they were opened.
    private var paths: Set<String> = []

    package init() {}

    package mutating func add(_ path: String) { paths.insert(path) }

    package mutating func formUnion(_ others: ReadFiles) { paths.formUnion(others.paths) }

    /// The files in alphabetical order, with the words that messages use for them.
    package var named: [NamedPath] {
        paths.sorted().map { NamedPath("the plan or its model, cluster or framework", $0) }
    }
}
