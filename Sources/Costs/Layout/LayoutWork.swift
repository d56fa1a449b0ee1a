package import Models
package import Plans
package import Schedules

/// The work of one layout of a plan: each rank's share of the model, and the times of one micro-batch in each part of a
/// stage. Memory, traffic and time are computed from it (`LayoutMemory(work)`, `Traffic(work, rank:)`,
/// `IterationTime(work)`).
///
/// A class, so that these values share one work without copying it.
package final class LayoutWork: Sendable {
    package let layout: Layout
    /// Ranks, stages of a rank and micro-batches of the pipeline.
    package let shape: PipelineShape
    /// Vocabulary, padded so that the ranks which divide it hold equal parts.
    package let vocabulary: Int
    /// The output layer and the lookups in parts, if all ranks of the pipeline divide the vocabulary.
    package let divided: DividedVocabulary?
    /// The part of a micro-batch that one device works on, and the groups it works with.
    package let device: DeviceShare
    /// Transfers that overlap with compute: those of the layout, or fewer if that is faster (`Pricer.works`).
    package let hides: Layout.Overlap
    /// Bytes of a parameter, its gradient and its optimizer state.
    package let state: StateBytes
    /// The state and update of matrices; nil if the optimizer treats them as all other parameters.
    let matrices: MatrixUpdate?
    /// Times of one micro-batch in each part of a stage.
    package let units: BlockUnits
    /// Seconds of host work for one pass of one micro-batch through a stage.
    let host: Double
    let pricer: Pricer
    let rates: DeviceRates
    /// Blocks of each stage, in stage order.
    package let layers: [Int]
    /// Blocks, passes and messages of each pipeline rank.
    package let shares: PipelineShares
    /// Bytes of one activation between stages on one device.
    package let boundaryBytes: Double
    /// Seconds of sending one activation or gradient to the next stage.
    package let transfer: Double
    /// Whether each tensor rank sends only its part of a message, which the receivers gather.
    package let scattersMessages: Bool
    /// The action lists that a schedule search found; nil: the layout's named schedule runs.
    package let searchedSchedule: Schedule?
    /// The works by group on a cluster of several groups; nil: all devices are alike, or this is the work of one place.
    let mixed: MixedWork?
    /// The place that this is the work of on a cluster of several groups.
    let place: GroupPlace?

    var plan: Plan { pricer.plan }
    var model: Model { pricer.plan.model }
    /// The parts of the model.
    package var parts: ModelParts { pricer.parts }
    /// The software that the layout runs on.
    var framework: Framework { rates.framework }
    /// Pipeline ranks.
    var p: Int { shape.ranks }
    /// Stages of a pipeline rank.
    var v: Int { shape.virtualStages }
    /// Micro-batches of a step.
    var m: Int { shape.microbatches }

    /// - Parameters:
    ///   - shares: the shares of the ranks with these `layers`; nil: computed here.
    ///   - units: times of the parts of a stage; nil: computed here. Zeros suffice if only results that do not depend on
    ///     the micro-batch are needed.
    ///   - groups: the layout's groups of devices; nil: computed here.
    ///   - hides: transfers that overlap with compute; nil: those of the layout.
    ///   - known: times that layouts with the same degrees share; nil: none.
    init(
        pricer: Pricer, rates: DeviceRates, layout: Layout, shape: PipelineShape, layers: [Int],
        shares: PipelineShares? = nil, units: BlockUnits? = nil, groups: LayoutGroups? = nil,
        hides: Layout.Overlap? = nil, known: KnownInsides? = nil
    ) {
        (searchedSchedule, mixed, place) = (nil, nil, nil)
        self.hides = hides ?? layout.overlap
        self.pricer = pricer
        self.rates = rates
        self.layout = layout
        self.shape = shape
        vocabulary =
            layout.vocabularyParallel == nil
            ? pricer.plan.model.paddedVocab(tensor: layout.tensor)
            : pricer.plan.model.paddedVocab(tensor: layout.tensor, pipeline: layout.pipeline)
        state = StateBytes(
            precision: pricer.plan.precision, layout: layout, framework: rates.framework,
            optimizer: pricer.plan.optimizer)
        matrices =
            pricer.plan.optimizer.isOfMatrices ? MatrixUpdate(layout, pricer.plan.optimizer, pricer.parts, state) : nil
        var hidden = layout
        hidden.overlap = self.hides
        device = DeviceShare(
            sequence: pricer.plan.model.sequence, loss: pricer.plan.loss,
            shares: RowShares(pricer.plan.model, context: Double(layout.context)), layout: hidden,
            groups: groups ?? LayoutGroups(layout, on: pricer.network),
            vocabulary: vocabulary,
            dropout: pricer.options.dropout ?? !layout.flashAttention, fusesNorms: rates.framework.fusesNorms,
            copies: Self.copies(layout, pricer.link, state, rates.framework, microbatches: shape.microbatches))
        self.units = units ?? Self.units(pricer, rates, device, state.gradient, layout, layers, known)
        host = rates.framework.hostMicrobatch / 2
        if let algorithm = layout.vocabularyParallel {
            divided = DividedVocabulary(
                algorithm, model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device,
                gradientBytes: state.gradient, host: host, ranks: layout.pipeline)
        } else {
            divided = nil
        }
        self.layers = layers
        self.shares =
            shares
            ?? PipelineShares(
                schedule: layout.schedule, shape: shape, layers: layers, blocks: pricer.parts.kinds,
                recomputed: layout.marked)
        boundaryBytes =
            rates.elementBytes
            * (device.tokens * Double(pricer.plan.model.hidden) / device.sequenceShare
                + Self.conditionNumbers(pricer.plan.model, device))
        (transfer, scattersMessages) = Self.message(layout: layout, device: device, boundaryBytes: boundaryBytes)
    }

    private static func copies(
        _ layout: Layout, _ link: HostLink?, _ state: StateBytes, _ framework: Framework, microbatches: Int
    ) -> HostCopies? {
        guard let offload = layout.offload, let link else { return nil }
        return HostCopies(
            offload, link, weight: state.keptWeight, reduced: state.accumulatedGradient, sharding: layout.sharding,
            addsOnDevice: framework.addsOffloadedGradients,
            microbatches: layout.schedule.isBidirectional ? microbatches / 2 : microbatches)
    }

    private static func units(
        _ pricer: Pricer, _ rates: DeviceRates, _ device: DeviceShare, _ gradientBytes: Double, _ layout: Layout,
        _ layers: [Int], _ known: KnownInsides?
    ) -> BlockUnits {
        let plain = layout.recomputed.keepsSome
        let inside = known?.units(device, pricer: pricer, rates: rates, gradientBytes: gradientBytes, plain: plain)
        return BlockUnits(
            model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device, gradientBytes: gradientBytes,
            plain: plain, high: Self.highBlocks(pricer, rates, layout, layers), inside: inside)
    }

    /// The blocks that the layout's recipe leaves in bf16; nil: none.
    private static func highBlocks(
        _ pricer: Pricer, _ rates: DeviceRates, _ layout: Layout, _ layers: [Int]
    ) -> HighBlocks? {
        guard let recipe = rates.recipe, rates.bf16Blocks != nil else { return nil }
        return HighBlocks(recipe, pricer.parts, pricer.plan.model, layout, layers: layers)
    }

    var highBlocks: HighBlocks? { Self.highBlocks(pricer, rates, layout, layers) }

    /// The work `work` with another number of micro-batches.
    convenience init(_ work: LayoutWork, shape: PipelineShape) {
        self.init(
            pricer: work.pricer, rates: work.rates, layout: work.layout, shape: shape, layers: work.layers,
            shares: work.shares, units: work.units, groups: work.device.groups, hides: work.hides)
    }

    /// The work `work` whose stages run the action lists of `searched` rather than the layout's named schedule.
    package convenience init(_ work: LayoutWork, searched: Schedule) {
        self.init(work, pricer: work.pricer, mixed: work.mixed, searched: searched)
    }

    /// The work of the ranks at one place of a cluster of several groups, from that of its group.
    convenience init(_ work: LayoutWork, shares: PipelineShares, place: GroupPlace, isScattered: Bool) {
        self.init(work, pricer: work.pricer, shares: shares, place: place, isScattered: isScattered)
    }

    /// A copy of `work` with these differences.
    init(
        _ work: LayoutWork, pricer: Pricer, mixed: MixedWork? = nil, searched: Schedule? = nil,
        shares: PipelineShares? = nil, place: GroupPlace? = nil, isScattered: Bool? = nil
    ) {
        layout = work.layout
        shape = work.shape
        vocabulary = work.vocabulary
        divided = work.divided
        device = work.device
        hides = work.hides
        state = work.state
        matrices = work.matrices
        units = work.units
        host = work.host
        self.pricer = pricer
        rates = work.rates
        layers = work.layers
        self.shares = shares ?? work.shares
        boundaryBytes = work.boundaryBytes
        transfer = work.transfer
        scattersMessages = isScattered ?? work.scattersMessages
        searchedSchedule = searched ?? work.searchedSchedule
        self.mixed = mixed
        self.place = place ?? work.place
    }

    /// Times of one micro-batch on one stage.
    package func stage(_ index: Int) -> UnitTimes {
        if let mixed {
            let own = mixed.works[mixed.placeOfRank[mixed.rankOfStage[index]]]
            return own.stage(
                index,
                losses: (index < mixed.losses.count ? mixed.losses[index] : 0, index > 0 ? mixed.losses[index - 1] : 0))
        }
        return stage(index, losses: (messageLoss, messageLoss))
    }

    /// Times of one micro-batch on one stage that loses so much compute to an activation it sends, and to a gradient.
    private func stage(_ index: Int, losses: (forward: Double, backward: Double)) -> UnitTimes {
        var times = times(of: shares.stages[index])
        // In a folded pipeline the two stages at the turn are on one rank and need no message.
        let sendsBack = index > 0 && !(layout.schedule.isFolded && index == p)
        let sendsOn = index < layers.count - 1 && !(layout.schedule.isFolded && index == p - 1)
        addPasses(
            stages: 1, forward: sendsOn ? losses.forward : 0, backward: sendsBack ? losses.backward : 0, to: &times)
        if index == 0 { times = times + firstEnd }
        if index == layers.count - 1 { times = times + lastEnd }
        return times
    }

    /// Times of the embedding on the first stage and of the head on the last: whole, or without the parts that all ranks divide.
    var firstEnd: UnitTimes { divided?.first ?? units.embedding }
    var lastEnd: UnitTimes { divided?.last ?? units.head }

    /// The pipeline rank that holds the last stage; rank 0 holds the first. In a bidirectional pipeline this is the
    /// last stage of the micro-batches that enter at rank 0.
    var headRank: Int { layout.schedule.isFolded ? 0 : p - 1 }

    /// Times of one micro-batch through `blocks`, which state how many are recomputed if only some are.
    private func times(of blocks: HeldBlocks) -> UnitTimes {
        var times = UnitTimes()
        let isPartial = layout.recomputed.keepsSome
        for kind in units.blocks.indices {
            let kept = blocks.whole(kind)
            if kept > 0 { times = times + kept * (isPartial ? units.plainBlocks : units.blocks)[kind] }
            let again = blocks.whole(kind, isRecomputed: true)
            if again > 0 { times = times + again * units.blocks[kind] }
        }
        if !units.copies.isEmpty { addCopies(of: blocks, to: &times) }
        return times
    }

    /// Adds the copies of some blocks' activations that the passes of their stage do not hide.
    private func addCopies(of blocks: HeldBlocks, to times: inout UnitTimes) {
        let seconds = units.copies.indices.reduce(0) {
            $0 + blocks.whole($1, isRecomputed: true) * units.copies[$1]
        }
        let (forward, backward) = (times.forward.total, times.backward.total)
        times.forward.offload += max(0, seconds - forward)
        times.backward.offload += max(0, seconds - backward)
    }

    /// Times of one micro-batch on all stages of a pipeline rank with this `share`. In a bidirectional pipeline: the
    /// mean of the two directions.
    package func times(of share: PipelineShares.Rank) -> UnitTimes {
        var times = shares.passShare * times(of: HeldBlocks(of: share))
        let (forward, backward) = losses(share)
        addPasses(stages: share.passes, forward: forward, backward: backward, to: &times)
        if share.holdsEmbedding { times = times + shares.passShare * firstEnd }
        if share.holdsHead { times = times + shares.passShare * lastEnd }
        if let divided { times = times + divided.passes }
        return times
    }

    /// Seconds of compute that a rank with this `share` loses to the activations and to the gradients that it sends for
    /// one micro-batch.
    func losses(_ share: PipelineShares.Rank) -> (forward: Double, backward: Double) {
        if let place { return (place.forwardLoss, place.backwardLoss) }
        return (share.forwardMessages * messageLoss, (share.messages - share.forwardMessages) * messageLoss)
    }

    /// Adds the host work of `stages` passes, and the compute lost to the messages that overlap with them.
    private func addPasses(stages: Int, forward: Double, backward: Double, to times: inout UnitTimes) {
        times.forward.host += Double(stages) * host
        times.backward.host += Double(stages) * host
        times.forward.pipeline = forward
        times.backward.pipeline = backward
    }

    /// Seconds of compute that one overlapping message costs. Sender and receiver both lose some; all of it is charged
    /// to the pass that sends. The loss is never more than the wait for the message would be.
    var messageLoss: Double {
        guard p > 1, layout.overlap.pipeline else { return 0 }
        return min(1, 2 * rates.framework.contention) * transfer
    }

    /// Seconds from the end of a pass to the arrival of its message, without the compute that the message already cost
    /// the sender.
    var flight: Double { mixed?.meanFlight ?? transfer - messageLoss }

    /// Number of blocks of a pipeline rank.
    package func rankLayers(_ rank: Int) -> Int { shares.ranks[rank].layers }

    /// Whether a rank with this `share` holds routed experts.
    func holdsExperts(_ share: PipelineShares.Rank) -> Bool {
        parts.hasExperts && zip(parts.blocks, share.blocks).contains { $0.mixture != nil && $1 > 0 }
    }

    /// Parameters that one device of a rank with this `share` holds.
    package func parameters(of share: PipelineShares.Rank) -> Double {
        denseParameters(of: share) + expertParameters(of: share)
    }

    /// Parameters of routed experts that one device of a rank with this `share` holds.
    package func expertParameters(of share: PipelineShares.Rank) -> Double {
        parts.expertParameters(
            blocks: share.blocks, expert: layout.expert, expertTensor: layout.expertTensor)
    }

    /// Parameters of a vocabulary table that one device holds.
    var tableParameters: Double {
        parts.embedding.table(vocabulary: vocabulary, tensor: device.tensor * Double(divided?.ranks ?? 1))
    }

    /// Parameters except routed experts (dense blocks, attention and tables) that one device of a rank with this
    /// `share` holds.
    package func denseParameters(of share: PipelineShares.Rank) -> Double {
        let held = parts.deviceParameters(
            blocks: share.blocks, tensor: layout.tensor, vocabulary: divided == nil ? vocabulary : 0,
            holdsEmbedding: share.holdsEmbedding, holdsHead: share.holdsHead)
        // Every rank holds a part of the token table and one of the head's.
        return divided == nil ? held : held + 2 * tableParameters
    }

    /// Seconds of sending one activation or gradient to the next stage. With sequence parallelism each tensor rank
    /// sends its own rows. Without it, each sends the whole tensor; or 1/t of it, which the receivers gather, if that
    /// is faster (Narayanan et al. 2021, section 4.1).
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

    /// Numbers beside the rows of the stream that every stage passes on, because all blocks read them: a sample's condition
    /// or the vectors computed from it, and the rows of a text that cross-attentions read.
    private static func conditionNumbers(_ model: Model, _ device: DeviceShare) -> Double {
        guard model.hasPicture else { return 0 }
        let rows = device.tokens * device.shares.samples
        let text = model.textJoins ? 0 : device.tokens * device.shares.text * Double(model.textWidth)
        return rows * Double(model.passedCondition) + text
    }

    /// Formula of `conditionNumbers` for one row; nil if there are none.
    var conditionWords: String? {
        guard model.hasPicture else { return nil }
        return sumOrNil(
            model.passedCondition > 0 ? "\(model.passedCondition)·c/s" : nil,
            model.text != nil && !model.textJoins ? "\(model.textWidth)·n_t·c/s" : nil)
    }

    /// Bytes of a message to a neighbouring pipeline rank.
    var messageBytes: Double { scattersMessages ? boundaryBytes / device.tensor : boundaryBytes }

    /// Largest number of activations that `rank` holds at once, counted in its stages.
    package func inFlight(rank: Int) -> Int {
        searchedSchedule?.peakActivations(release: .backwardWeight)[rank]
            ?? layout.schedule.peakActivations(rank: rank, shape)
    }

    /// The fullest moments of each rank. Whatever the bytes of each kind of block are, one of them takes most memory.
    var fullestMoments: [[HeldBlocks]] {
        searchedSchedule.map { shares.fullestMoments(of: $0) } ?? shares.fullestMoments(layout.schedule, shape)
    }
}
