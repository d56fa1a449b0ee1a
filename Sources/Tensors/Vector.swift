/// Sixteen fp32 lanes: one AVX-512 register, or as many narrower ones as the target has.
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
    var laneSum: Float {
        let eight = lowHalf + highHalf
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }

    /// The largest lane.
    @inline(__always)
    var laneMax: Float {
        let eight = pointwiseMax(lowHalf, highHalf)
        let four = pointwiseMax(eight.lowHalf, eight.highHalf)
        let two = pointwiseMax(four.lowHalf, four.highHalf)
        return Swift.max(two.x, two.y)
    }

    /// `self + a·b`, rounded once.
    @inline(__always)
    func plus(_ a: Vector, _ b: Vector) -> Vector { addingProduct(a, b) }
}

/// eˣ in every lane. Relative error below 1.5 ulp (2⁻²³) for −87.3 ≤ x ≤ 88.3; above that range the result stays at
/// e^88.37 (finite), below it is exactly 0, so a masked −∞ weighs nothing.
///
/// Cody–Waite reduction x = n·ln 2 + r, |r| ≤ ln 2 / 2, then the Taylor polynomial of degree 7 in r, whose
/// truncation error (r⁸/8! < 6·10⁻⁹) is under a tenth of an ulp, and the exponent n added to the bits.
@inline(__always)
func exponential(_ x: Vector) -> Vector {
    let clamped = pointwiseMin(pointwiseMax(x, Vector(repeating: -87.33)), Vector(repeating: 88.37))
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits of the significand.
    let magic = Vector(repeating: 12_582_912)
    let shifted = magic.plus(clamped, Vector(repeating: 1.442_695_04))
    let n = shifted - magic
    var r = clamped.plus(n, Vector(repeating: -0.693_359_375))
    r = r.plus(n, Vector(repeating: 2.121_944_4e-4))
    var p = Vector(repeating: 1.0 / 5040)
    p = Vector(repeating: 1.0 / 720).plus(p, r)
    p = Vector(repeating: 1.0 / 120).plus(p, r)
    p = Vector(repeating: 1.0 / 24).plus(p, r)
    p = Vector(repeating: 1.0 / 6).plus(p, r)
    p = Vector(repeating: 0.5).plus(p, r)
    p = Vector(repeating: 1).plus(p, r)
    p = Vector(repeating: 1).plus(p, r)
    let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< SIMD16<Int32>(repeating: 23)
    let scaled = unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Vector.self)
    return scaled.replacing(with: 0, where: x .< Vector(repeating: -87.33))
}

/// 1 / (1 + e⁻ˣ) in every lane; relative error below 4 ulp where the result is normal.
@inline(__always)
func sigmoid(_ x: Vector) -> Vector {
    1 / (1 + exponential(-x))
}

/// Walks `count` numbers sixteen at a time; `tail` gets the index and number of the last few, if any.
@inline(__always)
func eachVector(_ count: Int, _ body: (Int) -> Void, tail: (Int, Int) -> Void) {
    var index = 0
    while index + lanes <= count {
        body(index)
        index += lanes
    }
    if index < count { tail(index, count - index) }
}
