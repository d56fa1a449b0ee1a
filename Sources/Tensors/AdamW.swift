/// Adam with decoupled weight decay and bias correction, by the formula of `torch.optim.AdamW`.
package struct AdamW: Hashable, Sendable {
    /// Decay rate of the mean gradient.
    package var beta1: Double
    /// Decay rate of the mean squared gradient.
    package var beta2: Double
    /// Added to the root of the second moment.
    package var epsilon: Double
    /// Share of a parameter, times the learning rate, taken off at every step.
    package var weightDecay: Double

    /// The settings of the field's GPT runs.
    package init(beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.1) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// One update of `count` parameters. Gradients are multiplied by `gradientScale` first (clipping, averaging) and
    /// left as they are.
    /// - Parameters:
    ///   - step: number of this update, from 1.
    ///   - decay: whether ``weightDecay`` applies (to matrices, by custom, not to biases and norms).
    ///   - rounded: if given, the updated parameters rounded to bf16 are written there in the same pass.
    package func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>, count: Int,
        step: Int, learningRate: Double, decay: Bool, gradientScale: Float = 1,
        rounded: UnsafeMutablePointer<BFloat16>? = nil
    ) {
        let correction1 = 1 - power(beta1, step)
        let correction2 = (1 - power(beta2, step)).squareRoot()
        let keep = Vector(repeating: Float(1 - (decay ? learningRate * weightDecay : 0)))
        let stride = Vector(repeating: Float(-learningRate / correction1))
        let inverseRoot = Vector(repeating: Float(1 / correction2))
        let small = Vector(repeating: Float(epsilon))
        let (first, second) = (Vector(repeating: Float(1 - beta1)), Vector(repeating: Float(beta2)))
        let rest = Vector(repeating: Float(1 - beta2))
        let factor = Vector(repeating: gradientScale)

        @inline(__always)
        func update(_ p: Vector, _ g: Vector, _ m: Vector, _ v: Vector) -> (p: Vector, m: Vector, v: Vector) {
            let gradient = g * factor
            let mean = m.plus(gradient - m, first)
            let square = (gradient * rest * gradient).plus(v, second)
            let denominator = small.plus(squareRoot(of: square), inverseRoot)
            return ((p * keep).plus(mean / denominator, stride), mean, square)
        }

        eachVector(count) {
            let new = update(
                parameters.vector($0), gradients.vector($0), firstMoment.vector($0), secondMoment.vector($0))
            parameters.store(new.p, $0)
            if let rounded { rounded.store(BFloat16.rounded(new.p), $0) }
            firstMoment.store(new.m, $0)
            secondMoment.store(new.v, $0)
        } tail: {
            let new = update(
                parameters.vector($0, count: $1), gradients.vector($0, count: $1),
                firstMoment.vector($0, count: $1), secondMoment.vector($0, count: $1))
            parameters.store(new.p, $0, count: $1)
            if let rounded { BFloat16.round(parameters + $0, into: rounded + $0, count: $1) }
            firstMoment.store(new.m, $0, count: $1)
            secondMoment.store(new.v, $0, count: $1)
        }
    }

    /// base raised to a natural number, in float64.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, left) = (1.0, base, exponent)
        while left > 0 {
            if left & 1 == 1 { result *= square }
            square *= square
            left >>= 1
        }
        return result
    }
}
