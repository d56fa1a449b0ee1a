/// The weights of one block under their full names, routed experts aside.
package struct BlockTensors: Hashable, Sendable {
    package var attentionNorm: [TensorSpec]
    package var feedForwardNorm: [TensorSpec]
    package var attention: [TensorSpec]
    /// Of a block with experts: the router, then the shared experts.
    package var feedForward: [TensorSpec]

    /// In the order in which they lie in memory.
    package var all: [TensorSpec] { attentionNorm + feedForwardNorm + attention + feedForward }
}

extension Model {
    /// The tensors of block `layer`.
    package func tensors(ofBlock layer: Int) -> BlockTensors {
        let names = conventions.names
        func full(_ tensors: [TensorSpec]) -> [TensorSpec] { tensors.map { $0.named(in: names.block(layer)) } }
        let mixture = hasExperts(layer) ? moe : nil
        return BlockTensors(
            attentionNorm: full(norm(names.attentionNorm)), feedForwardNorm: full(norm(names.feedForwardNorm)),
            attention: full(AttentionSpec.tensors(self)),
            feedForward: full(
                mixture.map { FeedForwardSpec.mixtureTensors(self, $0) } ?? FeedForwardSpec.denseTensors(self)))
    }

    /// The tensors of expert `number` of block `layer`; none where the model has no experts.
    package func tensors(ofExpert number: Int, inBlock layer: Int) -> [TensorSpec] {
        guard let moe else { return [] }
        let prefix = conventions.names.block(layer) + RoutedExperts.prefix(number)
        return FeedForwardSpec.expertTensors(self, moe).map { $0.named(in: prefix) }
    }
}
