package import Costs
internal import Foundation
internal import Models
internal import Numbers
package import Planner
internal import Plans
package import Reading

/// The points of a sweep as a table, an SVG and a JSON object.
package struct SweepReport: Encodable, Sendable {
    struct Row: Encodable {
        var label: String
        var value: Double
        /// Tokens a second per device over the first point's; absent where device or model differ from the first
        /// point's.
        var efficiency: Double?
        /// Tokens of a step over the critical batch; above 1, more sequences a step hardly save steps.
        var criticalShare: Double?
        var reason: String?
        var estimate: EstimateReport?
    }

    package let name: String
    private let variable: String
    private let points: [Row]
    private let swept: [SweepPoint]
    private let isByDevices: Bool
    private let searched: SearchedSpace?

    private enum CodingKeys: String, CodingKey { case name, variable, points, searched }

    package init(
        _ points: [SweepPoint], name: String, variable: SweepVariable, searched: SearchedSpace? = nil
    ) {
        self.searched = searched
        self.name = name
        self.variable = variable.rawValue
        swept = points
        isByDevices = variable == .devices
        let first = points.lazy.compactMap(\.estimate).first
        self.points = points.map { point in
            Row(
                label: point.label, value: point.value,
                efficiency: point.estimate.flatMap { estimate in
                    first.flatMap { Self.isAlike($0.plan, estimate.plan) ? $0 : nil }.map {
                        estimate.tokensPerSecond / Double(estimate.plan.paidDevices)
                            / ($0.tokensPerSecond / Double($0.plan.paidDevices))
                    }
                },
                criticalShare: CriticalBatch(point.plan)?.share(point.plan),
                reason: point.estimate == nil ? point.reason : nil, estimate: point.estimate.map { EstimateReport($0) })
        }
    }

    package static func json(_ reports: [SweepReport], notes: [Remark] = []) throws -> String {
        struct Document: Encodable {
            var sweeps: [SweepReport]
            var notes: [Remark]
        }
        return try JSONDocument.text(Document(sweeps: reports, notes: notes))
    }

    /// Whether two plans run one model on one kind of device, so that their tokens a second show how well it scales.
    private static func isAlike(_ a: Plan, _ b: Plan) -> Bool {
        a.cluster.deviceWords == b.cluster.deviceWords && a.precision == b.precision
            && a.model.parameters() == b.model.parameters()
    }

    /// The estimates of all points that have a layout.
    package var estimates: [Estimate] { swept.compactMap(\.estimate) }

    /// Whether any point has a layout.
    package var hasAnswer: Bool { swept.contains { $0.estimate != nil } }

    /// The table. Points beyond the critical batch (`*`), or with too few micro-batches for their pipelines (`°`), are
    /// marked.
    /// - Parameter width: columns that it must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        let hasRun = swept.contains { $0.estimate?.run != nil }
        let cost = CostColumn(swept.map { $0.estimate?.run })
        var head = [variable, "batch", "step", "tokens/s", "efficiency", "MFU", "GiB"]
        if hasRun { head += ["days", "GPU-months"] }
        if let cost { head.append(cost.head) }
        head += ["", "layout"]
        var marks: Set<String> = []
        let rows = zip(swept, points).map { point, row -> [String] in
            guard let estimate = point.estimate else {
                return [point.label, Figures.grouped(point.plan.batch), "-"]
                    + [String](repeating: "", count: head.count - 4) + [Self.brief(point.reason)]
            }
            var cells = [
                point.label, Figures.grouped(estimate.plan.batch), Figures.seconds(estimate.iteration.seconds),
                Figures.words(estimate.tokensPerSecond), row.efficiency.map(Figures.percent) ?? "-",
                Figures.percent(estimate.mfu), Figures.fixed(Figures.gib(estimate.peakMemory), 1),
            ]
            if hasRun { cells += [Figures.days(estimate.run), Figures.gpuMonths(estimate.run)] }
            if let cost { cells.append(cost.cell(estimate.run)) }
            var mark = ""
            if let share = row.criticalShare, share > 1 { mark += "*" }
            if estimate.iteration.bubbleFraction > 0.1 { mark += "°" }
            mark.forEach { marks.insert(String($0)) }
            return cells + [mark, ComparisonReport.short(estimate)]
        }
        var lines = Wrapped.lines([name] + (searched.map { [$0.description] } ?? []), width: width)
        if let first = swept.lazy.compactMap(\.estimate).first {
            lines += Wrapped.lines("software: \(EstimateText.software(first))", width: width)
            if let offload = first.layout.offload { lines += Wrapped.lines("offload: \(offload.words)", width: width) }
        }
        let table = Table(head: head, rows: rows, leftAligned: [head.count - 1])
        lines +=
            [""]
            + table.lines(
                fitting: width,
                dropping: ["batch", "GPU-months", "MFU"] + CostColumn.heads + ["layout", "GiB", "tokens/s"])
        if isByDevices || marks.contains("*"), let point = swept.first, let critical = CriticalBatch(point.plan) {
            lines +=
                [""]
                + Wrapped.lines(
                    "critical batch about \(Figures.words(critical.tokens)) tokens a step at a final loss of "
                        + "\(Figures.fixed(critical.loss, 2)) (Kaplan et al. 2020; loss after Besiroglu et al. 2024)",
                    width: width, first: "  ", rest: "    ")
        }
        if marks.contains("*") {
            lines.append("  * beyond the critical batch: more sequences a step no longer save steps in proportion")
        }
        if marks.contains("°") {
            lines.append(
                "  ° the batch limits the scaling: too few micro-batches to fill the pipelines (over 10 % idle)")
        }
        return lines.joined(separator: "\n")
    }

    private static func brief(_ reason: String) -> String {
        reason.count <= 60 ? reason : String(reason.prefix(57)) + "…"
    }

    /// An SVG of tokens a second over devices with the ideal line, both axes logarithmic; nil without two points.
    package static func svg(_ reports: [SweepReport]) -> String? {
        let curves = reports.map { report in
            (
                name: report.name,
                points: report.swept.compactMap { point in
                    point.estimate.map {
                        (
                            x: point.value, y: $0.tokensPerSecond,
                            mark: (CriticalBatch(point.plan)?.share(point.plan) ?? 0) > 1
                        )
                    }
                }
            )
        }.filter { $0.points.count > 1 }
        guard let first = curves.first?.points.first, first.x > 0 else { return nil }
        let xs = curves.flatMap { $0.points.map(\.x) }
        let most = xs.max() ?? 1
        let least = xs.min() ?? 1
        let ideal = { (x: Double) in first.y * x / first.x }
        let ys = curves.flatMap { $0.points.map(\.y) } + [ideal(most), ideal(least)]
        let chart = LogChart(x: least...most, y: (ys.min() ?? 1)...(ys.max() ?? 1))
        return chart.svg(
            title: "Tokens a second over devices", ideal: (ideal(least), ideal(most)),
            curves: curves.map { ($0.name, $0.points.map { ($0.x, $0.y, $0.mark) }) })
    }
}
