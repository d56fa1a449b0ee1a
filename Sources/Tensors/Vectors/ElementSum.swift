/// A checksum of a tensor that does not depend on how it is cut: the sum of a hash of every element, modulo 2⁶⁴. The hash is of
/// the element's bits and its place in the whole tensor. Ranks sum up what they hold, and the sums are added.
package struct ElementSum: Hashable, Sendable {
    package private(set) var value: UInt64 = 0

    package init() {}

    /// Adds `count` elements of 32 bits at `bytes`, the first of which is element `place` of the whole tensor.
    package mutating func add32(_ bytes: UnsafeRawPointer, count: Int, place: Int) {
        add(UInt32.self, at: bytes, count: count, place: place)
    }

    /// Adds `count` elements of 16 bits at `bytes`, the first of which is element `place` of the whole tensor.
    package mutating func add16(_ bytes: UnsafeRawPointer, count: Int, place: Int) {
        add(UInt16.self, at: bytes, count: count, place: place)
    }

    // A generic function that other modules call is compiled for all types at once, and then takes fifty times as long.
    @inline(__always)
    private mutating func add<Bits: FixedWidthInteger & UnsignedInteger>(
        _ type: Bits.Type, at bytes: UnsafeRawPointer, count: Int, place: Int
    ) {
        var sum = value
        for index in 0..<count {
            let bits = bytes.loadUnaligned(fromByteOffset: index &* MemoryLayout<Bits>.size, as: Bits.self)
            sum &+= Self.hash(UInt64(truncatingIfNeeded: bits), UInt64(truncatingIfNeeded: place &+ index))
        }
        value = sum
    }

    /// The finaliser of MurmurHash3 over place and bits.
    @inline(__always)
    private static func hash(_ bits: UInt64, _ place: UInt64) -> UInt64 {
        var mixed = place &* 0x9E37_79B9_7F4A_7C15 &+ bits
        mixed = (mixed ^ mixed &>> 33) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ mixed &>> 33) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ mixed &>> 33
    }
}
