internal import Foundation
internal import Numbers
internal import ScalingLaws

extension FitReport {
    private static let size = (width: 720.0, height: 480.0)

    /// Loss over FLOPs: the runs, the fitted law along every size, the frontier of the law, and the predicted runs with their
    /// intervals and, where they were trained, their outcomes.
    /// - Parameter title: of the drawing.
    package func svg(title: String) -> String {
        let (width, height) = Self.size
        let flops = runs.map(\.flops) + predictions.map(\.flops)
        let losses = runs.map(\.loss) + predictions.flatMap { [$0.low, $0.high, $0.measured ?? $0.loss] }
        let (low, high) = (losses.min() ?? 1, losses.max() ?? 2)
        let margin = max(0.05 * (high - low), 0.005 * high)
        let panel = PlotPanel(
            left: 64, top: 56, width: width - 96, height: height - 150,
            x: ((flops.min() ?? 1) / 1.6)...((flops.max() ?? 10) * 1.6), y: (low - margin)...(high + margin),
            isLogY: false)
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(SVGWriter.number(width)) \(SVGWriter.number(height))\">"
        )
        svg.line(PlotPanel.style)
        panel.axes(&svg, title: title, x: "FLOPs", y: "nats")
        let law = fit.law
        let budgets = (0...120).map { step in
            panel.x.lowerBound * pow(panel.x.upperBound / panel.x.lowerBound, Double(step) / 120)
        }
        // A curve a size; of many sizes only some, so that the drawing stays legible.
        let sizes = Set(runs.map(\.parameters)).sorted()
        let drawn =
            sizes.count <= 12 ? sizes : stride(from: 0, to: sizes.count, by: (sizes.count + 11) / 12).map { sizes[$0] }
        for parameters in drawn {
            let own = runs.filter { $0.parameters == parameters }.map(\.tokens)
            let (least, most) = ((own.min() ?? 1) / 2, (own.max() ?? 1) * 2)
            let points = budgets.map { ($0, $0 / 6 / parameters) }.filter { (least...most).contains($0.1) }.map {
                ($0.0, law.loss(parameters: parameters, tokens: $0.1))
            }
            panel.curve(&svg, points, css: "thin s0")
        }
        panel.curve(
            &svg,
            budgets.map { budget in
                let best = law.optimum(flops: budget)
                return (budget, law.loss(parameters: best.parameters, tokens: best.tokens))
            }, css: "curve dash s2")
        for run in runs {
            panel.dot(
                &svg, (run.flops, run.loss), css: "f0", radius: runs.count > 100 ? 2 : 4,
                title:
                    "\(run.name.map { $0 + ": " } ?? "")\(Figures.magnitude(run.parameters)) × \(Figures.magnitude(run.tokens)): "
                    + "\(Figures.fixed(run.loss, 4)), fitted \(Figures.fixed(run.fitted, 4))")
        }
        for run in predictions {
            panel.bar(&svg, run.flops, from: run.low, to: run.high, css: "curve s1")
            panel.dot(
                &svg, (run.flops, run.loss), css: "f1", radius: 3, title: "predicted \(Figures.fixed(run.loss, 4))")
            guard let measured = run.measured else { continue }
            panel.dot(
                &svg, (run.flops, measured), css: "f4", radius: 5, title: "measured \(Figures.fixed(measured, 4))")
        }
        legend(&svg, y: height - 38)
        svg.line("</svg>")
        return svg.text
    }

    private func legend(_ svg: inout SVGWriter, y: Double) {
        var entries = [
            ("f0", "", "fitted runs"), ("", "thin s0", "the law, by size"), ("", "curve dash s2", "its optimum"),
        ]
        if !predictions.isEmpty { entries.append(("f1", "curve s1", "predicted, with interval")) }
        if predictions.contains(where: { $0.measured != nil }) { entries.append(("f4", "", "measured")) }
        var x = 64.0
        for (dot, line, name) in entries {
            let at = SVGWriter.number(x + 12)
            if !line.isEmpty {
                svg.segment((x, y), (x + 24, y), css: line)
            }
            if !dot.isEmpty {
                svg.line("<circle class=\"\(dot)\" cx=\"\(at)\" cy=\"\(SVGWriter.number(y))\" r=\"4\"/>")
            }
            svg.text(name, x: x + 30, y: y + 4, css: "")
            x += 44 + 6 * Double(name.count)
        }
    }
}
