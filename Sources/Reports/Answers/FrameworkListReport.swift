internal import Numbers
package import Plans

/// The software that plans can name, with the published runs behind its constants: tables, or one JSON document.
package struct FrameworkListReport: Encodable, Sendable {
    private let frameworks: [Row]

    private struct Row: Encodable, Sendable {
        var name: String
        /// The software whose constants it inherits; absent where it extends none.
        var extends: String?
        /// Month of the first release of the generation; absent where the file does not say.
        var since: String?
        /// First version of every product that runs it.
        var products: [String: String]
        /// Publications with timed runs, by device.
        var publications: [String: Int]
        var fusedNorms, fusedActivations, compiled, cudaGraphs: Bool
        var expertKernels, dispatcher: String
        var constants: [Constant]
    }

    private struct Constant: Encodable, Sendable {
        var key: String
        /// Seconds, counts, or plain numbers.
        var value: Double
        /// The framework whose file states it.
        var from: String
        /// `fitted` to the runs of two or more publications, `assumed` where fewer fix it, `stated` where its file has a source.
        var kind: String
        /// Runs that a fit of it looks at, and their publications; absent for stated ones.
        var rows, sources: Int?
    }

    /// - Parameters:
    ///   - frameworks: the frameworks of the library.
    ///   - names: names of the frameworks that are listed.
    ///   - runs: published runs that were timed.
    package init(_ frameworks: Frameworks, names: [String], runs: [PublishedRun]) {
        let timed = runs.compactMap { run in
            run.plan.flatMap { plan in run.seconds.map { _ in (plan.framework(for: plan.layout), run.source) } }
        }
        self.frameworks = names.compactMap { frameworks.known[$0] }.map { framework in
            let constants = Framework.Constant.allCases.compactMap { constant -> Constant? in
                guard let file = framework.origin(of: constant) else { return nil }
                guard frameworks.known[file]?.fitted[constant] != nil else {
                    return Constant(
                        key: constant.rawValue, value: framework[constant], from: file, kind: "stated")
                }
                let behind = timed.filter { $0.0.takes(constant, from: file) }
                let sources = Set(behind.map(\.1)).count
                return Constant(
                    key: constant.rawValue, value: framework[constant], from: file,
                    kind: sources > 1 ? "fitted" : "assumed", rows: behind.count, sources: sources)
            }
            return Row(
                name: framework.name, extends: framework.bases.first?.name, since: framework.sinceText,
                products: Dictionary(framework.products.map { ($0.name, $0.text) }) { first, _ in first },
                publications: framework.sources, fusedNorms: framework.properties.fusedNorms,
                fusedActivations: framework.properties.fusedActivations,
                compiled: framework.properties.compiled, cudaGraphs: framework.properties.cudaGraphs,
                expertKernels: framework.properties.expertKernels.rawValue, dispatcher: framework.dispatcher.rawValue,
                constants: constants)
        }
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// The table of all frameworks, or the constants of a single one.
    /// - Parameter width: columns that it must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        if frameworks.count == 1, let row = frameworks.first { return Self.text(row, width: width) }
        let head = ["name", "since", "products", "publications with runs", "extends"]
        let rows = frameworks.map { row in
            [row.name, row.since ?? "-", Self.products(row), Self.publications(row), row.extends ?? "-"]
        }
        let table = Table(head: head, rows: rows, leftAligned: Set(head.indices))
        let explanation = """
            products: each with the first version of the generation; framework: nemo@25.04 or torchtitan@2025-03 finds it. \
            publications: by device; the error band is narrower where there is one. trainyard frameworks NAME lists the \
            constants of one, and the runs that fix them. A plan changes what differs: framework: {extends: nemo@25.04, \
            attention: flash-2, cudaGraphs: yes}.
            """
        return
            (table.lines(fitting: width, dropping: ["extends", "products"]) + [""]
            + Wrapped.lines(explanation, width: width ?? 100)).joined(separator: "\n")
    }

    private static func text(_ row: Row, width: Int?) -> String {
        var lines = [
            row.name + (row.since.map { ", since \($0)" } ?? "") + (row.extends.map { ", extends \($0)" } ?? ""),
            "products: \(products(row))", "publications with runs: \(publications(row))",
            "fused norms \(row.fusedNorms ? "yes" : "no") · fused activations \(row.fusedActivations ? "yes" : "no") · "
                + "compiled \(row.compiled ? "yes" : "no") · CUDA graphs "
                + "\(row.cudaGraphs ? "yes" : "no") · experts' kernels \(row.expertKernels) · dispatcher \(row.dispatcher)",
            "",
        ]
        let table = Table(
            head: ["constant", "value", "from", "", "runs", "publications"],
            rows: row.constants.map { constant in
                [
                    constant.key, Self.value(constant), constant.from, constant.kind,
                    constant.rows.map(Figures.grouped) ?? "-", constant.sources.map(Figures.grouped) ?? "-",
                ]
            }, leftAligned: [0, 2, 3])
        lines += table.lines(shortening: width)
        return lines.joined(separator: "\n")
    }

    private static func value(_ constant: Constant) -> String {
        let isSeconds = Framework.Constant(rawValue: constant.key)?.isSeconds == true
        return isSeconds ? Figures.seconds(constant.value) : Figures.general(constant.value, 4)
    }

    private static func products(_ row: Row) -> String {
        let words = row.products.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return words.isEmpty ? "-" : words.joined(separator: ", ")
    }

    private static func publications(_ row: Row) -> String {
        let words = row.publications.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return words.isEmpty ? "none: assumed" : words.joined(separator: ", ")
    }
}
