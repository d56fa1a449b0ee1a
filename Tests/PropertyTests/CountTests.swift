import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// The planner's counts against one made tensor by tensor, product by product and collective by collective.
@Suite struct CountTests {
    @Test(arguments: properties) func agrees(_ property: Property) { property.expectToHold(Corpus.plans) }

    /// Software of other files may say either, so that plans with it are counted by what it says.
    @Test func shippedSoftwareKeepsResultsAsItsCodeDoes() {
        for name in CountedActivations.softwareWithoutResults {
            #expect(Checkout.frameworks.known[name]?.keepsCombinedRows == false, "\(name)")
        }
        for name in ["megatron-2021", "deepspeed-2021", "torch-fsdp", "torch-ddp"] {
            #expect(Checkout.frameworks.known[name]?.keepsCombinedRows == true, "\(name)")
        }
    }

    static let properties: [Property] = [
        Property(name: "parameters are the tensors'", share: 99) { plan, layout in
            let inventory = Inventory(plan.model)
            let parameters = plan.model.parameters()
            return .all([
                Property.equal("total", Double(parameters.total), Double(inventory.total), tolerance: 0),
                Property.equal("active", Double(parameters.active), Double(inventory.active), tolerance: 0),
            ])
        },
        Property(name: "parameters of a rank are its tensors'", share: 99) { plan, layout in
            let work = try Pricer(plan: plan).work(layout)
            let held = Inventory(plan.model).held(layout, try PlacedBlocks(plan, layout))
            return .all(
                held.enumerated().flatMap { rank, held in
                    [
                        Property.equal("dense of rank \(rank)", work.denseParameters(rank: rank), held.dense),
                        Property.equal("experts of rank \(rank)", work.expertParameters(rank: rank), held.experts),
                    ]
                })
        },
        Property(name: "model FLOPs are the products'", share: 99) { plan, layout in
            let counted = CountedFLOPs(Inventory(plan.model), sequences: plan.batch)
            let answer = try estimate(plan: plan, layout: layout)
            return Property.equal("model FLOPs", answer.iteration.modelFLOPs, counted.model)
        },
        Property(name: "hardware FLOPs are the products' and what is computed again", share: 99) { plan, layout in
            let counted = CountedFLOPs(Inventory(plan.model), sequences: plan.batch, layout: layout)
            let answer = try estimate(plan: plan, layout: layout)
            // A fused loss computes its logits again (Wijmans et al. 2025, section 4.2).
            let logits =
                2 * Double(plan.batch * plan.model.sequence) * Double(plan.model.vocab * plan.model.tableNumbers)
                * Double(1 + (plan.model.mtp?.layers ?? 0))
            let right =
                counted.hardware(layout, try PlacedBlocks(plan, layout), byOperation: isByOperation(plan, layout))
                + (plan.loss.kind == .fused ? logits : 0)
            return Property.equal("hardware FLOPs", answer.iteration.hardwareFLOPs, right)
        },
        Property(name: "weights, gradients and optimizer are the tensors'", share: 99) { plan, layout in
            let work = try Pricer(plan: plan).work(layout)
            let held = Inventory(plan.model).held(layout, try PlacedBlocks(plan, layout))
            // PyTorch FSDP keeps one fp32 parameter, which is the optimizer's master, its gradient in the same format
            // unless another is stated, and two moments; the half-precision copy exists while it is gathered (FSDP2,
            // MixedPrecisionPolicy).
            let isFSDP = CountedState.isFSDP(plan)
            let (inventory, placed) = (Inventory(plan.model), try PlacedBlocks(plan, layout))
            return .all(
                held.enumerated().flatMap { rank, held -> [Property.Outcome] in
                    var right = CountedState(held, plan: plan, layout: layout)
                    if let recipe = CountedRecipe(plan) {
                        right.weights += recipe.copyBytes(
                            recipe.parameters(inventory, placed, layout, rank: rank), layout)
                    }
                    let found = LayoutMemory(work).rank(rank)
                    let sum = found.weights + found.gradients + found.optimizer
                    // Matrices may have other bytes: counted by themselves.
                    guard ![.muon, .adafactor].contains(plan.optimizer.name) else {
                        return [
                            Property.equal(
                                "weights of rank \(rank)", found.weights, isFSDP ? found.weights : right.weights)
                        ]
                    }
                    if isFSDP {
                        // Without an fp32 master the shards, and their gradients with them, are 16-bit.
                        let has32 = plan.optimizer.master == .fp32 || plan.precision == .fp32
                        let weight: Double = has32 ? 4 : 2
                        let master = has32 ? 0 : CountedState.master(plan.optimizer)
                        let gradient = layout.gradients.map(CountedState.bytes) ?? (has32 ? 4 : 2)
                        let shards =
                            held.trained.dense / Double(CountedState.denseGroup(layout))
                            + held.trained.experts / Double(CountedState.expertGroup(layout))
                        var (owned, outer) = (shards, layout)
                        if layout.outerSharding != .none {
                            outer.shardGroup = nil
                            owned =
                                held.trained.dense / Double(CountedState.denseGroup(outer))
                                + held.trained.experts / Double(CountedState.expertGroup(outer))
                        }
                        // The weight is the shard that is gathered; moments and another master may be spread further.
                        let state = CountedState.moments(plan.optimizer) + master
                        let sharded = (weight + gradient) * shards + state * owned
                        let frozen = held.frozenBytes(plan, weight: elementBytes(plan))
                        let whole =
                            sharded + frozen.dense / Double(CountedState.denseGroup(layout))
                            + frozen.experts / Double(CountedState.expertGroup(layout))
                        return [Property.equal("state of rank \(rank)", sum, whole)]
                    }
                    let weights = Property.equal("weights of rank \(rank)", found.weights, right.weights)
                    // Of a table that is only looked up, this project's runtime keeps gradients of some entries.
                    if plan.framework(for: layout).memory.lookedUp != nil, !plan.model.tiedEmbeddings {
                        return [weights]
                    }
                    return [
                        weights,
                        Property.equal("gradients of rank \(rank)", found.gradients, right.gradients),
                        Property.equal("optimizer of rank \(rank)", found.optimizer, right.optimizer),
                    ]
                })
        },
        Property(name: "Muon's moments are one of the matrices and two of all others", share: 4) { plan, layout in
            try CountedMatrices.muon(plan, layout)
        },
        Property(name: "Adafactor's second moments are rows and columns", share: 0.05) { plan, layout in
            try CountedMatrices.adafactor(plan, layout)
        },
        Property(name: "blocks keep the tensors that their backward reads", share: 80) { plan, layout in
            try keptActivations(plan, layout)
        },
        Property(name: "activations lie between the fullest moment and the sum of the fullest of each part", share: 80)
        {
            plan, layout in try wholeActivations(plan, layout)
        },
        Property(name: "tensor-parallel bytes are the collectives'", share: 99) { plan, layout in
            try bytes(plan, layout) { ("tensor", $0.tensor, $1.tensor) }
        },
        Property(name: "pipeline bytes are the messages'", share: 99) { plan, layout in
            try bytes(plan, layout) { ("pipeline", $0.pipeline, $1.pipeline) }
        },
        Property(name: "a divided vocabulary's bytes are the exchanges'", share: 99) { plan, layout in
            try bytes(plan, layout) { ("vocabulary", $0.vocabulary, $1.vocabulary) }
        },
        Property(name: "a divided vocabulary keeps its input and a part of the softmax", share: 1) { plan, layout in
            guard layout.vocabularyParallel != nil else { return .silent }
            let work = try Pricer(plan: plan).work(layout)
            let (memory, placed) = (LayoutMemory(work), try PlacedBlocks(plan, layout))
            let parts = VocabularyByHand(plan.model, layout, elementBytes: elementBytes(plan))
            return .all(
                (0..<layout.pipeline).flatMap { rank in
                    [
                        Property.equal(
                            "kept on rank \(rank)", memory.headInputBytes(rank: rank),
                            parts.kept(placed.schedule, rank: rank)),
                        Property.equal("softmax of rank \(rank)", memory.logitBytes(rank: rank), parts.softmax),
                    ]
                })
        },
        Property(name: "context bytes are the rings', gatherings' and heads'", share: 99) { plan, layout in
            try bytes(plan, layout) { ("context", $0.context + $0.headExchanges.reduce(0, +), $1.context) }
        },
        Property(name: "expert bytes are the exchanges'", share: 20) { plan, layout in
            let framework = plan.framework(for: layout)
            // Software that hands tokens on inside a node, or sends them in 8 bits, is counted otherwise.
            let isOnce = framework.dispatchOncePerNode && layout.dispatcher == nil
            guard plan.model.mixtureLayers > 0, !isOnce, layout.dispatcher?.sendsOnce != true,
                !framework.eightBitDispatch
            else { return .silent }
            return try bytes(plan, layout) { ("expert", $0.expert, $1.expert) }
        },
        Property(name: "data-parallel bytes are the reduction's", share: 99) { plan, layout in
            try dataBytes(plan, layout)
        },
    ]

    /// Bytes of an activation: 4 in fp32, 2 otherwise.
    static func elementBytes(_ plan: Plan) -> Double {
        plan.precision == .fp32 || CountedState.storesFP32(plan) ? 4 : 2
    }

    /// Software whose own code says what it allocates (`SplitBackwardMemoryTests` counts that, `PeakMemoryTests` runs it).
    static func allocatesByItsOwnCode(_ plan: Plan, _ layout: Layout) -> Bool {
        plan.framework(for: layout).memory != Framework.Memory()
    }

    /// Software whose selective recomputation keeps some operations of a block and not others has no list of tensors.
    static func isByOperation(_ plan: Plan, _ layout: Layout) -> Bool {
        layout.recompute == .selective && layout.recomputeModules.isEmpty
            && plan.framework(for: layout).selectiveOperations
    }

    /// Bytes that a block keeps for one micro-batch, by layer.
    static func kept(
        _ plan: Plan, _ layout: Layout, _ inventory: Inventory, _ layer: Int, recomputed: Bool, all: Bool = false,
        only: Set<RecomputeModules.Name>? = nil, inSixteenBits: Bool = false
    ) -> Double {
        let w = elementBytes(plan)
        if layer < inventory.firstPassed { return 0 }
        let again = all ? [] : only.map(layout.modulesByHand.intersection) ?? layout.modulesByHand
        if recomputed {
            // The block's input alone, by rows with sequence parallelism.
            let rows = Double(layout.microbatch * plan.model.sequence) / Double(layout.context)
            // A module has two: the rows before it and the next token's embedding.
            let inputs: Double = inventory.isModule(layer) ? 2 : 1
            return inputs * w * rows * Double(plan.model.hidden) / (layout.sequenceParallel ? Double(layout.tensor) : 1)
        }
        if plan.model.tuning != nil {
            guard let tuned = TunedActivations(plan, layout, inventory, layer) else { return .nan }
            return tuned.kept(again: again) - (inSixteenBits ? 0 : tuned.saved(again: again))
        }
        // Models of before flash attention drop activations at random, later ones do not (`CostOptions.dropout`).
        let (shape, mixture) = (inventory.shape(layer), inventory.isMixture(layer))
        let kept = CountedActivations.block(
            plan, layout, shape, mixture: mixture, isModule: inventory.isModule(layer), again: again,
            dropout: !layout.flashAttention, elementBytes: w)
        guard !inSixteenBits, let recipe = CountedRecipe(plan) else { return kept }
        return kept - recipe.saved(plan, layout, shape, mixture: mixture, again: again, elementBytes: w)
    }

    /// Bytes that the ranks hold for their blocks at the fullest moment.
    private static func peaks(_ plan: Plan, _ layout: Layout, _ placed: PlacedBlocks) -> CountedPeaks {
        let inventory = Inventory(plan.model)
        return CountedPeaks(placed, layout: layout) { layer, isRecomputed in
            kept(plan, layout, inventory, layer, recomputed: isRecomputed)
        } later: { layer in
            later(plan, layout, inventory, layer)
        }
    }

    private static func later(_ plan: Plan, _ layout: Layout, _ inventory: Inventory, _ layer: Int) -> Double {
        if layer < inventory.firstPassed { return 0 }
        if plan.model.tuning != nil { return TunedActivations(plan, layout, inventory, layer)?.betweenHalves ?? .nan }
        return CountedActivations.betweenHalves(
            plan, layout, inventory.shape(layer), mixture: inventory.isMixture(layer),
            isModule: inventory.isModule(layer),
            elementBytes: CountedRecipe.operand(plan, elementBytes: elementBytes(plan)))
    }

    private static func keptActivations(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard !isByOperation(plan, layout), !allocatesByItsOwnCode(plan, layout), TunedActivations.speaks(of: plan)
        else { return .silent }
        let work = try Pricer(plan: plan).work(layout)
        let counted = peaks(plan, layout, try PlacedBlocks(plan, layout))
        return .all(
            counted.blocks.enumerated().map { rank, bytes in
                Property.equal(
                    "kept by the blocks of rank \(rank)", LayoutMemory(work).blockActivationBytes(rank: rank), bytes)
            })
    }

    /// Beside the blocks: the embedding's mask, the inputs of the final norm and the head, and while a recomputed block
    /// runs its backward everything it would have kept.
    private static func wholeActivations(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard !isByOperation(plan, layout), !allocatesByItsOwnCode(plan, layout), TunedActivations.speaks(of: plan)
        else { return .silent }
        let inventory = Inventory(plan.model)
        let work = try Pricer(plan: plan).work(layout)
        let placed = try PlacedBlocks(plan, layout)
        let counted = peaks(plan, layout, placed)
        let isSplit = layout.schedule.splitsBackward
        let stages = placed.layers.indices.map { blocksAtOnce(plan, layout, inventory, placed, stage: $0) }
        let during = CountedPeaks.duringBackwards(placed, stages)
        let mixesBackwards = placed.schedule.actions.joined().contains { $0.kind == .backward || $0.kind == .fused }
        return .all(
            work.memorySpan.map { rank, found in
                let sets = placed.stages(of: rank).flatMap { stages[$0] }
                let beyond = sets.map { $0.beyond(isSplit: isSplit) }.max() ?? 0
                let ends =
                    LayoutMemory(work).embeddingMaskBytes(rank: rank) + LayoutMemory(work).headInputBytes(rank: rank)
                // Where a first half frees bytes in some blocks and takes more in others, the sum inside a stage may be larger
                // than at both of its ends, which the planner looks at. It takes all backwards for split ones where some are.
                let isOneWay =
                    sets.allSatisfy { $0.later >= $0.kept } || sets.allSatisfy { $0.later <= $0.kept }
                let isSeen = !isSplit || isOneWay && !mixesBackwards
                return .all([
                    Property.atMost("activations of rank \(rank)", isSeen ? during[rank] : counted.blocks[rank], found),
                    Property.atMost("activations of rank \(rank)", found, counted.blocks[rank] + beyond + ends),
                ])
            })
    }

    /// The blocks of a stage whose tensors a backward has at once, in their order.
    private static func blocksAtOnce(
        _ plan: Plan, _ layout: Layout, _ inventory: Inventory, _ placed: PlacedBlocks, stage: Int
    ) -> [BlocksAtOnce] {
        let layers = Array(placed.layers[stage])
        let together = placed.againTogether(ofStage: stage, layout)
        let alone = layers.indices.filter { place in !together.contains { $0.contains(place) } }.map { [$0] }
        return (together + alone).sorted { $0[0] < $1[0] }.map { places in
            let isAgain = layout.recompute == .full && placed.computesAgain(places[0], ofStage: stage, layout)
            // Of blocks that are recomputed together the first keeps its input.
            let before = isAgain ? [places[0]] : places
            let bytes = before.reduce(0) {
                $0 + kept(plan, layout, inventory, layers[$1], recomputed: isAgain)
            }
            var during = bytes
            if isAgain {
                during = places.reduce(0) {
                    $0
                        + kept(
                            plan, layout, inventory, layers[$1], recomputed: false, all: true,
                            inSixteenBits: isHigh(plan, inventory, layers[$1]))
                }
                let first = layers[places[0]]
                let keepsInput =
                    TunedActivations(plan, layout, inventory, first)?.keepsInput
                    ?? (CountedNorms(plan, layout, elementBytes: elementBytes(plan))?.casts != true
                        || inventory.shape(first).norms == .post && !inventory.isModule(first))
                if !keepsInput { during += bytes }
            } else if layout.recompute == .selective {
                during += places.reduce(0) { $0 + modulesAgain(plan, layout, inventory, layers[$1]) }
            }
            let between = places.reduce(0) { $0 + later(plan, layout, inventory, layers[$1]) }
            return BlocksAtOnce(
                kept: bytes, during: during, later: layout.schedule.splitsBackward ? between : 0)
        }
    }

    /// Whether the plan's recipe leaves a block in bf16.
    private static func isHigh(_ plan: Plan, _ inventory: Inventory, _ layer: Int) -> Bool {
        guard let recipe = plan.recipe, !inventory.isModule(layer) else { return false }
        return layer < recipe.bf16LayersAtStart || layer >= plan.model.layers - recipe.bf16LayersAtEnd
    }

    /// Tensors that the modules of one block compute again and hold while its backward runs: one half after the other, each
    /// with one norm.
    private static func modulesAgain(_ plan: Plan, _ layout: Layout, _ inventory: Inventory, _ layer: Int) -> Double {
        // Results of modules, which are in 16 bits, and inputs of products inside modules, which are not.
        func modules(_ only: Set<RecomputeModules.Name>) -> Double {
            kept(plan, layout, inventory, layer, recomputed: false, all: true, inSixteenBits: true)
                - kept(plan, layout, inventory, layer, recomputed: false, only: only, inSixteenBits: true)
        }
        func ofRecipe() -> Double {
            guard let recipe = CountedRecipe(plan), layer >= inventory.firstPassed,
                !isHigh(plan, inventory, layer)
            else { return 0 }
            func saved(_ again: Set<RecomputeModules.Name>) -> Double {
                let again = layout.modulesByHand.intersection(again)
                if plan.model.tuning != nil {
                    return TunedActivations(plan, layout, inventory, layer)?
                        .saved(again: again, keepsRead: false) ?? .nan
                }
                return recipe.saved(
                    plan, layout, inventory.shape(layer), mixture: inventory.isMixture(layer),
                    again: again, keepsRead: false, elementBytes: elementBytes(plan))
            }
            return saved([]) - saved([.network, .mixture, .sharedExperts])
        }
        var norm = min(modules([.norms]), kept(plan, layout, inventory, layer, recomputed: true))
        if modules([.norms]) > 0, let counted = CountedNorms(plan, layout, elementBytes: elementBytes(plan)) {
            let rows = Double(layout.microbatch * plan.model.sequence) / Double(layout.context)
            norm = counted.ofOne(rows: layout.sequenceParallel ? rows / Double(layout.tensor) : rows)
        }
        return max(
            modules([.coreAttention, .latentProjections]),
            modules([.network, .mixture, .expertActivation, .sharedExperts]) - ofRecipe())
            + norm
    }

    private static func bytes(
        _ plan: Plan, _ layout: Layout, _ pair: (Traffic, CountedBytes) -> (String, Double, Double)
    ) throws -> Property.Outcome {
        let work = try Pricer(plan: plan).work(layout)
        let counted = CountedBytes.byRank(
            plan, layout, try PlacedBlocks(plan, layout), elementBytes: elementBytes(plan),
            scattersMessages: work.scattersMessages)
        return .all(
            counted.enumerated().map { rank, counted in
                let (what, found, right) = pair(Traffic(work, rank: rank), counted)
                return Property.equal("\(what) bytes of rank \(rank)", found, right)
            })
    }

    private static func dataBytes(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        let work = try Pricer(plan: plan).work(layout)
        let counted = try CountedReductions(plan, layout, elementBytes: elementBytes(plan))
        return .all(
            counted.ranks.enumerated().flatMap { rank, counted in
                let traffic = Traffic(work, rank: rank)
                return [
                    Property.equal("gradients of rank \(rank)", traffic.gradients, counted.gradients),
                    Property.equal("weights of rank \(rank)", traffic.weights, counted.weights),
                    Property.equal(
                        "experts' gradients of rank \(rank)", traffic.expertGradients, counted.expertGradients),
                    Property.equal("experts' weights of rank \(rank)", traffic.expertWeights, counted.expertWeights),
                ]
            })
    }
}

extension LayoutWork {
    /// Activations of every rank in the answer.
    fileprivate var memorySpan: [(rank: Int, bytes: Double)] {
        let memory = LayoutMemory(self)
        return (0..<layout.pipeline).map { ($0, memory.rank($0).activations) }
    }
}
