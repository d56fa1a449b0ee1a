import Tensors
import Testing

@Suite struct BFloat16Tests {
    /// The nearest bfloat16 by distance, ties to even, in float64: independent of bit tricks.
    static func nearest(_ value: Float) -> UInt16 {
        let below = UInt16(truncatingIfNeeded: value.bitPattern >> 16)  // towards zero
        let (low, high) = (BFloat16(bits: below).float, BFloat16(bits: below &+ 1).float)
        // Beyond the largest number the next step would be twice the last.
        let top = high.isInfinite ? (low < 0 ? -0x1p128 : 0x1p128) : Double(high)
        let (down, up) = (abs(Double(value) - Double(low)), abs(top - Double(value)))
        if down == up { return below & 1 == 0 ? below : below &+ 1 }
        return down < up ? below : below &+ 1
    }

    @Test func roundsToNearestTiesToEven() {
        var values: [Float] = [
            0, -0.0, 1, -1, 1.00390625, 1.01171875, 3.389e38, -3.4e38, Float(bitPattern: 71_362),
            .leastNonzeroMagnitude,
        ]
        values += Floats(random: 500, seed: 1, scale: 10).values + Floats(random: 500, seed: 2, scale: 1e-30).values
        let x = Floats(values.count) { values[$0] }
        var rounded = [BFloat16](repeating: BFloat16(bits: 0), count: values.count)
        BFloat16.round(x.pointer, into: &rounded, count: x.count)
        for (value, result) in zip(values, rounded) {
            #expect(result.bits == Self.nearest(value))
            #expect(BFloat16(value) == result)
        }
        let back = Floats(x.count) { _ in .nan }
        BFloat16.widen(rounded, into: back.pointer, count: x.count)
        #expect(back.isIntact && back.values == rounded.map { $0.float })
    }

    @Test func specialNumbersStaySpecial() {
        let quiet = Float(bitPattern: 0x7F80_0001)  // its significand is only in the lower half
        let x = Floats(20) { [Float.infinity, -.infinity, .nan, quiet][$0 % 4] }
        var rounded = [BFloat16](repeating: BFloat16(bits: 0), count: 20)
        BFloat16.round(x.pointer, into: &rounded, count: 20)
        for (index, value) in rounded.enumerated() {
            #expect(index % 4 < 2 ? value.float == x.values[index] : value.float.isNaN)
        }
    }
}

@Suite struct PreparedProductTests {
    /// Runs a prepared product and compares with float64 sums over the very elements it was given.
    static func check<Element: ProductElement>(
        _ shape: MatrixProductTests.Shape, _ type: Element.Type, tolerance: Double, element: (Float) -> Element,
        float: (Element) -> Float
    ) throws {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        let (lda, ldb, ldc) = (shape.transposeA ? m : k, shape.transposeB ? k : n, n)
        let a = Floats(random: (shape.transposeA ? k : m) * lda, seed: 1).values.map(element)
        let b = Floats(random: (shape.transposeB ? n : k) * ldb, seed: 2).values.map(element)
        let c = Floats(random: m * ldc, seed: 3)
        let (da, db) = (a.map { Double(float($0)) }, b.map { Double(float($0)) })
        var expected = c.doubles
        for i in 0..<m {
            for j in 0..<n {
                var sum = shape.accumulate ? expected[i * ldc + j] : 0
                for p in 0..<k {
                    let left = da[shape.transposeA ? p * lda + i : i * lda + p]
                    sum += left * db[shape.transposeB ? j * ldb + p : p * ldb + j]
                }
                expected[i * ldc + j] = sum
            }
        }
        let product = try PreparedProduct<Element>(
            m: m, n: n, k: k, transposeA: shape.transposeA, transposeB: shape.transposeB, accumulate: shape.accumulate)
        let before = c.values
        product.run(a, b, into: c.pointer)
        expectClose(c, expected, within: tolerance)
        // A prepared product runs again on other memory: it keeps nothing of its first run.
        let again = Floats(c.count) { before[$0] }
        product.run(Array(a), Array(b), into: again.pointer)
        #expect(again.values == c.values)
    }

    @Test(arguments: MatrixProductTests.shapes) func floatsEqualFloat64Sums(_ shape: MatrixProductTests.Shape) throws {
        try Self.check(shape, Float.self, tolerance: 2e-6, element: { $0 }, float: { $0 })
    }

    /// bf16 products are exact in fp32, so only the sums round.
    @Test(.enabled(if: BFloat16.isSupported, "this processor has no AVX512-BF16"), arguments: MatrixProductTests.shapes)
    func bfloat16EqualsFloat64Sums(_ shape: MatrixProductTests.Shape) throws {
        try Self.check(shape, BFloat16.self, tolerance: 4e-6, element: { BFloat16($0) }, float: { $0.float })
    }

    @Test(.enabled(if: !BFloat16.isSupported, "this processor has AVX512-BF16"))
    func bfloat16IsRefusedWhereTheProcessorHasNone() {
        #expect(throws: ProductError.noBFloat16) { try PreparedProduct<BFloat16>(m: 4, n: 4, k: 4) }
        #expect("\(ProductError.noBFloat16)".contains("AVX512-BF16"))
    }

    @Test func impossibleDimensionsAreRefusedNotTrapped() {
        #expect(throws: ProductError.self) { try PreparedProduct<Float>(m: -1, n: 4, k: 4) }
    }
}
