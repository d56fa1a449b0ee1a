/// x, y [R, H], gain, bias [H], mean, inverseDeviation [R]: layer normalisation of every row,
/// y = (x − mean) · inverseDeviation · gain + bias with inverseDeviation = 1/√(variance + epsilon).
package enum LayerNorm {
    /// Added to the variance where nothing else is asked for.
    package static let epsilon: Float = 1e-5

    /// x, y [R, H], gain, bias [H], mean, inverseDeviation [R]: y = norm(x). Writes the mean and the inverse deviation of
    /// every row for the gradients. y may be x.
    package static func forward(
        x: Matrix, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, y: Matrix,
        mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>,
        epsilon: Float = LayerNorm.epsilon
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let input = UnsafePointer(x.row(row))
            var total = Vector(repeating: 0)
            eachVector(width) {
                total += input.vector($0)
            } tail: {
                total += input.vector($0, count: $1)
            }
            normalise(
                input, rowMean: total.laneSum() / Float(width), gain: gain, bias: bias, y: y.row(row),
                mean: mean + row, inverseDeviation: inverseDeviation + row, width: width, epsilon: epsilon)
        }
    }

    /// x, delta, sum, y [R, H], deltaBias [H] or nil, gain, bias [H], mean, inverseDeviation [R]: sum = x + delta +
    /// deltaBias, then y = norm(sum). It fuses a residual sum with the norm behind it. sum may be x or delta, y may be
    /// delta.
    package static func addForward(
        x: Matrix, delta: Matrix, deltaBias: UnsafePointer<Float>?, sum: Matrix, gain: UnsafePointer<Float>,
        bias: UnsafePointer<Float>, y: Matrix, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, epsilon: Float = LayerNorm.epsilon
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (first, second, output) = (x.row(row), delta.row(row), sum.row(row))
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
                output, rowMean: total.laneSum() / Float(width), gain: gain, bias: bias, y: y.row(row),
                mean: mean + row, inverseDeviation: inverseDeviation + row, width: width, epsilon: epsilon)
        }
    }

    /// x, y [R, H], gain, bias [H], mean, inverseDeviation [R]: y = norm(x) from the statistics that a forward wrote, to
    /// the bit what that forward gave. y may be x.
    package static func apply(
        x: Matrix, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, y: Matrix
    ) {
        for row in 0..<x.rows {
            scaleAndShift(
                x.row(row), centre: Vector(repeating: mean[row]), scale: Vector(repeating: inverseDeviation[row]),
                gain: gain, bias: bias, y: y.row(row), width: x.columns)
        }
    }

    /// dy, x, dx [R, H], gain [H], mean, inverseDeviation [R]: dx = the gradient by x, added to dx with `accumulate`. dx may
    /// be dy without.
    package static func inputGradient(
        dy: Matrix, x: Matrix, gain: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, dx: Matrix, accumulate: Bool
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (gradient, input, output) = (dy.row(row), x.row(row), dx.row(row))
            let centre = Vector(repeating: mean[row])
            let scale = Vector(repeating: inverseDeviation[row])
            var sum = Vector(repeating: 0)
            var projected = Vector(repeating: 0)
            eachVector(width) {
                let scaled = gradient.vector($0) * gain.vector($0)
                sum += scaled
                projected = projected.adding(scaled, times: input.vector($0) - centre)
            } tail: {
                let scaled = gradient.vector($0, count: $1) * gain.vector($0, count: $1)
                sum += scaled
                projected = projected.adding(scaled, times: input.vector($0, count: $1) - centre)
            }
            // dx = (g·dy − mean(g·dy) − x̂ · mean(g·dy·x̂)) · inverseDeviation, x̂ the normalised input.
            let meanGradient = Vector(repeating: -sum.laneSum() / Float(width))
            let slope = Vector(
                repeating: -projected.laneSum() * inverseDeviation[row] * inverseDeviation[row] / Float(width))
            eachVector(width) {
                var value = meanGradient.adding(gradient.vector($0), times: gain.vector($0))
                value = value.adding(input.vector($0) - centre, times: slope) * scale
                output.store(accumulate ? output.vector($0) + value : value, $0)
            } tail: {
                var value = meanGradient.adding(gradient.vector($0, count: $1), times: gain.vector($0, count: $1))
                value = value.adding(input.vector($0, count: $1) - centre, times: slope) * scale
                output.store(accumulate ? output.vector($0, count: $1) + value : value, $0, count: $1)
            }
        }
    }

    /// dy, x [R, H], mean, inverseDeviation [R], dGain, dBias [H]: dGain += Σ over rows of dy · x̂ and dBias += Σ over rows
    /// of dy, where x̂ is the normalised input.
    package static func weightGradient(
        dy: Matrix, x: Matrix, mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
        dGain: UnsafeMutablePointer<Float>, dBias: UnsafeMutablePointer<Float>
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (gradient, input) = (dy.row(row), x.row(row))
            let centre = Vector(repeating: mean[row])
            let scale = Vector(repeating: inverseDeviation[row])
            eachVector(width) {
                let value = gradient.vector($0)
                dGain.store(dGain.vector($0).adding(value, times: (input.vector($0) - centre) * scale), $0)
                dBias.store(dBias.vector($0) + value, $0)
            } tail: {
                let value = gradient.vector($0, count: $1)
                let normalised = (input.vector($0, count: $1) - centre) * scale
                dGain.store(dGain.vector($0, count: $1).adding(value, times: normalised), $0, count: $1)
                dBias.store(dBias.vector($0, count: $1) + value, $0, count: $1)
            }
        }
    }

    /// The end of a row's forward: variance about the mean, then scale and shift.
    @inline(__always)
    private static func normalise(
        _ input: UnsafePointer<Float>, rowMean: Float, gain: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, width: Int, epsilon: Float
    ) {
        let centre = Vector(repeating: rowMean)
        var squares = Vector(repeating: 0)
        eachVector(width) {
            let difference = input.vector($0) - centre
            squares = squares.adding(difference, times: difference)
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
            y.store(bias.vector($0).adding((input.vector($0) - centre) * scale, times: gain.vector($0)), $0)
        } tail: {
            let normalised = (input.vector($0, count: $1) - centre) * scale
            y.store(bias.vector($0, count: $1).adding(normalised, times: gain.vector($0, count: $1)), $0, count: $1)
        }
    }
}
