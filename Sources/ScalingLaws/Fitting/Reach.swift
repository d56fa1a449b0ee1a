internal import Foundation

/// How far a fitted law may be carried beyond its points.
package struct Reach: Hashable, Sendable {
    /// Half the width of the law's interval, as a share of the loss, that still counts as known.
    package static let tolerance = 0.02

    /// FLOPs of the largest fitted run.
    package var fitted: Double
    /// FLOPs up to which the interval of the law's optimum stays within `tolerance`, and no further than as many decades beyond
    /// the largest run as there are between the smallest and the largest: an interval takes for granted that the form
    /// holds, and only fitted decades have shown that.
    package var flops: Double
    /// Whether the interval, not the number of decades, sets the limit.
    package var isByInterval: Bool
    /// The test on what was fitted: the law of all but the largest runs against those.
    package var heldOut: HeldOut?

    /// Times the FLOPs of the largest fitted run.
    package var factor: Double { flops / fitted }

    /// The largest runs, predicted by a law of the others.
    package struct HeldOut: Hashable, Sendable {
        /// Runs that were left out.
        package var runs: Int
        /// FLOPs of the largest run that was fitted, and of the largest that was left out.
        package var fitted: Double
        package var largest: Double
        /// Largest and mean relative error of the predicted losses.
        package var worst: Double
        package var mean: Double
    }
}

extension LawFit {
    private static let stepsPerDecade = 8

    /// How far the law may be carried.
    package var reach: Reach {
        let all = points.map(\.flops)
        let (least, most) = (all.min() ?? 1, all.max() ?? 1)
        let decades = log10(most / least)
        let steps = Int((decades * Double(Self.stepsPerDecade)).rounded(.down))
        var reached = most
        var isByInterval = false
        for step in 1...max(1, steps) where steps > 0 {
            let flops = most * pow(10, Double(step) / Double(Self.stepsPerDecade))
            let best = law.optimum(flops: flops)
            let interval = interval { $0.loss(parameters: best.parameters, tokens: best.tokens) }
            let loss = law.loss(parameters: best.parameters, tokens: best.tokens)
            guard interval.upperBound - interval.lowerBound <= 2 * Reach.tolerance * loss else {
                isByInterval = true
                break
            }
            reached = flops
        }
        return Reach(fitted: most, flops: reached, isByInterval: isByInterval, heldOut: heldOut)
    }

    /// A quarter of the runs, the largest, is left out; nil where the others are too few or too alike.
    private var heldOut: Reach.HeldOut? {
        let ordered = points.sorted { $0.flops < $1.flops }
        let count = max(1, points.count / 4)
        let (kept, left) = (Array(ordered.dropLast(count)), ordered.suffix(count))
        var alone = settings
        alone.resamples = 0
        guard let fit = try? LawFit(kept, settings: alone), let fitted = kept.last, let largest = left.last else {
            return nil
        }
        let errors = left.map { abs(fit.law.loss(parameters: $0.parameters, tokens: $0.tokens) / $0.loss - 1) }
        return Reach.HeldOut(
            runs: count, fitted: fitted.flops, largest: largest.flops, worst: errors.max() ?? 0,
            mean: errors.reduce(0, +) / Double(count))
    }
}
