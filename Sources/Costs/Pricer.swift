package import Plans
package import Schedules

/// Prices layouts of one plan: everything that depends on the plan alone is computed once.
///
/// A class, so that the works of a search share one without copying it.
package final class Pricer: Sendable {
    package let plan: Plan
    package let options: CostOptions
    /// By the software that layouts run on.
    private let rates: [String: DeviceRates]

    package init(plan: Plan, options: CostOptions = CostOptions()) throws(CostError) {
        self.plan = plan
        self.options = options
        var rates: [String: DeviceRates] = [:]
        let names = plan.frameworks.named.map { [$0] } ?? Frameworks.automaticNames
        for name in names {
            let framework = plan.frameworks.known[name] ?? Framework(name: name)
            rates[name] = try DeviceRates(
                device: plan.cluster.device, precision: plan.precision, framework: framework)
        }
        self.rates = rates
        guard plan.batch > 0, plan.devices > 0, plan.model.layers > 0, plan.model.sequence > 0 else {
            throw .badPlan("batch, devices, layers and sequence must be positive")
        }
        guard !plan.cluster.networks.isEmpty || plan.devices == 1 else {
            throw .badPlan("cluster \(plan.cluster.name) names no network to join \(plan.devices) devices")
        }
    }

    /// Everything about one layout that its price needs.
    package func work(_ layout: Layout) throws(CostError) -> LayoutWork {
        let sequences = layout.data * layout.microbatch
        guard
            min(
                layout.data, layout.tensor, layout.pipeline, layout.virtualStages, layout.context, layout.microbatch,
                layout.expert, layout.expertTensor) > 0
        else { throw .badLayout("every degree of the layout and the micro-batch must be at least 1") }
        guard plan.batch % sequences == 0 else {
            throw .badLayout(
                "batch \(plan.batch) is not a multiple of data \(layout.data) × micro-batch \(layout.microbatch)")
        }
        guard layout.devices == plan.devices else {
            throw .badLayout("the layout takes \(layout.devices) devices, the plan has \(plan.devices)")
        }
        guard layout.stages <= plan.model.layers else {
            throw .badLayout("\(layout.stages) stages for \(plan.model.layers) layers: at least one layer a stage")
        }
        let shape = PipelineShape(
            ranks: layout.pipeline, virtualStages: layout.virtualStages, microbatches: plan.batch / sequences)
        if let rule = layout.schedule.problem(shape) { throw .badLayout(rule) }
        let layers = StagePartition(layout, model: plan.model).sizes
        guard layers.count == layout.stages, layers.allSatisfy({ $0 > 0 }), layers.reduce(0, +) == plan.model.layers
        else {
            throw .badLayout("the layers of the stages must be \(layout.stages) numbers, in all the model's layers")
        }
        let name = plan.framework(for: layout).name
        guard let rates = rates[name] else { throw .badPlan("no framework \(name)") }
        return LayoutWork(pricer: self, rates: rates, layout: layout, shape: shape, layers: layers)
    }
}

/// One layout's stages: what each holds and how long each takes.
package struct LayoutWork: Sendable {
    package let layout: Layout
    package let shape: PipelineShape
    package let vocabulary: Int
    package let shard: Shard
    package let state: StateBytes
    package let block: UnitTimes
    /// A block with experts; `block` in a dense model.
    package let mixtureBlock: UnitTimes
    package let embedding: UnitTimes
    package let head: UnitTimes
    /// Host work of one pass of one micro-batch through a stage, seconds.
    let host: Double
    let pricer: Pricer
    let rates: DeviceRates
    /// Layers of each stage, in stage order.
    package let layers: [Int]
    /// Bytes of one activation between stages on one device.
    package let boundaryBytes: Double
    /// Seconds one activation or gradient takes to the next stage.
    package let transfer: Double
    /// Most activations each rank holds at once, counted in its stages, where that is not what the layout's schedule
    /// holds: with lists of a search.
    package var heldActivations: [Int]?
    /// Stages of each rank where they are not simply p apart; nil where they are.
    private let placedStages: [[Int]]?
    /// How many of the micro-batches each stage of a rank sees: half of them where they come from both ends.
    private let passShare: Double

    var model: Model { pricer.plan.model }
    var p: Int { shape.ranks }
    var v: Int { shape.virtualStages }
    var m: Int { shape.microbatches }

    init(pricer: Pricer, rates: DeviceRates, layout: Layout, shape: PipelineShape, layers: [Int]) {
        self.pricer = pricer
        self.rates = rates
        self.layout = layout
        self.shape = shape
        let model = pricer.plan.model
        vocabulary = model.paddedVocab(tensor: layout.tensor)
        state = StateBytes(precision: pricer.plan.precision, gradients: layout.gradients)
        shard = Shard(
            plan: pricer.plan, layout: layout, vocabulary: vocabulary,
            dropout: pricer.options.dropout ?? !layout.flashAttention)
        let times = BlockTimes(model: model, rates: rates, shard: shard, gradientBytes: state.gradient)
        block = times.unit()
        mixtureBlock = model.moe.map { times.unit(experts: $0) } ?? block
        let ends = EndTimes(model: model, rates: rates, shard: shard, gradientBytes: state.gradient)
        embedding = ends.embedding()
        head = ends.head()
        host = rates.framework.hostMicrobatch / 2
        self.layers = layers
        passShare = layout.schedule.isBidirectional ? 0.5 : 1
        placedStages = Self.placedStages(layout.schedule, shape)
        boundaryBytes = rates.elementBytes * shard.tokens * Double(model.hidden) / shard.sequenceShare
        transfer = Self.transfer(layout: layout, shard: shard, boundaryBytes: boundaryBytes)
    }

    /// Times of one micro-batch on one stage.
    package func stage(_ index: Int) -> UnitTimes {
        var times = blocks(layers[index], mixtureLayers(stage: index))
        // In a folded pipeline the turn stays on its rank.
        let receives = index > 0 && !(layout.schedule.isFolded && index == p)
        let sends = index < layers.count - 1 && !(layout.schedule.isFolded && index == p - 1)
        addPasses(stages: 1, messages: (receives ? 1 : 0) + (sends ? 1 : 0), to: &times)
        if index == 0 { times = times + embedding }
        if index == layers.count - 1 { times = times + head }
        return times
    }

    /// Stages of each rank, nil where stage s is on rank s mod p.
    private static func placedStages(_ schedule: ScheduleName, _ shape: PipelineShape) -> [[Int]]? {
        guard schedule.isBidirectional || shape.virtualStages == 2 && schedule.isFolded else { return nil }
        let placement = schedule.placement(shape)
        var stages = [[Int]](repeating: [], count: shape.ranks)
        for stageToRank in [placement.stageToRank, placement.reverseStageToRank ?? []] {
            for (stage, rank) in stageToRank.enumerated() { stages[rank].append(stage) }
        }
        return stages
    }

    /// The pipeline rank of the last stage (of the first direction); that of the first is 0.
    var headRank: Int { layout.schedule.isFolded ? 0 : p - 1 }

    package func holdsEmbedding(_ rank: Int) -> Bool { placedStages?[rank].contains(0) ?? (rank == 0) }

    package func holdsHead(_ rank: Int) -> Bool { placedStages?[rank].contains(layers.count - 1) ?? (rank == p - 1) }

    /// Times of one micro-batch on all stages of a pipeline rank; the mean of the two directions where there are two.
    package func rank(_ rank: Int) -> UnitTimes {
        if let stages = placedStages?[rank] {
            var times = passShare * blocks(rankLayers(rank), rankMixtureLayers(rank))
            addPasses(
                stages: Int(Double(stages.count) * passShare), messages: Int(messages(rank: rank).rounded()), to: &times
            )
            if holdsEmbedding(rank) { times = times + passShare * embedding }
            if holdsHead(rank) { times = times + passShare * head }
            return times
        }
        var times = blocks(rankLayers(rank), rankMixtureLayers(rank))
        addPasses(stages: v, messages: 2 * v - (rank == 0 ? 1 : 0) - (rank == p - 1 ? 1 : 0), to: &times)
        if rank == 0 { times = times + embedding }
        if rank == p - 1 { times = times + head }
        return times
    }

    /// Host work of each stage and what the messages of one pass cost beside its compute.
    private func addPasses(stages: Int, messages: Int, to times: inout UnitTimes) {
        times.forward.host += Double(stages) * host
        times.backward.host += Double(stages) * host
        guard p > 1, layout.overlap.pipeline else { return }
        times.forward.pipeline = Double(messages) * rates.framework.contention * transfer
        times.backward.pipeline = times.forward.pipeline
    }

    /// Messages that a rank sends for one micro-batch (and as many that it receives), both ways together.
    func messages(rank: Int) -> Double {
        guard let stages = placedStages?[rank] else {
            return Double(2 * v - (rank == 0 ? 1 : 0) - (rank == p - 1 ? 1 : 0))
        }
        // At the fold a stage's neighbour is on the same rank.
        let inner = passShare == 1 && stages.count == 2 && abs(stages[0] - stages[1]) == 1 ? 2 : 0
        let ends = stages.filter { $0 == 0 }.count + stages.filter { $0 == layers.count - 1 }.count
        return Double(2 * stages.count - inner - ends) * passShare
    }

    /// Layers a rank works through for one micro-batch: half of those it holds where there are two directions.
    func layersPassed(_ rank: Int) -> Double { Double(rankLayers(rank)) * passShare }

    private func blocks(_ count: Int, _ mixtures: Int) -> UnitTimes {
        guard mixtures > 0 else { return Double(count) * block }
        return Double(count - mixtures) * block + Double(mixtures) * mixtureBlock
    }

    /// Blocks with experts of a stage.
    package func mixtureLayers(stage: Int) -> Int {
        guard let moe = model.moe else { return 0 }
        var start = 0
        for index in 0..<stage { start += layers[index] }
        return moe.blocks(before: start + layers[stage]) - moe.blocks(before: start)
    }

    /// Blocks with experts of a rank.
    package func rankMixtureLayers(_ rank: Int) -> Int {
        guard model.moe != nil else { return 0 }
        guard let stages = placedStages?[rank] else {
            return stride(from: rank, to: layers.count, by: p).reduce(0) { $0 + mixtureLayers(stage: $1) }
        }
        return stages.reduce(0) { $0 + mixtureLayers(stage: $1) }
    }

    package func rankLayers(_ rank: Int) -> Int {
        var sum = 0
        if let placedStages { return placedStages[rank].reduce(0) { $0 + layers[$1] } }
        var stage = rank
        while stage < layers.count {
            sum += layers[stage]
            stage += p
        }
        return sum
    }

    /// Parameters one device of a pipeline rank holds.
    package func parameters(rank: Int) -> Double { denseParameters(rank: rank) + expertParameters(rank: rank) }

    /// Those of them that are routed experts'.
    package func expertParameters(rank: Int) -> Double {
        model.expertParameters(
            mixtureLayers: rankMixtureLayers(rank), expert: layout.expert, expertTensor: layout.expertTensor)
    }

    /// All others.
    package func denseParameters(rank: Int) -> Double {
        model.deviceParameters(
            layers: rankLayers(rank), mixtureLayers: rankMixtureLayers(rank), tensor: layout.tensor,
            vocabulary: vocabulary, holdsEmbedding: holdsEmbedding(rank), holdsHead: holdsHead(rank))
    }

    /// Seconds one activation or gradient takes to the next stage: x/t with sequence parallelism; without, x, or x/t
    /// from each tensor rank and a gather behind it where that is faster (Narayanan et al. 2021, section 4.1).
    static func transfer(layout: Layout, shard: Shard, boundaryBytes: Double) -> Double {
        guard layout.pipeline > 1 else { return 0 }
        let direct = shard.pipelineGroup.transfer(bytes: boundaryBytes)
        guard layout.tensor > 1, !layout.sequenceParallel else { return direct }
        let scattered =
            shard.pipelineGroup.transfer(bytes: boundaryBytes / shard.tensor)
            + shard.tensorGroup.gather(bytes: boundaryBytes)
        return min(direct, scattered)
    }
}
