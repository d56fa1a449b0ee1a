package import Campaigns
package import Costs
internal import Foundation
package import Numbers
internal import Plans

/// What may become of a run, beside its estimate.
package struct RiskReport: Encodable {
    /// What is asked of the distribution.
    package struct Question: Hashable, Sendable {
        /// The run must end in so many days from its start.
        package var days: Double?
        /// The day that these days end on, where it was asked for.
        package var date: CalendarDate?
        /// The run may cost so much, in its currency.
        package var budget: Double?

        package init(days: Double? = nil, date: CalendarDate? = nil, budget: Double? = nil) {
            (self.days, self.date, self.budget) = (days, date, budget)
        }
    }

    struct Dates: Encodable { var p10, p50, p90: String? }

    struct Probabilities: Encodable {
        /// Of an end in the days, or by the date, that were asked for.
        var days, budget: Double?
    }

    struct Spread: Encodable {
        var source: String
        var days: Double
        var cost: Double?
    }

    var samples, seed: Int
    var days: Distribution
    /// Days of the calendar; absent where the plan states no start.
    var dates: Dates?
    /// In the run's currency; absent without a price.
    var cost: Distribution?
    var failures: Distribution
    /// Absent where no power is known.
    var wallEnergyMWh: Distribution?
    /// Absent where nothing is asked.
    var probability: Probabilities?
    var spread: [Spread]
    private let risk: RunRisk
    private let question: Question
    private let estimate: Estimate

    enum CodingKeys: String, CodingKey {
        case samples, seed, days, dates, cost, failures, wallEnergyMWh, probability, spread
    }

    package init(_ risk: RunRisk, of estimate: Estimate, asked question: Question) {
        (self.risk, self.question, self.estimate) = (risk, question, estimate)
        (samples, seed) = (risk.samples, risk.seed)
        days = Distribution(risk.days)
        dates = estimate.plan.start.map { start in
            func day(_ share: Double) -> String? { start.adding(days: risk.days.at(share))?.description }
            return Dates(p10: day(0.1), p50: day(0.5), p90: day(0.9))
        }
        cost = risk.cost.map { Distribution($0) }
        failures = Distribution(risk.failures)
        wallEnergyMWh = risk.wallEnergyMWh.map { Distribution($0) }
        if question.days != nil || question.budget != nil {
            probability = Probabilities(
                days: question.days.map(risk.probability(days:)),
                budget: question.budget.flatMap(risk.probability(cost:)))
        }
        spread = risk.shares.map { Spread(source: $0.source.rawValue, days: $0.days, cost: $0.cost) }
    }

    /// The lines for people.
    package var lines: [String] {
        let plan = estimate.plan
        let money = plan.currency.words
        func three(_ quantiles: Quantiles, _ words: (Double) -> String) -> String {
            [0.1, 0.5, 0.9].map { quantiles.at($0).isFinite ? words(quantiles.at($0)) : "never" }.joined(
                separator: " · ")
        }
        var rows: [(String, String)] = [
            ("Days", three(risk.days) { Figures.fixed($0, 1) })
        ]
        if let start = plan.start {
            rows.append(("Ends", three(risk.days) { start.adding(days: $0)?.description ?? "after 9999" }))
        }
        if let cost = risk.cost { rows.append(("Cost", three(cost, Figures.words) + " \(money)")) }
        if let energy = risk.wallEnergyMWh {
            rows.append(("Energy", three(energy, Figures.words) + " MWh at the wall"))
        }
        if risk.failures.at(0.9) > 0 { rows.append(("Failures", three(risk.failures) { Figures.grouped($0) })) }
        if let most = question.days {
            let when = question.date.map { "by \($0)" } ?? "in \(Figures.fixed(most, 1)) days"
            rows.append(("Chance", "\(Figures.percent(risk.probability(days: most))) to end \(when)"))
        }
        if let budget = question.budget, let chance = risk.probability(cost: budget) {
            rows.append(("Chance", "\(Figures.percent(chance)) to cost at most \(Figures.words(budget)) \(money)"))
        }
        let shares = risk.shares.filter { $0.days >= 0.005 || ($0.cost ?? 0) >= 0.005 }
        if !shares.isEmpty {
            let days = shares.filter { $0.days >= 0.005 }.map { "\($0.source.words) \(Figures.wholePercent($0.days))" }
            if !days.isEmpty { rows.append(("Spread", "of the days: " + days.joined(separator: ", "))) }
            let costs = shares.sorted { $0.cost ?? 0 > $1.cost ?? 0 }
                .compactMap { share in
                    share.cost.flatMap {
                        $0 >= 0.005 ? "\(share.source.words) \(Figures.wholePercent($0))" : nil
                    }
                }
            if !costs.isEmpty, costs != days { rows.append(("", "of the cost: " + costs.joined(separator: ", "))) }
        }
        let width = (rows.map(\.0.count).max() ?? 0) + 2
        return [
            "What may become of it: P10 · P50 · P90 of \(Figures.grouped(risk.samples)) samples, seed \(risk.seed)", "",
        ]
            + rows.map { "  " + $0.0.padding(toLength: width, withPad: " ", startingAt: 0) + $0.1 }
    }
}
