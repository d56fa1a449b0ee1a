internal import Numbers
package import Planner
internal import Plans

/// Whole published runs beside their predictions: tables as text and Markdown, and JSON.
package struct WholeRunReport: Sendable {
    private let runs: WholeRuns

    package init(_ runs: WholeRuns) { self.runs = runs }

    /// - Parameter width: columns that tables must fit in; nil: any number.
    package func text(width: Int? = nil) -> String { TitledTable.text(sections, width: width) }
    package func markdown() -> String { TitledTable.markdown(sections) }
    package func json() throws -> String { try JSONDocument.text(self) }

    private var sections: [TitledTable] {
        [
            TitledTable(
                title: "Whole runs: reported over predicted GPU-hours, each by figures of other organisations",
                table: Table(
                    head: ["layout", "core runs", "median", "inside the band", "half-width"],
                    rows: [("of a search", runs.auto), ("stated", runs.stated)].map { name, figures in
                        [
                            name, "\(figures.count)", Figures.fixed(figures.median, 3),
                            Figures.percent(figures.covered), Figures.percent(figures.halfWidth),
                        ]
                    })),
            TitledTable(
                title: "Whole runs one by one",
                table: Table(
                    head: [
                        "run", "organisation", "counts", "reported", "searched", "ratio", "", "stated", "ratio", "",
                    ],
                    rows: runs.rows.map { row in
                        [
                            row.run.name, row.run.organisation, row.whole.kind.rawValue,
                            Figures.words(row.whole.gpuHours),
                        ] + cells(row.auto) + cells(row.stated)
                    }, leftAligned: [0, 1, 2])),
            practice,
        ]
    }

    private func cells(_ prediction: WholeRuns.Prediction?) -> [String] {
        guard let prediction else { return ["-", "-", ""] }
        return [
            Figures.words(prediction.gpuHours), Figures.fixed(prediction.ratio, 2),
            prediction.isInside ? "inside" : prediction.ratio > 1 ? "above" : "below",
        ]
    }

    /// The medians that the constants of `RunShares` state.
    private var practice: TitledTable {
        let medians = runs.practice.medians()
        let rows: [(String, Double, Int, Double)] = [
            (
                "published over fastest layout, on its software", medians.named, medians.counts[0],
                RunShares.Practice.named
            ),
            ("the same on the assumed software", medians.assumed, medians.counts[0], RunShares.Practice.assumed),
            ("on software before fused attention", medians.unfused, medians.counts[1], RunShares.Practice.unfused),
            ("stops and repeated steps over steps", medians.idle, medians.counts[2], RunShares.usualIdle),
        ]
        return TitledTable(
            title: "What teams reached: medians over publications",
            table: Table(
                head: ["figure", "publications", "median", "constant"],
                rows: rows.map { [$0.0, "\($0.2)", Figures.fixed($0.1, 3), Figures.fixed($0.3, 2)] }))
    }
}

extension WholeRunReport: Encodable {
    private struct Prediction: Encodable {
        var gpuHours, lowGPUHours, highGPUHours, ratio: Double
        var inside: Bool

        init(_ prediction: WholeRuns.Prediction) {
            (gpuHours, lowGPUHours, highGPUHours) = (prediction.gpuHours, prediction.low, prediction.high)
            (ratio, inside) = (prediction.ratio, prediction.isInside)
        }
    }

    private struct Row: Encodable {
        var name, organisation, counts: String
        var core: Bool
        var reportedGPUHours: Double
        var auto, stated: Prediction?
    }

    private struct Summary: Encodable {
        var runs: Int
        var medianRatio, inside, halfWidth: Double

        init(_ figures: WholeRuns.Figures) {
            runs = figures.count
            (medianRatio, inside, halfWidth) = (figures.median, figures.covered, figures.halfWidth)
        }
    }

    private struct Medians: Encodable {
        var named, assumed, unfused, idle: Double
    }

    private enum CodingKeys: String, CodingKey { case wholeRuns, auto, stated, practice }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(
            runs.rows.map { row in
                Row(
                    name: row.run.name, organisation: row.run.organisation, counts: row.whole.kind.rawValue,
                    core: row.run.isCore, reportedGPUHours: row.whole.gpuHours, auto: row.auto.map(Prediction.init),
                    stated: row.stated.map(Prediction.init))
            }, forKey: .wholeRuns)
        try container.encode(Summary(runs.auto), forKey: .auto)
        try container.encode(Summary(runs.stated), forKey: .stated)
        let medians = runs.practice.medians()
        try container.encode(
            Medians(
                named: medians.named, assumed: medians.assumed, unfused: medians.unfused, idle: medians.idle),
            forKey: .practice)
    }
}
