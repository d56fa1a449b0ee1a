internal import Reading

/// The shape of one kind of block: its attention and its feed-forward half.
package struct BlockShape: Hashable, Codable, Sendable {
    package var heads: Int
    /// Key/value heads (grouped-query attention); equal to `heads` for multi-head attention.
    package var kvHeads: Int
    package var headSize: Int
    package var ffn: Int
    package var mlp: Model.MLP
    /// The experts; nil: one feed-forward network.
    package var moe: Model.Mixture?
    /// The sizes of multi-head latent attention; nil: ordinary attention.
    package var mla: Model.LatentAttention?

    package init(
        heads: Int, kvHeads: Int, headSize: Int, ffn: Int, mlp: Model.MLP, moe: Model.Mixture? = nil,
        mla: Model.LatentAttention? = nil
    ) {
        self.heads = heads
        self.kvHeads = kvHeads
        self.headSize = headSize
        self.ffn = ffn
        self.mlp = mlp
        self.moe = moe
        self.mla = mla
    }
}

extension BlockShape {
    /// Sizes of a block, in the order of a written plan.
    package static let sizes: [SizeKey<BlockShape>] = [
        .count("heads", in: Bounds.heads, \.heads), .count("kvHeads", in: Bounds.heads, \.kvHeads),
        .count("headSize", in: Bounds.headSize, \.headSize), .count("ffn", in: Bounds.ffn, \.ffn),
    ]
}

/// A kind of block with its name in a plan.
package struct BlockKind: Hashable, Codable, Sendable {
    package var name: String
    package var shape: BlockShape

    package init(name: String, shape: BlockShape) {
        self.name = name
        self.shape = shape
    }
}

extension Model {
    package var heads: Int {
        get { block.heads }
        set { block.heads = newValue }
    }
    package var kvHeads: Int {
        get { block.kvHeads }
        set { block.kvHeads = newValue }
    }
    package var headSize: Int {
        get { block.headSize }
        set { block.headSize = newValue }
    }
    package var ffn: Int {
        get { block.ffn }
        set { block.ffn = newValue }
    }
    package var mlp: MLP {
        get { block.mlp }
        set { block.mlp = newValue }
    }
    package var moe: Mixture? {
        get { block.moe }
        set { block.moe = newValue }
    }
    package var mla: LatentAttention? {
        get { block.mla }
        set { block.mla = newValue }
    }
}
