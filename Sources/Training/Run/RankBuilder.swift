internal import MPI
internal import Models
internal import Plans
internal import Schedules
internal import Tensors

/// Builds the objects of one rank: the parameters of its stages, the groups it works with, and the stages themselves.
struct RankBuilder {
    let plan: Plan
    let layout: Layout
    let settings: TrainSettings
    let schedule: Schedule
    let partition: StagePartition
    let groups: ProcessGroups
    let profile: Profile
    /// Whether ranks of one node may meet in shared memory.
    let sharesMemory: Bool

    private var model: Model { plan.model }
    private var rank: Int { groups.place.pipeline }
    /// Stages of this rank, in ascending order.
    private var held: [Int] { schedule.stages(on: rank) }
    private var last: Int { schedule.stages - 1 }
    private var sharesTable: Bool { ParameterLayout.sharesTable(model, held: held, last: last) }

    /// The layout's sharding, or none where no parameter of the rank has a copy. Experts may have copies where nothing else has.
    private var sharding: Layout.Sharding {
        groups.gradient.size > 1 || layout.hasReplicas(model) ? layout.sharding : .none
    }

    /// The sizes of a micro-batch on this rank.
    var shape: MicrobatchShape {
        MicrobatchShape(
            model: model, sequences: layout.microbatch, tensor: layout.tensor,
            sequenceParallel: layout.sequenceParallel, context: layout.context, expertPieces: layout.expertTensor)
    }

    /// The pieces of every sequence that this rank holds.
    var pieces: SequencePieces {
        SequencePieces(sequence: model.sequence, rank: groups.place.context, size: layout.context)
    }

    /// The parameters of the rank's stages, filled from `settings.initialWeights` or the seed.
    /// - Parameter fills: whether they are filled; a run that goes on takes them from a checkpoint.
    func parameters(fills: Bool) throws -> ParameterSet {
        let start = try fills ? settings.initialWeights.map { path in try Checkpoint.weights(at: path) } : nil
        try start?.checkStart(of: model)
        let experts = TensorSlice(rank: groups.experts.rank, size: groups.experts.size)
        let parameters = ParameterSet(
            stages: ParameterLayout.stages(
                model, held: held, layers: partition.layers, experts: experts, mup: settings.mup),
            share: TensorSlice(rank: groups.place.tensor, size: layout.tensor), sharding: sharding,
            shard: TensorSlice(rank: groups.gradient.rank, size: groups.gradient.size),
            expertShare: TensorSlice(rank: groups.expertTensor.rank, size: groups.expertTensor.size),
            expertShard: TensorSlice(rank: groups.expertCopies.rank, size: groups.expertCopies.size),
            lookup: model.tiedEmbeddings ? nil : model.embedding.name, rule: UpdateRule(plan.optimizer, settings))
        guard fills else { return parameters }
        if let start {
            try parameters.load(from: start, seed: settings.seed)
        } else {
            parameters.initialise(seed: settings.seed)
        }
        return parameters
    }

    func tensorParallel() throws -> TensorParallel {
        try TensorParallel(groups.tensor, shape: shape, sharesMemory: sharesMemory, profile: profile)
    }

    /// The reduction of gradients and gathering of weights among the ranks that hold the same parameters.
    func dataParallel(_ parameters: ParameterSet, tensor: TensorParallel) throws -> DataParallel {
        let expected = parameters.units.map { unit in
            let count = schedule.backwards(of: unit.stage, on: rank)
            return sharesTable && unit.kind == .table ? count + schedule.backwards(of: last, on: rank) : count
        }
        return try DataParallel(
            parameters, group: groups.gradient, experts: groups.expertCopies, tensor: tensor,
            reducesEarly: schedule.mirroredRanksRunInStep, expected: expected, sharesMemory: sharesMemory,
            profile: profile)
    }

    /// The context of the rank's stages.
    /// - Parameter emulatesBFloat16: whether bf16 products may be fp32 products of rounded numbers.
    func context(tensor: TensorParallel, dataParallel: DataParallel, emulatesBFloat16: Bool) throws -> StageContext {
        try StageContext(
            shape: shape, tensor: tensor, pieces: pieces,
            attention: CoreAttention(
                shape: shape, pieces: pieces, rotation: RotaryFrequencies(model),
                ring: layout.context > 1 ? RingAttention(groups.context, shape: shape, profile: profile) : nil,
                profile: profile),
            dataParallel: dataParallel, recompute: layout.recompute, splitsBackward: schedule.splitsBackward,
            expertParallel: model.moe.map {
                ExpertParallel(
                    groups.experts, pieces: groups.expertTensor, experts: $0.experts, width: model.hidden,
                    profile: profile)
            },
            balance: LoadBalanceLoss(
                groups.microbatch, coefficient: settings.auxiliaryLoss, batchTokens: plan.batch * model.sequence),
            recomputed: layout.recomputed,
            mixed: plan.precision == .bf16 ? MixedPrecisionProducts(emulates: emulatesBFloat16) : nil, profile: profile)
    }

    func stages(_ parameters: ParameterSet, context: StageContext) -> [ModelStage] {
        held.map { stage in
            ModelStage(
                model: model, index: stage, layers: partition.layers[stage], isFirst: stage == 0, isLast: stage == last,
                parameters: parameters, tableStage: sharesTable ? 0 : nil, context: context)
        }
    }

    /// The tokens of every step that this rank reads.
    func batch(_ corpus: Corpus) -> LocalBatch { batch(corpus, corpus.training) }

    /// The tokens of every batch of a validation that this rank reads; nil: there is none.
    func validationBatch(_ corpus: Corpus) -> LocalBatch? { corpus.validation.map { batch(corpus, $0.stream) } }

    private func batch(_ corpus: Corpus, _ data: SequenceStream) -> LocalBatch {
        LocalBatch(
            data: data, shape: shape, microbatches: schedule.microbatches,
            first: groups.place.data * plan.batch / layout.data, pieces: pieces,
            endOfDocument: corpus.documents == .packed ? corpus.endOfDocument : nil)
    }
}
