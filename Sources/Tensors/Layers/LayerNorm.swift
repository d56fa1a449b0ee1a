/// Layer normalisation over the last dimension: y = (x − mean) · inverseDeviation · gain + bias, eps 10⁻⁵.
/// Shapes: x, y [rows, width]; gain, bias [width]; mean, inverseDeviation [rows].
package enum LayerNorm {
    /// Added to the variance.
    package static let epsilon: Float = 1e-5

    /// Normalises every row and keeps its mean and 1/√(variance + eps) for the gradients. y may be x.
    package static func forward(
        x: UnsafePointer<Float>, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let input = x + row * width
            var total = Vector(repeating: 0)
            eachVector(width) {
                total += input.vector($0)
            } tail: {
                total += input.vector($0, count: $1)
            }
            normalise(
                input, rowMean: total.laneSum() / Float(width), gain: gain, bias: bias, y: y + row * width,
                mean: mean + row, inverseDeviation: inverseDeviation + row, width: width)
        }
    }

    /// sum = x + delta + deltaBias (a column's bias, optional), then y = norm(sum): the residual sum fused with the
    /// norm behind it. `sum` may be `x` or `delta`.
    package static func addForward(
        x: UnsafePointer<Float>, delta: UnsafePointer<Float>, deltaBias: UnsafePointer<Float>?,
        sum: UnsafeMutablePointer<Float>, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (first, second, output) = (x + row * width, delta + row * width, sum + row * width)
            var total = Vector(repeating: 0)
            eachVector(width) {
                var value = first.vector($0) + second.vector($0)
                if let deltaBias { value += deltaBias.vector($0) }
                output.store(value, $0)
                total += value
            } tail: {
                var value = first.vector($0, count: $1) + second.vector($0, count: $1)
                if let deltaBias { value += deltaBias.vector($0, count: $1) }
                output.store(value, $0, count: $1)
                total += value
            }
            normalise(
                output, rowMean: total.laneSum() / Float(width), gain: gain, bias: bias, y: y + row * width,
                mean: mean + row, inverseDeviation: inverseDeviation + row, width: width)
        }
    }

    /// y of a ``forward`` again, from what it kept: the same bits. y may be x.
    package static func apply(
        x: UnsafePointer<Float>, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            scaleAndShift(
                x + row * width, centre: Vector(repeating: mean[row]), scale: Vector(repeating: inverseDeviation[row]),
                gain: gain, bias: bias, y: y + row * width, width: width)
        }
    }

    /// dx (+)= the loss's gradient by x. With `accumulate` dx already holds the residual stream's gradient.
    /// dx may be dy when not accumulating.
    package static func inputGradient(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, gain: UnsafePointer<Float>,
        mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        rows: Int, width: Int, accumulate: Bool
    ) {
        for row in 0..<rows {
            let (gradient, input, output) = (dy + row * width, x + row * width, dx + row * width)
            let centre = Vector(repeating: mean[row])
            let scale = Vector(repeating: inverseDeviation[row])
            var sum = Vector(repeating: 0)
            var projected = Vector(repeating: 0)
            eachVector(width) {
                let scaled = gradient.vector($0) * gain.vector($0)
                sum += scaled
                projected = projected.plus(scaled, input.vector($0) - centre)
            } tail: {
                let scaled = gradient.vector($0, count: $1) * gain.vector($0, count: $1)
                sum += scaled
                projected = projected.plus(scaled, input.vector($0, count: $1) - centre)
            }
            // dx = (g·dy − mean(g·dy) − x̂ · mean(g·dy·x̂)) · inverseDeviation, x̂ the normalised input.
            let meanGradient = Vector(repeating: -sum.laneSum() / Float(width))
            let slope = Vector(
                repeating: -projected.laneSum() * inverseDeviation[row] * inverseDeviation[row] / Float(width))
            eachVector(width) {
                var value = meanGradient.plus(gradient.vector($0), gain.vector($0))
                value = value.plus(input.vector($0) - centre, slope) * scale
                output.store(accumulate ? output.vector($0) + value : value, $0)
            } tail: {
                var value = meanGradient.plus(gradient.vector($0, count: $1), gain.vector($0, count: $1))
                value = value.plus(input.vector($0, count: $1) - centre, slope) * scale
                output.store(accumulate ? output.vector($0, count: $1) + value : value, $0, count: $1)
            }
        }
    }

    /// dGain += Σ rows dy · x̂ and dBias += Σ rows dy, x̂ the normalised input.
    package static func weightGradient(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, dGain: UnsafeMutablePointer<Float>,
        dBias: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (gradient, input) = (dy + row * width, x + row * width)
            let centre = Vector(repeating: mean[row])
            let scale = Vector(repeating: inverseDeviation[row])
            eachVector(width) {
                let value = gradient.vector($0)
                dGain.store(dGain.vector($0).plus(value, (input.vector($0) - centre) * scale), $0)
                dBias.store(dBias.vector($0) + value, $0)
            } tail: {
                let value = gradient.vector($0, count: $1)
                let normalised = (input.vector($0, count: $1) - centre) * scale
                dGain.store(dGain.vector($0, count: $1).plus(value, normalised), $0, count: $1)
                dBias.store(dBias.vector($0, count: $1) + value, $0, count: $1)
            }
        }
    }

    /// The second half of a forward row: variance about the mean, then scale and shift.
    @inline(__always)
    private static func normalise(
        _ input: UnsafePointer<Float>, rowMean: Float, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, width: Int
    ) {
        let centre = Vector(repeating: rowMean)
        var squares = Vector(repeating: 0)
        eachVector(width) {
            let difference = input.vector($0) - centre
            squares = squares.plus(difference, difference)
        } tail: { index, count in
            for lane in 0..<count {
                let difference = input[index + lane] - rowMean
                squares[lane] += difference * difference
            }
        }
        let inverse = 1 / (squares.laneSum() / Float(width) + epsilon).squareRoot()
        mean.pointee = rowMean
        inverseDeviation.pointee = inverse
        scaleAndShift(
            input, centre: centre, scale: Vector(repeating: inverse), gain: gain, bias: bias, y: y, width: width)
    }

    @inline(__always)
    private static func scaleAndShift(
        _ input: UnsafePointer<Float>, centre: Vector, scale: Vector, gain: UnsafePointer<Float>,
        bias: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, width: Int
    ) {
        eachVector(width) {
            y.store(bias.vector($0).plus((input.vector($0) - centre) * scale, gain.vector($0)), $0)
        } tail: {
            let normalised = (input.vector($0, count: $1) - centre) * scale
            y.store(bias.vector($0, count: $1).plus(normalised, gain.vector($0, count: $1)), $0, count: $1)
        }
    }
}
