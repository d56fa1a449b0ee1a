internal import Costs
internal import Plans

/// The best layouts of a plan on a cluster of several groups, over the orders in which pipeline stages can fill the groups.
/// The cluster of each answer's plan lists its groups in the order that was taken.
func searchOrders(
    of groups: ClusterGroups, plan: Plan, settings: SearchSettings, options: CostOptions,
    progress: (@Sendable (Double) -> Void)?
) throws(PlannerError) -> SearchResult {
    let orders = groups.orders
    var (found, failure): (SearchResult?, PlannerError?)
    for (place, order) in orders.enumerated() {
        var ordered = plan
        ordered.cluster = plan.cluster.reordered(order)
        // The plan's own layout is that of its own order.
        if place > 0 { ordered = ordered.open }
        var none: SpaceBounds?
        do throws(PlannerError) {
            let result = try searchOneOrder(plan: ordered, settings: settings, options: options, bounds: &none) {
                share in
                progress?((Double(place) + share) / Double(orders.count))
            }
            guard var all = found else {
                found = result
                continue
            }
            all.candidates += result.candidates
            all.front += result.front
            all.effort += result.effort
            all.seconds += result.seconds
            found = all
        } catch {
            failure = failure ?? error
        }
    }
    guard var all = found else { throw failure ?? .noLayout("the cluster has no groups") }
    let ranked = all.candidates.enumerated().sorted { a, b in
        let (one, other) = (a.element, b.element)
        if settings.objective == .memory, one.memoryShare != other.memoryShare {
            return one.memoryShare < other.memoryShare
        }
        return (one.rankingSeconds, a.offset) < (other.rankingSeconds, b.offset)
    }
    all.candidates = ranked.prefix(settings.top).map(\.element)
    if settings.wantsFront { all.front = Estimate.front(all.front) }
    all.own = ownLayout(of: plan, settings: settings, options: options, against: all.candidates.first)
    return all
}

extension Estimate {
    /// Fraction of its device's memory that the fullest rank takes.
    fileprivate var memoryShare: Double { peakMemory / capacity }

    /// Of these answers, those that no other beats in both time and memory, smallest first.
    static func front(_ estimates: [Estimate]) -> [Estimate] {
        var front: [Estimate] = []
        for point in estimates.sorted(by: {
            ($0.memoryShare, $0.iteration.seconds) < ($1.memoryShare, $1.iteration.seconds)
        })
        where point.iteration.seconds < front.last?.iteration.seconds ?? .infinity { front.append(point) }
        return front
    }
}
