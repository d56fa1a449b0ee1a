internal import Costs
internal import Numbers
internal import Plans
internal import Schedules
internal import Simulator
internal import Synchronization

extension SearchSettings {
    /// Whether the layout with the shortest simulated step is all that a search of `plan` is asked for.
    func wantsFastestAlone(_ plan: Plan) -> Bool {
        top == 1 && objective == .time && !wantsFront && simulates && space.ranksByTime(plan)
            && space.base(for: plan).offload == nil && plan.cluster.groups == nil
    }
}

/// The estimate of the layout whose simulated step is shortest, of equal ones the first; nil where none can be priced. It is
/// the first of `estimates` when these are ranked by their steps.
///
/// A layout is simulated only where a lower bound of its step is not above a step that is known.
func fastestEstimate(of layouts: [PricedLayout], pricer: Pricer, settings: SearchSettings) -> Estimate? {
    let least = Mutex(Double.infinity)
    @Sendable func time(_ index: Int) -> (work: LayoutWork, time: IterationTime)? {
        let found = fastestTime(layouts[index], pricer, below: least.withLock { $0 })
        if let found { least.withLock { $0 = min($0, found.time.seconds) } }
        return found
    }
    guard !layouts.isEmpty else { return nil }
    // The first by closed form is hardly ever far from the fastest.
    let all = [time(0)] + parallelMap(layouts.count - 1, threads: settings.threads) { time($0 + 1) }
    var best: (work: LayoutWork, time: IterationTime)?
    for case let found? in all where found.time.seconds < best?.time.seconds ?? .infinity { best = found }
    return best.map { Estimate($0.work, time: $0.time) }
}

/// The simulated step of a layout with the overlap that makes it shortest, or its closed form where it cannot be simulated;
/// nil where the layout cannot be priced or takes longer than `limit`.
private func fastestTime(
    _ priced: PricedLayout, _ pricer: Pricer, below limit: Double
) -> (work: LayoutWork, time: IterationTime)? {
    guard let works = try? pricer.works(priced.layout) else { return nil }
    let bounds = works.map(leastSeconds)
    // Where lists cannot be timed with some overlap, the closed form counts.
    let some = bounds.contains(0) ? works : zip(works, bounds).filter { $0.1 * boundSlack <= limit }.map(\.0)
    if let times = try? simulatedTimes(some) {
        var best: (work: LayoutWork, time: IterationTime)?
        for (work, time) in zip(some, times) where time.seconds < best?.time.seconds ?? .infinity {
            best = (work, time)
        }
        return best
    }
    return (try? pricer.work(priced.layout)).map { ($0, IterationTime($0)) }
}

/// Factor on bounds, since sums in another order differ in their last digits.
private let boundSlack = 1 - 1e-9

/// A lower bound of the simulated step of `work`; 0: its lists may not be timed.
private func leastSeconds(_ work: LayoutWork) -> Double {
    guard isSimulated(work.shape) else { return IterationTime(work).seconds }
    let costs = ActionCosts(work)
    guard Simulator.canTime(costs, stages: work.layers.count) else { return 0 }
    let least = Simulator.leastMakespan(work.layout.schedule, work.shape, costs: costs)
    return IterationTime(work, filled: least, span: least).seconds
}
