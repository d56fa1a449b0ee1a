import Tensors
import Testing

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What the backward makes again instead of keeping it must have the bits of the first time: schedules that keep it and
/// schedules that do not are compared to the bit.
@Suite struct DerivedTests {
    static let shapes = [(1, 3), (5, 16), (3, 33), (4, 130)]

    @Test(arguments: shapes) func layerNormAgain(_ shape: (Int, Int)) {
        let (rows, width) = shape
        let x = Numbers(random: rows * width, seed: 1, scale: 3)
        let (gain, bias) = (Numbers(random: width, seed: 2), Numbers(random: width, seed: 3))
        let (mean, inverse, y, again) = (Numbers(rows), Numbers(rows), Numbers(x.count), Numbers(x.count))
        LayerNorm.forward(
            x: x.pointer, gain: gain.pointer, bias: bias.pointer, y: y.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, rows: rows, width: width)
        LayerNorm.apply(
            x: x.pointer, gain: gain.pointer, bias: bias.pointer, mean: mean.pointer, inverseDeviation: inverse.pointer,
            y: again.pointer, rows: rows, width: width)
        #expect(again.values == y.values && again.isIntact)
    }

    @Test(arguments: shapes) func rootMeanSquareAgain(_ shape: (Int, Int)) {
        let (rows, width) = shape
        let (x, gain) = (Numbers(random: rows * width, seed: 1, scale: 3), Numbers(random: width, seed: 2))
        let (inverse, y, again) = (Numbers(rows), Numbers(x.count), Numbers(x.count))
        RMSNorm.forward(
            x: x.pointer, gain: gain.pointer, y: y.pointer, inverseRoot: inverse.pointer, rows: rows, width: width)
        RMSNorm.apply(
            x: x.pointer, gain: gain.pointer, inverseRoot: inverse.pointer, y: again.pointer, rows: rows, width: width)
        #expect(again.values == y.values && again.isIntact)
    }

    @Test(arguments: shapes) func plainActivations(_ shape: (Int, Int)) {
        let count = shape.0 * shape.1
        let (x, dy) = (Numbers(random: count, seed: 1, scale: 6), Numbers(random: count, seed: 2))
        typealias Forward = (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
        func compare(
            _ forward: Forward, _ gradient: (UnsafeMutablePointer<Float>) -> Void, _ both: Forward, y: Numbers,
            dx: Numbers, _ name: Comment
        ) {
            let (place, other) = (Numbers(count) { x.pointer[$0] }, Numbers(count) { dy.pointer[$0] })
            forward(x.pointer, y.pointer)
            gradient(dx.pointer)
            both(place.pointer, other.pointer)
            #expect(place.values == dx.values && other.values == y.values, name)
            #expect(place.isIntact && other.isIntact, name)
        }
        compare(
            { Gelu.forward(x: $0, bias: nil, y: $1, rows: shape.0, width: shape.1) },
            { Gelu.inputGradient(x: x.pointer, dy: dy.pointer, dx: $0, count: count) },
            { Gelu.inputGradientAndValue(x: $0, dy: $1, count: count) }, y: Numbers(count), dx: Numbers(count), "GELU")
        for unit in [Rectifier.relu, .squaredRelu] {
            compare(
                { unit.forward(x: $0, bias: nil, y: $1, rows: shape.0, width: shape.1) },
                { unit.inputGradient(x: x.pointer, dy: dy.pointer, dx: $0, count: count) },
                { unit.inputGradientAndValue(x: $0, dy: $1, count: count) }, y: Numbers(count), dx: Numbers(count),
                "\(unit)")
        }
    }

    @Test(arguments: [GatedUnit.swiglu, .geglu], shapes) func gatedActivations(_ unit: GatedUnit, _ shape: (Int, Int)) {
        let (rows, width) = shape
        let both = Numbers(random: rows * 2 * width, seed: 1, scale: 6)
        let dy = Numbers(random: rows * width, seed: 2)
        let (y, gradient) = (Numbers(rows * width), Numbers(both.count))
        unit.forward(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, y: y.pointer, rows: rows, width: width)
        unit.inputGradient(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, dy: dy.pointer, dGate: gradient.pointer,
            dUp: gradient.pointer + width, gradientStride: 2 * width, rows: rows, width: width)
        unit.inputGradientAndValue(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, dy: dy.pointer, rows: rows, width: width)
        #expect(both.values == gradient.values && dy.values == y.values)
        #expect(both.isIntact && dy.isIntact)
    }

    /// Pages of the sparse part have no memory until they are written to; the rest has it from the start.
    @Test func sparseStorageTakesWhatIsWritten() {
        let page = 4096 / 4
        let storage = FloatStorage(count: 4096 * page, sparse: [1000 * page..<3000 * page])
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
