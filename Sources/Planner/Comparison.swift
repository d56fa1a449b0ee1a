package import Costs
package import Plans
internal import Schedules

/// One strategy at its own best on one plan.
package struct ComparedStrategy: Sendable {
    package var strategy: Strategy
    /// Its fastest layout that fits, else the one that needs least memory; nil where the strategy has no layout.
    package var estimate: Estimate?
    package var fits: Bool
    /// Bytes a device sends over each network in a step, from inside out.
    package var traffic: [NetworkTraffic]
    /// Layouts priced.
    package var evaluated: Int
    /// What most of its time or its memory goes to.
    package var limit: String
    /// Why it loses, or that it wins.
    package var verdict: String
}

/// Every strategy at its own best, in the order given.
///
/// - Throws: what makes the plan impossible to price.
package func compare(
    plan: Plan, strategies: [Strategy], settings: SearchSettings = SearchSettings(),
    options: CostOptions = CostOptions()
) throws(PlannerError) -> [ComparedStrategy] {
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var question = SpaceQuestion()
    question.leaders = 8
    question.usable = usable
    question.threads = settings.threads
    var found: [ComparedStrategy] = []
    for strategy in strategies {
        var space = strategy.space
        space.flashAttention = settings.space.flashAttention
        space.gradients = settings.space.gradients
        space.overlap = settings.space.overlap
        let priced = priceSpace(space, pricer: pricer, question: question)
        let timed = estimates(
            of: priced.feasible > 0 ? priced.leaders : priced.smallest.map { [$0] } ?? [], pricer: pricer,
            settings: settings)
        let best = timed.indices.min { (timed[$0].iteration.seconds, $0) < (timed[$1].iteration.seconds, $1) }
        let estimate = best.map { timed[$0] }
        var traffic: [NetworkTraffic] = []
        if let estimate, let work = try? pricer.work(estimate.layout) {
            traffic = work.networkTraffic(rank: work.iterationTime().bottleneck)
        }
        var row = ComparedStrategy(
            strategy: strategy, estimate: estimate, fits: priced.feasible > 0, traffic: traffic,
            evaluated: priced.evaluated, limit: "-", verdict: "")
        if let estimate { row.limit = Verdict.limit(estimate, fits: row.fits, usable: usable) }
        if estimate == nil { row.verdict = Verdict.impossible(strategy, plan) }
        found.append(row)
    }
    let winner = found.compactMap { $0.fits ? $0.estimate : nil }.min { $0.iteration.seconds < $1.iteration.seconds }
    for index in found.indices {
        guard let estimate = found[index].estimate else { continue }
        found[index].verdict = Verdict.verdict(estimate, fits: found[index].fits, against: winner, usable: usable)
    }
    return found
}

/// Sentences about why a layout loses.
enum Verdict {
    private typealias Part = (name: String, seconds: Double)

    private static func parts(_ estimate: Estimate) -> [Part] {
        let parts = estimate.iteration.breakdown
        let layout = estimate.layout
        return [
            ("compute", parts.compute), ("recomputing", parts.recompute),
            ("tensor-parallel collectives", parts.tensorComm),
            (
                "the pipeline's bubble (\(estimate.microbatches) micro-batches for \(layout.pipeline) ranks)",
                parts.pipelineBubble
            ),
            ("messages between stages", parts.pipelineComm),
            (
                layout.sharding == .parameters
                    ? "gathering and scattering parameters for every micro-batch" : "reducing gradients", parts.dataComm
            ),
            ("passing keys and values on", parts.contextComm), ("taking tokens to their experts", parts.expertComm),
            ("the optimizer's step", parts.optimizer), ("host work and waiting for the slowest node", parts.other),
        ]
    }

    /// What most of the time goes to besides compute, or most of the memory where it does not fit.
    static func limit(_ estimate: Estimate, fits: Bool, usable: Double) -> String {
        guard fits else { return "memory: \(largestShare(estimate).name)" }
        guard let most = parts(estimate).dropFirst().max(by: { $0.seconds < $1.seconds }) else { return "compute" }
        return most.seconds < 0.05 * estimate.iteration.seconds
            ? "compute" : "\(most.name), \(percent(most.seconds / estimate.iteration.seconds))"
    }

    private static func largestShare(_ estimate: Estimate) -> (name: String, bytes: Double) {
        guard let full = estimate.memoryByRank.max(by: { $0.peak < $1.peak }) else { return ("", 0) }
        let state = full.weights + full.gradients + full.optimizer
        return state > full.activations + full.other - full.outside
            ? ("weights, gradients and optimizer", state) : ("activations and buffers", full.activations + full.other)
    }

    static func impossible(_ strategy: Strategy, _ plan: Plan) -> String {
        if strategy.space.least.expert > 1, plan.model.moe == nil { return "the model has no experts to spread" }
        if strategy.space.least.context > 1 {
            return "sequences of \(plan.model.sequence) tokens are too short to cut over these devices"
        }
        if strategy.space.fixed.pipeline == 1, strategy.space.fixed.tensor == 1 {
            return "\(plan.devices) data-parallel ranks do not divide a batch of \(plan.batch)"
        }
        return "no split of \(plan.devices) devices obeys its rules with a batch of \(plan.batch)"
    }

    static func verdict(_ estimate: Estimate, fits: Bool, against winner: Estimate?, usable: Double) -> String {
        guard fits else {
            let share = largestShare(estimate)
            return
                "does not fit: at least \(gib(estimate.peakMemory)) GiB of \(gib(usable)) usable, \(gib(share.bytes)) "
                + "of them \(share.name)"
        }
        guard let winner, winner.layout != estimate.layout else { return "the fastest" }
        let slower = estimate.iteration.seconds / winner.iteration.seconds - 1
        guard slower > 0.005 else { return "as fast as the fastest" }
        // The part that costs most more than the winner's.
        let excess = zip(parts(estimate), parts(winner)).map { (name: $0.name, seconds: $0.seconds - $1.seconds) }
        guard let most = excess.max(by: { $0.seconds < $1.seconds }), most.seconds > 0 else {
            return "\(percent(slower)) slower"
        }
        let share = most.seconds / (estimate.iteration.seconds - winner.iteration.seconds)
        let how = slower < 1 ? "\(percent(slower)) slower" : "\(times(1 + slower)) times as long"
        return "\(how): \(share > 0.95 ? "all" : percent(share)) of it goes to \(most.name)"
    }

    private static func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }

    private static func times(_ ratio: Double) -> String { tenths(ratio) }

    private static func gib(_ bytes: Double) -> String { tenths(bytes / 1_073_741_824) }

    private static func tenths(_ value: Double) -> String {
        guard value.isFinite, value < 1e15 else { return "-" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
