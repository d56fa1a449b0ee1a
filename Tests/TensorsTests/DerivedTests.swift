import Tensors
import Testing

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Tensors that a backward recomputes must equal those of the forward to the bit, since schedules that keep them and
/// schedules that recompute them are compared to the bit.
@Suite struct DerivedTests {
    static let shapes = [(1, 3), (5, 16), (3, 33), (4, 130)]

    @Test(arguments: shapes) func layerNormAgain(_ shape: (Int, Int)) {
        let (rows, width) = shape
        let x = Floats(random: rows * width, seed: 1, scale: 3)
        let (gain, bias) = (Floats(random: width, seed: 2), Floats(random: width, seed: 3))
        let (mean, inverse, y, again) = (Floats(rows), Floats(rows), Floats(x.count), Floats(x.count))
        LayerNorm.forward(
            x: x.matrix(rows, width), gain: gain.pointer, bias: bias.pointer, y: y.matrix(rows, width),
            mean: mean.pointer, inverseDeviation: inverse.pointer)
        LayerNorm.apply(
            x: x.matrix(rows, width), gain: gain.pointer, bias: bias.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, y: again.matrix(rows, width))
        #expect(again.values == y.values && again.isIntact)
    }

    @Test(arguments: shapes) func rootMeanSquareAgain(_ shape: (Int, Int)) {
        let (rows, width) = shape
        let (x, gain) = (Floats(random: rows * width, seed: 1, scale: 3), Floats(random: width, seed: 2))
        let (inverse, y, again) = (Floats(rows), Floats(x.count), Floats(x.count))
        RMSNorm.forward(
            x: x.matrix(rows, width), gain: gain.pointer, y: y.matrix(rows, width), inverseRoot: inverse.pointer)
        RMSNorm.apply(
            x: x.matrix(rows, width), gain: gain.pointer, inverseRoot: inverse.pointer, y: again.matrix(rows, width))
        #expect(again.values == y.values && again.isIntact)
    }

    @Test(arguments: shapes) func plainActivations(_ shape: (Int, Int)) {
        let count = shape.0 * shape.1
        let (x, dy) = (Floats(random: count, seed: 1, scale: 6), Floats(random: count, seed: 2))
        func matrix(_ numbers: Floats) -> Matrix { numbers.matrix(shape.0, shape.1) }
        func compare(
            _ name: Comment, _ forward: (_ x: Matrix, _ y: Matrix) -> Void,
            _ gradient: (_ x: Matrix, _ dy: Matrix, _ dx: Matrix) -> Void, _ both: (_ x: Matrix, _ dy: Matrix) -> Void
        ) {
            let (y, dx) = (Floats(count), Floats(count))
            let (place, other) = (Floats(count) { x.pointer[$0] }, Floats(count) { dy.pointer[$0] })
            forward(matrix(x), matrix(y))
            gradient(matrix(x), matrix(dy), matrix(dx))
            both(matrix(place), matrix(other))
            #expect(place.values == dx.values && other.values == y.values, name)
            #expect(place.isIntact && other.isIntact, name)
        }
        compare(
            "GELU", { GELU.forward(x: $0, bias: nil, y: $1) }, { GELU.inputGradient(x: $0, dy: $1, dx: $2) },
            { GELU.inputGradientAndValue(x: $0, dy: $1) })
        for unit in [ReLU.plain, .squared] {
            compare(
                "ReLU, \(unit)", { unit.forward(x: $0, bias: nil, y: $1) },
                { unit.inputGradient(x: $0, dy: $1, dx: $2) }, { unit.inputGradientAndValue(x: $0, dy: $1) })
        }
    }

    @Test(arguments: [GatedLinearUnit.swiglu, .geglu], shapes)
    func gatedActivations(_ unit: GatedLinearUnit, _ shape: (Int, Int)) {
        let (rows, width) = shape
        let both = Floats(random: rows * 2 * width, seed: 1, scale: 6)
        let dy = Floats(random: rows * width, seed: 2)
        let (y, gradient) = (Floats(rows * width), Floats(both.count))
        func halves(_ numbers: Floats) -> (gate: Matrix, up: Matrix) {
            let pair = numbers.matrix(rows, 2 * width)
            return (pair.columns(0..<width), pair.columns(width..<2 * width))
        }
        let ((gate, up), (dGate, dUp)) = (halves(both), halves(gradient))
        unit.forward(gate: gate, up: up, y: y.matrix(rows, width))
        unit.inputGradient(gate: gate, up: up, dy: dy.matrix(rows, width), dGate: dGate, dUp: dUp)
        unit.inputGradientAndValue(gate: gate, up: up, dy: dy.matrix(rows, width))
        #expect(both.values == gradient.values && dy.values == y.values)
        #expect(both.isIntact && dy.isIntact)
    }

    /// Pages of the sparse part have no memory until they are written to; the rest has it from the start.
    @Test func sparseStorageTakesWhatIsWritten() {
        let page = 4096 / 4
        let storage = Storage<Float>(count: 4096 * page, sparse: [1000 * page..<3000 * page])
        func resident(_ pages: Range<Int>) -> Int {
            var flags = [UInt8](repeating: 0, count: pages.count)
            mincore(storage.pointer + pages.lowerBound * page, pages.count * 4096, &flags)
            return flags.count { $0 & 1 == 1 }
        }
        #expect(resident(0..<1000) == 1000 && resident(3000..<4096) == 1096)
        #expect(resident(1000..<3000) == 0)
        storage.pointer[2000 * page + 7] = 1
        #expect(resident(1000..<3000) == 1)
        #expect((0..<storage.count).reduce(Float(0)) { $0 + storage.pointer[$1] } == 1)
    }
}
