internal import MPI
package import Models
package import Plans
internal import Tensors

/// The things that the stages of one rank share: sizes, scratch memory and the groups their layers talk to. One action
/// runs at a time, so one set of scratch buffers is enough.
package final class StageContext {
    let shape: MicrobatchShape
    let tensor: TensorParallel
    /// Position in the whole sequence of each token of a sequence on this rank.
    let positions: [Int32]
    let attention: CoreAttention
    let loss: VocabularyParallelLoss
    let dataParallel: DataParallel
    let profile: Profile
    let recompute: Layout.Recompute
    /// The blocks of every stage that are recomputed, if only some are.
    let recomputed: RecomputedBlocks
    /// Whether the schedule computes weight gradients as actions of their own.
    let splitsBackward: Bool

    /// The way of tokens to experts; nil in models without.
    let expertParallel: ExpertParallel?
    /// bf16 products; nil for fp32.
    let mixed: MixedPrecisionProducts?
    let balance: LoadBalanceLoss
    let scratch: Scratch
    let expertScratch = ExpertScratch()
    let adapterScratch = AdapterScratch()
    /// The documents of the micro-batch at work; nil: sequences are not packed.
    package var documents: PackedDocuments? {
        didSet { attention.documents = documents }
    }

    init(
        shape: MicrobatchShape, tensor: TensorParallel, pieces: SequencePieces, attention: CoreAttention,
        dataParallel: DataParallel, recompute: Layout.Recompute, splitsBackward: Bool, expertParallel: ExpertParallel?,
        balance: LoadBalanceLoss, recomputed: RecomputedBlocks = .all, mixed: MixedPrecisionProducts? = nil,
        profile: Profile
    ) {
        self.shape = shape
        self.tensor = tensor
        positions = (0..<shape.sequence).map { Int32(pieces.position(ofLocal: $0)) }
        self.attention = attention
        self.dataParallel = dataParallel
        self.recompute = recompute
        self.recomputed = recomputed
        self.splitsBackward = splitsBackward
        self.profile = profile
        self.expertParallel = expertParallel
        self.balance = balance
        self.mixed = mixed
        loss = VocabularyParallelLoss(shape: shape, tensor: tensor, profile: profile)
        scratch = Scratch(shape: shape)
    }

    /// The recomputation of each of the `count` blocks of a stage.
    func recompute(blocks count: Int, stage: Int) -> [Layout.Recompute] {
        (0..<count).map { recomputed.contains($0, stage: stage) ? recompute : .none }
    }

    /// The context of one process without MPI.
    /// - Parameter auxiliaryLoss: coefficient of the load-balance loss.
    package convenience init(
        model: Model, shape: MicrobatchShape, parameters: ParameterSet, recompute: Layout.Recompute = .none,
        recomputed: RecomputedBlocks = .all, splitsBackward: Bool = false, auxiliaryLoss: Double = 0
    ) {
        let profile = Profile()
        let pieces = SequencePieces(sequence: shape.sequence)
        self.init(
            shape: shape, tensor: TensorParallel(profile: profile), pieces: pieces,
            attention: CoreAttention(
                shape: shape, pieces: pieces, rotation: RotaryFrequencies(model), profile: profile),
            dataParallel: DataParallel(parameters, profile: profile), recompute: recompute,
            splitsBackward: splitsBackward,
            expertParallel: model.moe.map {
                ExpertParallel(nil, pieces: nil, experts: $0.experts, width: model.hidden, profile: profile)
            }, balance: LoadBalanceLoss(nil, coefficient: auxiliaryLoss, batchTokens: shape.rows),
            recomputed: recomputed, profile: profile)
    }
}
