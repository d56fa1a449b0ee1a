internal import Foundation
internal import Numbers

/// A chart of curves with logarithmic axes, as SVG.
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
            writer.segment((at.x, top), (at.x, height - bottom), css: "g")
            writer.text(Figures.grouped(value), x: at.x, y: height - bottom + 18, css: "m")
        }
        for value in Self.decades(y) {
            let at = place(x.lowerBound, value)
            writer.segment((left, at.y), (width - right, at.y), css: "g")
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
                // A point beyond the critical batch is hollow.
                let fill = point.2 ? " style=\"fill:#fff;stroke:currentColor\"" : ""
                writer.line(
                    "<circle class=\"p\(index % 2)\" cx=\"\(SVGWriter.number(at.x))\" cy=\"\(SVGWriter.number(at.y))\" r=\"4.5\"\(fill)>"
                        + "<title>\(SVGWriter.escape("\(Figures.grouped(point.0)) devices: \(Figures.words(point.1)) tokens/s"))</title></circle>"
                )
            }
        }
        // Names have any length, so each has a line of its own.
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

    private func ticks(_ range: ClosedRange<Double>) -> [Double] {
        var found: [Double] = []
        var value = range.lowerBound
        while value <= range.upperBound * 1.001, found.count < 16 {
            found.append(value)
            value *= 2
        }
        return found
    }

    /// One, two and five times every power of ten within a range.
    static func decades(_ range: ClosedRange<Double>) -> [Double] {
        var found: [Double] = []
        var power = pow(10, (log10(range.lowerBound)).rounded(.down))
        while power <= range.upperBound {
            found += [1, 2, 5].map { $0 * power }.filter { range.contains($0) }
            power *= 10
        }
        return found
    }
}
