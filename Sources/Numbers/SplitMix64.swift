/// SplitMix64 (Steele, Lea & Flood 2014): random numbers that are equal on all machines and in all runs.
package struct SplitMix64: RandomNumberGenerator {
    /// The step of the state from one number to the next: 2⁶⁴ divided by the golden ratio.
    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= Self.step
        return Self.mixed(state)
    }

    /// The first number of the sequence with this seed, which serves as a hash of the seed.
    package static func first(seed: UInt64) -> UInt64 { mixed(seed &+ step) }

    /// Mixes the bits of a state, one to one.
    package static func mixed(_ state: UInt64) -> UInt64 {
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension UInt64 {
    /// The upper 53 bits as a fraction in [0, 1).
    package var fraction: Double { Double(self >> 11) * 0x1p-53 }
}
