package import Campaigns
internal import Foundation
internal import Numbers
internal import ScalingLaws

/// The pictures of a ladder.
package struct LadderSVG {
    private let outcome: LadderOutcome

    package init(_ outcome: LadderOutcome) { self.outcome = outcome }

    /// Losses over parameters: measured, by the law, predicted and found.
    package func law() -> String {
        var chart = SmallChart(
            title: "\(outcome.name): \(outcome.rungs.count) runs, their law, and the next size",
            xName: "parameters", yName: "loss, nats a token")
        let sizes = outcome.rungs.map(\.parameters) + (outcome.prediction.map { [$0.parameters] } ?? [])
        let tokens = Set(outcome.rungs.map(\.tokens) + (outcome.prediction.map { [$0.tokens] } ?? [])).sorted()
        for (number, count) in tokens.enumerated() {
            let colour = number % 5
            let own = outcome.rungs.filter { $0.tokens == count }
            if let law = outcome.prediction?.law, let least = sizes.min(), let most = sizes.max() {
                let ratio = Double(most) / Double(max(1, least))
                chart.curves.append(
                    SmallChart.Curve(
                        name: "", colour: colour,
                        points: (0...60).map { step in
                            let size = Double(least) * pow(ratio, Double(step) / 60)
                            return (size, law.loss(parameters: size, tokens: Double(count)))
                        }))
            }
            guard !own.isEmpty else { continue }
            chart.curves.append(
                SmallChart.Curve(
                    name: "trained on \(Figures.magnitude(Double(count))) tokens (line: the law)", colour: colour,
                    points: own.map { (Double($0.parameters), $0.loss) }, isJoined: false, mark: .dot))
        }
        if let prediction = outcome.prediction {
            let colour = (tokens.firstIndex(of: prediction.tokens) ?? 0) % 5
            let size = Double(prediction.parameters)
            chart.bars = [
                SmallChart.Bar(x: size, y: prediction.low...max(prediction.low, prediction.high), colour: colour)
            ]
            chart.curves.append(
                SmallChart.Curve(
                    name: "predicted \(Figures.fixed(prediction.loss, 4)), with its interval", colour: colour,
                    points: [(size, prediction.loss)], isJoined: false, mark: .ring))
        }
        if let next = outcome.next {
            chart.curves.append(
                SmallChart.Curve(
                    name: "then trained: \(Figures.fixed(next.loss, 4))", colour: 5,
                    points: [(Double(next.parameters), next.loss)], isJoined: false, mark: .square))
        }
        chart.levels = [
            SmallChart.Level(y: outcome.entropy, name: "the text's entropy, \(Figures.fixed(outcome.entropy, 4))")
        ]
        if let law = outcome.prediction?.law {
            chart.levels.append(SmallChart.Level(y: law.floor, name: "E of the law, \(Figures.fixed(law.floor, 4))"))
        }
        return chart.svg()
    }

    /// Losses over learning rates, at several widths: with μP and without.
    package func rates() -> String {
        var chart = SmallChart(
            title: "\(outcome.name): learning rates at several widths", xName: "learning rate",
            yName: "loss, nats a token")
        chart.xTicks = Set(outcome.rates.map(\.learningRate)).sorted()
        let widths = Set(outcome.rates.map(\.width)).sorted()
        for (number, width) in widths.enumerated() {
            for mup in [true, false] {
                let own = outcome.rates.filter { $0.width == width && $0.mup == mup && $0.loss.isFinite }
                    .sorted { $0.learningRate < $1.learningRate }
                guard !own.isEmpty else { continue }
                chart.curves.append(
                    SmallChart.Curve(
                        name: "width \(width), \(mup ? "μP" : "standard")", colour: number % 5,
                        points: own.map { ($0.learningRate, $0.loss) }, isDashed: !mup, mark: .dot))
                if let best = outcome.best(width: width, mup: mup) {
                    chart.curves.append(
                        SmallChart.Curve(
                            name: "", colour: number % 5, points: [(best.learningRate, best.loss)], isJoined: false,
                            mark: .ring))
                }
            }
        }
        return chart.svg()
    }
}
