internal import Costs
internal import Foundation
internal import Numbers
package import Planner
internal import Plans
internal import Schedules

/// A scatter of predicted against measured seconds as SVG, both axes logarithmic, a colour for each device.
package struct ValidationSVG: Sendable {
    private let points: [Point]
    private let devices: [String]

    private struct Point: Sendable {
        var measured: Double
        var predicted: Double
        var device: String
        var name: String
    }

    private static let (width, height, left, top, side) = (760.0, 660.0, 80.0, 50.0, 540.0)
    private static let colours = [
        "#3366cc", "#dc7a18", "#2e8b57", "#b0357c", "#7a5ccc", "#a8442a", "#0f8fa3", "#6b6b1f", "#444444",
    ]

    package init(_ validation: Validation) {
        points = validation.timed.compactMap { row in
            guard let measured = row.run.seconds, let estimate = row.estimate, measured > 0, measured.isFinite,
                estimate.iteration.seconds > 0, estimate.iteration.seconds.isFinite
            else { return nil }
            return Point(
                measured: measured, predicted: estimate.iteration.seconds, device: row.run.device, name: row.run.name)
        }
        devices = Set(points.map(\.device)).sorted()
    }

    package func text() -> String {
        let values = points.flatMap { [$0.measured, $0.predicted] }
        let low = floor(log10(values.min() ?? 0.1))
        let high = max(low + 1, ceil(log10(values.max() ?? 100)))
        func x(_ value: Double) -> Double { Self.left + Self.side * (log10(value) - low) / (high - low) }
        func y(_ value: Double) -> Double { Self.top + Self.side * (high - log10(value)) / (high - low) }
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" "
                + "font-family=\"sans-serif\">")
        svg.line("<style>text{font-size:13px;fill:#333}.title{font-size:17px}.grid{stroke:#ddd}")
        svg.line(".equal{stroke:#333}.band{stroke:#999;stroke-dasharray:4 4}.end{text-anchor:end}")
        svg.line(".middle{text-anchor:middle}</style>")
        svg.line("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")
        svg.text("Predicted against measured seconds a step", x: Self.left, y: 20, css: "title")
        for power in Int(saturating: low)...Int(saturating: high) {
            let value = pow(10, Double(power))
            svg.line(line(x(value), Self.top, x(value), Self.top + Self.side, "grid"))
            svg.line(line(Self.left, y(value), Self.left + Self.side, y(value), "grid"))
            let label = power < 0 ? Figures.general(value, 6) : Figures.grouped(value)
            svg.text(label, x: x(value), y: Self.top + Self.side + 18, css: "middle")
            svg.text(label, x: Self.left - 8, y: y(value) + 4, css: "end")
        }
        svg.text("measured, s", x: Self.left + Self.side / 2, y: Self.top + Self.side + 42, css: "middle")
        svg.text("predicted, s", x: 8, y: Self.top - 14, css: "axis")
        let (first, last) = (pow(10, low), pow(10, high))
        svg.line(line(x(first), y(first), x(last), y(last), "equal"))
        for share in [0.9, 1.1] {
            let (from, to) = (max(first, first / share), min(last, last / share))
            svg.line(line(x(from), y(from * share), x(to), y(to * share), "band"))
        }
        for point in points {
            let name = SVGWriter.escape(point.name)
            svg.line(
                "<circle cx=\"\(SVGWriter.number(x(point.measured)))\" cy=\"\(SVGWriter.number(y(point.predicted)))\" "
                    + "r=\"3.2\" fill=\"\(colour(point.device))\" fill-opacity=\"0.55\"><title>\(name)</title></circle>"
            )
        }
        for (index, device) in devices.enumerated() {
            let row = Self.top + 22 + Double(index) * 20
            svg.line(
                "<circle cx=\"\(SVGWriter.number(Self.left + 16))\" cy=\"\(SVGWriter.number(row - 4))\" r=\"5\" "
                    + "fill=\"\(colour(device))\"/>")
            let count = points.filter { $0.device == device }.count
            svg.text("\(device) (\(Figures.grouped(count)))", x: Self.left + 28, y: row, css: "legend")
        }
        svg.text("dashed: 10 % off", x: Self.left + Self.side - 8, y: Self.top + Self.side - 10, css: "end")
        svg.line("</svg>")
        return svg.text
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ css: String) -> String {
        "<line x1=\"\(SVGWriter.number(x1))\" y1=\"\(SVGWriter.number(y1))\" x2=\"\(SVGWriter.number(x2))\" "
            + "y2=\"\(SVGWriter.number(y2))\" class=\"\(css)\"/>"
    }

    private func colour(_ device: String) -> String {
        Self.colours[(devices.firstIndex(of: device) ?? 0) % Self.colours.count]
    }
}
