import Numbers
import Tensors
import Testing

/// A run of numbers with a guard behind it: a kernel that writes past its end is caught by ``isIntact``.
final class Floats {
    private static let guardCount = 32
    private static let guardValue: Float = -7.25e11
    private let storage: Storage<Float>
    let count: Int

    init(_ count: Int, fill: (Int) -> Float = { _ in 0 }) {
        self.count = count
        storage = Storage(count: count + Self.guardCount)
        for index in 0..<count { storage.pointer[index] = fill(index) }
        for index in count..<count + Self.guardCount { storage.pointer[index] = Self.guardValue }
    }

    /// Floats in (−scale, scale) that depend on the seed only.
    convenience init(random count: Int, seed: UInt64, scale: Float = 1) {
        var random = SplitMix64(seed: seed)
        self.init(count) { _ in (Float(random.next() >> 40) * 0x1p-23 - 1) * scale }
    }

    var pointer: UnsafeMutablePointer<Float> { storage.pointer }

    /// The numbers as a matrix, in rows `stride` apart.
    func matrix(_ rows: Int, _ columns: Int, stride: Int? = nil) -> Matrix {
        Matrix(pointer, rows: rows, columns: columns, stride: stride)
    }

    var values: [Float] { (0..<count).map { storage.pointer[$0] } }
    var doubles: [Double] { (0..<count).map { Double(storage.pointer[$0]) } }
    var isIntact: Bool {
        (count..<count + Self.guardCount).allSatisfy { storage.pointer[$0] == Self.guardValue }
    }
}

/// The largest |value − reference| relative to the largest |reference| (at least 10⁻³⁰).
func relativeError(_ values: [Float], _ reference: [Double]) -> Double {
    guard values.count == reference.count else { return .infinity }
    var (error, size) = (0.0, 1e-30)
    for (value, expected) in zip(values, reference) {
        guard value.isFinite else { return .infinity }
        error = max(error, abs(Double(value) - expected))
        size = max(size, abs(expected))
    }
    return error / size
}

func expectClose(
    _ values: Floats, _ reference: [Double], within tolerance: Double = 2e-6, _ what: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(values.isIntact, what, sourceLocation: sourceLocation)
    let error = relativeError(values.values, reference)
    #expect(error <= tolerance, what, sourceLocation: sourceLocation)
}

/// The derivative of `loss` by its argument number `index`, by central differences in float64.
func centralDifference(_ x: [Double], _ index: Int, _ loss: ([Double]) -> Double) -> Double {
    let step = 1e-5
    var (above, below) = (x, x)
    above[index] += step
    below[index] -= step
    return (loss(above) - loss(below)) / (2 * step)
}

func dot(_ a: [Double], _ b: [Double]) -> Double {
    var total = 0.0
    for index in a.indices { total += a[index] * b[index] }
    return total
}
