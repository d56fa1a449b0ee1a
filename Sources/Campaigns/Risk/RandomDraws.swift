internal import Foundation
package import Numbers

extension SplitMix64 {
    /// A number from 0 to 1, never 0 itself.
    mutating func unit() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

    /// A draw of the normal distribution of mean 0 and variance 1 (Box and Muller 1958). Each takes two numbers of the
    /// sequence, so that draws of one kind do not shift those of another.
    package mutating func normal() -> Double {
        let radius = (-2 * log(unit())).squareRoot()
        return radius * cos(2 * .pi * unit())
    }

    /// A draw of the gamma distribution with this shape and scale 1 (Marsaglia and Tsang 2000).
    mutating func gamma(shape: Double) -> Double {
        guard shape > 0, shape.isFinite else { return shape > 0 ? shape : 0 }
        // Below 1 the draw of shape + 1 is made smaller by a power of a uniform number.
        let boost = shape < 1 ? pow(unit(), 1 / shape) : 1
        let d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let v = pow(1 + c * x, 3)
            guard v > 0 else { continue }
            if log(unit()) < 0.5 * x * x + d - d * v + d * log(v) { return boost * d * v }
        }
    }

    /// A draw of the Poisson distribution with this mean: products of uniform numbers for a small mean (Knuth), transformed
    /// rejection with squeeze for others (Hörmann 1993, PTRS).
    mutating func poisson(mean: Double) -> Double {
        guard mean > 0, mean.isFinite else { return mean > 0 ? mean : 0 }
        guard mean >= 10 else {
            let limit = exp(-mean)
            var (product, count) = (unit(), 0.0)
            while product > limit { (product, count) = (product * unit(), count + 1) }
            return count
        }
        let b = 0.931 + 2.53 * mean.squareRoot()
        let a = -0.059 + 0.02483 * b
        let inverse = 1.1239 + 1.1328 / (b - 3.4)
        let r = 0.9277 - 3.6224 / (b - 2)
        while true {
            let u = unit() - 0.5
            let v = unit()
            let us = 0.5 - abs(u)
            let k = ((2 * a / us + b) * u + mean + 0.43).rounded(.down)
            if us >= 0.07, v <= r { return k }
            guard k >= 0, us >= 0.013 || v <= us else { continue }
            if log(v) + log(inverse) - log(a / (us * us) + b) <= -mean + k * log(mean) - lgamma(k + 1) { return k }
        }
    }

    /// Failures before `successes` trials have succeeded, each with odds of failure `odds` against success: a Poisson draw
    /// whose mean is a gamma draw. `successes` need not be whole.
    mutating func failures(before successes: Double, odds: Double) -> Double {
        guard odds > 0, successes > 0 else { return 0 }
        return poisson(mean: gamma(shape: successes) * odds)
    }

    /// The sum of `count` exponential times of mean `mean`, each known to be below `end`. Sums of many are drawn from the
    /// normal distribution of their mean and variance.
    mutating func truncatedTimes(_ count: Double, mean: Double, end: Double) -> Double {
        guard count > 0, end > 0 else { return 0 }
        guard count > 64 else {
            let within = -expm1(-end / mean)
            return (0..<Int(count)).reduce(0) { sum, _ in sum - mean * log1p(-unit() * within) }
        }
        let moments = TruncatedTime(mean: mean, end: end)
        let drawn = count * moments.mean + (count * moments.variance).squareRoot() * normal()
        return min(max(drawn, 0), count * end)
    }
}

/// Mean and variance of an exponential time that is known to be below `end`.
struct TruncatedTime {
    var mean, variance: Double

    init(mean whole: Double, end: Double) {
        let ratio = end / whole
        guard ratio > 1e-3 else {
            // Nearly uniform; the exact terms would cancel.
            (mean, variance) = (end / 2 * (1 - ratio / 6), end * end / 12)
            return
        }
        let rest = expm1(ratio)
        mean = whole - end / rest
        variance = max(0, whole * whole - end * end * exp(ratio) / (rest * rest))
    }
}
