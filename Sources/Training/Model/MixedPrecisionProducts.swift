internal import Tensors

/// Products in mixed precision: operands rounded to bfloat16 just before, sums and results in fp32. Weights, gradients,
/// activations and optimizer state stay fp32, so the rounding touches one product and nothing is kept twice.
///
/// A product is prepared the first time its dimensions come up, and lasts for the run.
final class MixedPrecisionProducts {
    private struct Key: Hashable {
        var m, n, k: Int
        var transposesA, transposesB, accumulates: Bool
    }

    private var prepared: [Key: PreparedProduct<BFloat16>] = [:]
    private let rounded = (GrowingStorage<BFloat16>(), GrowingStorage<BFloat16>())
    /// Whether rounded operands are multiplied in fp32: the same numbers on a processor without bfloat16 products, slowly.
    private let emulates: Bool
    private let widened = (GrowingStorage<Float>(), GrowingStorage<Float>())

    /// Throws `ProductError.noBFloat16` on a processor without such products, unless they are emulated.
    init(emulates: Bool) throws(ProductError) {
        guard emulates || BFloat16.isSupported else { throw .noBFloat16 }
        self.emulates = emulates && !BFloat16.isSupported
    }

    /// a [m, k] or transposed [k, m], b [k, n] or transposed [n, k], c [m, n], none with gaps: c = a·b, or with `accumulate`
    /// c += a·b.
    func multiply(
        _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into c: Matrix, accumulate: Bool
    ) {
        let (m, n, k) = (c.rows, c.columns, transposeA ? a.rows : a.columns)
        guard m > 0, n > 0, k > 0 else { return }
        let (x, y) = (rounded.0.reserve(a.count), rounded.1.reserve(b.count))
        BFloat16.round(a.pointer, into: x, count: a.count)
        BFloat16.round(b.pointer, into: y, count: b.count)
        if emulates {
            let wideX = widened.0.reserve(rows: a.rows, columns: a.columns)
            let wideY = widened.1.reserve(rows: b.rows, columns: b.columns)
            BFloat16.widen(x, into: wideX.pointer, count: a.count)
            BFloat16.widen(y, into: wideY.pointer, count: b.count)
            MatrixProduct.multiply(
                wideX, transposeA: transposeA, wideY, transposeB: transposeB, into: c, accumulate: accumulate)
            return
        }
        let key = Key(
            m: m, n: n, k: k, transposesA: transposeA, transposesB: transposeB, accumulates: accumulate)
        product(key).run(x, y, into: c.pointer)
    }

    private func product(_ key: Key) -> PreparedProduct<BFloat16> {
        if let found = prepared[key] { return found }
        do {
            let made = try PreparedProduct<BFloat16>(
                m: key.m, n: key.n, k: key.k, transposeA: key.transposesA, transposeB: key.transposesB,
                accumulate: key.accumulates)
            prepared[key] = made
            return made
        } catch {
            // The initialiser has seen that the processor multiplies these numbers, and dimensions are positive.
            preconditionFailure("\(error)")
        }
    }
}
