internal import Foundation
internal import Numbers
internal import ScalingLaws

extension ScalingReport {
    private static let size = (width: 1000.0, height: 480.0)

    /// Two panels: curves of equal FLOPs by the laws that say something of losses, and the best size over the budget by all
    /// laws.
    package func svg() -> String {
        var svg = SVGWriter()
        let (width, height) = Self.size
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(SVGWriter.number(width)) \(SVGWriter.number(height))\">"
        )
        svg.line(PlotPanel.style)
        isoFLOP(&svg)
        frontier(&svg)
        svg.line("</svg>")
        return svg.text
    }

    private static func colour(_ law: PublishedLaw) -> Int { PublishedLaw.all.firstIndex(of: law) ?? 0 }

    private static func logarithmic(_ range: ClosedRange<Double>, _ count: Int = 120) -> [Double] {
        let (low, high) = (log(range.lowerBound), log(range.upperBound))
        return (0...count).map { exp(low + (high - low) * Double($0) / Double(count)) }
    }

    private func isoFLOP(_ svg: inout SVGWriter) {
        let budgets = [flops / 100, flops / 10, flops]
        let drawn = Self.losing.compactMap { law in law.lossLaw.map { (law, $0) } }
        let bests = drawn.flatMap { _, sum in budgets.map { sum.optimum(flops: $0).parameters } }
        let (least, most) = ((bests.min() ?? 1e9) / 12, (bests.max() ?? 1e9) * 12)
        let losses = drawn.flatMap { _, sum in
            budgets.map { budget in
                let best = sum.optimum(flops: budget)
                return sum.loss(parameters: best.parameters, tokens: best.tokens)
            }
        }
        let (low, high) = (losses.min() ?? 1, losses.max() ?? 2)
        let margin = max(0.02, high - low)
        let panel = PlotPanel(
            left: 60, top: 60, width: 400, height: 320, x: least...most,
            y: (low - 0.1 * margin)...(high + 0.5 * margin),
            isLogY: false)
        panel.axes(&svg, title: "Equal FLOPs: loss over the size", x: "parameters", y: "nats")
        for (law, sum) in drawn {
            for budget in budgets {
                let points = Self.logarithmic(panel.x).map { parameters in
                    (parameters, sum.loss(parameters: parameters, tokens: budget / 6 / parameters))
                }
                let isWhole = budget == flops
                panel.curve(&svg, points, css: "\(isWhole ? "curve" : "thin") s\(Self.colour(law))")
                let best = sum.optimum(flops: budget)
                let loss = sum.loss(parameters: best.parameters, tokens: best.tokens)
                panel.dot(
                    &svg, (best.parameters, loss), css: "f\(Self.colour(law))",
                    title:
                        "\(law.title), \(Figures.general(budget, 3)) FLOPs: \(Figures.magnitude(best.parameters)) parameters, "
                        + "\(Figures.fixed(loss, 3)) nats")
            }
        }
        for (row, (law, _)) in drawn.enumerated() {
            let y = 434 + 18 * Double(row)
            svg.segment((60, y), (84, y), css: "curve s\(Self.colour(law))")
            svg.text(law.title, x: 90, y: y + 4, css: "")
        }
        svg.text("thick: \(Figures.general(flops, 3)) FLOPs; thin: 1/10, 1/100", x: 290, y: 456, css: "")
    }

    private func frontier(_ svg: inout SVGWriter) {
        let budgets = (min(1e18, flops / 10)...max(1e26, flops * 10))
        let sizes = PublishedLaw.all.flatMap { law in
            [budgets.lowerBound, budgets.upperBound].map { law.optimum(flops: $0).parameters }
        }
        let panel = PlotPanel(
            left: 560, top: 60, width: 400, height: 320, x: budgets,
            y: ((sizes.min() ?? 1e8) / 2)...((sizes.max() ?? 1e12) * 2), isLogY: true)
        panel.axes(&svg, title: "The best size over the budget", x: "FLOPs", y: "N", plainY: true)
        for law in PublishedLaw.all {
            let colour = Self.colour(law)
            let points = Self.logarithmic(budgets).map { ($0, law.optimum(flops: $0)) }
            panel.curve(&svg, points.map { ($0, $1.parameters) }, css: "thin dash s\(colour)")
            panel.curve(
                &svg, points.filter { law.excess(of: $1) == nil }.map { ($0, $1.parameters) }, css: "curve s\(colour)")
            let best = law.optimum(flops: flops)
            panel.dot(
                &svg, (flops, best.parameters), css: "f\(colour)",
                title:
                    "\(law.title): \(Figures.magnitude(best.parameters)) parameters, \(Figures.magnitude(best.tokens)) tokens"
            )
        }
        for (row, law) in PublishedLaw.all.enumerated() {
            let y = 80 + 16 * Double(row)
            svg.segment((572, y - 4), (592, y - 4), css: "curve s\(Self.colour(law))")
            svg.text(law.title, x: 598, y: y, css: "")
        }
        svg.text("solid: the runs that a law was fitted to; dashed: beyond them", x: 560, y: 438, css: "")
    }
}
