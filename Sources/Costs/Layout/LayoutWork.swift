internal import Models
package import Plans
package import Schedules

/// One layout's stages: what each holds and how long each takes.
package struct LayoutWork: Sendable {
    package let layout: Layout
    package let shape: PipelineShape
    package let vocabulary: Int
    package let shard: Shard
    /// What the software hides: what the layout says, or less of it (`Pricer.works`).
    package let hides: Layout.Overlap
    package let state: StateBytes
    /// What one micro-batch takes in each part of a stage.
    package let units: BlockUnits
    /// Host work of one pass of one micro-batch through a stage, seconds.
    let host: Double
    let pricer: Pricer
    let rates: DeviceRates
    /// Layers of each stage, in stage order.
    package let layers: [Int]
    /// What each rank holds and does.
    package let shares: PipelineShares
    /// Bytes of one activation between stages on one device.
    package let boundaryBytes: Double
    /// Seconds one activation or gradient takes to the next stage.
    package let transfer: Double
    /// Whether each tensor rank sends its part of a message and the receivers gather it.
    package let scattersMessages: Bool
    /// The lists of a search, which take the place of the layout's schedule.
    package var searchedSchedule: Schedule?

    /// One block: with experts where every block has them.
    package var block: UnitTimes { model.denseLayers > 0 ? units.block : units.mixtureBlock }
    /// A block with experts; `block` in a dense model.
    package var mixtureBlock: UnitTimes { units.mixtureBlock }
    var model: Model { pricer.plan.model }
    /// What the model is made of.
    var parts: ModelParts { pricer.parts }
    var p: Int { shape.ranks }
    var v: Int { shape.virtualStages }
    var m: Int { shape.microbatches }

    /// - Parameters:
    ///   - shares: of these layers, where they are known already.
    ///   - units: likewise; zeros where nothing is asked that depends on the micro-batch.
    ///   - groups: of these degrees, likewise.
    ///   - hides: where less is hidden than the layout says.
    init(
        pricer: Pricer, rates: DeviceRates, layout: Layout, shape: PipelineShape, layers: [Int],
        shares: PipelineShares? = nil, units: BlockUnits? = nil, groups: LayoutGroups? = nil,
        hides: Layout.Overlap? = nil
    ) {
        self.hides = hides ?? layout.overlap
        self.pricer = pricer
        self.rates = rates
        self.layout = layout
        self.shape = shape
        let model = pricer.plan.model
        vocabulary = model.paddedVocab(tensor: layout.tensor)
        state = StateBytes(precision: pricer.plan.precision, layout: layout, framework: rates.framework)
        var hidden = layout
        hidden.overlap = self.hides
        shard = Shard(
            plan: pricer.plan, layout: hidden, groups: groups ?? LayoutGroups(layout, on: pricer.network),
            vocabulary: vocabulary,
            dropout: pricer.options.dropout ?? !layout.flashAttention)
        self.units =
            units
            ?? BlockUnits(
                model: model, parts: pricer.parts, rates: rates, shard: shard, gradientBytes: state.gradient,
                plain: layout.recomputeLayers != nil)
        host = rates.framework.hostMicrobatch / 2
        self.layers = layers
        self.shares =
            shares
            ?? PipelineShares(
                schedule: layout.schedule, shape: shape, layers: layers, model: model,
                recomputeLayers: layout.recomputeLayers)
        boundaryBytes = rates.elementBytes * shard.tokens * Double(model.hidden) / shard.sequenceShare
        (transfer, scattersMessages) = Self.message(layout: layout, shard: shard, boundaryBytes: boundaryBytes)
    }

    /// Times of one micro-batch on one stage.
    package func stage(_ index: Int) -> UnitTimes {
        var times = units.blocks(shares.stages[index], partly: layout.recomputeLayers != nil)
        // In a folded pipeline the turn stays on its rank.
        let sendsBack = index > 0 && !(layout.schedule.isFolded && index == p)
        let sendsOn = index < layers.count - 1 && !(layout.schedule.isFolded && index == p - 1)
        addPasses(stages: 1, forwardMessages: sendsOn ? 1 : 0, backwardMessages: sendsBack ? 1 : 0, to: &times)
        if index == 0 { times = times + units.embedding }
        if index == layers.count - 1 { times = times + units.head }
        return times
    }

    /// The pipeline rank of the last stage (of the first direction); that of the first is 0.
    var headRank: Int { layout.schedule.isFolded ? 0 : p - 1 }

    package func holdsEmbedding(_ rank: Int) -> Bool { shares.ranks[rank].holdsEmbedding }

    package func holdsHead(_ rank: Int) -> Bool { shares.ranks[rank].holdsHead }

    /// Times of one micro-batch on all stages of a pipeline rank; the mean of the two directions where there are two.
    package func rank(_ rank: Int) -> UnitTimes { times(of: shares.ranks[rank]) }

    func times(of share: PipelineShares.Rank) -> UnitTimes {
        var times =
            shares.passShare
            * units.blocks(HeldBlocks(of: share), partly: layout.recomputeLayers != nil)
        addPasses(
            stages: share.passes, forwardMessages: share.forwardMessages,
            backwardMessages: share.messages - share.forwardMessages, to: &times)
        if share.holdsEmbedding { times = times + shares.passShare * units.embedding }
        if share.holdsHead { times = times + shares.passShare * units.head }
        return times
    }

    /// Host work of each stage and what the messages of one pass cost beside its compute.
    private func addPasses(
        stages: Int, forwardMessages: Double, backwardMessages: Double, to times: inout UnitTimes
    ) {
        times.forward.host += Double(stages) * host
        times.backward.host += Double(stages) * host
        times.forward.pipeline = forwardMessages * messageLoss
        times.backward.pipeline = backwardMessages * messageLoss
    }

    /// Compute lost to one message that runs beside it, at its two ends together; both are charged to the pass that
    /// sends. Waiting for the message would cost its time, so it costs no more.
    var messageLoss: Double {
        guard p > 1, layout.overlap.pipeline else { return 0 }
        return min(1, 2 * rates.framework.contention) * transfer
    }

    /// Seconds from the end of a pass to its message's arrival. What the sender lost is part of the message's time.
    var flight: Double { transfer - messageLoss }

    package func rankLayers(_ rank: Int) -> Int { shares.ranks[rank].layers }

    /// Parameters one device of a pipeline rank holds.
    package func parameters(rank: Int) -> Double { parameters(of: shares.ranks[rank]) }

    /// Parameters of routed experts that one device of a pipeline rank holds.
    package func expertParameters(rank: Int) -> Double { expertParameters(of: shares.ranks[rank]) }

    /// Parameters of all else, dense blocks, attention and tables, that one device of a pipeline rank holds.
    package func denseParameters(rank: Int) -> Double { denseParameters(of: shares.ranks[rank]) }

    func parameters(of share: PipelineShares.Rank) -> Double {
        denseParameters(of: share) + expertParameters(of: share)
    }

    func expertParameters(of share: PipelineShares.Rank) -> Double {
        parts.expertParameters(
            mixtureLayers: share.mixtures, expert: layout.expert, expertTensor: layout.expertTensor)
    }

    func denseParameters(of share: PipelineShares.Rank) -> Double {
        parts.deviceParameters(
            layers: share.layers, mixtureLayers: share.mixtures, tensor: layout.tensor, vocabulary: vocabulary,
            holdsEmbedding: share.holdsEmbedding, holdsHead: share.holdsHead)
    }

    /// Seconds one activation or gradient takes to the next stage: x/t with sequence parallelism; without, x, or x/t
    /// from each tensor rank and a gather behind it where that is faster (Narayanan et al. 2021, section 4.1).
    private static func message(
        layout: Layout, shard: Shard, boundaryBytes: Double
    ) -> (seconds: Double, isScattered: Bool) {
        guard layout.pipeline > 1 else { return (0, false) }
        let direct = shard.pipelineGroup.transfer(bytes: boundaryBytes)
        guard layout.tensor > 1, !layout.sequenceParallel else { return (direct, false) }
        let scattered =
            shard.pipelineGroup.transfer(bytes: boundaryBytes / shard.tensor)
            + shard.tensorGroup.gather(bytes: boundaryBytes)
        return (min(direct, scattered), scattered < direct)
    }

    /// Bytes of a message to a neighbouring pipeline rank.
    var messageBytes: Double { scattersMessages ? boundaryBytes / shard.tensor : boundaryBytes }
}
