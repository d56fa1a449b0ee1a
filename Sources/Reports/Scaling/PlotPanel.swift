internal import Foundation
internal import Numbers

/// A panel of an SVG with a logarithmic x axis and a linear or logarithmic y axis.
struct PlotPanel {
    let left: Double
    let top: Double
    let width: Double
    let height: Double
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>
    let isLogY: Bool

    /// The look of all drawings of laws: eight colours that people tell apart (Okabe and Ito 2008), in both themes.
    static let style =
        "<style>text{font:12px sans-serif;fill:#57606a}.title{font-size:14px;fill:#24292f}.end{text-anchor:end}"
        + ".mid{text-anchor:middle}.axis{stroke:#c8ccd0;stroke-width:1}.frame{fill:none;stroke:#c8ccd0}"
        + ".curve{fill:none;stroke-width:2}.thin{fill:none;stroke-width:1.2;opacity:.7}.dash{stroke-dasharray:5 4}"
        + zip(0..., colours).map { ".s\($0){stroke:\($1)}.f\($0){fill:\($1)}" }.joined()
        + "@media (prefers-color-scheme:dark){text{fill:#9aa4ae}.title{fill:#e6edf3}.axis,.frame{stroke:#3d444d}}</style>"
    static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b"]

    func place(_ a: Double, _ b: Double) -> (x: Double, y: Double) {
        func share(_ value: Double, _ range: ClosedRange<Double>, _ isLog: Bool) -> Double {
            let (low, high, at) =
                isLog
                ? (log(range.lowerBound), log(range.upperBound), log(value))
                : (range.lowerBound, range.upperBound, value)
            return high > low ? (at - low) / (high - low) : 0.5
        }
        return (left + share(a, x, true) * width, top + height * (1 - share(b, y, isLogY)))
    }

    /// Frame, ticks and names of the axes.
    func axes(_ svg: inout SVGWriter, title: String, x nameX: String, y nameY: String, plainY: Bool = false) {
        svg.text(title, x: left, y: top - 14, css: "title")
        for value in Self.powers(x) {
            let at = place(value, y.lowerBound)
            svg.segment((at.x, top), (at.x, top + height), css: "axis")
            svg.text(Self.power(value, plain: nameX != "FLOPs"), x: at.x, y: top + height + 16, css: "mid")
        }
        let ticks = isLogY ? Self.powers(y) : Self.steps(y)
        for value in ticks {
            let at = place(x.lowerBound, value)
            svg.segment((left, at.y), (left + width, at.y), css: "axis")
            svg.text(
                isLogY ? Self.power(value, plain: plainY) : Figures.general(value, 3), x: left - 6, y: at.y + 4,
                css: "end")
        }
        svg.text(nameX, x: left + width / 2, y: top + height + 34, css: "mid")
        svg.text(nameY, x: left - 6, y: top - 14, css: "end")
        svg.rect(x: left, y: top, width: width, height: height, css: "frame")
    }

    /// A curve through points, of which those outside the panel are left out.
    func curve(_ svg: inout SVGWriter, _ points: [(Double, Double)], css: String) {
        let inside = points.filter { x.contains($0.0) && y.contains($0.1) }.map { place($0.0, $0.1) }
        guard inside.count > 1 else { return }
        let text = inside.map { "\(SVGWriter.number($0.x)),\(SVGWriter.number($0.y))" }.joined(separator: " ")
        svg.line("<polyline class=\"\(css)\" points=\"\(text)\"/>")
    }

    func dot(_ svg: inout SVGWriter, _ point: (Double, Double), css: String, radius: Double = 4, title: String) {
        guard x.contains(point.0), y.contains(point.1) else { return }
        let at = place(point.0, point.1)
        svg.line(
            "<circle class=\"\(css)\" cx=\"\(SVGWriter.number(at.x))\" cy=\"\(SVGWriter.number(at.y))\" r=\"\(radius)\">"
                + "<title>\(SVGWriter.escape(title))</title></circle>")
    }

    /// An interval at one x.
    func bar(_ svg: inout SVGWriter, _ value: Double, from low: Double, to high: Double, css: String) {
        let (a, b) = (place(value, low), place(value, high))
        svg.segment(a, b, css: css)
        for end in [a, b] { svg.segment((end.x - 4, end.y), (end.x + 4, end.y), css: css) }
    }

    /// Powers of ten inside, at most seven of them; where there are fewer than two, twice and five times them too.
    private static func powers(_ range: ClosedRange<Double>) -> [Double] {
        let (low, high) = (log10(range.lowerBound).rounded(.up), log10(range.upperBound).rounded(.down))
        let count = high - low
        if count < 2 {
            let digits = (Int(low) - 1...Int(max(low, high)) + 1).flatMap { power in
                [1.0, 2, 5].map { $0 * pow(10, Double(power)) }
            }
            return digits.filter(range.contains)
        }
        let step = max(1, (count / 6).rounded(.up))
        return stride(from: low, through: high, by: step).map { pow(10, $0) }
    }

    /// Round steps of a linear axis, four to eight of them.
    private static func steps(_ range: ClosedRange<Double>) -> [Double] {
        let span = range.upperBound - range.lowerBound
        guard span > 0, span.isFinite else { return [range.lowerBound] }
        let power = pow(10, log10(span / 4).rounded(.down))
        let step = [5.0, 2, 1].map { $0 * power }.first { span / $0 >= 4 } ?? power
        return stride(from: (range.lowerBound / step).rounded(.up) * step, through: range.upperBound, by: step).map(
            \.self)
    }

    private static func power(_ value: Double, plain: Bool) -> String {
        plain ? Figures.magnitude(value) : Figures.general(value, 1)
    }
}
