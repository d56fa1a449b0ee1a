package import Costs
internal import Models
internal import Numbers
package import Plans
internal import Schedules

/// One strategy at its own best on one plan.
package struct ComparedStrategy: Sendable {
    package var strategy: Strategy
    /// Its fastest layout that fits, else the one that needs least memory; nil where the strategy has no layout.
    package var estimate: Estimate?
    package var fits: Bool
    /// Bytes a device sends over each network in a step, from inside out.
    package var traffic: [NetworkTraffic] = []
    /// Layouts priced.
    package var evaluated: Int
    /// What most of its time or its memory goes to.
    package var limit = "-"
    /// Why it loses, or that it wins.
    package var verdict: String

    /// Fills in `traffic` and `limit`.
    fileprivate mutating func measure(_ estimate: Estimate, pricer: Pricer?, usable: Double) {
        if let work = try? pricer?.work(estimate.layout) {
            traffic = work.networkTraffic(rank: work.iterationTime().bottleneck)
        }
        limit = Verdict.limit(estimate, fits: fits, usable: usable)
    }
}

/// Every strategy at its own best, in the order given.
///
/// - Throws: what makes the plan impossible to price.
package func compare(
    plan: Plan, strategies: [Strategy], settings: SearchSettings = SearchSettings(),
    options: CostOptions = CostOptions()
) throws(PlannerError) -> [ComparedStrategy] {
    let pricer: Pricer
    let own = plan
    let plan = plan.open
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var question = SpaceQuestion()
    question.leaders = 8
    question.usable = usable
    question.threads = settings.threads
    var found: [ComparedStrategy] = []
    for strategy in strategies {
        var row = ComparedStrategy(strategy: strategy, estimate: nil, fits: false, evaluated: 0, verdict: "")
        let space = strategy.space(settings.space)
        if let obstacle = Verdict.unknownSchedule(space, settings.space, plan) {
            row.verdict = obstacle
            found.append(row)
            continue
        }
        // The best of all comes from the same choice as everywhere.
        question.leaders = strategy.name == Strategy.auto ? SpaceQuestion.fewestLeaders : 8
        let priced = priceSpace(space, pricer: pricer, question: question)
        let timed = estimates(
            of: priced.effort.feasible > 0 ? priced.leaders : priced.smallest.map { [$0] } ?? [], pricer: pricer,
            settings: settings)
        let best = timed.indices.min { (timed[$0].iteration.seconds, $0) < (timed[$1].iteration.seconds, $1) }
        row.estimate = best.map { timed[$0] }
        row.fits = priced.effort.feasible > 0
        row.evaluated = priced.effort.evaluated
        if row.estimate == nil { row.verdict = Verdict.impossible(strategy, space, plan) }
        found.append(row)
    }
    let winner = found.compactMap { $0.fits ? $0.estimate : nil }.min { $0.iteration.seconds < $1.iteration.seconds }
    var named: [Layout: String] = [:]
    for index in found.indices {
        guard let estimate = found[index].estimate else { continue }
        found[index].measure(estimate, pricer: pricer, usable: usable)
        let verdict = Verdict.verdict(estimate, fits: found[index].fits, against: winner, usable: usable)
        // A layout that is the best of two strategies is described once.
        if verdict == Verdict.fastest, let other = named[estimate.layout] {
            found[index].verdict = "the same layout as \(other)"
        } else {
            found[index].verdict = verdict
            if verdict == Verdict.fastest { named[estimate.layout] = found[index].strategy.name }
        }
    }
    if let stated = ownLayout(of: own, settings: settings, options: options, against: winner) {
        let strategy = Strategy(name: Strategy.own, summary: "the layout of the plan", space: SearchSpace())
        var row = ComparedStrategy(
            strategy: strategy, estimate: stated.estimate, fits: stated.fits, evaluated: 1, verdict: stated.verdict)
        row.measure(stated.estimate, pricer: try? Pricer(plan: own, options: options), usable: usable)
        if row.verdict == Verdict.fastest, let other = named[stated.estimate.layout] {
            row.verdict = "the same layout as \(other)"
        }
        found.append(row)
    }
    return found
}

extension Strategy {
    /// Its part of the space that `asked` leaves open.
    fileprivate func space(_ asked: SearchSpace) -> SearchSpace {
        var space = self.space
        space.flashAttention = asked.flashAttention
        space.gradients = asked.gradients
        space.overlap = asked.overlap
        space.anySoftware = asked.anySoftware
        space.schedules = space.schedules ?? asked.schedules
        return space
    }
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

    static let fastest = "the fastest"

    /// That the plan's software lacks the schedule a strategy is made of; nil where it does not or the user names it.
    static func unknownSchedule(_ space: SearchSpace, _ asked: SearchSpace, _ plan: Plan) -> String? {
        guard let schedule = space.schedules?.first, space.schedules?.count == 1,
            !asked.triedSchedules(plan).contains(schedule)
        else { return nil }
        return asked.schedules == nil
            ? "\(plan.framework(for: nil).name) has no schedule \(schedule.rawValue); --any-software tries it"
            : "\(schedule.rawValue) is not among the schedules asked for"
    }

    static func impossible(_ strategy: Strategy, _ space: SearchSpace, _ plan: Plan) -> String {
        if strategy.space.least.expert > 1, plan.model.moe == nil { return "the model has no experts to spread" }
        let abilities = space.abilities(plan)
        if strategy.space.least.expert > 1, abilities.experts == .none {
            return "\(plan.framework(for: nil).name) does not spread experts; --any-software tries it"
        }
        if strategy.space.least.context > 1, abilities.context.isEmpty {
            return "\(plan.framework(for: nil).name) does not cut sequences; --any-software tries it"
        }
        if strategy.space.least.context > 1 {
            return "sequences of \(plan.model.sequence) tokens are too short to cut over these devices"
        }
        if strategy.space.fixed.pipeline == 1, strategy.space.fixed.tensor == 1 {
            return "\(plan.devices) data-parallel ranks do not divide a batch of \(plan.batch)"
        }
        return space.emptiness(plan, rejected: 0)
    }

    /// - Parameter isOwn: Whether it is the plan's own layout, which the search may not have tried.
    static func verdict(
        _ estimate: Estimate, fits: Bool, against winner: Estimate?, usable: Double, isOwn: Bool = false
    ) -> String {
        guard fits else {
            let share = largestShare(estimate)
            return
                "does not fit: at least \(gib(estimate.peakMemory)) GiB of \(gib(usable)) usable, \(gib(share.bytes)) "
                + "of them \(share.name)"
        }
        guard let winner, winner.layout != estimate.layout else { return fastest }
        let slower = estimate.iteration.seconds / winner.iteration.seconds - 1
        if isOwn, slower < -0.005 {
            let software = winner.plan.framework(for: winner.layout)
            let why = software.abilities.obstacles(to: estimate.layout, model: estimate.plan.model, name: software.name)
            return
                "\(percent(-slower)) faster than the best found, which is among other layouts"
                + (why.first.map { ": \($0)" } ?? "")
        }
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

    private static func percent(_ share: Double) -> String { "\(Int(saturating: (100 * share).rounded())) %" }

    private static func times(_ ratio: Double) -> String { tenths(ratio) }

    private static func gib(_ bytes: Double) -> String { tenths(bytes / 1_073_741_824) }

    private static func tenths(_ value: Double) -> String {
        guard value.isFinite, value < 1e15 else { return "-" }
        let tenths = Int(saturating: (value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
