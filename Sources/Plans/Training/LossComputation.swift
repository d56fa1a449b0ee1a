internal import Reading

/// The way in which the head's logits and the loss are computed.
package struct LossComputation: Hashable, Codable, Sendable {
    package enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
        /// All logits of a micro-batch are in memory from the head's product to its backward.
        case standard
        /// One kernel computes logits and loss and keeps no logits; the backward computes them again (Wijmans et al.
        /// 2025, Cut Cross-Entropy).
        case fused
        /// The rows are taken in chunks, of each of which the gradients of inputs and table are computed before the
        /// next one (Hsu et al. 2024, Liger Kernel, section 3.2: FusedLinearCrossEntropy).
        case chunked
    }

    package var kind = Kind.standard
    /// Chunks of a micro-batch's rows, if they are taken in chunks.
    package var chunks = 8

    package init(_ kind: Kind = .standard, chunks: Int = 8) {
        (self.kind, self.chunks) = (kind, chunks)
    }

    /// Reads `loss:` of a plan: a word, or a map. nil: the plan has none, or a wrong one, which was reported.
    static func read(_ plan: FieldReader) -> LossComputation? {
        if plan.scalar("loss") != nil { return plan.choice("loss", of: Kind.self).map { LossComputation($0) } }
        guard let reader = plan.map("loss") else { return nil }
        var loss = LossComputation(reader.choice("kind", of: Kind.self) ?? .chunked)
        let chunks = reader.count("chunks", in: 1...1_000_000)
        loss.chunks = chunks ?? loss.chunks
        if loss.kind != .chunked, reader.contains("chunks") {
            reader.report("chunks", rule: "only the kind chunked takes rows in chunks", fix: "remove it")
        }
        reader.reportUnknownKeys()
        return loss
    }

    /// The loss as the value of a plan's key.
    package var yaml: String { kind == .chunked ? "{kind: chunked, chunks: \(chunks)}" : kind.rawValue }
}
