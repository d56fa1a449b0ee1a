/// The weights of one block under their full names, routed experts excluded.
package struct BlockTensors: Hashable, Sendable {
    package var attentionNorm: [TensorSpec]
    package var feedForwardNorm: [TensorSpec]
    package var attention: [TensorSpec]
    /// The feed-forward network. In a block with experts: the router, then the shared experts.
    package var feedForward: [TensorSpec]
    /// Low-rank adapters.
    package var adapters: [TensorSpec] = []

    /// All tensors in their order in memory.
    package var all: [TensorSpec] { attentionNorm + feedForwardNorm + attention + feedForward + adapters }
}

extension Model {
    /// The tensors of block `layer`, routed experts excluded.
    package func tensors(ofBlock layer: Int) -> BlockTensors {
        let model = uniform(shape(ofBlock: layer))
        let names = conventions.names
        func full(_ tensors: [TensorSpec]) -> [TensorSpec] {
            tensors.map { model.marked($0).named(in: names.block(layer)) }
        }
        let norms = Part.normTensors(model)
        let isOfAttention = { (tensor: TensorSpec) in tensor.name.hasPrefix(names.attentionNorm) }
        return BlockTensors(
            attentionNorm: full(norms.filter(isOfAttention)),
            feedForwardNorm: full(norms.filter { !isOfAttention($0) }),
            attention: full(AttentionSpec.tensors(model)), feedForward: full(FeedForwardSpec.tensors(model)),
            adapters: model.adapters.flatMap { $0.tensors.map { $0.named(in: names.block(layer)) } })
    }

    /// The tensors of expert `number` in block `layer`; empty if the block has no experts.
    package func tensors(ofExpert number: Int, inBlock layer: Int) -> [TensorSpec] {
        let model = uniform(shape(ofBlock: layer))
        guard let moe = model.moe else { return [] }
        let prefix = conventions.names.block(layer) + RoutedExperts.prefix(number)
        let own = FeedForwardSpec.expertTensors(model, moe).map { model.marked($0, in: RoutedExperts.path) }
        return (own + model.expertAdapters.flatMap(\.tensors)).map { $0.named(in: prefix) }
    }
}
