internal import Tensors

/// Products in mixed precision: operands rounded to bfloat16 just before, sums and results in fp32. Weights, gradients,
/// activations and optimizer state stay fp32, so the rounding touches one product and nothing is kept twice.
///
/// A product is prepared the first time its dimensions come up, and lasts for the run.
final class MixedProducts {
    private struct Key: Hashable {
        var m, n, k: Int
        var transposesA, transposesB, accumulates: Bool
    }

    private var prepared: [Key: PreparedProduct<BFloat16>] = [:]
    private var left = Rounded()
    private var right = Rounded()
    /// Whether rounded operands are multiplied in fp32: the same numbers on a processor without bfloat16 products, slowly.
    private let emulates: Bool
    private let widened = (GrowingRows(), GrowingRows())

    /// A growing place for rounded numbers.
    private struct Rounded {
        private var pointer: UnsafeMutablePointer<BFloat16>?
        private var capacity = 0

        mutating func round(_ source: UnsafePointer<Float>, count: Int) -> UnsafeMutablePointer<BFloat16> {
            if let pointer, count <= capacity {
                BFloat16.round(source, into: pointer, count: count)
                return pointer
            }
            pointer?.deallocate()
            let made = UnsafeMutablePointer<BFloat16>.allocate(capacity: count)
            made.initialize(repeating: BFloat16(bits: 0), count: count)
            (pointer, capacity) = (made, count)
            BFloat16.round(source, into: made, count: count)
            return made
        }

        func free() { pointer?.deallocate() }
    }

    /// Throws `ProductError.noBFloat16` on a processor without such products, unless they are emulated.
    init(emulates: Bool) throws(ProductError) {
        guard emulates || BFloat16.isSupported else { throw .noBFloat16 }
        self.emulates = emulates && !BFloat16.isSupported
    }

    deinit {
        left.free()
        right.free()
    }

    /// C[m, n] (+)= op(A)[m, k] · op(B)[k, n], matrices without gaps between their rows.
    func multiply(
        _ a: UnsafePointer<Float>, transposeA: Bool = false, _ b: UnsafePointer<Float>, transposeB: Bool = false,
        into c: UnsafeMutablePointer<Float>, m: Int, n: Int, k: Int, accumulate: Bool
    ) {
        guard m > 0, n > 0, k > 0 else { return }
        let (x, y) = (left.round(a, count: m * k), right.round(b, count: k * n))
        if emulates {
            let (wideX, wideY) = (widened.0.reserve(m * k), widened.1.reserve(k * n))
            BFloat16.widen(x, into: wideX, count: m * k)
            BFloat16.widen(y, into: wideY, count: k * n)
            MatrixProduct.multiply(
                wideX, transposeA: transposeA, lda: transposeA ? m : k, wideY, transposeB: transposeB,
                ldb: transposeB ? k : n, c, ldc: n, m: m, n: n, k: k, beta: accumulate ? 1 : 0)
            return
        }
        let key = Key(
            m: m, n: n, k: k, transposesA: transposeA, transposesB: transposeB, accumulates: accumulate)
        product(key).run(x, y, into: c)
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
