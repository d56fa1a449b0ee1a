#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// x, dx [R, N · D], cosines, sines [L, D / 2]: rotary position embedding (Su et al. 2021) as Hugging Face's llama lays it
/// out. Element d of a head is paired with element d + D/2 (`rotate_half`), and the pair of a token at position p turns by
/// the angle p · f(d), where f(d) = base^(−2d/D) unless the frequencies are scaled (`RotaryFrequencies`).
///
/// Positions are data, so a rank that holds a part of every sequence fills its tables with the positions it holds.
package enum RotaryEmbedding {
    /// positions [L], cosines, sines [L, D / 2]: fills the tables. Angles are computed in float64.
    package static func fillTables(
        positions: [Int32], frequencies: RotaryFrequencies, cosines: Matrix, sines: Matrix
    ) {
        let amplitude = frequencies.amplitude
        for (pair, frequency) in frequencies.values.enumerated() {
            for (row, position) in positions.enumerated() {
                let angle = Double(position) * frequency
                cosines.row(row)[pair] = Float(amplitude * cos(angle))
                sines.row(row)[pair] = Float(amplitude * sin(angle))
            }
        }
    }

    /// positions [L], cosines, sines [L, D / 2]: fills the tables with unscaled frequencies. D must be even.
    package static func fillTables(positions: [Int32], base: Double = 10_000, cosines: Matrix, sines: Matrix) {
        fillTables(
            positions: positions, frequencies: RotaryFrequencies(base: base, headSize: 2 * cosines.columns),
            cosines: cosines, sines: sines)
    }

    /// x [R, N · D], cosines, sines [L, D / 2]: turns the heads of x in place. Row r uses row r mod L of the tables.
    package static func rotate(_ x: Matrix, cosines: Matrix, sines: Matrix) {
        turn(x, cosines: cosines, sines: sines, direction: 1)
    }

    /// dx [R, N · D], cosines, sines [L, D / 2]: turns the gradient by the rotated heads into the gradient by the heads
    /// before, in place.
    package static func inputGradient(_ dx: Matrix, cosines: Matrix, sines: Matrix) {
        turn(dx, cosines: cosines, sines: sines, direction: -1)
    }

    @inline(__always)
    private static func turn(_ x: Matrix, cosines: Matrix, sines: Matrix, direction: Float) {
        let (half, headSize) = (cosines.columns, 2 * cosines.columns)
        @inline(__always)
        func turned(_ a: Vector, _ b: Vector, _ cosine: Vector, _ sine: Vector) -> (Vector, Vector) {
            let signed = sine * direction
            return ((a * cosine).adding(-b, times: signed), (b * cosine).adding(a, times: signed))
        }
        for row in 0..<x.rows {
            let (cosine, sine) = (cosines.row(row % cosines.rows), sines.row(row % cosines.rows))
            for head in 0..<x.columns / headSize {
                let low = x.row(row) + head * headSize
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
