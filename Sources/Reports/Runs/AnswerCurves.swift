internal import Foundation
internal import Numbers
package import Experiments

/// How the answers to known questions change over the checkpoints of a run: as a table and as a drawing.
package struct AnswerCurves {
    /// Of the same groups each, in ascending order of steps.
    private let scores: [AnswerScores]
    private let groups: [String]

    package init(_ scores: [AnswerScores]) {
        self.scores = scores
        var groups: [String] = []
        for group in scores.flatMap(\.groups) where !groups.contains(group.name) { groups.append(group.name) }
        self.groups = groups
    }

    private func group(_ name: String, _ scores: AnswerScores) -> AnswerScores.Group? {
        scores.groups.first { $0.name == name }
    }

    /// A line for each checkpoint: both measures of every group.
    package func lines() -> [String] {
        // A name may be anything that a file of questions holds.
        let names = groups.map {
            $0.map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "·" : $0 }
        }
        let head = ["step"] + names.flatMap { ["\(String($0)): exact", "a token"] }
        let rows = scores.map { scores in
            [scores.step.map { Figures.grouped($0) } ?? "–"]
                + groups.flatMap { name in
                    guard let group = group(name, scores) else { return ["–", "–"] }
                    return [
                        Figures.fixed(100 * group.exactMatch, 1) + " %",
                        Figures.fixed(100 * group.tokenProbability, 1) + " %",
                    ]
                }
        }
        return Table(head: head, rows: rows, leftAligned: []).lines()
    }

    // MARK: the drawing

    private static let (width, height) = (760.0, 560.0)
    private static let (left, right, top, panel, gap) = (64.0, 170.0, 48.0, 200.0, 56.0)
    private static let colours = ["#2f6fde", "#d1692a", "#2e9e5b", "#9a4fd0", "#b8860b", "#c2366b"]

    /// Two panels over the same steps: the measure that is all or nothing, and the one that is not.
    package func drawing(title: String) -> String {
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(SVGWriter.number(Self.width)) "
                + "\(SVGWriter.number(Self.height))\" font-family=\"sans-serif\" font-size=\"12\">")
        svg.line(
            "<style>.axis{stroke:#c8ccd0;stroke-width:1}.label{fill:#57606a}.title{fill:#24292f;font-size:14px}"
                + ".name{fill:#24292f}"
                + "@media (prefers-color-scheme:dark){.label{fill:#9aa4ae}.title,.name{fill:#e6edf3}.axis{stroke:#3d444d}}"
                + "</style>")
        svg.text(title, x: Self.left, y: 22, css: "title")
        draw("answers that are right in every token", at: Self.top, \.exactMatch, into: &svg)
        draw(
            "probability of a right token, mean", at: Self.top + Self.panel + Self.gap, \.tokenProbability, into: &svg)
        svg.text("step", x: Self.width - Self.right - 24, y: Self.height - 8, css: "label")
        for (index, name) in groups.enumerated() {
            let y = Self.top + 24 + 20 * Double(index)
            let x = Self.width - Self.right + 20
            svg.line(
                "<line x1=\"\(SVGWriter.number(x))\" x2=\"\(SVGWriter.number(x + 20))\" y1=\"\(SVGWriter.number(y - 4))\" "
                    + "y2=\"\(SVGWriter.number(y - 4))\" stroke=\"\(Self.colour(index))\" stroke-width=\"2\"/>")
            svg.text(name, x: x + 26, y: y, css: "name")
        }
        svg.line("</svg>")
        return svg.text
    }

    private static func colour(_ index: Int) -> String { colours[index % colours.count] }

    private func draw(
        _ title: String, at top: Double, _ figure: KeyPath<AnswerScores.Group, Double>, into svg: inout SVGWriter
    ) {
        let most = Double(max(scores.compactMap(\.step).max() ?? 1, 1))
        let inner = Self.width - Self.left - Self.right
        func x(_ step: Int) -> Double { Self.left + inner * Double(step) / most }
        func y(_ value: Double) -> Double { top + Self.panel * (1 - value) }
        svg.text(title, x: Self.left, y: top - 8, css: "label")
        for part in 0...4 {
            let place = SVGWriter.number(y(Double(part) / 4))
            svg.line(
                "<line class=\"axis\" x1=\"\(SVGWriter.number(Self.left))\" x2=\"\(SVGWriter.number(Self.left + inner))\" "
                    + "y1=\"\(place)\" y2=\"\(place)\"/>")
            svg.text("\(25 * part) %", x: 16, y: y(Double(part) / 4) + 4, css: "label")
            let step = Int(saturating: (most * Double(part) / 4).rounded())
            svg.text(Figures.grouped(step), x: x(step) - 10, y: top + Self.panel + 18, css: "label")
        }
        for (index, name) in groups.enumerated() {
            let points = scores.compactMap { scores in
                group(name, scores).flatMap { group in
                    scores.step.map { "\(SVGWriter.number(x($0))),\(SVGWriter.number(y(group[keyPath: figure])))" }
                }
            }
            svg.line(
                "<polyline fill=\"none\" stroke=\"\(Self.colour(index))\" stroke-width=\"2\" "
                    + "points=\"\(points.joined(separator: " "))\"/>")
        }
    }
}
