package import Campaigns
internal import Foundation
internal import Numbers
internal import ScalingLaws

/// The result of a ladder as text and as CSV.
package struct LadderText {
    private let outcome: LadderOutcome

    package init(_ outcome: LadderOutcome) { self.outcome = outcome }

    package func text() -> String {
        var lines = rates() + [""] + rungs()
        if let prediction = outcome.prediction {
            func constant(_ name: String, _ figure: (LossLaw) -> Double) -> String {
                let (value, low, high) = (
                    figure(prediction.law), figure(prediction.lawLow), figure(prediction.lawHigh)
                )
                return
                    "  \(name)  \(Figures.general(value, 4)), from \(Figures.general(low, 4)) to \(Figures.general(high, 4))"
            }
            lines += [
                "", "Law of \(prediction.points) runs: L = E + A/N^α + B/D^β, nats a token",
                constant("E", \.floor)
                    + "   (the text's entropy: \(Figures.fixed(outcome.entropy, 4)))",
                constant("A", \.parameterFactor),
                constant("α", \.parameterExponent),
                constant("B", \.tokenFactor),
                constant("β", \.tokenExponent),
                "  runs stray from it by \(percent(prediction.spread)) (root mean square)",
            ]
        }
        return (lines + verdict()).joined(separator: "\n")
    }

    /// The losses of the search for the learning rate: a row a rate, a column a width in a parametrization.
    private func rates() -> [String] {
        let tried = Set(outcome.rates.map(\.learningRate)).sorted()
        let columns = [true, false].flatMap { mup in
            Set(outcome.rates.filter { $0.mup == mup }.map(\.width)).sorted().map { (mup: mup, width: $0) }
        }
        let rows = tried.map { rate in
            [Figures.plain(rate)]
                + columns.map { column -> String in
                    let point = outcome.rates.first {
                        $0.learningRate == rate && $0.mup == column.mup && $0.width == column.width
                    }
                    guard let point else { return "" }
                    let isBest = outcome.best(width: column.width, mup: column.mup) == point
                    return Figures.fixed(point.loss, 4) + (isBest ? "*" : " ")
                }
        }
        let head = ["rate"] + columns.map { "\($0.mup ? "μP" : "standard") \($0.width) " }
        return ["Learning rates: loss by width, the best of each with a star"] + Table(head: head, rows: rows).lines()
    }

    private func rungs() -> [String] {
        let rows = outcome.rungs.map { point -> [String] in
            let fitted = outcome.prediction.map {
                $0.law.loss(parameters: Double(point.parameters), tokens: Double(point.tokens))
            }
            return [
                "\(point.width)", Figures.grouped(point.parameters), Figures.grouped(point.tokens),
                Figures.fixed(point.loss, 4), fitted.map { Figures.fixed($0, 4) } ?? "",
                fitted.map { signed(point.loss / $0 - 1) } ?? "", Figures.significant(point.seconds),
            ]
        }
        return ["Rungs, at the learning rate \(Figures.plain(outcome.learningRate))"]
            + Table(
                head: ["width", "parameters", "tokens", "loss", "law", "off", "seconds"], rows: rows, leftAligned: []
            ).lines()
    }

    private func verdict() -> [String] {
        guard let prediction = outcome.prediction else { return [] }
        let largest = outcome.rungs.map(\.parameters).max() ?? prediction.parameters
        let times = Figures.significant(Double(prediction.parameters) / Double(max(1, largest)))
        var lines = [
            "",
            "Next: \(Figures.grouped(prediction.parameters)) parameters, \(times) × the largest of the law, on "
                + "\(Figures.grouped(prediction.tokens)) tokens",
            "  predicted  \(Figures.fixed(prediction.loss, 4)), from \(Figures.fixed(prediction.low, 4)) to "
                + "\(Figures.fixed(prediction.high, 4)) with \(Figures.significant(prediction.confidence * 100)) % confidence",
        ]
        if let next = outcome.next, let error = outcome.error, let isInside = outcome.isInside {
            lines.append(
                "  trained    \(Figures.fixed(next.loss, 4)), \(signed(error)) off: "
                    + "\(isInside ? "inside" : "outside") the interval, "
                    + "\(abs(error) <= Self.within ? "within" : "not within") \(Figures.plain(Self.within * 100)) %")
        }
        return lines
    }

    /// How near a prediction is to be.
    private static let within = 0.03

    private func percent(_ share: Double) -> String { "\(Figures.fixed(share * 100, 2)) %" }
    private func signed(_ share: Double) -> String { (share < 0 ? "−" : "+") + percent(abs(share)) }

    /// A row a run: `trainyard scaling --fit` reads it, and does not fit what is held.
    package static func csv(_ outcome: LadderOutcome) -> String {
        let rows = outcome.rungs.map { ($0, "fitted") } + (outcome.next.map { [($0, "held")] } ?? [])
        return "parameters,tokens,loss,name,role\n"
            + rows.map { "\($0.parameters),\($0.tokens),\($0.loss),\($0.name),\($1)\n" }.joined()
    }
}
