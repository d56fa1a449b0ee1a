/// What one training step was like, complete on every rank.
package struct StepReport: Hashable, Sendable {
    /// From 0.
    package var step: Int
    /// Mean cross-entropy over the global batch's tokens, nats.
    package var loss: Double
    /// Global L2 norm of the gradients before clipping.
    package var gradientNorm: Double
    package var learningRate: Double
    /// Wall-clock seconds of the step on this rank; every step ends with a collective, so the ranks differ little.
    package var seconds: Double
    /// Tokens of the global batch.
    package var tokens: Int
    /// Share of the pipeline phase's rank-seconds without compute: 1 − Σ compute / (ranks · longest phase).
    package var bubble: Double
    /// Share of this rank's step that is compute (optimizer included).
    package var computeShare: Double
    /// Peak resident bytes of each rank.
    package var peakBytes: [Double]

    package var tokensPerSecond: Double { Double(tokens) / seconds }
}
