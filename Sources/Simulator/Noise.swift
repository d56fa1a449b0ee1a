internal import Foundation
internal import Numbers

/// Random factors on the times of actions and messages. They are log-normal with mean 1: never negative, and with a longer
/// tail above 1 than below.
struct Noise {
    private var random: SplitMix64
    private let sigma: Double
    private let shift: Double
    private var spare: Double?

    /// - Parameters:
    ///   - jitter: standard deviation as a fraction of the mean.
    ///   - seed: equal seeds and runs give equal factors.
    ///   - run: number of the run.
    init(jitter: Double, seed: UInt64, run: Int) {
        // Of a log-normal distribution of mean 1 and standard deviation s: σ² = ln(1 + s²), μ = −σ²/2.
        let variance = log(1 + jitter * jitter)
        sigma = variance.squareRoot()
        shift = -variance / 2
        let number = SplitMix64.first(seed: UInt64(truncatingIfNeeded: run))
        random = SplitMix64(seed: SplitMix64.mixed(seed &+ number))
    }

    /// The next factor.
    mutating func factor() -> Double { exp(sigma * normal() + shift) }

    /// The next normal number: Box and Muller's transform makes two of them from two uniform numbers.
    private mutating func normal() -> Double {
        if let value = spare {
            spare = nil
            return value
        }
        let radius = (-2 * log(1 - uniform())).squareRoot()
        let angle = 2 * Double.pi * uniform()
        spare = radius * sin(angle)
        return radius * cos(angle)
    }

    /// In [0, 1).
    private mutating func uniform() -> Double { random.next().fraction }
}
