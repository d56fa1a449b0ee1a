package import Plans

/// The figures of one training step, complete on every rank.
package struct StepReport: Hashable, Sendable {
    /// Number of the step, from 0.
    package var step: Int
    /// Mean cross-entropy over the global batch's tokens, nats.
    package var loss: Double
    /// Global L2 norm of the gradients before clipping.
    package var gradientNorm: Double
    package var learningRate: Double
    /// Wall-clock seconds of the step on this rank. Every step ends with a collective call, so the ranks differ little.
    package var seconds: Double
    /// Tokens of the global batch.
    package var tokens: Int
    /// Share of the pipeline phase's rank-seconds without compute: 1 − Σ compute / (ranks · longest phase).
    package var bubble: Double
    /// Share of this rank's step that is compute (optimizer included).
    package var computeShare: Double
    /// Peak resident bytes of each rank.
    package var peakBytes: [Double]
    /// Of the validation behind the step; nil: there was none.
    package var validation: ValidationLoss?
    /// Whether the loss or the gradients were no numbers, so that the weights are as they were.
    package var isSkipped = false
    /// What had changed by itself and was healed from replicas, before or after the step.
    package var faults: [StateFault] = []

    package init(
        step: Int, loss: Double, gradientNorm: Double, learningRate: Double, seconds: Double, tokens: Int,
        bubble: Double, computeShare: Double, peakBytes: [Double]
    ) {
        self.step = step
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.learningRate = learningRate
        self.seconds = seconds
        self.tokens = tokens
        self.bubble = bubble
        self.computeShare = computeShare
        self.peakBytes = peakBytes
    }

    package var tokensPerSecond: Double { Double(tokens) / seconds }
}
