package import Models

/// The maximal update parametrization, μP: how start values and learning rates depend on a model's width, so that the best
/// learning rate of a narrow model is that of a wide one too (Yang et al. 2022, Tensor Programs V, arXiv 2203.03466).
///
/// With m = width / `baseWidth`, and everything else as without it, Adam's rules are (there, table 3):
///
/// | tensor | standard deviation at the start | learning rate |
/// |---|---|---|
/// | embeddings, positions, biases, norms | as is | as is |
/// | matrices of the blocks | / √m | / m |
/// | head | / m | / m |
///
/// At the base width nothing changes. The weight decay of a step, learning rate × weight decay, is that of the base width
/// everywhere. The width is the hidden size, and models of one ladder have the same head size and a feed-forward and heads in
/// proportion: the 1 / √(head size) of attention is then the same constant at every width, as the 1 / head size of the paper is.
package struct MaximalUpdate: Hashable, Codable, Sendable {
    /// The hidden size at which the settings of `train` are meant.
    package var baseWidth: Int

    package init(baseWidth: Int) { self.baseWidth = baseWidth }

    /// m: the width relative to the base.
    package func ratio(_ model: Model) -> Double { Double(model.hidden) / Double(baseWidth) }

    /// What a tensor's deviation at the start and its learning rate are multiplied by.
    package struct Factors: Hashable, Sendable {
        package var start: Double
        package var learningRate: Double
    }

    /// The factors of a tensor of a model.
    /// - Parameter isOfBlock: whether the tensor is one of a block, not of an end.
    package func factors(_ tensor: TensorSpec, isOfBlock: Bool, model: Model) -> Factors {
        let ratio = ratio(model)
        if isOfBlock, tensor.isMatrix { return Factors(start: 1 / ratio.squareRoot(), learningRate: 1 / ratio) }
        if !isOfBlock, tensor.name == model.head.name, !model.tiedEmbeddings {
            return Factors(start: 1 / ratio, learningRate: 1 / ratio)
        }
        return Factors(start: 1, learningRate: 1)
    }
}
