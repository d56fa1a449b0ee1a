internal import ArgumentParser
internal import Campaigns
internal import Costs
internal import Numbers
internal import Options
internal import Plans
internal import Reading
internal import Reports

/// The options for what may become of a run.
struct RiskOptions: ParsableArguments {
    @Flag(help: "Show what may become of the run: days and money in one of ten, half and nine of ten samples.")
    var risk = false

    @Option(
        help: ArgumentHelp(
            "Show also how likely the run ends by this day or in this time.", valueName: "2027-06-30 or 120d"))
    var by: String?

    @Option(help: ArgumentHelp("Show also how likely the run costs at most so much.", valueName: "20M"))
    var within: String?

    @Option(help: "Samples behind these figures.")
    var samples: Count = 10_000

    @Option(help: "Seed of the samples: the same one gives the same digits.")
    var seed = 1

    func validate() throws { try check("--samples", samples, in: 100...1_000_000) }

    /// Whether the run's distribution is asked for.
    var isAsked: Bool { risk || by != nil || within != nil }

    /// The distribution of an estimate's run; nil where it is not asked for.
    func report(_ estimate: Estimate) throws -> RiskReport? {
        guard isAsked else { return nil }
        guard estimate.run != nil else {
            throw Failure.input("--risk: the plan states no tokens, so there is no run that may end early or late")
        }
        let question = try question(estimate)
        guard let risk = RunRisk(estimate, samples: samples.value, seed: seed) else {
            throw Failure.input("--risk: the run never ends: \(estimate.interruptions)")
        }
        return RiskReport(risk, of: estimate, asked: question)
    }

    private func question(_ estimate: Estimate) throws -> RiskReport.Question {
        var question = RiskReport.Question()
        if let by {
            if let date = CalendarDate(by.trimmed) {
                guard let start = estimate.plan.start else {
                    throw Failure.input(
                        "--by: \(by) is a day, and the plan does not say when it begins; add start: 2027-01-15 to it, or give "
                            + "a time such as 120d")
                }
                question.date = date
                question.days = Double(date.days - start.days)
            } else if let seconds = try? Quantity.parse(by, as: .seconds), seconds > 0,
                (try? Quantity.parse(by, as: .plain)) == nil
            {
                question.days = seconds / 86_400
            } else {
                throw Failure.input("--by: '\(by)' is neither a day such as 2027-06-30 nor a time such as 120d")
            }
        }
        if let within {
            guard let budget = try? Quantity.parse(within, as: .count), budget > 0 else {
                throw Failure.input("--within: '\(within)' is not an amount above zero such as 20M")
            }
            guard estimate.run?.cost != nil else {
                throw Failure.input(
                    "--within: \(estimate.plan.cluster.name) states no price, so no cost is known; give --price")
            }
            question.budget = budget
        }
        return question
    }
}
