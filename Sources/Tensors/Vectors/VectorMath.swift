#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Element-wise work and reductions over runs of numbers.
package enum VectorMath {
    /// Σ x², each run of sixteen products gathered in fp32 blocks and the blocks in float64.
    package static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
        var total = 0.0
        var start = 0
        while start < count {
            let end = min(start + 1024, count)
            var sum = Vector(repeating: 0)
            let block = x + start
            eachVector(end - start) {
                sum = sum.plus(block.vector($0), block.vector($0))
            } tail: {
                let value = block.vector($0, count: $1)
                sum = sum.plus(value, value)
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

    /// target[rows, width] += bias[width] in every row.
    package static func addBias(
        _ bias: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows { add(into: target + row * width, from: bias, count: width) }
    }

    /// sums[width] += Σ over rows of x[rows, width].
    package static func addColumnSums(
        of x: UnsafePointer<Float>, into sums: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows { add(into: sums, from: x + row * width, count: width) }
    }

    /// y = eˣ; y may be x. Error below 1.5 ulp for −87.3 ≤ x ≤ 88.3, 0 below that range and finite above it.
    package static func exponentials(
        of x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVector(count) {
            y.store(exponential(of: x.vector($0)), $0)
        } tail: {
            y.store(exponential(of: x.vector($0, count: $1)), $0, count: $1)
        }
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

    /// In place probabilities of `count` > 0 logits.
    /// - Returns: the largest logit and Σ e^(logit − largest).
    @discardableResult
    package static func softmax(
        _ x: UnsafeMutablePointer<Float>, count: Int
    ) -> (largest: Float, sum: Float) {
        let result = shiftedExponentials(x, count: count)
        scale(x, count: count, by: 1 / result.sum)
        return result
    }

    /// In place e^(x − largest).
    static func shiftedExponentials(_ x: UnsafeMutablePointer<Float>, count: Int) -> (largest: Float, sum: Float) {
        let largest = maximum(x, count: count)
        return (largest, shiftExponentials(x, count: count, by: largest))
    }

    /// In place e^(x − shift).
    /// - Returns: their sum.
    static func shiftExponentials(_ x: UnsafeMutablePointer<Float>, count: Int, by shift: Float) -> Float {
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

    /// Σ e^(x − largest), x left as it is.
    static func sumOfExponentials(_ x: UnsafePointer<Float>, count: Int, largest: Float) -> Float {
        var sum = Vector(repeating: 0)
        eachVector(count) {
            sum += exponential(of: x.vector($0) - largest)
        } tail: { index, count in
            let value = exponential(of: x.vector(index, count: count) - largest)
            for lane in 0..<count { sum[lane] += value[lane] }
        }
        return sum.laneSum()
    }

    /// Σ a·b, gathered in fp32.
    static func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        var sum = Vector(repeating: 0)
        eachVector(count) {
            sum = sum.plus(a.vector($0), b.vector($0))
        } tail: {
            sum = sum.plus(a.vector($0, count: $1), b.vector($0, count: $1))
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
