import Tensors
import Testing

@Suite struct MatrixTests {
    @Test func viewsShareTheNumbers() {
        let numbers = Floats(4 * 6) { Float($0) }
        let matrix = numbers.matrix(4, 6)
        let inner = matrix.rows(1..<3).columns(2..<5)
        #expect(inner.rows == 2 && inner.columns == 3 && inner.stride == 6 && !inner.isContiguous)
        #expect((0..<3).map { inner.row(1)[$0] } == [14, 15, 16])
        inner.row(0)[1] = -1
        #expect(numbers.values[9] == -1)
    }

    @Test func copiesOverGaps() {
        let (source, target) = (Floats(5 * 4) { Float($0) }, Floats(5 * 3) { _ in -1 })
        target.matrix(5, 3).columns(1..<3).copy(from: source.matrix(5, 4).columns(0..<2))
        let expected = (0..<5).flatMap { (row: Int) -> [Float] in [-1, Float(4 * row), Float(4 * row + 1)] }
        #expect(target.values == expected)
        #expect(target.isIntact)
    }

    @Test func sequencesKeepTheirStride() {
        let numbers = Floats(6 * 4) { Float($0) }
        let batch = numbers.matrix(6, 4).columns(1..<3).sequences(of: 3).rows(1..<3)
        #expect(batch.count == 2 && batch.rows == 2 && batch.columns == 2)
        #expect((0..<2).map { batch[1].row(1)[$0] } == [21, 22])
    }
}
