/// Lion (Chen et al. 2023, algorithm 2): the step is the sign of a mean of moment and gradient.
package struct Lion: Hashable, Sendable {
    package var beta1: Double
    package var beta2: Double
    /// Decoupled weight decay, as AdamW's.
    package var weightDecay: Double

    package init(beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0.1) {
        (self.beta1, self.beta2, self.weightDecay) = (beta1, beta2, weightDecay)
    }

    /// parameters, gradients and moment [count]: one update.
    package func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, moment: UnsafeMutablePointer<Float>,
        count: Int, learningRate: Double, decay: Bool, gradientScale: Float = 1
    ) {
        let keep = Float(1 - (decay ? learningRate * weightDecay : 0))
        let (first, second, rate) = (Float(1 - beta1), Float(1 - beta2), Float(learningRate))
        for index in 0..<count {
            let (gradient, mean) = (gradients[index] * gradientScale, moment[index])
            let direction = mean + first * (gradient - mean)
            let sign: Float = direction > 0 ? 1 : direction < 0 ? -1 : 0
            parameters[index] = parameters[index] * keep - rate * sign
            moment[index] = mean + second * (gradient - mean)
        }
    }
}
