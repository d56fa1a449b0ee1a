/// eˣ in every lane. The relative error is below 1.5 ulp for −87.3 ≤ x ≤ 88.3. Above that range the result stays at
/// e^88.37, which is finite. Below it the result is exactly 0, so that a masked −∞ weighs nothing.
///
/// Cody–Waite reduction x = n·ln 2 + r with |r| ≤ ln 2 / 2, then the Taylor polynomial of degree 7 in r, whose truncation
/// error (r⁸/8! < 6·10⁻⁹) is under a tenth of an ulp. The exponent n is added to the bits.
///
/// Transparent, because the optimiser leaves a function of this length as a call even when told to inline it. A call
/// spills every vector register.
@_transparent
func exponential(of x: Vector) -> Vector {
    let clamped = x.larger(Vector(repeating: -87.33)).smaller(Vector(repeating: 88.37))
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits of the significand.
    let magic = Vector(repeating: 12_582_912)
    let shifted = magic.adding(clamped, times: Vector(repeating: 1.442_695_04))
    let n = shifted - magic
    var r = clamped.adding(n, times: Vector(repeating: -0.693_359_375))
    r = r.adding(n, times: Vector(repeating: 2.121_944_4e-4))
    var p = Vector(repeating: 1.0 / 5040)
    p = Vector(repeating: 1.0 / 720).adding(p, times: r)
    p = Vector(repeating: 1.0 / 120).adding(p, times: r)
    p = Vector(repeating: 1.0 / 24).adding(p, times: r)
    p = Vector(repeating: 1.0 / 6).adding(p, times: r)
    p = Vector(repeating: 0.5).adding(p, times: r)
    p = Vector(repeating: 1).adding(p, times: r)
    p = Vector(repeating: 1).adding(p, times: r)
    let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< SIMD16<Int32>(repeating: 23)
    let scaled = unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Vector.self)
    return scaled.replacing(with: 0, where: x .< Vector(repeating: -87.33))
}

/// 1 / (1 + e⁻ˣ) in every lane; relative error below 4 ulp where the result is normal.
@_transparent
func sigmoid(of x: Vector) -> Vector { 1 / (1 + exponential(of: -x)) }
