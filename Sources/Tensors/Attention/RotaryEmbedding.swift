#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Rotary position embedding (Su et al. 2021) in the arrangement of Hugging Face's llama: element d of a head is paired
/// with element d + headSize/2 (`rotate_half`), and the pair of a token at position p turns by p · base^(−2d/headSize).
///
/// Positions are data, so a rank that holds some part of a sequence fills its table with the positions it holds.
package enum RotaryEmbedding {
    /// Fills the tables of `count` tokens: cosines, sines [count, headSize / 2]. `positions` [count]. Angles are computed
    /// in float64. `headSize` must be even.
    package static func fillTables(
        positions: UnsafePointer<Int32>, count: Int, headSize: Int, base: Double = 10_000,
        cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>
    ) {
        let half = headSize / 2
        for pair in 0..<half {
            let frequency = pow(base, -2 * Double(pair) / Double(headSize))
            for row in 0..<count {
                let angle = Double(positions[row]) * frequency
                cosines[row * half + pair] = Float(cos(angle))
                sines[row * half + pair] = Float(sin(angle))
            }
        }
    }

    /// Turns the heads of x in place. x is [rows, heads · headSize] with `stride` numbers from row to row, so the queries
    /// or the keys of a fused [rows, query | key | value] product can be turned where they lie. Row r uses the tables'
    /// row r mod `period`: with rows [batch, sequence], period is the sequence.
    package static func rotate(
        _ x: UnsafeMutablePointer<Float>, stride: Int, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
        rows: Int, period: Int, heads: Int, headSize: Int
    ) {
        turn(
            x, stride: stride, cosines: cosines, sines: sines, rows: rows, period: period, heads: heads,
            headSize: headSize, direction: 1)
    }

    /// Turns the gradient by the rotated heads, in place, into the gradient by the heads before: the rotation backwards.
    /// Shapes as in ``rotate(_:stride:cosines:sines:rows:period:heads:headSize:)``.
    package static func inputGradient(
        _ dx: UnsafeMutablePointer<Float>, stride: Int, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
        rows: Int, period: Int, heads: Int, headSize: Int
    ) {
        turn(
            dx, stride: stride, cosines: cosines, sines: sines, rows: rows, period: period, heads: heads,
            headSize: headSize, direction: -1)
    }

    @inline(__always)
    private static func turn(
        _ x: UnsafeMutablePointer<Float>, stride: Int, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
        rows: Int, period: Int, heads: Int, headSize: Int, direction: Float
    ) {
        let half = headSize / 2
        @inline(__always)
        func turned(_ a: Vector, _ b: Vector, _ cosine: Vector, _ sine: Vector) -> (Vector, Vector) {
            let signed = sine * direction
            return ((a * cosine).plus(-b, signed), (b * cosine).plus(a, signed))
        }
        for row in 0..<rows {
            let table = row % period * half
            let (cosine, sine) = (cosines + table, sines + table)
            for head in 0..<heads {
                let low = x + row * stride + head * headSize
                let high = low + half
                eachVector(half) {
                    let (a, b) = turned(low.vector($0), high.vector($0), cosine.vector($0), sine.vector($0))
                    low.store(a, $0)
                    high.store(b, $0)
                } tail: {
                    let (a, b) = turned(
                        low.vector($0, count: $1), high.vector($0, count: $1), cosine.vector($0, count: $1),
                        sine.vector($0, count: $1))
                    low.store(a, $0, count: $1)
                    high.store(b, $0, count: $1)
                }
            }
        }
    }
}
