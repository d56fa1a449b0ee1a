package import Inference
internal import Numbers
internal import Plans

/// Published figures of models that answer beside our own: tables as text and Markdown, and JSON.
package struct ServingComparisonReport: Sendable {
    private let comparison: ServingComparison

    package init(_ comparison: ServingComparison) { self.comparison = comparison }

    /// - Parameter width: columns that tables must fit in; nil: any number.
    package func text(width: Int? = nil) -> String { TitledTable.text(sections, width: width) }
    package func markdown() -> String { TitledTable.markdown(sections) }
    package func json() throws -> String { try JSONDocument.text(self) }

    private var sections: [TitledTable] {
        [
            TitledTable(
                title: "Published serving figures: how far ours are off",
                table: Table(
                    head: ["source", "figures", "median error"],
                    rows: comparison.sources.map { source in
                        row(
                            source, comparison.rows.filter { $0.figure.source == source }.count,
                            comparison.medianError(of: source))
                    } + [
                        row("all figures", comparison.rows.count, comparison.medianError()),
                        row("median of the sources", comparison.sources.count, comparison.medianOfSources),
                    ])),
            TitledTable(
                title: "Each figure",
                table: Table(
                    head: [
                        "figure", "device", "split", "weights", "batch", "prompt", "output", "unit", "ours",
                        "published", "error",
                    ],
                    rows: comparison.rows.map(cells), leftAligned: [0, 1, 2, 3, 7])),
        ]
    }

    private func row(_ name: String, _ count: Int, _ error: Double?) -> [String] {
        [name, "\(count)", error.map(Figures.percent) ?? "-"]
    }

    private func cells(_ row: ServingComparison.Row) -> [String] {
        let (figure, question) = (row.figure, row.figure.question)
        return [
            figure.name, question.cluster.name, split(question), question.work.weights.name, "\(question.work.batch)",
            "\(question.work.prompt)", "\(question.work.output)", figure.kind.unit,
            row.ours.map(Figures.significant) ?? row.obstacle ?? "-", Figures.significant(figure.published),
            row.error.map { ($0 > 0 ? "+" : "") + Figures.percent($0) } ?? "-",
        ]
    }

    private func split(_ question: ServingQuestion) -> String {
        let degrees = [("tp", question.tensor), ("pp", question.pipeline), ("ep", question.expert)]
            .compactMap { name, degree in degree.flatMap { $0 > 1 ? "\(name) \($0)" : nil } }
        return degrees.isEmpty ? "\(question.devices ?? 1)" : degrees.joined(separator: ", ")
    }
}

extension ServingFigure.Kind {
    fileprivate var unit: String {
        switch self {
        case .outputTokensPerSecond: "answer tokens/s"
        case .outputTokensPerSecondPerDevice: "answer tokens/s a device"
        case .decodeTokensPerSecond: "decoded tokens/s"
        case .decodeTokensPerSecondPerDevice: "decoded tokens/s a device"
        case .promptTokensPerSecond: "prompt tokens/s"
        case .promptTokensPerSecondPerDevice: "prompt tokens/s a device"
        case .firstTokenSeconds: "s to the first token"
        case .tokenSeconds: "s a token"
        }
    }
}

extension ServingComparisonReport: Encodable {
    private struct Row: Encodable {
        var name, source, reference, figure: String
        var published: Double
        var ours, error: Double?
        var obstacle, note: String?
    }

    private struct Source: Encodable {
        var title: String
        var figures: Int
        var medianError: Double?
    }

    private enum CodingKeys: String, CodingKey { case figures, sources, medianError, medianOfSources }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(
            comparison.rows.map { row in
                Row(
                    name: row.figure.name, source: row.figure.source, reference: row.figure.reference,
                    figure: row.figure.kind.rawValue, published: row.figure.published, ours: row.ours,
                    error: row.error, obstacle: row.obstacle, note: row.figure.note)
            }, forKey: .figures)
        try container.encode(
            comparison.sources.map { source in
                Source(
                    title: source, figures: comparison.rows.count { $0.figure.source == source },
                    medianError: comparison.medianError(of: source))
            }, forKey: .sources)
        try container.encodeIfPresent(comparison.medianError(), forKey: .medianError)
        try container.encodeIfPresent(comparison.medianOfSources, forKey: .medianOfSources)
    }
}
