internal import Foundation

/// Random factors on the times of actions and messages. They are log-normal with mean 1: never negative, and with a longer
/// tail above 1 than below.
struct Noise {
    private var state: UInt64
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
        state = Self.mixed(seed &+ Self.mixed(UInt64(truncatingIfNeeded: run) &+ 0x9E37_79B9_7F4A_7C15))
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

    /// The next uniform number in [0, 1), from 53 random bits.
    private mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Double(Self.mixed(state) >> 11) * 0x1p-53
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
