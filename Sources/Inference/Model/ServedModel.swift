package import Models

/// A model as it answers: its parts without modules that only training uses.
///
/// A class, because many layouts are priced with one.
package final class ServedModel: Sendable {
    package let model: Model
    package let parts: ModelParts
    /// Blocks of each kind.
    package let counts: [Int]

    /// - Throws: `ServingError.unsupported` for a model that gives no text token by token.
    package init(_ model: Model) throws(ServingError) {
        guard !model.hasPicture, model.vocab > 0 else {
            throw .unsupported("a model of images or videos gives no tokens one after the other")
        }
        guard (model.kinds.map(\.shape) + [model.block]).allSatisfy(\.causal) else {
            throw .unsupported("a model whose tokens see those behind them does not generate token by token")
        }
        var served = model
        // Adapters are merged into the weights; further predictions are not used.
        served.tune(nil)
        served.mtp = nil
        served.documents = nil
        self.model = served
        parts = ModelParts(served)
        counts = parts.kinds.counts(in: 0..<served.layers)
    }

    /// Parameters of the whole model.
    package var parameters: Double { Double(model.parameters().total) }

    /// Bytes that a sequence of `tokens` tokens keeps over all blocks on one device that holds all of them.
    package func cacheBytes(tokens: Double, format: StoredFormat) -> Double {
        zip(counts, parts.blocks).reduce(0) { sum, kind in
            sum + Double(kind.0) * kind.1.cache.bytes(tokens: tokens, tensor: 1, format: format)
        }
    }

    /// Blocks of each kind in each of `stages` stages of neighbouring blocks, as equal as can be.
    func stages(_ stages: Int) -> [[Int]] {
        let (each, more) = model.layers.quotientAndRemainder(dividingBy: stages)
        var first = 0
        return (0..<stages).map { stage in
            // The last stage has the head, so earlier ones take what is left over.
            let size = each + (stage < more ? 1 : 0)
            defer { first += size }
            return parts.kinds.counts(in: first..<first + size)
        }
    }
}

extension BlockCache {
    /// Bytes of a sequence of `tokens` tokens on one of `tensor` ranks. A recurrence keeps its state in fp32.
    package func bytes(tokens: Double, tensor: Double, format: StoredFormat) -> Double {
        numbers(tokens: tokens, tensor: tensor) * format.bytes + 4 * state(tensor: tensor)
    }
}
