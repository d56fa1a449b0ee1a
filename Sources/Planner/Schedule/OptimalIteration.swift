package import Costs
internal import Numbers
package import Plans
internal import Schedules
package import Simulator

/// The best schedule a search finds for a plan's layout, and how it was found.
package struct OptimalIteration: Sendable {
    package var iteration: PredictedIteration
    /// One line that says how the schedule was found.
    package var remark: String
}

/// Searches the fastest action lists for a layout within the memory of its devices. The result is never slower than the
/// best named schedule that fits.
///
/// The search tries one stage a rank, and two stages both looped and folded, or the number that is asked for. Each rank
/// may hold as many activations as fit beside its weights, gradients and optimizer. Named schedules compete with their
/// own numbers of stages.
/// - Parameters:
///   - usableMemory: share of a device's memory that may be used.
///   - oneDirection: whether every stage lies on one rank alone, as runtimes other than ours have it.
/// - Throws: the reason why the layout cannot be priced, or that no schedule fits.
package func optimalIteration(
    plan: Plan, layout: Layout, virtualStages: Int? = nil, usableMemory: Double = Estimate.usableShare,
    options: CostOptions = CostOptions(), disturbance: Disturbance = Disturbance(), oneDirection: Bool = false,
    effort: Int = 20_000_000
) throws(PlannerError) -> OptimalIteration {
    if let vocabulary = layout.vocabularyParallel {
        throw .noLayout(
            "a search finds no lists with S and T: remove layout.vocabularyParallel (\(vocabulary.rawValue)), or name a "
                + "schedule")
    }
    // No software runs searched lists, so all named schedules compete whatever the plan's software has.
    var settings = SearchSettings()
    settings.usableMemory = usableMemory
    settings.space.anySoftware = true
    settings.space.virtualStages.most = 8
    let named = try chooseSchedule(
        plan: plan, layout: layout, open: OpenSchedule(virtualStages: virtualStages), settings: settings,
        options: options)
    let usable = usableMemory * plan.cluster.device.memoryBytes
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    var best: (found: OptimalSchedule, work: LayoutWork, estimate: Estimate)?
    for layout in placements(layout, virtualStages: virtualStages) {
        guard let work = try? pricer.work(layout),
            let found = try search(work, usable: usableMemory, effort: effort)
        else { continue }
        let held = LayoutWork(work, searched: found.schedule)
        // Limits count the mean stage of a rank; where its stages differ, its fullest moment may hold larger ones.
        guard LayoutMemory(held).ranks.allSatisfy({ $0.peak <= usableMemory * held.memoryBytes(rank: $0.rank) }) else {
            continue
        }
        let estimate = Estimate(held, time: try simulatedTime(work, found.schedule))
        if estimate.iteration.seconds < best?.estimate.iteration.seconds ?? .infinity { best = (found, work, estimate) }
    }
    let rivals = named.candidates.filter { !oneDirection || !$0.layout.schedule.isBidirectional }
    let leader = rivals.first.flatMap { $0.fits ? $0 : nil }
    if let best, best.estimate.iteration.seconds < leader?.seconds ?? .infinity {
        return OptimalIteration(
            iteration: try predictedIteration(
                plan: plan, schedule: best.found.schedule, costs: ActionCosts(best.work), estimate: best.estimate,
                disturbance: disturbance),
            remark: best.found.remark)
    }
    guard let leader else {
        let least = rivals.first
        throw .noLayout(
            "no schedule fits this layout: \(least?.layout.schedule.rawValue ?? "the smallest") needs "
                + "\(Figures.gibibytes(least?.peakMemory ?? 0)) GiB of \(Figures.gibibytes(usable)) usable")
    }
    var iteration = try predictedIteration(
        plan: plan, layout: leader.layout, options: options, disturbance: disturbance)
    iteration.schedule.name = "optimal"
    return OptimalIteration(
        iteration: iteration,
        remark:
            "optimal: \(leader.layout.schedule.rawValue), \(leader.layout.virtualStages) stage(s) a rank; the search "
            + "finds none faster")
}

/// The layouts that are searched, one for each placement of stages, under a named schedule with that placement.
private func placements(_ layout: Layout, virtualStages: Int?) -> [Layout] {
    var layouts: [Layout] = []
    for count in virtualStages.map({ [$0] }) ?? (layout.pipeline > 1 ? [1, 2] : [1]) {
        for name in count == 1
            ? [ScheduleName.oneForwardOneBackward] : count == 2 ? [.interleaved, .zeroBubbleV] : [.interleaved]
        {
            var next = layout
            next.schedule = name
            next.virtualStages = count
            if next.stages != layout.stages { next.layersPerStage = nil }
            layouts.append(next)
        }
    }
    return layouts
}

/// The best action lists for a layout's stages; nil if none fits in the memory.
/// - Parameter usable: share of a device's memory that may be used.
private func search(_ work: LayoutWork, usable: Double, effort: Int) throws(PlannerError) -> OptimalSchedule? {
    let shape = work.shape
    let memory = LayoutMemory(work)
    let placement = work.layout.schedule.placement(shape)
    let most = shape.microbatches * shape.virtualStages
    let limits = (0..<shape.ranks).map { rank in
        let usable = usable * work.memoryBytes(rank: rank)
        // Memory grows linearly with the activations held, so bisection finds the limit.
        var (fits, fails) = (0, most + 1)
        while fails - fits > 1 {
            let middle = (fits + fails) / 2
            if memory.rank(rank, inFlight: middle).peak <= usable { fits = middle } else { fails = middle }
        }
        return fits
    }
    let known = ScheduleName.schedules(shape, placed: placement)
    do throws(SimulationProblem) {
        return try Simulator.optimal(
            SchedulingInstance(
                placement: placement, microbatches: shape.microbatches, costs: ActionCosts(work), memoryLimits: limits,
                keepsOneLossPending: true),
            known: known, effort: effort)
    } catch { throw .simulation(error) }
}
