package import Models
internal import Numbers

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Seeded random numbers that depend on what they are for, never on who draws them: the same weights for every layout.
package enum Initialisation {
    /// Fills this rank's share of a tensor with its start values for `seed`. Element `i` of a whole normal tensor is the
    /// Box–Muller transform of two hashes of (seed, name, i).
    package static func fill(
        _ pointer: UnsafeMutablePointer<Float>, tensor: TensorSpec, seed: UInt64,
        share: TensorSlice = TensorSlice()
    ) {
        switch tensor.start {
        case .zeros: pointer.update(repeating: 0, count: share.count(tensor))
        case .ones: pointer.update(repeating: 1, count: share.count(tensor))
        case .uniform(let bound):
            let key = SplitMix64.first(seed: seed ^ UInt64(crc32(tensor.name)) << 32)
            share.forEachRun(tensor) { local, whole, count in
                for index in 0..<count {
                    let random = Double(SplitMix64.first(seed: key &+ UInt64(whole + index)) >> 11) * 0x1p-53
                    pointer[local + index] = bound * Float(2 * random - 1)
                }
            }
        case .normal(let deviation):
            let key = SplitMix64.first(seed: seed ^ UInt64(crc32(tensor.name)) << 32)
            share.forEachRun(tensor) { local, whole, count in
                for index in 0..<count { pointer[local + index] = deviation * normal(key, whole + index) }
            }
        }
    }

    private static func normal(_ key: UInt64, _ index: Int) -> Float {
        // (0, 1] keeps the logarithm finite.
        let first = (Double(SplitMix64.first(seed: key &+ 2 &* UInt64(index)) >> 11) + 1) * 0x1p-53
        let second = Double(SplitMix64.first(seed: key &+ 2 &* UInt64(index) &+ 1) >> 11) * 0x1p-53
        return Float((-2 * log(first)).squareRoot() * cos(2 * .pi * second))
    }

    /// CRC-32 (IEEE 802.3) of a name's UTF-8 bytes.
    package static func crc32(_ text: String) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in text.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        return ~crc
    }
}
