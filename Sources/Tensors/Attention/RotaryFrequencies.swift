#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The D / 2 frequencies of rotary positions, and the factor of all cosines and sines.
package struct RotaryFrequencies: Hashable, Sendable {
    package private(set) var values: [Double]
    package private(set) var amplitude = 1.0

    /// base^(−2d/D) for every pair d of a head of size D, which must be even (Su et al. 2021).
    package init(base: Double, headSize: Int) {
        values = (0..<headSize / 2).map { pow(base, -2 * Double($0) / Double(headSize)) }
    }

    /// Positions `factor` times as close (Chen et al. 2023).
    package func interpolated(factor: Double) -> RotaryFrequencies {
        var scaled = self
        scaled.values = values.map { $0 / factor }
        return scaled
    }

    /// Llama 3.1: waves longer than `originalLength / low` tokens are interpolated, those shorter than
    /// `originalLength / high` stay, and between the two is a ramp (transformers, `_compute_llama3_parameters`).
    package func llama3(factor: Double, originalLength: Double, low: Double, high: Double) -> RotaryFrequencies {
        var scaled = self
        scaled.values = values.map { frequency in
            let waves = originalLength * frequency / (2 * .pi)
            if waves < low { return frequency / factor }
            if waves > high { return frequency }
            let share = (waves - low) / (high - low)
            return (1 - share) * frequency / factor + share * frequency
        }
        return scaled
    }

    /// YaRN (Peng et al. 2023): a ramp from the pair that turns `fast` times within `originalLength` tokens, which stays, to
    /// the one that turns `slow` times, which is interpolated (transformers, `_compute_yarn_parameters`).
    /// - Parameters:
    ///   - amplitude: nil: 0.1 · ln(factor) + 1.
    ///   - truncates: whether the ends of the ramp are whole pairs.
    package func yarn(
        base: Double, factor: Double, originalLength: Double, fast: Double, slow: Double, amplitude: Double?,
        truncates: Bool
    ) -> RotaryFrequencies {
        let size = Double(2 * values.count)
        func pair(turns: Double) -> Double { size * log(originalLength / (turns * 2 * .pi)) / (2 * log(base)) }
        var (first, last) = (pair(turns: fast), pair(turns: slow))
        if truncates { (first, last) = (first.rounded(.down), last.rounded(.up)) }
        (first, last) = (max(first, 0), min(last, size - 1))
        if first == last { last += 0.001 }
        var scaled = self
        scaled.values = values.enumerated().map { number, frequency in
            let share = min(max((Double(number) - first) / (last - first), 0), 1)
            return frequency / factor * share + frequency * (1 - share)
        }
        scaled.amplitude = amplitude ?? (factor > 1 ? 0.1 * log(factor) + 1 : 1)
        return scaled
    }
}
