extension Model {
    /// Parameters that training changes, with the model's own vocabulary.
    package var trainedParameters: Int {
        guard tuning != nil else { return parameters().total }
        let parts = ModelParts(self)
        guard let tuned = parts.tuned else { return parameters().total }
        let counts = parts.kinds.counts
        return Int(
            tuned.deviceParameters(
                blocks: counts, tensor: 1, vocabulary: vocab, holdsEmbedding: true, holdsHead: true)
                + tuned.expertParameters(blocks: counts, pieces: 1))
    }

    /// Names of the matrices of blocks that can have an adapter, relative to the block, each once.
    package var adaptableModules: [String] {
        var seen: Set<String> = []
        return kindsOfBlock.flatMap { kind in
            let modules = BlockModules(kind.model)
            return (modules.attention + modules.feedForward).joined().map(\.module)
                + modules.experts.joined().map { RoutedExperts.path + $0.module }
        }.filter { seen.insert($0).inserted }
    }

    /// Whether any matrix of a block is stored in few bits.
    package var hasQuantizedWeights: Bool {
        kindsOfBlock.contains { kind in
            guard let few = kind.model.tunedBlock?.quantized else { return false }
            return few.cut + few.whole + few.routed > 0
        }
    }

    /// `parameters` of a block of the shape `block` with those of its adapters.
    func tunedParameters(_ parameters: Parameters.Block) -> Parameters.Block {
        guard let tuned = tunedBlock else { return parameters }
        let ofExpert = tuned.expertAdapters.reduce(0) { $0 + $1.tensors.parameters }
        var all = parameters
        all.adapters = tuned.adapters.reduce(0) { $0 + $1.tensors.parameters } + (moe?.experts ?? 0) * ofExpert
        all.routed += (moe?.experts ?? 0) * ofExpert
        all.routedActive += (moe?.topK ?? 0) * ofExpert
        return all
    }

    /// Weights of the adapters of a block of the shape `block` that one token is multiplied by.
    var adapterWeights: Double {
        guard let tuned = tunedBlock else { return 0 }
        return tuned.adapters.flatMap(\.products).weights
            + Double(moe?.topK ?? 0) * tuned.expertAdapters.flatMap(\.products).weights
    }

    /// Multiply-adds of one token that are left out of a backward.
    package struct LeftOut {
        /// Multiply-adds of products.
        package var weights = 0.0
        /// Forward work of the blocks that have no backward. The core's is that of all keys, and of those that a mask
        /// shows.
        package var once = (weights: 0.0, core: 0.0, seen: 0.0, scan: 0.0)
    }

    /// The work of a backward that frozen weights leave out, over the whole model.
    package var leftOut: LeftOut {
        var left = LeftOut()
        let length = Double(sequence)
        for kind in kindsOfBlock {
            guard let tuned = kind.model.tunedBlock else { continue }
            let count = Double(kind.count)
            guard tuned.passesGradient else {
                let weights = count * kind.model.activeWeights
                left.weights += 2 * weights
                left.once.weights += weights
                left.once.core += count * kind.model.coreAttention.countedWork(length: length)
                left.once.seen += count * kind.model.coreAttention.work(length: length)
                left.once.scan += count * kind.model.coreAttention.scanWork(length: length)
                continue
            }
            func frozen(_ products: [Product], _ changes: [Bool]) -> Double {
                zip(products, changes).reduce(0) { $1.1 ? $0 : $0 + $1.0.weights }
            }
            left.weights += count * frozen(TunedBlock.products(kind.model), tuned.changes)
            left.weights +=
                count * Double(kind.model.moe?.topK ?? 0)
                * frozen(TunedBlock.expertProducts(kind.model), tuned.changesExperts)
        }
        let inward = Double(embeddingSize ?? 0) * Double(hidden)
        if !changesEmbedding { left.weights += 2 * inward }
        if !changesHead { left.weights += inward }
        if !changesHeadTable { left.weights += Double(vocab) * Double(tableWidth) }
        return left
    }
}
