/// The parts of a model: its kinds of block, and its two ends.
///
/// A class, because every price asks for them and passing them on must not count four references.
package final class ModelParts: Sendable {
    /// The kinds of block, and the kind of every block.
    package let kinds: BlockKinds
    /// A block of each kind.
    package let blocks: [Block]
    /// Token table and learned positions, on the first stage.
    package let embedding: End
    /// The final norm and the output projection, on the last stage.
    package let head: End
    private let isTied: Bool
    /// Whether the rank with the head looks tokens up too.
    private let looksUpAtHead: Bool
    /// Parameters of a block of each kind.
    private let parameters: [BlockParameters]
    /// Whether any block has routed experts.
    package let hasExperts: Bool
    /// What training changes, if not the whole model.
    package let tuned: TunedParts?

    package init(_ model: Model) {
        let kinds = BlockKinds(model)
        let denseWidth = kinds.shapes.reduce(0) { $1.moe == nil ? max($0, $1.ffn) : $0 }
        self.kinds = kinds
        let blocks = kinds.shapes.map { Block(model.uniform($0), denseWidth: denseWidth) }
        self.blocks = blocks
        parameters = blocks.map(\.parameters)
        hasExperts = blocks.contains { $0.mixture != nil }
        embedding = .embedding(model)
        head = .head(model)
        isTied = model.tiedEmbeddings
        looksUpAtHead = model.mtp != nil
        tuned = model.tuning == nil ? nil : TunedParts(model, blocks, embedding: embedding, head: head)
    }

    /// Kinds of block with experts, and kinds without.
    package var mixtures: [Block] { blocks.filter { $0.mixture != nil } }
    package var denseBlocks: [Block] { blocks.filter { $0.mixture == nil } }

    /// Parameters that one device of a pipeline rank holds, routed experts excluded.
    ///
    /// Every tensor rank holds the position table and the final norm. The first and the last pipeline rank both hold a
    /// tied embedding, or one in which multi-token prediction looks tokens up.
    /// - Parameters:
    ///   - blocks: number of blocks of each kind.
    ///   - vocabulary: entries of the embedding, padded or not.
    package func deviceParameters(
        blocks counts: [Int], tensor: Int, vocabulary: Int, holdsEmbedding: Bool, holdsHead: Bool
    ) -> Double {
        var total = 0.0
        for kind in 0..<min(parameters.count, counts.count) {
            total += Double(counts[kind]) * parameters[kind].held(tensor: Double(tensor))
        }
        if holdsEmbedding { total += embedding.held(vocabulary: vocabulary, tensor: Double(tensor)) }
        if holdsHead {
            total += Double(head.wholeParameters)
            if Model.hasHeadTable(isTied: isTied, holdsEmbedding: holdsEmbedding) {
                total += head.table(vocabulary: vocabulary, tensor: Double(tensor))
            }
            if looksUpAtHead, !isTied, !holdsEmbedding {
                total += embedding.table(vocabulary: vocabulary, tensor: Double(tensor))
            }
        }
        return total
    }

    /// Parameters of routed experts that one device holds.
    /// - Parameter counts: number of blocks of each kind.
    package func expertParameters(blocks counts: [Int], expert: Int, expertTensor: Int) -> Double {
        guard hasExperts else { return 0 }
        var total = 0.0
        for kind in 0..<min(parameters.count, counts.count) where parameters[kind].routed > 0 {
            total += Double(counts[kind]) * parameters[kind].heldExperts(pieces: Double(expert * expertTensor))
        }
        return total
    }
}
