/// Adam with decoupled weight decay and bias correction, by the formula of `torch.optim.AdamW`.
package struct AdamW: Hashable, Sendable {
    /// Decay rate of the mean gradient.
    package var beta1: Double
    /// Decay rate of the mean squared gradient.
    package var beta2: Double
    /// Added to the root of the second moment.
    package var epsilon: Double
    /// Decoupled weight decay: every step multiplies a parameter by 1 − learning rate · weightDecay.
    package var weightDecay: Double

    /// The defaults are the settings of GPT-3.
    package init(beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.1) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// parameters, gradients and moments [count]: one update. The gradients are read, times `gradientScale` (clipping).
    /// - Parameters:
    ///   - step: number of this update, from 1.
    ///   - decay: whether ``weightDecay`` applies; by custom to matrices, not to biases and norms.
    package func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>, count: Int,
        step: Int, learningRate: Double, decay: Bool, gradientScale: Float = 1
    ) {
        updated(
            parameters, gradients, firstMoment, secondMoment, count: count, step: step, learningRate: learningRate,
            decay: decay, gradientScale: gradientScale)
    }

    /// Steps parameters [count] with moments in bf16, rounded to nearest after every update.
    package func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<BFloat16>, secondMoment: UnsafeMutablePointer<BFloat16>, count: Int,
        step: Int, learningRate: Double, decay: Bool, gradientScale: Float = 1
    ) {
        updated(
            parameters, gradients, firstMoment, secondMoment, count: count, step: step, learningRate: learningRate,
            decay: decay, gradientScale: gradientScale)
    }

    @inline(__always)
    private func updated<Moment: MomentElement>(
        _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
        _ firstMoment: UnsafeMutablePointer<Moment>, _ secondMoment: UnsafeMutablePointer<Moment>, count: Int,
        step: Int, learningRate: Double, decay: Bool, gradientScale: Float
    ) {
        let factors = Factors(self, step: step, learningRate: learningRate, decay: decay, gradientScale: gradientScale)
        let (start, left) = (count / lanes * lanes, count % lanes)
        // A plain loop: as a closure the body would be a call for every vector.
        var index = 0
        while index < start {
            let new = factors.updated(
                parameters.vector(index), gradients.vector(index), Moment.vector(firstMoment, index),
                Moment.vector(secondMoment, index))
            parameters.store(new.p, index)
            Moment.store(new.m, firstMoment, index)
            Moment.store(new.v, secondMoment, index)
            index += lanes
        }
        guard left > 0 else { return }
        let new = factors.updated(
            parameters.vector(start, count: left), gradients.vector(start, count: left),
            Moment.vector(firstMoment, start, count: left), Moment.vector(secondMoment, start, count: left))
        parameters.store(new.p, start, count: left)
        Moment.store(new.m, firstMoment, start, count: left)
        Moment.store(new.v, secondMoment, start, count: left)
    }

    /// The factors of one step, each in every lane.
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
            let mean = m.adding(gradient - m, times: first)
            let square = (gradient * rest * gradient).adding(v, times: second)
            let denominator = small.adding(squareRoot(of: square), times: inverseRoot)
            return ((p * keep).adding(mean / denominator, times: stride), mean, square)
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
