/// Stochastic gradient descent with decoupled weight decay; with momentum by the formula of `torch.optim.SGD`.
package struct SGD: Hashable, Sendable {
    /// Decay rate of the sum of gradients; 0: there is none.
    package var momentum: Double
    package var weightDecay: Double

    package init(momentum: Double = 0.9, weightDecay: Double = 0.1) {
        (self.momentum, self.weightDecay) = (momentum, weightDecay)
    }

    /// parameters, gradients and moment [count]: one update. Without momentum there is no moment.
    package func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, moment: UnsafeMutablePointer<Float>?,
        count: Int, learningRate: Double, decay: Bool, gradientScale: Float = 1
    ) {
        let keep = Float(1 - (decay ? learningRate * weightDecay : 0))
        let (friction, rate) = (Float(momentum), Float(learningRate))
        for index in 0..<count {
            var gradient = gradients[index] * gradientScale
            if let moment {
                moment[index] = friction * moment[index] + gradient
                gradient = moment[index]
            }
            parameters[index] = parameters[index] * keep - rate * gradient
        }
    }
}
