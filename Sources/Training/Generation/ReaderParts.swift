internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// The objects of one rank that reads sequences: the weights of its stages, and the stages.
struct ReaderParts {
    let shape: MicrobatchShape
    let context: StageContext
    /// The stages of this rank, in order.
    let stages: [ModelStage]
    /// Keeps the weights.
    let parameters: ParameterSet

    /// - Parameter rows: most tokens of a pass, a multiple of the tensor degree.
    init(
        model: Model, weights: any WeightSource, place: GenerationPlace, rows: Int, sharesMemory: Bool
    ) throws {
        let (layout, groups, held, last) = (place.layout, place.groups, place.held, place.stageToRank.count - 1)
        let sharesTable = ParameterLayout.sharesTable(model, held: held, last: last)
        func slice(_ group: Communicator?) -> TensorSlice {
            group.map { TensorSlice(rank: $0.rank, size: $0.size) } ?? TensorSlice()
        }
        // Slices of weights are kept where the run kept them; nothing here has gradients or moments.
        let hasCopies = (groups?.gradient.size ?? 1) > 1 || (groups?.expertCopies.size ?? 1) > 1
        let cutsWeights = layout?.sharding == .parameters && hasCopies
        let parameters = ParameterSet(
            stages: ParameterLayout.stages(
                model, held: held, layers: place.layers, experts: slice(groups?.experts)
            ).map { stage, units in
                var units = units
                for index in units.indices { units[index].isFrozen = true }
                return (stage, units)
            }, share: slice(groups?.tensor), sharding: cutsWeights ? .parameters : .none,
            shard: slice(groups?.gradient), expertShare: slice(groups?.expertTensor),
            expertShard: slice(groups?.expertCopies))
        try parameters.load(from: weights)
        let shape = MicrobatchShape(
            model: model, sequences: 1, sequence: rows, tensor: place.tensor, expertPieces: layout?.expertTensor ?? 1)
        let profile = Profile()
        let tensor =
            try groups.map { groups throws(MPIError) in
                try TensorParallel(groups.tensor, shape: shape, sharesMemory: sharesMemory, profile: profile)
            } ?? TensorParallel(profile: profile)
        let dataParallel =
            try groups.map { groups throws(MPIError) in
                try DataParallel(
                    parameters, group: groups.gradient, experts: groups.expertCopies, tensor: tensor,
                    reducesEarly: true, expected: parameters.units.map { _ in 0 }, sharesMemory: sharesMemory,
                    profile: profile)
            } ?? DataParallel(parameters, profile: profile)
        var small = shape
        small.sequence = 1
        let pieces = SequencePieces(sequence: rows)
        let context = StageContext(
            shape: shape, tensor: tensor, pieces: pieces,
            // Attention with a cache takes its place.
            attention: CoreAttention(shape: small, pieces: pieces, rotation: nil, profile: profile),
            dataParallel: dataParallel, recompute: .none, splitsBackward: false,
            expertParallel: model.moe.map {
                ExpertParallel(
                    groups?.experts, pieces: groups?.expertTensor, experts: $0.experts, width: model.hidden,
                    profile: profile)
            }, balance: LoadBalanceLoss(nil, coefficient: 0, batchTokens: rows), profile: profile)
        self.parameters = parameters
        self.shape = shape
        self.context = context
        stages = held.map { stage in
            ModelStage(
                model: model, index: stage, layers: place.layers[stage], isFirst: stage == 0, isLast: stage == last,
                parameters: parameters, tableStage: sharesTable ? 0 : nil, context: context)
        }
    }
}
