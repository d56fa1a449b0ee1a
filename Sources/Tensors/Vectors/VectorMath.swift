#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Element-wise work and reductions over runs of `count` numbers.
package enum VectorMath {
    /// Σ x²: blocks of 1024 numbers summed in fp32, the blocks in float64.
    package static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
        var total = 0.0
        var start = 0
        while start < count {
            let end = min(start + 1024, count)
            var sum = Vector(repeating: 0)
            let block = x + start
            eachVector(end - start) {
                sum = sum.adding(block.vector($0), times: block.vector($0))
            } tail: {
                let value = block.vector($0, count: $1)
                sum = sum.adding(value, times: value)
            }
            total += Double(sum.laneSum())
            start = end
        }
        return total
    }

    /// target += source.
    package static func add(into target: UnsafeMutablePointer<Float>, from source: UnsafePointer<Float>, count: Int) {
        eachVector(count) {
            target.store(target.vector($0) + source.vector($0), $0)
        } tail: { index, count in
            for lane in index..<index + count { target[lane] += source[lane] }
        }
    }

    /// target *= factor.
    package static func scale(_ target: UnsafeMutablePointer<Float>, count: Int, by factor: Float) {
        eachVector(count) {
            target.store(target.vector($0) * factor, $0)
        } tail: { index, count in
            for lane in index..<index + count { target[lane] *= factor }
        }
    }

    /// target (+)= source · scale.
    @inline(__always)
    static func copy(
        _ source: UnsafePointer<Float>, scaledBy scale: Float, into target: UnsafeMutablePointer<Float>, count: Int,
        accumulate: Bool = false
    ) {
        eachVector(count) {
            let value = source.vector($0) * scale
            target.store(accumulate ? target.vector($0) + value : value, $0)
        } tail: {
            let value = source.vector($0, count: $1) * scale
            target.store(accumulate ? target.vector($0, count: $1) + value : value, $0, count: $1)
        }
    }

    /// Every number becomes `value`.
    package static func fill(_ target: UnsafeMutablePointer<Float>, count: Int, with value: Float) {
        if count > 0 { target.update(repeating: value, count: count) }
    }

    /// target [R, W], bias [W]: target += bias in every row.
    package static func addBias(_ bias: UnsafePointer<Float>, into target: Matrix) {
        for row in 0..<target.rows { add(into: target.row(row), from: bias, count: target.columns) }
    }

    /// x [R, W], sums [W]: sums += Σ over rows of x.
    package static func addColumnSums(of x: Matrix, into sums: UnsafeMutablePointer<Float>) {
        for row in 0..<x.rows { add(into: sums, from: x.row(row), count: x.columns) }
    }

    /// The largest of `count` > 0 numbers.
    package static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
        var best = Vector(repeating: -.infinity)
        var last = -Float.infinity
        eachVector(count) {
            best = best.larger(x.vector($0))
        } tail: { index, count in
            for lane in index..<index + count { last = max(last, x[lane]) }
        }
        return max(best.laneMax(), last)
    }

    /// Turns `count` > 0 logits into probabilities, in place.
    package static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        let (_, sum) = shiftedExponentials(x, count: count)
        scale(x, count: count, by: 1 / sum)
    }

    /// In place e^(x − largest).
    /// - Returns: the largest x and the sum of the exponentials.
    static func shiftedExponentials(_ x: UnsafeMutablePointer<Float>, count: Int) -> (largest: Float, sum: Float) {
        let largest = maximum(x, count: count)
        return (largest, shiftExponentials(x, count: count, by: largest))
    }

    /// In place e^(x − shift). Error below 1.5 ulp for −87.3 ≤ x − shift ≤ 88.3, 0 below that range and finite above it.
    /// - Returns: the sum of the exponentials.
    package static func shiftExponentials(_ x: UnsafeMutablePointer<Float>, count: Int, by shift: Float) -> Float {
        var sum = Vector(repeating: 0)
        eachVector(count) {
            let value = exponential(of: x.vector($0) - shift)
            x.store(value, $0)
            sum += value
        } tail: { index, count in
            let value = exponential(of: x.vector(index, count: count) - shift)
            x.store(value, index, count: count)
            for lane in 0..<count { sum[lane] += value[lane] }
        }
        return sum.laneSum()
    }

    /// Σ a·b, summed in fp32.
    static func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        var sum = Vector(repeating: 0)
        eachVector(count) {
            sum = sum.adding(a.vector($0), times: b.vector($0))
        } tail: {
            sum = sum.adding(a.vector($0, count: $1), times: b.vector($0, count: $1))
        }
        return sum.laneSum()
    }

    /// eˣ of one number, by the C library.
    @inline(__always)
    static func scalarExponential(_ x: Float) -> Float { expf(x) }

    /// ln x of one number.
    @inline(__always)
    static func logarithm(_ x: Float) -> Float { logf(x) }
}
