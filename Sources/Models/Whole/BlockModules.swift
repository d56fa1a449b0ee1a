/// The matrices of the products of a block, by their names: a list for each product, in the order of the products.
struct BlockModules {
    let attention: [[TensorSpec]]
    let feedForward: [[TensorSpec]]
    /// Of one routed expert, with names relative to it.
    let experts: [[TensorSpec]]

    /// - Parameter model: a model all of whose blocks are of one kind.
    init(_ model: Model) {
        attention = Self.match(
            model.block.halves.hasAttention ? AttentionSpec.products(model) : [], AttentionSpec.tensors(model))
        guard model.block.halves.hasFeedForward else {
            (feedForward, experts) = ([], [])
            return
        }
        let products =
            model.moe.map { FeedForwardSpec.mixtureProducts(model, $0) } ?? FeedForwardSpec.denseProducts(model)
        feedForward = Self.match(products, FeedForwardSpec.tensors(model))
        experts =
            model.moe.map {
                Self.match(FeedForwardSpec.expertProducts(model, $0), FeedForwardSpec.expertTensors(model, $0))
            } ?? []
    }

    /// Gives each product the next matrices whose numbers are its weights. Matrices stand in the order of their products,
    /// except those that no product multiplies (weights of norms, convolutions) and those of an indexer.
    private static func match(_ products: [Product], _ tensors: [TensorSpec]) -> [[TensorSpec]] {
        var rest = tensors.filter {
            $0.shape.count == 2 && $0.name.hasSuffix(".weight") && !$0.module.hasSuffix("norm")
        }
        return products.map { product in
            let weights = product.inputs.total * product.outputs.total
            /// Whether a matrix has the product's inputs on one side.
            func reads(_ tensor: TensorSpec) -> Bool { tensor.shape.contains(product.inputs.total) }
            // A run of matrices side by side, beginning anywhere.
            for start in rest.indices where reads(rest[start]) {
                var (end, sum) = (start, 0)
                while end < rest.count, reads(rest[end]), sum < weights {
                    sum += rest[end].count
                    end += 1
                }
                guard sum == weights else { continue }
                let found = Array(rest[start..<end])
                rest.removeSubrange(start..<end)
                return found
            }
            return []
        }
    }
}
