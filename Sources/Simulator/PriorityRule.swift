internal import Schedules

/// The rule by which a rank of a list scheduler chooses among the actions that it could start.
struct PriorityRule: Hashable {
    /// When a rank runs weight gradients.
    enum Weights: Hashable {
        /// At once after their input gradient.
        case atOnce
        /// In a gap of at least this fraction of their time.
        case inGaps(Double)
    }

    var weights: Weights
    /// Whether an input gradient goes before a forward when both are ready.
    var backwardFirst: Bool
    /// Whether forwards of a rank's later stages go before those of its earlier ones.
    var deepFirst: Bool
    /// Rank r holds at most `most` + `slope` · (p − 1 − r) activations, and no more than its limit.
    var most: Int
    /// See `most`.
    var slope: Int

    /// The rules to try, the likely ones first.
    static func candidates(for instance: SchedulingInstance) -> [PriorityRule] {
        let (p, v) = (instance.ranks, max(1, instance.stages / instance.ranks))
        let ceiling = min(instance.memoryLimits.max() ?? 1, instance.microbatches * v)
        var mosts: [(most: Int, slope: Int)] = []
        for (most, slope) in [
            (ceiling, 0), (2 * p * v - 1, 0), (p * v, 0), (v, 2), (v, 1), (1 + (v - 1) * p, 2), (1 + (v - 1) * p, 1),
            (p * v / 2 + 1, 0), (p + v, 0), (3 * p * v / 2, 0), (p * v + 1, 0), (v + 1, 1), (v + 1, 2),
        ] {
            let bounded = (most: max(1, min(most, ceiling)), slope: slope)
            if !mosts.contains(where: { $0 == bounded }) { mosts.append(bounded) }
        }
        var rules: [PriorityRule] = []
        for (most, slope) in mosts {
            for weights in [Weights.inGaps(1), .inGaps(0.5), .inGaps(0), .atOnce] {
                for deepFirst in v > 1 ? [true, false] : [true] {
                    for backwardFirst in [true, false] {
                        rules.append(
                            PriorityRule(
                                weights: weights, backwardFirst: backwardFirst, deepFirst: deepFirst, most: most,
                                slope: slope))
                    }
                }
            }
        }
        return rules
    }
}
