internal import Foundation
internal import Numbers

/// A chart with a logarithmic horizontal and a linear vertical axis, as SVG.
struct SmallChart {
    enum Mark { case dot, ring, square }

    struct Curve {
        var name: String
        var colour: Int
        var points: [(x: Double, y: Double)]
        var isDashed = false
        var isJoined = true
        /// nil: a line alone.
        var mark: Mark?
    }

    /// A range of y at an x.
    struct Bar {
        var x: Double
        var y: ClosedRange<Double>
        var colour: Int
    }

    /// A level of y with its name.
    struct Level {
        var y: Double
        var name: String
    }

    var title: String
    var xName: String
    var yName: String
    var curves: [Curve] = []
    var bars: [Bar] = []
    var levels: [Level] = []
    /// Values that the horizontal axis names; empty: decades.
    var xTicks: [Double] = []

    private static let (width, left, right, top, plot) = (760.0, 64.0, 24.0, 48.0, 380.0)
    private static let colours = ["#2f6fde", "#d9730d", "#2f9e5b", "#9b51c9", "#c2374a", "#6b7785"]

    func svg() -> String {
        let shown = curves.filter { !$0.name.isEmpty }
        let height = Self.top + Self.plot + 56 + 20 * Double((shown.count + 1) / 2)
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(SVGWriter.number(Self.width)) \(SVGWriter.number(height))\" "
                + "width=\"\(SVGWriter.number(Self.width))\" height=\"\(SVGWriter.number(height))\" "
                + "font-family=\"sans-serif\" font-size=\"12\">")
        svg.line("<title>\(SVGWriter.escape(title))</title>")
        let colours = Self.colours.enumerated().map { ".c\($0){stroke:\($1)}.f\($0){fill:\($1)}" }.joined()
        svg.line(
            "<style>.axis{stroke:#c8ccd0;stroke-width:1}.label{fill:#57606a}.m{text-anchor:middle}.e{text-anchor:end}"
                + ".title{fill:#24292f;font-size:14px}.curve{fill:none;stroke-width:1.6}.dash{stroke-dasharray:5 4}"
                + ".ring{fill:none;stroke-width:2}.bar{stroke-width:2}\(colours)"
                + "@media (prefers-color-scheme:dark){.label{fill:#9aa4ae}.title{fill:#e6edf3}.axis{stroke:#3d444d}}</style>"
        )
        svg.text(title, x: Self.left, y: 24, css: "title")
        if let frame = Frame(self) { draw(in: frame, &svg) }
        for (number, curve) in shown.enumerated() {
            let x = Self.left + (number % 2 == 0 ? 0 : (Self.width - Self.left) / 2)
            let y = Self.top + Self.plot + 56 + 20 * Double(number / 2)
            if curve.isJoined {
                svg.line(
                    "<path class=\"curve c\(curve.colour)\(curve.isDashed ? " dash" : "")\" d=\"M\(SVGWriter.number(x)) \(SVGWriter.number(y))h24\"/>"
                )
            }
            if let mark = curve.mark { Self.draw(mark, x + 12, y, curve.colour, &svg) }
            svg.text(curve.name, x: x + 32, y: y + 4, css: "label")
        }
        svg.line("</svg>")
        return svg.text
    }

    /// Where values lie on the drawing.
    private struct Frame {
        let x: ClosedRange<Double>
        let y: ClosedRange<Double>

        init?(_ chart: SmallChart) {
            let points = chart.curves.flatMap(\.points).filter { $0.x > 0 && $0.x.isFinite && $0.y.isFinite }
            let xs = points.map(\.x) + chart.bars.map(\.x)
            let ys =
                points.map(\.y) + chart.bars.flatMap { [$0.y.lowerBound, $0.y.upperBound] } + chart.levels.map(\.y)
            guard let left = xs.min(), let right = xs.max(), let low = ys.min(), let high = ys.max() else { return nil }
            x = left / 1.15...right * 1.15
            let room = max(1e-6, (high - low) * 0.06)
            y = low - room...high + room
        }

        func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
            let inner = SmallChart.width - SmallChart.left - SmallChart.right
            return (
                SmallChart.left + inner * log(point.x / x.lowerBound) / log(x.upperBound / x.lowerBound),
                SmallChart.top + SmallChart.plot * (y.upperBound - point.y) / (y.upperBound - y.lowerBound)
            )
        }
    }

    private func draw(in frame: Frame, _ svg: inout SVGWriter) {
        let bottom = Self.top + Self.plot
        for value in Self.steps(frame.y) {
            let y = frame.place((frame.x.lowerBound, value)).y
            svg.segment((Self.left, y), (Self.width - Self.right, y), css: "axis")
            svg.text(Figures.general(value, 4), x: Self.left - 8, y: y + 4, css: "label e")
        }
        for value in xTicks.isEmpty ? LogChart.decades(frame.x) : xTicks where frame.x.contains(value) {
            let x = frame.place((value, frame.y.lowerBound)).x
            svg.segment((x, Self.top), (x, bottom), css: "axis")
            svg.text(
                value >= 1000 ? Figures.magnitude(value) : Figures.plain(value), x: x, y: bottom + 16, css: "label m")
        }
        svg.text(xName, x: (Self.left + Self.width - Self.right) / 2, y: bottom + 34, css: "label m")
        svg.text(yName, x: Self.left, y: Self.top - 8, css: "label")
        for level in levels {
            let y = frame.place((frame.x.lowerBound, level.y)).y
            svg.segment((Self.left, y), (Self.width - Self.right, y), css: "curve dash c5")
            svg.text(level.name, x: Self.width - Self.right, y: y - 5, css: "label e")
        }
        for curve in curves {
            let places = curve.points.filter { $0.x > 0 && $0.x.isFinite && $0.y.isFinite }.map(frame.place)
            if curve.isJoined, places.count > 1 {
                let path = places.map { "\(SVGWriter.number($0.x)) \(SVGWriter.number($0.y))" }.joined(separator: "L")
                svg.line("<path class=\"curve c\(curve.colour)\(curve.isDashed ? " dash" : "")\" d=\"M\(path)\"/>")
            }
            if let mark = curve.mark { for place in places { Self.draw(mark, place.x, place.y, curve.colour, &svg) } }
        }
        for bar in bars {
            let (low, high) = (frame.place((bar.x, bar.y.lowerBound)), frame.place((bar.x, bar.y.upperBound)))
            svg.segment(low, high, css: "bar c\(bar.colour)")
            for end in [low, high] { svg.segment((end.x - 5, end.y), (end.x + 5, end.y), css: "bar c\(bar.colour)") }
        }
    }

    private static func draw(_ mark: Mark, _ x: Double, _ y: Double, _ colour: Int, _ svg: inout SVGWriter) {
        let (cx, cy) = (SVGWriter.number(x), SVGWriter.number(y))
        switch mark {
        case .dot: svg.line("<circle class=\"f\(colour)\" cx=\"\(cx)\" cy=\"\(cy)\" r=\"4\"/>")
        case .ring: svg.line("<circle class=\"ring c\(colour)\" cx=\"\(cx)\" cy=\"\(cy)\" r=\"6\"/>")
        case .square: svg.rect(x: x - 4, y: y - 4, width: 8, height: 8, css: "f\(colour)")
        }
    }

    /// Round values within a range, about six of them.
    private static func steps(_ range: ClosedRange<Double>) -> [Double] {
        let rough = (range.upperBound - range.lowerBound) / 6
        guard rough > 0, rough.isFinite else { return [] }
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        let first = (range.lowerBound / step).rounded(.up)
        return (0..<12).map { (first + Double($0)) * step }.filter(range.contains)
    }
}
