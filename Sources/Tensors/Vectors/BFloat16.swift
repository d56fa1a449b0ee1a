/// The upper half of an fp32 number: its sign, its exponent and 8 bits of significand.
package struct BFloat16: Hashable, Sendable, BitwiseCopyable {
    /// Sign, exponent and significand.
    package var bits: UInt16

    package init(bits: UInt16) { self.bits = bits }

    /// Rounds to nearest, ties to the even significand. NaN stays NaN.
    package init(_ value: Float) {
        let pattern = value.bitPattern
        bits = value.isNaN ? UInt16(pattern >> 16) | 0x40 : UInt16(truncatingIfNeeded: Self.rounded(pattern) >> 16)
    }

    private static func rounded(_ pattern: UInt32) -> UInt32 { pattern &+ 0x7FFF &+ (pattern >> 16 & 1) }

    /// The value as fp32, exact.
    package var float: Float { Float(bitPattern: UInt32(bits) << 16) }

    /// Rounds `count` numbers to nearest, ties to even. NaN stays NaN.
    package static func round(
        _ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<BFloat16>, count: Int
    ) {
        var index = 0
        while index + lanes <= count {
            target.store(rounded(source.vector(index)), index)
            index += lanes
        }
        while index < count {
            target[index] = BFloat16(source[index])
            index += 1
        }
    }

    /// Widens `count` numbers to fp32, exactly.
    package static func widen(
        _ source: UnsafePointer<BFloat16>, into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVector(count) {
            let bits = UnsafeRawPointer(source + $0).loadUnaligned(as: SIMD16<UInt16>.self)
            // Each number is the upper half of its lane.
            var halves = SIMD32<UInt16>(repeating: 0)
            halves.oddHalf = bits
            target.store(unsafeBitCast(halves, to: Vector.self), $0)
        } tail: { index, count in
            for lane in index..<index + count { target[lane] = source[lane].float }
        }
    }

    /// Sixteen numbers as bit patterns.
    @inline(__always)
    static func rounded(_ value: Vector) -> SIMD16<UInt16> {
        let pattern = unsafeBitCast(value, to: SIMD16<UInt32>.self)
        let lowest = (pattern &>> SIMD16(repeating: 16)) & 1
        let nearest = pattern &+ (lowest &+ 0x7FFF)
        let kept = (pattern | 0x40_0000).replacing(with: nearest, where: value .== value)
        // The upper half of every lane: the library's own narrowing goes lane by lane.
        return unsafeBitCast(kept, to: SIMD32<UInt16>.self).oddHalf
    }
}

extension UnsafeMutablePointer<BFloat16> {
    /// Writes sixteen numbers from `index` on.
    @inline(__always)
    func store(_ bits: SIMD16<UInt16>, _ index: Int) {
        UnsafeMutableRawPointer(self + index).storeBytes(of: bits, as: SIMD16<UInt16>.self)
    }
}
