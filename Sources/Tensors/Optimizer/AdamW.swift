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
        let factors = Factors(self, step: step, learningRate: learningRate, decay: decay, gradientScale: gradientScale)
        let (start, left) = (count / lanes * lanes, count % lanes)
        // A plain loop: as a closure the body would be a call a vector.
        var index = 0
        while index < start {
            let new = factors.updated(
                parameters.vector(index), gradients.vector(index), firstMoment.vector(index),
                secondMoment.vector(index))
            parameters.store(new.p, index)
            firstMoment.store(new.m, index)
            secondMoment.store(new.v, index)
            if let rounded { rounded.store(BFloat16.rounded(new.p), index) }
            index += lanes
        }
        guard left > 0 else { return }
        let new = factors.updated(
            parameters.vector(start, count: left), gradients.vector(start, count: left),
            firstMoment.vector(start, count: left), secondMoment.vector(start, count: left))
        parameters.store(new.p, start, count: left)
        firstMoment.store(new.m, start, count: left)
        secondMoment.store(new.v, start, count: left)
        if let rounded { BFloat16.round(parameters + start, into: rounded + start, count: left) }
    }

    /// What ``step`` comes to where gradient and both moments are zero: the decay alone.
    package func decay(_ parameters: UnsafeMutablePointer<Float>, count: Int, learningRate: Double) {
        VectorMath.scale(parameters, count: count, by: Float(1 - learningRate * weightDecay))
    }

    /// What one step multiplies by, in every lane.
    private struct Factors {
        let keep, stride, inverseRoot, small, first, second, rest, scale: Vector

        init(_ settings: AdamW, step: Int, learningRate: Double, decay: Bool, gradientScale: Float) {
            let correction1 = 1 - settings.power(settings.beta1, step)
            let correction2 = (1 - settings.power(settings.beta2, step)).squareRoot()
            keep = Vector(repeating: Float(1 - (decay ? learningRate * settings.weightDecay : 0)))
            stride = Vector(repeating: Float(-learningRate / correction1))
            inverseRoot = Vector(repeating: Float(1 / correction2))
            small = Vector(repeating: Float(settings.epsilon))
            first = Vector(repeating: Float(1 - settings.beta1))
            second = Vector(repeating: Float(settings.beta2))
            rest = Vector(repeating: Float(1 - settings.beta2))
            scale = Vector(repeating: gradientScale)
        }

        @_transparent
        func updated(_ p: Vector, _ g: Vector, _ m: Vector, _ v: Vector) -> (p: Vector, m: Vector, v: Vector) {
            let gradient = g * scale
            let mean = m.plus(gradient - m, first)
            let square = (gradient * rest * gradient).plus(v, second)
            let denominator = small.plus(squareRoot(of: square), inverseRoot)
            return ((p * keep).plus(mean / denominator, stride), mean, square)
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
