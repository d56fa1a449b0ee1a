internal import Costs
internal import Models
internal import Numbers
internal import Plans
internal import Schedules

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
                "waiting in the pipeline (\(estimate.microbatches) micro-batches for \(layout.pipeline) ranks)",
                parts.pipelineBubble
            ),
            ("messages between stages", parts.pipelineComm),
            (
                layout.sharding == .parameters
                    ? "gathering and scattering parameters for every micro-batch" : "reducing gradients", parts.dataComm
            ),
            ("passing keys and values on", parts.contextComm), ("taking tokens to their experts", parts.expertComm),
            ("the optimizer's step", parts.optimizer), ("copies to the host and back", parts.hostComm ?? 0),
            ("host work and waiting for the slowest node", parts.other),
        ]
    }

    /// The part besides compute that takes most of the time, or the one that takes most of the memory where the layout
    /// does not fit.
    static func limit(_ estimate: Estimate, fits: Bool, usable: Double) -> String {
        guard fits else { return "memory: \(largestShare(estimate).name)" }
        guard let most = parts(estimate).dropFirst().max(by: { $0.seconds < $1.seconds }) else { return "compute" }
        return most.seconds < 0.05 * estimate.iteration.seconds
            ? "compute" : "\(most.name), \(Figures.wholePercent(most.seconds / estimate.iteration.seconds))"
    }

    private static func largestShare(_ estimate: Estimate) -> (name: String, bytes: Double) {
        guard let full = estimate.memoryByRank.max(by: { $0.peak < $1.peak }) else { return ("", 0) }
        let state = full.weights + full.gradients + full.optimizer
        return state > full.activations + full.other - full.outside
            ? ("weights, gradients and optimizer", state) : ("activations and buffers", full.activations + full.other)
    }

    static let fastest = "the fastest"

    /// A sentence where the schedule of a strategy is not among those that are tried; nil where it is.
    static func unknownSchedule(_ space: SearchSpace, _ asked: SearchSpace, _ plan: Plan) -> String? {
        guard let schedule = space.schedules?.first, space.schedules?.count == 1,
            !asked.triedSchedules(plan).contains(schedule)
        else { return nil }
        return asked.schedules == nil
            ? "\(plan.framework(for: nil).name) has no schedule \(schedule.rawValue); --any-software tries it"
            : "\(schedule.rawValue) is not among the schedules asked for"
    }

    static func impossible(_ strategy: Strategy, _ space: SearchSpace, _ plan: Plan) -> String {
        if strategy.space.expert.least > 1, plan.model.mixtures.isEmpty {
            return "the model has no experts to spread"
        }
        let abilities = space.abilities(plan)
        if strategy.space.expert.least > 1, abilities.experts == .none {
            return "\(plan.framework(for: nil).name) does not spread experts; --any-software tries it"
        }
        if strategy.space.context.least > 1, abilities.context.isEmpty {
            return "\(plan.framework(for: nil).name) does not cut sequences; --any-software tries it"
        }
        if strategy.space.context.least > 1 {
            return "sequences of \(plan.model.sequence) tokens are too short to cut over these devices"
        }
        if strategy.space.pipeline.fixed == 1, let groups = plan.cluster.groups, groups.list.count > 1 {
            return
                "the cluster has \(groups.list.count) groups of unlike devices, and a stage lies in one: without a pipeline "
                + "there is one stage"
        }
        if strategy.space.pipeline.fixed == 1, strategy.space.tensor.fixed == 1, plan.batch % plan.devices != 0 {
            return "\(plan.devices) data-parallel ranks do not divide a batch of \(plan.batch)"
        }
        return space.whyEmpty(plan, rejected: 0)
    }

    /// The sentence that compares a layout with the winner.
    /// - Parameter isOwn: whether the layout is the plan's own, which the search may not have tried.
    static func verdict(
        _ estimate: Estimate, fits: Bool, against winner: Estimate?, usable: Double, isOwn: Bool = false
    ) -> String {
        guard fits else {
            let share = largestShare(estimate)
            return
                "does not fit: at least \(Figures.gibibytes(estimate.peakMemory)) GiB of \(Figures.gibibytes(usable)) usable, \(Figures.gibibytes(share.bytes)) "
                + "of them \(share.name)"
        }
        guard let winner, winner.layout != estimate.layout else { return fastest }
        let slower = estimate.rankingSeconds / winner.rankingSeconds - 1
        if isOwn, slower < -0.005 {
            let software = winner.plan.framework(for: winner.layout)
            let why = software.abilities.obstacles(to: estimate.layout, model: estimate.plan.model, name: software.name)
            return
                "\(Figures.wholePercent(-slower)) faster than the best found, which is among other layouts"
                + (why.first.map { ": \($0)" } ?? "")
        }
        guard slower > 0.005 else { return "as fast as the fastest" }
        if estimate.measuredSeconds != nil || winner.measuredSeconds != nil {
            return "\(Figures.wholePercent(slower)) slower by measured steps"
        }
        // The part whose time exceeds the winner's most.
        let excess = zip(parts(estimate), parts(winner)).map { (name: $0.name, seconds: $0.seconds - $1.seconds) }
        guard let most = excess.max(by: { $0.seconds < $1.seconds }), most.seconds > 0 else {
            return "\(Figures.wholePercent(slower)) slower"
        }
        let share = most.seconds / (estimate.iteration.seconds - winner.iteration.seconds)
        let how = slower < 1 ? "\(Figures.wholePercent(slower)) slower" : "\(Figures.tenths(1 + slower)) times as long"
        return "\(how): \(share > 0.95 ? "all" : Figures.wholePercent(share)) of it goes to \(most.name)"
    }
}
