internal import Numbers

extension Model {
    /// Parameters of each part of the model, exact.
    package struct Parameters: Hashable, Codable, Sendable {
        /// Parameters of one block of a kind.
        package struct Block: Hashable, Codable, Sendable {
            /// Attention projections, with their biases.
            package var attention: Int
            /// The feed-forward network, or router, routed and shared experts; with their biases.
            package var feedForward: Int
            package var norms: Int
            /// Routed experts, a part of `feedForward`; and those that one token passes through.
            package var routed = 0
            package var routedActive = 0
            /// Numbers that no gradient changes and no product multiplies, a part of `feedForward`.
            package var corrections = 0
            /// The projection of a module of multi-token prediction; 0 in a block of the model.
            package var projection = 0
            /// Number of such blocks.
            package var count: Int
            /// Low-rank adapters.
            package var adapters = 0

            package var total: Int { attention + feedForward + norms + projection + adapters }
        }

        /// Every kind of block, in the order of their first blocks; then that of multi-token prediction.
        package var kinds: [Block]
        /// Token embedding, vocabulary × hidden; of a picture the projection of patches and the embedders beside it.
        package var embedding: Int
        /// Output projection, vocabulary × hidden; 0 if it is tied to the embedding.
        package var head: Int
        /// Learned positions, sequence × hidden; 0 with rotary positions.
        package var positions: Int
        /// The norm after the last block.
        package var finalNorm: Int
        /// Other tensors outside the blocks: the norm of the embedding, the bias of the head, projections of a narrower
        /// embedding, and small tensors that no key describes.
        package var others = 0

        package var blocks: Int { kinds.reduce(0) { $0 + $1.count * $1.total } }
        /// Routed experts of all blocks.
        package var routed: Int { kinds.reduce(0) { $0 + $1.count * $1.routed } }
        package var total: Int { blocks + embedding + head + positions + finalNorm + others }
        /// All parameters as a `Double`. Within `Bounds` one block fits 64 bits, but all blocks together may not.
        var approximateTotal: Double {
            kinds.reduce(0) { $0 + Double($1.count) * Double($1.total) } + Double(embedding) + Double(head)
                + Double(positions) + Double(finalNorm) + Double(others)
        }
        /// Parameters that one token passes through: all but those of the experts it is not routed to, and those that only
        /// correct the router's choice.
        package var active: Int {
            total - kinds.reduce(0) { $0 + $1.count * ($1.routed - $1.routedActive + $1.corrections) }
        }
    }

    /// Parameters with a vocabulary of `vocab` entries: sums over the tensors of the model's parts. nil: the model's
    /// own vocabulary, unpadded.
    package func parameters(vocab: Int? = nil) -> Parameters {
        let kinds = kindsOfBlock.map { $0.model.tunedParameters($0.model.blockParameters(count: $0.count)) }
        guard !hasPicture else {
            let (embedding, head) = (
                End.embedding(self).part.tensors.parameters, End.head(self).part.tensors.parameters
            )
            let (places, norm) = (positions?.count ?? 0, finalNorm.parameters)
            let others = embeddingTensors.parameters + otherParameters
            return Parameters(
                kinds: kinds, embedding: embedding - places - others, head: head - norm, positions: places,
                finalNorm: norm, others: others)
        }
        let table = table("", entries: vocab ?? self.vocab).count
        return Parameters(
            kinds: kinds, embedding: table,
            head: tiedEmbeddings ? 0 : table, positions: positions?.count ?? 0, finalNorm: finalNorm.parameters,
            others: (embeddingTensors + headTensors).parameters + otherParameters)
    }

    /// Parameters of a block of the shape `block`.
    private func blockParameters(count: Int) -> Parameters.Block {
        let attention = AttentionSpec.tensors(self).parameters
        let norms = Part.normTensors(self).parameters + (block.predicts ? predictionNorms.parameters : 0)
        let projection = block.predicts ? predictionProjection.count : 0
        guard let moe, block.halves.hasFeedForward else {
            return Parameters.Block(
                attention: attention, feedForward: FeedForwardSpec.tensors(self).parameters, norms: norms,
                projection: projection, count: count)
        }
        let expert = FeedForwardSpec.expertTensors(self, moe).parameters
        let routed = moe.experts * expert
        return Parameters.Block(
            attention: attention, feedForward: FeedForwardSpec.mixtureTensors(self, moe).parameters + routed,
            norms: norms, routed: routed, routedActive: moe.topK * expert,
            corrections: moe.routerCorrection ? moe.experts : 0, projection: projection, count: count)
    }

    /// Tensor-parallel ranks hold a multiple of this many vocabulary entries (Megatron-LM's
    /// make_vocab_size_divisible_by).
    package static let vocabularyMultiple = 128

    /// Vocabulary rounded up so that every tensor-parallel rank holds a multiple of `vocabularyMultiple` entries.
    package func paddedVocab(tensor: Int) -> Int {
        let step = Self.vocabularyMultiple * max(1, tensor)
        return (vocab + step - 1) / step * step
    }

    /// Vocabulary rounded up so that the tensor ranks of `pipeline` stages, which divide it, hold equal parts. The multiple of
    /// each tensor rank is the least one of `vocabularyMultiple` that all these ranks divide
    /// (github.com/sail-sg/VocabularyParallelism, `arguments.py`: --make-vocab-size-divisible-by).
    package func paddedVocab(tensor: Int, pipeline: Int) -> Int {
        let ranks = Int.product(max(1, tensor), max(1, pipeline)) ?? .max
        var (a, b) = (Self.vocabularyMultiple, ranks)
        while b > 0 { (a, b) = (b, a % b) }
        guard let step = Int.product(Self.vocabularyMultiple, ranks / a, max(1, tensor)),
            let padded = Int.product((vocab - 1) / step + 1, step)
        else { return paddedVocab(tensor: tensor) }
        return padded
    }

    /// Weights of the products of a block of the shape `block` that one token is multiplied by: all except those of
    /// experts it is not routed to. Each weight is a multiply-add for each token. Products of a sample or of its text
    /// are divided among the sample's tokens.
    package var activeWeights: Double { block.tuning == nil ? frozenWeights : frozenWeights + adapterWeights }

    /// `activeWeights` without adapters.
    private var frozenWeights: Double {
        let shares = RowShares(self, context: 1)
        let attention =
            (block.halves.hasAttention ? AttentionSpec.products(self).work(shares) : 0)
            + Part.allModulationProducts(self).work(shares)
            + (block.predicts ? Double(predictionProjection.count) : 0)
        guard block.halves.hasFeedForward else { return attention }
        guard let moe else { return attention + FeedForwardSpec.products(self).work(shares) }
        return attention + FeedForwardSpec.mixtureProducts(self, moe).weights
            + Double(moe.topK) * FeedForwardSpec.expertProducts(self, moe).weights
    }

    /// Weights of the products with the output projection, without padding, and of projections to and from a narrower
    /// embedding; of a picture all products of its first and last layers. Every module of multi-token prediction has a
    /// product of its own.
    package var headWeights: Double {
        guard !hasPicture else { return End.pictureWork(self) }
        return Double(1 + predictors) * End.headProducts(self).weights + Double(embeddingSize ?? 0) * Double(hidden)
    }
}
