import Foundation
import Tensors
import Testing

@Suite struct RotaryEmbeddingTests {
    struct Shape: CustomTestStringConvertible {
        var (batch, sequence, heads, headSize): (Int, Int, Int, Int)
        var width: Int { heads * headSize }
        var rows: Int { batch * sequence }
        var testDescription: String { "\(batch) × \(sequence), \(heads) heads of \(headSize)" }
    }
    static let shapes = [
        Shape(batch: 1, sequence: 3, heads: 1, headSize: 2), Shape(batch: 2, sequence: 5, heads: 3, headSize: 10),
        Shape(batch: 2, sequence: 4, heads: 2, headSize: 64),
    ]

    /// x·cos + rotate_half(x)·sin, rotate_half(x) = (−second half, first half), as transformers' llama writes it.
    static func reference(_ x: [Double], positions: [Int32], _ shape: Shape, base: Double) -> [Double] {
        var y = x
        let half = shape.headSize / 2
        for row in 0..<shape.rows {
            for head in 0..<shape.heads {
                let start = row * shape.width + head * shape.headSize
                for d in 0..<shape.headSize {
                    let frequency = 1 / pow(base, Double(2 * (d % half)) / Double(shape.headSize))
                    let angle = Double(positions[row % shape.sequence]) * frequency
                    let turned = d < half ? -x[start + d + half] : x[start + d - half]
                    y[start + d] = x[start + d] * cos(angle) + turned * sin(angle)
                }
            }
        }
        return y
    }

    struct Tables {
        let (cosines, sines): (Floats, Floats)
        let rows: Int
        var cosineRows: Matrix { cosines.matrix(rows, cosines.count / rows) }
        var sineRows: Matrix { sines.matrix(rows, sines.count / rows) }
    }

    static func tables(_ positions: [Int32], _ shape: Shape, base: Double) -> Tables {
        let (cosines, sines) = (
            Floats(positions.count * shape.headSize / 2), Floats(positions.count * shape.headSize / 2)
        )
        let tables = Tables(cosines: cosines, sines: sines, rows: positions.count)
        RotaryEmbedding.fillTables(
            positions: positions, base: base, cosines: tables.cosineRows, sines: tables.sineRows)
        #expect(cosines.isIntact && sines.isIntact)
        return tables
    }

    @Test(arguments: shapes, [10_000, 500_000] as [Double]) func matchesRotateHalf(_ shape: Shape, _ base: Double) {
        // The two pieces of a zigzag shard: the positions have a gap.
        let positions = (0..<shape.sequence).map { (index: Int) -> Int32 in Int32(index + (index < 2 ? 2 : 1000)) }
        let tables = Self.tables(positions, shape, base: base)
        let x = Floats(random: shape.rows * shape.width, seed: 1)
        let (before, dy) = (x.doubles, Floats(random: x.count, seed: 2))
        RotaryEmbedding.rotate(
            x.matrix(shape.rows, shape.width), cosines: tables.cosineRows, sines: tables.sineRows)
        expectClose(x, Self.reference(before, positions: positions, shape, base: base))

        let dys = dy.doubles
        RotaryEmbedding.inputGradient(
            dy.matrix(shape.rows, shape.width), cosines: tables.cosineRows, sines: tables.sineRows)
        let slopes = before.indices.map { index in
            centralDifference(before, index) {
                dot(Self.reference($0, positions: positions, shape, base: base), dys)
            }
        }
        expectClose(dy, slopes)
    }

    @Test func turnsQueriesAndKeysWhereTheyLie() {
        let shape = Shape(batch: 2, sequence: 3, heads: 2, headSize: 6)
        let positions = [Int32](0..<3)
        let tables = Self.tables(positions, shape, base: 10_000)
        // Two query heads, one key head and one value head in a row.
        let stride = 4 * shape.headSize
        let qkv = Floats(random: shape.rows * stride, seed: 3)
        let before = qkv.doubles
        RotaryEmbedding.rotate(
            qkv.matrix(shape.rows, stride).columns(0..<18), cosines: tables.cosineRows, sines: tables.sineRows)
        let three = Shape(batch: 2, sequence: 3, heads: 3, headSize: 6)
        let heads = (0..<shape.rows).flatMap { row in before[row * stride..<row * stride + 18] }
        let turned = Self.reference(heads, positions: positions, three, base: 10_000)
        var expected = before
        for row in 0..<shape.rows {
            expected.replaceSubrange(row * stride..<row * stride + 18, with: turned[row * 18..<(row + 1) * 18])
        }
        expectClose(qkv, expected)
    }

    @Test func scoresDependOnTheDistanceAlone() {
        let shape = Shape(batch: 1, sequence: 4, heads: 1, headSize: 16)
        let (q, k) = (Floats(random: 16, seed: 1).values, Floats(random: 16, seed: 2).values)
        let tables = Self.tables([3, 10, 1003, 1010], shape, base: 10_000)
        let rows = Floats(64) { (index: Int) -> Float in (index / 16 % 2 == 0 ? q : k)[index % 16] }
        RotaryEmbedding.rotate(rows.matrix(4, 16), cosines: tables.cosineRows, sines: tables.sineRows)
        let turned = rows.doubles
        func row(_ index: Int) -> [Double] { Array(turned[index * 16..<(index + 1) * 16]) }
        let near = dot(row(0), row(1))
        #expect(abs(near - dot(row(2), row(3))) < 1e-5)
        let unturned = dot(q.map { Double($0) }, k.map { Double($0) })
        #expect(abs(near - unturned) > 1e-3)
    }
}
