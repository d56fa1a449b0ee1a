internal import MPI
internal import Models
internal import Plans
internal import Schedules
internal import Tensors

/// Makes what one rank holds: the parameters of its stages, how they are shared out, and the stages themselves.
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
    /// A tied table that is first and last stage's on one rank is one tensor.
    private var sharesTable: Bool { model.tiedEmbeddings && held.contains(0) && held.contains(last) }

    /// A rank that keeps everything has nothing to share out. Experts may have copies where nothing else has.
    private var sharding: Layout.Sharding {
        groups.gradient.size > 1 || layout.hasReplicas(model) ? layout.sharding : .none
    }

    /// What a micro-batch looks like on this rank.
    var shape: MicrobatchShape {
        MicrobatchShape(
            model: model, sequences: layout.microbatch, tensor: layout.tensor,
            sequenceParallel: layout.sequenceParallel, context: layout.context, expertPieces: layout.expertTensor)
    }

    /// The piece of every sequence this rank holds.
    var pieces: SequencePieces {
        SequencePieces(sequence: model.sequence, rank: groups.place.context, size: layout.context)
    }

    /// The parameters of the rank's stages, filled from `settings.initialWeights` or the seed.
    func parameters() throws -> ParameterSet {
        let experts = TensorShare(rank: groups.experts.rank, size: groups.experts.size)
        let parameters = ParameterSet(
            stages: held.map { stage in
                var units = ParameterLayout.units(
                    model: model, layers: partition.layers[stage], isFirst: stage == 0, isLast: stage == last,
                    experts: experts)
                if sharesTable, stage == last, stage != 0 { units.removeAll { $0.kind == .table } }
                return (stage, units)
            },
            share: TensorShare(rank: groups.place.tensor, size: layout.tensor), sharding: sharding,
            shard: TensorShare(rank: groups.gradient.rank, size: groups.gradient.size),
            expertShare: TensorShare(rank: groups.expertTensor.rank, size: groups.expertTensor.size),
            expertShard: TensorShare(rank: groups.expertCopies.rank, size: groups.expertCopies.size),
            lookup: model.tiedEmbeddings ? nil : TensorNames(model).table)
        if let path = settings.initialWeights {
            try parameters.load(from: SafeTensorsFile(path: path))
        } else {
            parameters.initialise(seed: settings.seed)
        }
        return parameters
    }

    func tensorParallel() throws -> TensorParallel {
        try TensorParallel(groups.tensor, shape: shape, sharesMemory: sharesMemory, profile: profile)
    }

    /// How gradients are reduced, and weights gathered, among the ranks that hold the same ones.
    func shards(_ parameters: ParameterSet, tensor: TensorParallel) throws -> ParameterShards {
        let expected = parameters.units.map { unit in
            let count = schedule.backwards(of: unit.stage, on: rank)
            return sharesTable && unit.kind == .table ? count + schedule.backwards(of: last, on: rank) : count
        }
        return try ParameterShards(
            parameters, group: groups.gradient, experts: groups.expertCopies, tensor: tensor,
            reducesEarly: schedule.copiesRunAlike, expected: expected, sharesMemory: sharesMemory, profile: profile)
    }

    /// What all stages of the rank work with.
    /// - Parameter emulatesBFloat16: whether bf16 products may be made of rounded numbers.
    func context(tensor: TensorParallel, shards: ParameterShards, emulatesBFloat16: Bool) throws -> StageContext {
        try StageContext(
            shape: shape, tensor: tensor, pieces: pieces,
            attention: AttentionCore(
                shape: shape, pieces: pieces, isRotary: model.family == .llama,
                ring: layout.context > 1 ? RingAttention(groups.context, shape: shape, profile: profile) : nil,
                profile: profile),
            shards: shards, recompute: layout.recompute, splitsBackward: schedule.splitsBackward,
            exchange: model.moe.map {
                ExpertExchange(
                    groups.experts, pieces: groups.expertTensor, experts: $0.experts, width: model.hidden,
                    profile: profile)
            },
            balance: LoadBalance(
                groups.microbatch, coefficient: settings.auxiliaryLoss, batchTokens: plan.batch * model.sequence),
            recomputeLayers: layout.recomputeLayers,
            mixed: plan.precision == .bf16 ? MixedProducts(emulates: emulatesBFloat16) : nil, profile: profile)
    }

    func stages(_ parameters: ParameterSet, context: StageContext) -> [ModelStage] {
        held.map { stage in
            ModelStage(
                model: model, index: stage, layers: partition.layers[stage], isFirst: stage == 0, isLast: stage == last,
                parameters: parameters, tableStage: sharesTable ? 0 : nil, context: context)
        }
    }

    /// The part of every step's text this rank reads.
    func batch(_ data: TextData) -> LocalBatch {
        LocalBatch(
            data: data, shape: shape, microbatches: schedule.microbatches,
            first: groups.place.data * plan.batch / layout.data, pieces: pieces)
    }
}
