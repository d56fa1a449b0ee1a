internal import Foundation
internal import Numbers

/// A loss curve as an SVG.
package enum LossSVG {
    private static let (width, height) = (720.0, 360.0)
    private static let (left, right, top, bottom) = (64.0, 16.0, 40.0, 40.0)

    /// Draws `losses`, one a step, with `title` above. Steps without a finite loss are left out.
    /// - Parameter validation: losses on text that is not trained on, with the places of their steps; with any, a legend tells
    ///   the curves apart.
    package static func drawing(
        _ losses: [Double], validation: [(place: Int, loss: Double)] = [], title: String
    ) -> String {
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(SVGWriter.number(width)) "
                + "\(SVGWriter.number(height))\" font-family=\"sans-serif\" font-size=\"12\">")
        svg.line(
            "<style>.axis{stroke:#c8ccd0;stroke-width:1}.label{fill:#57606a}.title{fill:#24292f;font-size:14px}"
                + ".curve{fill:none;stroke:#2f6fde;stroke-width:1.5}"
                + (validation.isEmpty ? "" : ".held{fill:none;stroke:#d9730d;stroke-width:1.5}.dot{fill:#d9730d}")
                + "@media (prefers-color-scheme:dark){.label{fill:#9aa4ae}.title{fill:#e6edf3}.axis{stroke:#3d444d}}"
                + "</style>")
        svg.text(title, x: left, y: 24, css: "title")
        let points = losses.enumerated().filter { $0.element.isFinite }
        let held = validation.filter { $0.loss.isFinite }
        let all = points.map(\.element) + held.map(\.loss)
        if let low = all.min(), let high = all.max() {
            draw(
                points.map { ($0.offset, $0.element) }, held: held.map { ($0.place, $0.loss) }, steps: losses.count,
                low: low,
                high: high, into: &svg)
        }
        if !validation.isEmpty { drawLegend(into: &svg) }
        svg.line("</svg>")
        return svg.text
    }

    private static func draw(
        _ points: [(step: Int, loss: Double)], held: [(step: Int, loss: Double)], steps: Int, low: Double, high: Double,
        into svg: inout SVGWriter
    ) {
        let span = max(high - low, 1e-9)
        let (inner, tall) = (width - left - right, height - top - bottom)
        func x(_ step: Int) -> Double { left + inner * Double(step) / Double(max(steps - 1, 1)) }
        func y(_ loss: Double) -> Double { top + tall * (high - loss) / span }
        for part in 0...4 {
            let value = high - span * Double(part) / 4
            let place = SVGWriter.number(y(value))
            svg.line(
                "<line class=\"axis\" x1=\"\(SVGWriter.number(left))\" x2=\"\(SVGWriter.number(width - right))\" "
                    + "y1=\"\(place)\" y2=\"\(place)\"/>")
            svg.text(Figures.fixed(value, span < 0.1 ? 4 : 2), x: 12, y: y(value) + 4, css: "label")
        }
        for part in 0...4 where steps > 1 || part == 0 {
            let step = (steps - 1) * part / 4
            svg.text("\(step + 1)", x: x(step) - 6, y: height - 16, css: "label")
        }
        svg.text("step", x: width - right - 60, y: height - 2, css: "label")
        let path = points.map { "\(SVGWriter.number(x($0.step))),\(SVGWriter.number(y($0.loss)))" }
        svg.line("<polyline class=\"curve\" points=\"\(path.joined(separator: " "))\"/>")
        guard !held.isEmpty else { return }
        let places = held.map { (x: SVGWriter.number(x($0.step)), y: SVGWriter.number(y($0.loss))) }
        svg.line("<polyline class=\"held\" points=\"\(places.map { "\($0.x),\($0.y)" }.joined(separator: " "))\"/>")
        // A validation may be the only one.
        for place in places { svg.line("<circle class=\"dot\" cx=\"\(place.x)\" cy=\"\(place.y)\" r=\"2.5\"/>") }
    }

    private static func drawLegend(into svg: inout SVGWriter) {
        for (place, entry) in [("curve", "training"), ("held", "validation")].enumerated() {
            let x = width - right - 200 + 100 * Double(place)
            svg.line(
                "<line class=\"\(entry.0)\" x1=\"\(SVGWriter.number(x))\" x2=\"\(SVGWriter.number(x + 20))\" y1=\"20\" "
                    + "y2=\"20\"/>")
            svg.text(entry.1, x: x + 26, y: 24, css: "label")
        }
    }
}
