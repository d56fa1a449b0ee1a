internal import Models
package import Plans
package import Schedules

/// One layout of a plan with everything its memory, traffic and time are computed from: what each rank holds, and how
/// long one micro-batch takes in each part of a stage. Memory, traffic and time are values made from it
/// (`LayoutMemory(work)`, `Traffic(work, rank:)`, `IterationTime(work)`).
///
/// A class, so that these values hand it on without copying it.
package final class LayoutWork: Sendable {
    package let layout: Layout
    /// Ranks, stages a rank and micro-batches of the pipeline.
    package let shape: PipelineShape
    /// Vocabulary, padded so that tensor ranks hold equal parts.
    package let vocabulary: Int
    /// The part of a micro-batch that one device works on, and the groups it works with.
    package let device: DeviceShare
    /// Transfers that run behind compute: those that the layout says, or fewer where that is faster (`Pricer.works`).
    package let hides: Layout.Overlap
    /// Bytes of a parameter, its gradient and its optimizer state.
    package let state: StateBytes
    /// Times of one micro-batch in each part of a stage.
    package let units: BlockUnits
    /// Host work of one pass of one micro-batch through a stage, seconds.
    let host: Double
    let pricer: Pricer
    let rates: DeviceRates
    /// Blocks of each stage, in stage order.
    package let layers: [Int]
    /// Blocks, passes and messages of each pipeline rank.
    package let shares: PipelineShares
    /// Bytes of one activation between stages on one device.
    package let boundaryBytes: Double
    /// Seconds one activation or gradient takes to the next stage.
    package let transfer: Double
    /// Whether each tensor rank sends its part of a message and the receivers gather it.
    package let scattersMessages: Bool
    /// The action lists that a schedule search found; nil: the layout's named schedule runs.
    package let searchedSchedule: Schedule?

    /// Times of a dense block; of a block with experts where every block has them.
    package var block: UnitTimes { model.denseLayers > 0 ? units.block : units.mixtureBlock }
    /// Times of a block with experts; of a dense block in a dense model.
    package var mixtureBlock: UnitTimes { units.mixtureBlock }
    var plan: Plan { pricer.plan }
    var model: Model { pricer.plan.model }
    /// The parts that the model is made of.
    var parts: ModelParts { pricer.parts }
    /// The software that the layout runs on.
    var framework: Framework { rates.framework }
    /// Pipeline ranks.
    var p: Int { shape.ranks }
    /// Stages of a pipeline rank.
    var v: Int { shape.virtualStages }
    /// Micro-batches of a step.
    var m: Int { shape.microbatches }

    /// - Parameters:
    ///   - shares: what the ranks hold with these `layers`; nil: computed here.
    ///   - units: times of the parts of a stage; nil: computed here. Zeros will do where nothing that depends on the
    ///     micro-batch is asked.
    ///   - groups: the layout's groups of devices; nil: computed here.
    ///   - hides: transfers that run behind compute; nil: those that the layout says.
    init(
        pricer: Pricer, rates: DeviceRates, layout: Layout, shape: PipelineShape, layers: [Int],
        shares: PipelineShares? = nil, units: BlockUnits? = nil, groups: LayoutGroups? = nil,
        hides: Layout.Overlap? = nil
    ) {
        searchedSchedule = nil
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
        device = DeviceShare(
            plan: pricer.plan, layout: hidden, groups: groups ?? LayoutGroups(layout, on: pricer.network),
            vocabulary: vocabulary,
            dropout: pricer.options.dropout ?? !layout.flashAttention)
        self.units =
            units
            ?? BlockUnits(
                model: model, parts: pricer.parts, rates: rates, device: device, gradientBytes: state.gradient,
                plain: layout.recomputeLayers != nil)
        host = rates.framework.hostMicrobatch / 2
        self.layers = layers
        self.shares =
            shares
            ?? PipelineShares(
                schedule: layout.schedule, shape: shape, layers: layers, model: model,
                recomputeLayers: layout.recomputeLayers)
        boundaryBytes = rates.elementBytes * device.tokens * Double(model.hidden) / device.sequenceShare
        (transfer, scattersMessages) = Self.message(layout: layout, device: device, boundaryBytes: boundaryBytes)
    }

    /// `work` whose stages run the action lists of `searched` rather than the layout's named schedule.
    package init(_ work: LayoutWork, searched: Schedule) {
        layout = work.layout
        shape = work.shape
        vocabulary = work.vocabulary
        device = work.device
        hides = work.hides
        state = work.state
        units = work.units
        host = work.host
        pricer = work.pricer
        rates = work.rates
        layers = work.layers
        shares = work.shares
        boundaryBytes = work.boundaryBytes
        transfer = work.transfer
        scattersMessages = work.scattersMessages
        searchedSchedule = searched
    }

    /// Times of one micro-batch on one stage.
    package func stage(_ index: Int) -> UnitTimes {
        var times = times(of: shares.stages[index])
        // In a folded pipeline the turn stays on its rank.
        let sendsBack = index > 0 && !(layout.schedule.isFolded && index == p)
        let sendsOn = index < layers.count - 1 && !(layout.schedule.isFolded && index == p - 1)
        addPasses(stages: 1, forwardMessages: sendsOn ? 1 : 0, backwardMessages: sendsBack ? 1 : 0, to: &times)
        if index == 0 { times = times + units.embedding }
        if index == layers.count - 1 { times = times + units.head }
        return times
    }

    /// The pipeline rank that holds the last stage; rank 0 holds the first. In a bidirectional pipeline: of the
    /// micro-batches that enter at rank 0.
    var headRank: Int { layout.schedule.isFolded ? 0 : p - 1 }

    package func holdsEmbedding(_ rank: Int) -> Bool { shares.ranks[rank].holdsEmbedding }

    package func holdsHead(_ rank: Int) -> Bool { shares.ranks[rank].holdsHead }

    /// Times of one micro-batch on all stages of a pipeline rank. Where micro-batches enter from both ends: the mean of the
    /// two directions.
    package func rank(_ rank: Int) -> UnitTimes { times(of: shares.ranks[rank]) }

    /// Times of one micro-batch through `blocks`. Where only some blocks are recomputed, `blocks` says which.
    private func times(of blocks: HeldBlocks) -> UnitTimes {
        guard layout.recomputeLayers != nil else {
            guard blocks.mixtures > 0 else { return blocks.dense * units.block }
            return blocks.dense * units.block + blocks.mixtures * units.mixtureBlock
        }
        var times = blocks.dense * units.plainBlock + blocks.recomputed * units.block
        if blocks.mixtures + blocks.recomputedMixtures > 0 {
            times = times + blocks.mixtures * units.plainMixtureBlock + blocks.recomputedMixtures * units.mixtureBlock
        }
        return times
    }

    /// Times of one micro-batch on a pipeline rank that holds `share`.
    func times(of share: PipelineShares.Rank) -> UnitTimes {
        var times = shares.passShare * times(of: HeldBlocks(of: share))
        addPasses(
            stages: share.passes, forwardMessages: share.forwardMessages,
            backwardMessages: share.messages - share.forwardMessages, to: &times)
        if share.holdsEmbedding { times = times + shares.passShare * units.embedding }
        if share.holdsHead { times = times + shares.passShare * units.head }
        return times
    }

    /// Adds the host work of `stages` passes, and the compute lost to the messages that run beside them.
    private func addPasses(
        stages: Int, forwardMessages: Double, backwardMessages: Double, to times: inout UnitTimes
    ) {
        times.forward.host += Double(stages) * host
        times.backward.host += Double(stages) * host
        times.forward.pipeline = forwardMessages * messageLoss
        times.backward.pipeline = backwardMessages * messageLoss
    }

    /// Seconds of compute that one message costs while it runs beside it. Sender and receiver both lose some; all of it is
    /// charged to the pass that sends. It is never more than waiting for the message would cost.
    var messageLoss: Double {
        guard p > 1, layout.overlap.pipeline else { return 0 }
        return min(1, 2 * rates.framework.contention) * transfer
    }

    /// Seconds from the end of a pass to the arrival of its message, less what the sender's compute already lost to it.
    var flight: Double { transfer - messageLoss }

    /// Blocks of a pipeline rank.
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

    /// Seconds that one activation or gradient takes to the next stage. With sequence parallelism each tensor rank sends
    /// its own rows. Without, each sends the whole tensor; or 1/t of it, which the receivers gather, where that is faster
    /// (Narayanan et al. 2021, section 4.1).
    private static func message(
        layout: Layout, device: DeviceShare, boundaryBytes: Double
    ) -> (seconds: Double, isScattered: Bool) {
        guard layout.pipeline > 1 else { return (0, false) }
        let direct = device.pipelineGroup.transfer(bytes: boundaryBytes)
        guard layout.tensor > 1, !layout.sequenceParallel else { return (direct, false) }
        let scattered =
            device.pipelineGroup.transfer(bytes: boundaryBytes / device.tensor)
            + device.tensorGroup.gather(bytes: boundaryBytes)
        return (min(direct, scattered), scattered < direct)
    }

    /// Bytes of a message to a neighbouring pipeline rank.
    var messageBytes: Double { scattersMessages ? boundaryBytes / device.tensor : boundaryBytes }

    /// Most activations that `rank` holds at once, counted in its stages.
    package func inFlight(rank: Int) -> Int {
        searchedSchedule?.peakActivations(release: .backwardWeight)[rank]
            ?? layout.schedule.peakActivations(rank: rank, shape)
    }

    /// For each rank the moments at which it holds most, whatever a block of each kind takes.
    var fullestMoments: [[HeldBlocks]] {
        searchedSchedule.map { shares.fullestMoments(of: $0) } ?? shares.fullestMoments(layout.schedule, shape)
    }
}
