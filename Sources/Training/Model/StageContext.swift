internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// What the stages of one rank share: sizes, scratch memory and the groups their layers talk to. One action runs at a
/// time, so one set of scratch buffers is enough. R rows, S rows of the stream, H hidden, F ffn.
final class StageContext {
    let shape: MicrobatchShape
    let tensor: TensorParallel
    /// Where each local token of a sequence stands in the whole sequence.
    let positions: [Int32]
    let attention: AttentionCore
    let loss: VocabularyParallelLoss
    let shards: ParameterShards
    let profile: Profile
    let recompute: Layout.Recompute
    /// Blocks of every stage that are recomputed, the first ones; nil: all of them.
    let recomputeLayers: Int?
    /// Whether the schedule computes weight gradients as actions of their own.
    let splitsBackward: Bool

    /// The experts' ways, and scratch rows on them: tokens sorted by expert, experts' outputs, their inner columns, the
    /// router's gradient.
    let exchange: ExpertExchange?
    /// bf16 products; nil for fp32.
    let mixed: MixedProducts?
    let balance: LoadBalance
    let expertRows = GrowingRows()
    let expertOutputs = GrowingRows()
    let expertInner = GrowingRows()
    let routerGradient = GrowingRows()

    private let storage: FloatStorage
    /// A branch's output before it joins the stream, and a norm's gradient `[S, H]`; the same memory as `narrow`.
    let delta: UnsafeMutablePointer<Float>
    /// Gradient of the attention's output `[R, heads · headSize]`.
    let narrow: UnsafeMutablePointer<Float>
    /// Gradient of queries, keys and values, or of the feed-forward's inner columns `[R, widest]`.
    let wide: UnsafeMutablePointer<Float>

    /// Where blocks put what they do not keep: both pieces are free from one branch's end to the next.
    var derived: BlockActivations.Derived { BlockActivations.Derived(normed: delta, activated: wide) }

    init(
        shape: MicrobatchShape, tensor: TensorParallel, pieces: SequencePieces, attention: AttentionCore,
        shards: ParameterShards, recompute: Layout.Recompute, splitsBackward: Bool, exchange: ExpertExchange?,
        balance: LoadBalance, recomputeLayers: Int? = nil, mixed: MixedProducts? = nil, profile: Profile
    ) {
        self.shape = shape
        self.tensor = tensor
        positions = (0..<shape.sequence).map { Int32(pieces.position(ofLocal: $0)) }
        self.attention = attention
        self.shards = shards
        self.recompute = recompute
        self.recomputeLayers = recomputeLayers
        self.splitsBackward = splitsBackward
        self.profile = profile
        self.exchange = exchange
        self.balance = balance
        self.mixed = mixed
        loss = VocabularyParallelLoss(shape: shape, tensor: tensor, profile: profile)
        // The attention's output gradient is turned into the queries' before the branch's own gradient comes.
        let counts = [
            max(shape.boundaryCount, shape.rows * shape.width),
            shape.rows * max(shape.expandedWidth(max(shape.ffn, shape.sharedWidth)), shape.qkvWidth),
        ]
        storage = FloatStorage(count: counts.reduce(0) { $0 + ($1 + 15) / 16 * 16 })
        var arena = Arena(storage)
        delta = arena.take(counts[0])
        narrow = delta
        wide = arena.take(counts[1])
    }

    /// What is recomputed of each of a stage's `count` blocks.
    func recompute(blocks count: Int) -> [Layout.Recompute] {
        (0..<count).map { $0 < recomputeLayers ?? count ? recompute : .none }
    }

    /// One process, everything kept: for text generation.
    convenience init(model: Model, shape: MicrobatchShape, parameters: ParameterSet) {
        let profile = Profile()
        let pieces = SequencePieces(sequence: shape.sequence)
        self.init(
            shape: shape, tensor: TensorParallel(profile: profile), pieces: pieces,
            attention: AttentionCore(shape: shape, pieces: pieces, isRotary: model.family == .llama, profile: profile),
            shards: ParameterShards(parameters, profile: profile), recompute: .none, splitsBackward: false,
            exchange: model.moe.map {
                ExpertExchange(nil, pieces: nil, experts: $0.experts, width: model.hidden, profile: profile)
            }, balance: LoadBalance(nil, coefficient: 0, batchTokens: 1), profile: profile)
    }
}
