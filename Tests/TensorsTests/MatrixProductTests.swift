import Tensors
import Testing

@Suite struct MatrixProductTests {
    struct Shape: CustomTestStringConvertible {
        var (m, n, k): (Int, Int, Int)
        var transposeA = false
        var transposeB = false
        var accumulate = false
        var testDescription: String { "\(m)×\(n)×\(k) \(transposeA) \(transposeB)" + (accumulate ? ", added" : "") }
    }

    static let shapes: [Shape] = {
        var result: [Shape] = []
        for (m, n, k) in [(1, 1, 1), (1, 17, 5), (7, 33, 12), (30, 64, 19), (65, 48, 40)] {
            for flags in 0..<8 {
                result.append(
                    Shape(
                        m: m, n: n, k: k, transposeA: flags & 1 == 1, transposeB: flags & 2 == 2,
                        accumulate: flags & 4 == 4))
            }
        }
        return result
    }()

    @Test(arguments: shapes) func equalsFloat64Sums(_ shape: Shape) {
        MatrixProduct.useOneThread()
        let (m, n, k) = (shape.m, shape.n, shape.k)
        let lda = (shape.transposeA ? m : k) + 3
        let ldb = (shape.transposeB ? k : n) + 1
        let ldc = n + 2
        let a = Floats(random: (shape.transposeA ? k : m) * lda, seed: 1)
        let b = Floats(random: (shape.transposeB ? n : k) * ldb, seed: 2)
        let c = Floats(random: m * ldc, seed: 3)
        let (da, db) = (a.doubles, b.doubles)
        var expected = c.doubles
        for i in 0..<m {
            for j in 0..<n {
                var sum = 0.0
                for p in 0..<k {
                    sum +=
                        da[shape.transposeA ? p * lda + i : i * lda + p]
                        * db[shape.transposeB ? j * ldb + p : p * ldb + j]
                }
                expected[i * ldc + j] = sum + (shape.accumulate ? expected[i * ldc + j] : 0)
            }
        }
        MatrixProduct.multiply(
            shape.transposeA ? a.matrix(k, m, stride: lda) : a.matrix(m, k, stride: lda), transposeA: shape.transposeA,
            shape.transposeB ? b.matrix(n, k, stride: ldb) : b.matrix(k, n, stride: ldb), transposeB: shape.transposeB,
            into: c.matrix(m, n, stride: ldc), accumulate: shape.accumulate)
        expectClose(c, expected)
    }
}
