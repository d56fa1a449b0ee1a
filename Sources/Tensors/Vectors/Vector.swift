internal import COneDNN

/// Sixteen fp32 lanes: one AVX-512 register, or several narrower ones.
typealias Vector = SIMD16<Float>

/// Lanes of ``Vector``.
let lanes = 16

extension UnsafePointer<Float> {
    /// Sixteen numbers from `index` on, of any alignment.
    @inline(__always)
    func vector(_ index: Int) -> Vector {
        UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self)
    }

    /// The `count` < 16 numbers from `index` on, zeros behind them.
    @inline(__always)
    func vector(_ index: Int, count: Int) -> Vector {
        var result = Vector(repeating: 0)
        for lane in 0..<count { result[lane] = self[index + lane] }
        return result
    }
}

extension UnsafeMutablePointer<Float> {
    /// Sixteen numbers from `index` on, of any alignment.
    @inline(__always)
    func vector(_ index: Int) -> Vector { UnsafePointer(self).vector(index) }

    /// The `count` < 16 numbers from `index` on, zeros behind them.
    @inline(__always)
    func vector(_ index: Int, count: Int) -> Vector { UnsafePointer(self).vector(index, count: count) }

    /// Writes sixteen numbers from `index` on.
    @inline(__always)
    func store(_ value: Vector, _ index: Int) {
        UnsafeMutableRawPointer(self + index).storeBytes(of: value, as: Vector.self)
    }

    /// Writes the first `count` < 16 lanes from `index` on.
    @inline(__always)
    func store(_ value: Vector, _ index: Int, count: Int) {
        for lane in 0..<count { self[index + lane] = value[lane] }
    }
}

extension SIMD16<Float> {
    /// The sum of the lanes, always in the same order: halves folded onto each other.
    @inline(__always)
    func laneSum() -> Float {
        let eight = lowHalf + highHalf
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }

    /// The largest lane.
    @inline(__always)
    func laneMax() -> Float {
        var result = self[0]
        for lane in 1..<lanes { result = self[lane] > result ? self[lane] : result }
        return result
    }

    /// The larger of each pair of lanes. The library's `pointwiseMax` is slower: it checks each lane for NaN.
    @inline(__always)
    func larger(_ other: Vector) -> Vector { other.replacing(with: self, where: self .> other) }

    /// The smaller of each pair of lanes.
    @inline(__always)
    func smaller(_ other: Vector) -> Vector { other.replacing(with: self, where: self .< other) }

    /// `self + a·b`, rounded once where the processor can. Elsewhere a fused product would be a library call for each lane.
    @inline(__always)
    func adding(_ a: Vector, times b: Vector) -> Vector {
        trainyard_has_fused_multiply_add() ? addingProduct(a, b) : self + a * b
    }
}

/// Calls `body` with the index of every sixteen of `count` numbers, then `tail` with the index and number of those left.
@inline(__always)
func eachVector(_ count: Int, _ body: (Int) -> Void, tail: (Int, Int) -> Void) {
    var index = 0
    while index + lanes <= count {
        body(index)
        index += lanes
    }
    if index < count { tail(index, count - index) }
}

/// `eachVector` with `body` always inlined, for long bodies that carry no sum from vector to vector. As a call such a body
/// would load its constants again for every vector.
@_transparent
func eachVectorInlined(_ count: Int, _ body: (Int) -> Void, tail: (Int, Int) -> Void) {
    var index = 0
    while index + lanes <= count {
        body(index)
        index += lanes
    }
    if index < count { tail(index, count - index) }
}
