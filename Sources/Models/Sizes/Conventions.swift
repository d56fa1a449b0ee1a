/// What the layers of a model family have in common: norms, positions, biases, and how its tensors are called.
package struct Conventions: Hashable, Sendable {
    /// Whether matrices have biases and norms a shift beside their scale (LayerNorm); without, norms are RMSNorm.
    package var hasBiases: Bool
    /// Whether positions turn queries and keys; otherwise a learned table is added to the embedding.
    package var isRotary: Bool
    /// Whether a matrix lies `[outputs, inputs]` in memory; otherwise `[inputs, outputs]`.
    package var isTransposed: Bool
    /// Whether one matrix makes queries, keys and values, and one the inputs of the feed-forward network's activation.
    package var joinsProjections: Bool
    package var names: Names

    /// Hugging Face's names.
    package struct Names: Hashable, Sendable {
        package var table: String
        /// nil where no table of positions is learned.
        package var positions: String?
        /// Norms without `.weight`.
        package var finalNorm: String
        package var attentionNorm: String
        package var feedForwardNorm: String
        package var head = "lm_head.weight"
        /// What stands before and behind a block's number.
        package var block: String

        /// The beginning of the names of block `layer`.
        package func block(_ layer: Int) -> String { "\(block)\(layer)." }
    }
}

extension Model {
    package var conventions: Conventions {
        switch family {
        case .gpt:
            Conventions(
                hasBiases: true, isRotary: false, isTransposed: false, joinsProjections: true,
                names: Conventions.Names(
                    table: "wte.weight", positions: "wpe.weight", finalNorm: "ln_f", attentionNorm: "ln_1",
                    feedForwardNorm: "ln_2", block: "h."))
        case .llama:
            Conventions(
                hasBiases: false, isRotary: true, isTransposed: true, joinsProjections: false,
                names: Conventions.Names(
                    table: "model.embed_tokens.weight", positions: nil, finalNorm: "model.norm",
                    attentionNorm: "input_layernorm", feedForwardNorm: "post_attention_layernorm",
                    block: "model.layers."))
        }
    }

    /// Standard deviation that matrices start with (Radford et al. 2019), and projections onto the residual stream.
    package static let startDeviation: Float = 0.02
    package var residualDeviation: Float { Self.startDeviation / Float(2 * layers).squareRoot() }

    /// A matrix of a part and its bias, where the family has biases. `isCutByOutputs`: tensor ranks hold some of its
    /// outputs each; otherwise some of its inputs, and the bias is added once.
    /// - Parameter groups: tensors of outputs that lie side by side in it.
    func matrix(
        _ name: String, bias: String, inputs: Int, outputs: Int, isCutByOutputs: Bool, groups: Int = 1,
        joinsPrevious: Bool = false, isBiased: Bool = true
    ) -> [TensorSpec] {
        let conventions = conventions
        let columns = TensorSpec.Split.columns(groups: groups)
        let start = TensorSpec.Start.normal(isCutByOutputs ? Self.startDeviation : residualDeviation)
        let weight = TensorSpec(
            name: name, shape: conventions.isTransposed ? [outputs, inputs] : [inputs, outputs], start: start,
            split: conventions.isTransposed == isCutByOutputs ? .rows : isCutByOutputs ? columns : .columns(groups: 1),
            joinsPrevious: joinsPrevious)
        guard conventions.hasBiases, isBiased else { return [weight] }
        return [
            weight,
            TensorSpec(name: bias, shape: [outputs], start: .zeros, split: isCutByOutputs ? columns : .whole),
        ]
    }
}
