/// A finished run as a fit takes it.
package struct LossPoint: Hashable, Codable, Sendable {
    /// Name of the run, if it has one.
    package var name: String?
    /// Trained parameters, N.
    package var parameters: Double
    /// Tokens read in training, D. Repeated ones count every time.
    package var tokens: Double
    /// Loss at the end, nats a token.
    package var loss: Double

    package init(parameters: Double, tokens: Double, loss: Double, name: String? = nil) {
        self.parameters = parameters
        self.tokens = tokens
        self.loss = loss
        self.name = name
    }

    /// FLOPs of the training: 6·N·D (Kaplan et al. 2020, section 2.1).
    package var flops: Double { 6 * parameters * tokens }

    /// Whether all figures are finite and above zero.
    var isUsable: Bool { [parameters, tokens, loss].allSatisfy { $0.isFinite && $0 > 0 } }
}
