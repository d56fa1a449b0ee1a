internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// The things that the stages of one rank share: sizes, scratch memory and the groups their layers talk to. One action
/// runs at a time, so one set of scratch buffers is enough.
final class StageContext {
    let shape: MicrobatchShape
    let tensor: TensorParallel
    /// Position in the whole sequence of each token of a sequence on this rank.
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

    /// The way of tokens to experts; nil in models without.
    let exchange: ExpertExchange?
    /// bf16 products; nil for fp32.
    let mixed: MixedProducts?
    let balance: LoadBalance
    let scratch: Scratch
    let expertScratch = ExpertScratch()

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
        scratch = Scratch(shape: shape)
    }

    /// What is recomputed of each of a stage's `count` blocks.
    func recompute(blocks count: Int) -> [Layout.Recompute] {
        (0..<count).map { $0 < recomputeLayers ?? count ? recompute : .none }
    }

    /// The context of one process that saves everything, for text generation.
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
