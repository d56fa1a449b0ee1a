internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Reports

/// `trainyard frameworks`: lists the software that plans can name.
struct FrameworksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "frameworks",
        abstract: "List the training software that plans can name.",
        discussion: """
            One line a file of frameworks/: a generation of software, the products that run it with the first version of \
            each, and the publications with timed runs of it by device. A name lists the constants of one: their values, the \
            file that states them, and whether published runs fix them. Folders are searched as for plans: a file \
            frameworks/mine.yaml here is listed too.

              trainyard frameworks
              trainyard frameworks nemo@25.04
              trainyard frameworks --json | jq '.frameworks[] | {name, publications}'
            """)

    @Argument(help: "A name, NAME@VERSION or NAME@YYYY-MM: its constants.")
    var names: [String] = []

    @OptionGroup var width: WidthOption

    @Flag(help: "Print one JSON document.")
    var json = false

    mutating func run() throws {
        let library = Library.standard()
        let frameworks = try Frameworks.read(library: library)
        guard !frameworks.known.isEmpty else {
            throw Failure.input(
                "no framework files are to be found; \(Library.suggestion(for: "", among: []))")
        }
        let listed = try names.map { text in
            guard let name = SoftwareName(text) else {
                throw Failure.input("'\(text)' is neither a name, nor NAME@VERSION, nor NAME@YYYY-MM")
            }
            switch frameworks.resolved(name) {
            case .found(let found), .olderThan(let found): return found
            case .withoutReleases(let generation):
                throw Failure.input("\(generation) is one generation, which has no releases; use \(generation)")
            case .unknown:
                throw Failure.input(
                    "no software of the name '\(name.product)'; "
                        + Library.suggestion(for: name.product, among: frameworks.allNames))
            }
        }
        let report = FrameworkListReport(
            frameworks, names: listed.isEmpty ? frameworks.known.keys.sorted() : listed,
            runs: try published(library, frameworks))
        try print(json ? report.json() : report.text(width: width.columns))
    }

    /// The published runs of the library; none where it has no tables.
    private func published(_ library: Library, _ frameworks: Frameworks) throws -> [PublishedRun] {
        guard json || names.count == 1, let folder = library.existing("plans/published") else { return [] }
        var files = ReadFiles()
        return try runFiles(in: folder).flatMap {
            try PublishedRun.read(path: $0, measured: nil, library: library, frameworks: frameworks, files: &files)
        }
    }
}
