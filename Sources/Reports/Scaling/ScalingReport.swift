package import Costs
internal import Foundation
internal import Numbers
package import Reading
package import ScalingLaws

/// Answers of scaling laws to a budget, as a JSON object; `ScalingText` prints it.
package struct ScalingReport: Encodable, Sendable {
    /// What is asked.
    package struct Question: Sendable {
        /// FLOPs of the training.
        package var flops: Double
        /// Sizes and tokens whose loss is asked for.
        package var asked: [Allocation] = []
        /// Tokens of all prompts and answers that the model will ever read and write.
        package var served: Double?
        /// Different tokens that there are.
        package var unique: Double?
        /// The size and tokens of a plan.
        package var own: Allocation?
        /// The run that spends a budget, by `law`.
        package var planned: Estimate?
        /// The law of which one alone is needed.
        package var law = PublishedLaw.usual

        package init(flops: Double) { self.flops = flops }
    }

    /// One law's answer, or a run that was asked about.
    struct Row: Encodable {
        var law: String?
        var title: String
        var source: String?
        var counting: PublishedLaw.Counting?
        var parameters: Double
        var tokens: Double
        var flops: Double
        var tokensPerParameter: Double
        /// The loss of this run by every law that has one, by the law's name.
        var losses: [String: Double]
        /// The runs that the law was fitted to, where this run lies beyond them.
        var beyond: String?
        var note: String?

        init(_ run: Allocation, law: PublishedLaw? = nil, title: String) {
            self.law = law?.name
            (source, counting, self.title) = (law?.source, law?.counting, title)
            (parameters, tokens, flops) = (run.parameters, run.tokens, run.flops)
            tokensPerParameter = run.tokensPerParameter
            losses = Dictionary(
                uniqueKeysWithValues: ScalingReport.losing.compactMap { law in law.loss(of: run).map { (law.name, $0) }
                })
            beyond = law?.excess(of: run)
            note = law.flatMap { $0.note.isEmpty ? nil : $0.note }
        }

        var run: Allocation { Allocation(parameters: parameters, tokens: tokens) }
    }

    /// The largest figure of the laws over the smallest.
    struct Spread: Encodable {
        var parameters: Double
        var tokens: Double
        var tokensPerParameter: Double
        /// Largest less smallest loss, in nats, that one law gives the runs of all laws: what the dispute costs.
        var loss: [String: Double]
    }

    /// The model that is cheapest with its answers, and what the compute optimum costs beside it.
    struct Served: Encodable {
        var law: String
        var title: String
        var loss: Double
        var parameters: Double
        var tokens: Double
        var tokensPerParameter: Double
        var trainingFLOPs: Double
        var servingFLOPs: Double
        var totalFLOPs: Double
        var optimumTotalFLOPs: Double
    }

    /// A law's run where its tokens come again.
    struct Repeated: Encodable {
        var title: String
        var parameters: Double
        var tokens: Double
        var epochs: Double
        /// Tokens that never repeat and are worth as much.
        var effectiveTokens: Double
        var loss: Double
        /// The loss if no token repeated.
        var freshLoss: Double
    }

    struct Rule: Encodable {
        var title: String
        var source: String
        var learningRate: Double?
        var batchTokens: Double?
        var range: String
        var isBeyond: Bool
    }

    let flops: Double
    let laws: [Row]
    let spread: Spread
    let asked: [Row]
    let own: Row?
    let usual: String
    let servedTokens: Double?
    let served: [Served]?
    let uniqueTokens: Double?
    let repeated: [Repeated]?
    let rules: [Rule]
    let plan: EstimateReport?
    let notes: [Remark]

    let question: Question

    private enum CodingKeys: String, CodingKey {
        case flops, laws, spread, asked, own, usual, servedTokens, served, uniqueTokens, repeated, rules, plan, notes
    }

    /// The laws that say something of losses.
    static var losing: [PublishedLaw] { PublishedLaw.all.filter { $0.loss != .none } }

    package init(_ question: Question, notes: [Remark] = []) {
        self.question = question
        let flops = question.flops
        self.flops = flops
        let laws = PublishedLaw.all.map { Row($0.optimum(flops: flops), law: $0, title: $0.title) }
        self.laws = laws
        spread = Self.spread(laws)
        asked = question.asked.map { run in
            Row(run, title: "\(Figures.magnitude(run.parameters)) × \(Figures.magnitude(run.tokens))")
        }
        own = question.own.map { Row($0, title: "the plan") }
        usual = question.law.name
        servedTokens = question.served
        served = question.served.map { served in PublishedLaw.all.compactMap { Self.served($0, flops, served) } }
        uniqueTokens = question.unique
        repeated = question.unique.map { Self.repeated(laws, flops, $0) }
        let run = question.own ?? question.law.optimum(flops: flops)
        rules = TrainingRule.all(run, loss: question.law.loss(of: run) ?? PublishedLaw.usual.loss(of: run)).map {
            Rule(
                title: $0.title, source: $0.source, learningRate: $0.learningRate, batchTokens: $0.batch,
                range: $0.range, isBeyond: $0.isBeyond)
        }
        plan = question.planned.map { EstimateReport($0) }
        self.notes = notes
    }

    private static func spread(_ rows: [Row]) -> Spread {
        func ratio(_ figure: (Row) -> Double) -> Double {
            let values = rows.map(figure).filter(\.isFinite)
            return (values.max() ?? 1) / (values.min() ?? 1)
        }
        return Spread(
            parameters: ratio(\.parameters), tokens: ratio(\.tokens), tokensPerParameter: ratio(\.tokensPerParameter),
            loss: Dictionary(
                uniqueKeysWithValues: losing.map { law in
                    let values = rows.compactMap { $0.losses[law.name] }
                    return (law.name, (values.max() ?? 0) - (values.min() ?? 0))
                }))
    }

    private static func served(_ law: PublishedLaw, _ flops: Double, _ served: Double) -> Served? {
        let best = law.optimum(flops: flops)
        guard let sum = law.lossLaw, let loss = law.loss(of: best),
            let found = ServedAllocation(sum, loss: loss, served: served)
        else { return nil }
        return Served(
            law: law.name, title: law.title, loss: loss, parameters: found.run.parameters, tokens: found.run.tokens,
            tokensPerParameter: found.run.tokensPerParameter, trainingFLOPs: found.run.flops,
            servingFLOPs: found.servingFLOPs, totalFLOPs: found.totalFLOPs,
            optimumTotalFLOPs: ServedAllocation(best, served: served).totalFLOPs)
    }

    private static func repeated(_ rows: [Row], _ flops: Double, _ unique: Double) -> [Repeated] {
        let law = RepeatedDataLaw.muennighoff
        func row(_ title: String, _ run: Allocation) -> Repeated {
            Repeated(
                title: title, parameters: run.parameters, tokens: run.tokens,
                epochs: run.tokens / min(unique, run.tokens),
                effectiveTokens: law.effectiveTokens(run.tokens, unique: unique),
                loss: law.loss(run, unique: unique), freshLoss: law.loss(run, unique: run.tokens))
        }
        return rows.map { row($0.title, $0.run) }
            + [row(RepeatedDataLaw.title, law.optimum(flops: flops, unique: unique))]
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// Remarks on laws whose fitted runs are left.
    package static func remarks(_ question: Question) -> [Remark] {
        // Laws of one paper share their runs.
        var ranges: [(names: [String], range: String)] = []
        for law in PublishedLaw.all {
            guard let range = law.excess(of: law.optimum(flops: question.flops)) else { continue }
            if let last = ranges.indices.last, ranges[last].range == range {
                ranges[last].names.append(law.name)
            } else {
                ranges.append(([law.name], range))
            }
        }
        guard !ranges.isEmpty else { return [] }
        let words = ranges.map { "\(Wording.alternatives($0.names, "and")) (\($0.range))" }
        return [
            Remark(
                .lawExtrapolated,
                "the budget is beyond the runs that these laws were fitted to: \(words.joined(separator: "; "))")
        ]
    }

    /// The laws' answers and the runs that were asked about, a line each.
    package func csv() -> String {
        let names = Self.losing.map(\.name)
        let head =
            ["law", "parameters", "tokens", "flops", "tokens_per_parameter"] + names.map { "loss_\($0)" } + ["beyond"]
        let rows = laws + [own].compactMap(\.self) + asked
        return
            ([head.joined(separator: ",")]
            + rows.map { row in
                let figures = [row.parameters, row.tokens, row.flops, row.tokensPerParameter].map { "\($0)" }
                return
                    ([row.law ?? row.title] + figures + names.map { name in row.losses[name].map { "\($0)" } ?? "" }
                    + [row.beyond == nil ? "no" : "yes"]).joined(separator: ",")
            }).joined(separator: "\n") + "\n"
    }
}
