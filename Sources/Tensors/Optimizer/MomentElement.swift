/// A number format in which an optimizer keeps moments. Updates are computed in fp32.
package protocol MomentElement: BitwiseCopyable {
    /// Sixteen numbers from `index` on.
    static func vector(_ pointer: UnsafeMutablePointer<Self>, _ index: Int) -> SIMD16<Float>
    /// The `count` < 16 numbers from `index` on, zeros behind them.
    static func vector(_ pointer: UnsafeMutablePointer<Self>, _ index: Int, count: Int) -> SIMD16<Float>
    /// Writes sixteen numbers from `index` on, rounded to the format.
    static func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Self>, _ index: Int)
    /// Writes the first `count` < 16 lanes from `index` on, rounded to the format.
    static func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Self>, _ index: Int, count: Int)
}

extension Float: MomentElement {
    @inline(__always)
    package static func vector(_ pointer: UnsafeMutablePointer<Float>, _ index: Int) -> SIMD16<Float> {
        pointer.vector(index)
    }

    @inline(__always)
    package static func vector(_ pointer: UnsafeMutablePointer<Float>, _ index: Int, count: Int) -> SIMD16<Float> {
        pointer.vector(index, count: count)
    }

    @inline(__always)
    package static func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Float>, _ index: Int) {
        pointer.store(value, index)
    }

    @inline(__always)
    package static func store(
        _ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Float>, _ index: Int, count: Int
    ) { pointer.store(value, index, count: count) }
}

/// bf16 moments round to nearest, ties to even, as Transformer Engine's FusedAdam does.
extension BFloat16: MomentElement {
    @inline(__always)
    package static func vector(_ pointer: UnsafeMutablePointer<BFloat16>, _ index: Int) -> SIMD16<Float> {
        let bits = UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD16<UInt16>.self)
        var halves = SIMD32<UInt16>(repeating: 0)
        halves.oddHalf = bits
        return unsafeBitCast(halves, to: SIMD16<Float>.self)
    }

    @inline(__always)
    package static func vector(_ pointer: UnsafeMutablePointer<BFloat16>, _ index: Int, count: Int) -> SIMD16<Float> {
        var result = SIMD16<Float>(repeating: 0)
        for lane in 0..<count { result[lane] = pointer[index + lane].float }
        return result
    }

    @inline(__always)
    package static func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<BFloat16>, _ index: Int) {
        pointer.store(rounded(value), index)
    }

    @inline(__always)
    package static func store(
        _ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<BFloat16>, _ index: Int, count: Int
    ) {
        for lane in 0..<count { pointer[index + lane] = BFloat16(value[lane]) }
    }
}
