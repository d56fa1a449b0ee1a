package import Costs
internal import Foundation
internal import Models
package import Planner
internal import Plans
package import Reading

/// The points of a sweep: a table, an SVG, a JSON object.
package struct SweepReport: Encodable, Sendable {
    struct Row: Encodable {
        var label: String
        var value: Double
        /// Tokens a second over those of the first point at its rate for each device; absent where the devices or the
        /// model are others.
        var efficiency: Double?
        /// Tokens of a step over the critical batch.
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

    /// Whether tokens a second of the two say how well the work scales: the same devices on the same model.
    private static func isAlike(_ a: Plan, _ b: Plan) -> Bool {
        a.cluster.device.name == b.cluster.device.name && a.precision == b.precision
            && a.model.parameters() == b.model.parameters()
    }

    /// The answers of the points that have one.
    package var estimates: [Estimate] { swept.compactMap(\.estimate) }

    /// Whether any point has a layout.
    package var hasAnswer: Bool { swept.contains { $0.estimate != nil } }

    /// The table; a point whose step is beyond the critical batch, or whose batch leaves the pipelines empty, is marked.
    /// - Parameter width: columns it must fit in; nil: as many as it takes.
    package func text(width: Int? = nil) -> String {
        let hasRun = swept.contains { $0.estimate?.run != nil }
        let hasCost = swept.contains { $0.estimate?.run?.cost != nil }
        var head = [variable, "batch", "step", "tokens/s", "efficiency", "MFU", "GiB"]
        if hasRun { head += ["days", "GPU-months"] }
        if hasCost { head.append("dollars") }
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
            if hasCost { cells.append(Figures.cost(estimate.run)) }
            var mark = ""
            if let share = row.criticalShare, share > 1 { mark += "*" }
            if estimate.iteration.bubbleFraction > 0.1 { mark += "°" }
            mark.forEach { marks.insert(String($0)) }
            return cells + [mark, ComparisonReport.short(estimate)]
        }
        var lines = Wrapped.lines([name] + (searched.map { [$0.description] } ?? []), width: width)
        if let first = swept.lazy.compactMap(\.estimate).first {
            lines += Wrapped.lines("software: \(EstimateText.software(first))", width: width)
        }
        let table = Table(head: head, rows: rows, leftAligned: [head.count - 1])
        lines +=
            [""]
            + table.lines(
                fitting: width, dropping: ["batch", "GPU-months", "MFU", "dollars", "layout", "GiB", "tokens/s"])
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

    /// Curves of a sweep over devices: tokens a second over devices, both logarithmic, with the ideal line.
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

/// A small chart with logarithmic axes.
struct LogChart {
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>
    private let width = 760.0
    private let height = 500.0
    private let left = 104.0
    private let right = 36.0
    private let top = 44.0
    private let bottom = 132.0

    init(x: ClosedRange<Double>, y: ClosedRange<Double>) {
        self.x = x
        self.y = (y.lowerBound / 1.15)...(y.upperBound * 1.15)
    }

    private func place(_ a: Double, _ b: Double) -> (x: Double, y: Double) {
        func share(_ value: Double, _ range: ClosedRange<Double>) -> Double {
            let length = log(range.upperBound / range.lowerBound)
            return length > 0 ? log(value / range.lowerBound) / length : 0.5
        }
        return (
            left + share(a, x) * (width - left - right), height - bottom - share(b, y) * (height - top - bottom)
        )
    }

    func svg(
        title: String, ideal: (Double, Double), curves: [(name: String, points: [(Double, Double, Bool)])]
    ) -> String {
        var writer = SVGWriter()
        writer.line("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 500\" width=\"760\" height=\"500\">")
        writer.line("<title>\(SVGWriter.escape(title))</title>")
        writer.line(
            "<style>text{font:13px sans-serif;fill:#777}.h{font-size:15px}.e{text-anchor:end}.m{text-anchor:middle}"
                + "line.g{stroke:#8884;stroke-width:1}.i{stroke:#888;stroke-dasharray:6 5;fill:none;stroke-width:1.5}"
                + ".c0{stroke:#2a7fd0;fill:none;stroke-width:2.5}.p0{fill:#2a7fd0}"
                + ".c1{stroke:#e07b1a;fill:none;stroke-width:2.5}.p1{fill:#e07b1a}</style>")
        writer.text(title, x: left, y: 24, css: "h")
        for value in ticks(x) {
            let at = place(value, y.lowerBound)
            line(&writer, (at.x, top), (at.x, height - bottom))
            writer.text(Figures.grouped(value), x: at.x, y: height - bottom + 18, css: "m")
        }
        for value in decades(y) {
            let at = place(x.lowerBound, value)
            line(&writer, (left, at.y), (width - right, at.y))
            writer.text(Figures.words(value), x: left - 8, y: at.y + 4, css: "e")
        }
        let (a, b) = (place(x.lowerBound, ideal.0), place(x.upperBound, ideal.1))
        writer.line(
            "<path class=\"i\" d=\"M\(SVGWriter.number(a.x)) \(SVGWriter.number(a.y))L\(SVGWriter.number(b.x)) \(SVGWriter.number(b.y))\"/>"
        )
        for (index, curve) in curves.enumerated() {
            let places = curve.points.map { place($0.0, $0.1) }
            let path = places.map { "\(SVGWriter.number($0.x)) \(SVGWriter.number($0.y))" }.joined(separator: "L")
            writer.line("<path class=\"c\(index % 2)\" d=\"M\(path)\"/>")
            for (at, point) in zip(places, curve.points) {
                // Beyond the critical batch a point is hollow.
                let fill = point.2 ? " style=\"fill:#fff;stroke:currentColor\"" : ""
                writer.line(
                    "<circle class=\"p\(index % 2)\" cx=\"\(SVGWriter.number(at.x))\" cy=\"\(SVGWriter.number(at.y))\" r=\"4.5\"\(fill)>"
                        + "<title>\(SVGWriter.escape("\(Figures.grouped(point.0)) devices: \(Figures.words(point.1)) tokens/s"))</title></circle>"
                )
            }
        }
        // One line each: names are of any length.
        var legend = height - bottom + 60
        func entry(_ name: String, css: String) {
            writer.line("<path class=\"\(css)\" d=\"M\(SVGWriter.number(left)) \(SVGWriter.number(legend))h26\"/>")
            writer.text(name, x: left + 32, y: legend + 4, css: "")
            legend += 20
        }
        for (index, curve) in curves.enumerated() { entry(curve.name, css: "c\(index % 2)") }
        let isHollow = curves.contains { $0.points.contains { $0.2 } }
        entry(isHollow ? "ideal; hollow points: beyond the critical batch" : "ideal", css: "i")
        writer.text("devices", x: (left + width - right) / 2, y: height - bottom + 38, css: "m")
        writer.line("</svg>")
        return writer.text
    }

    private func line(_ writer: inout SVGWriter, _ a: (Double, Double), _ b: (Double, Double)) {
        writer.line(
            "<line class=\"g\" x1=\"\(SVGWriter.number(a.0))\" y1=\"\(SVGWriter.number(a.1))\" x2=\"\(SVGWriter.number(b.0))\" y2=\"\(SVGWriter.number(b.1))\"/>"
        )
    }

    private func ticks(_ range: ClosedRange<Double>) -> [Double] {
        var found: [Double] = []
        var value = range.lowerBound
        while value <= range.upperBound * 1.001, found.count < 16 {
            found.append(value)
            value *= 2
        }
        return found
    }

    private func decades(_ range: ClosedRange<Double>) -> [Double] {
        var found: [Double] = []
        var power = pow(10, (log10(range.lowerBound)).rounded(.down))
        while power <= range.upperBound {
            found += [1, 2, 5].map { $0 * power }.filter { range.contains($0) }
            power *= 10
        }
        return found
    }
}
