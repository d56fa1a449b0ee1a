import Models
import Plans
import Schedules

/// Bytes one device of every pipeline rank sends in a step for the gradients and weights it holds, tensor by tensor.
///
/// Ring counts: of n ranks and S bytes each half of an all-reduce, a gathering and a scattering sends S(n−1)/n. What an
/// all-reduce sends counts half as gradients, half as weights.
struct CountedReductions {
    struct Rank {
        var gradients = 0.0
        var weights = 0.0
        var expertGradients = 0.0
        var expertWeights = 0.0
    }

    private(set) var ranks: [Rank] = []

    /// Ranks that hold the same parameters, and those of them that hold one set of shards.
    private struct Group {
        var ranks: Int
        var shards: Int
    }

    private static func ring(_ ranks: Int) -> Double { Double(ranks - 1) / Double(ranks) }

    /// - Parameter elementBytes: of a weight that products read.
    init(_ plan: Plan, _ layout: Layout, elementBytes: Double) throws {
        let placed = try PlacedBlocks(plan, layout)
        let inventory = Inventory(plan.model)
        let gradient = CountedState.bytes(CountedState.reduced(plan, layout))
        let copies = layout.tensor * layout.context * layout.data / (layout.expert * layout.expertTensor)
        let dense = Group(ranks: layout.data * layout.context, shards: CountedState.denseGroup(layout))
        let experts = Group(ranks: copies, shards: CountedState.expertGroup(layout))
        // Of micro-batches that enter from both ends each rank's stages see half.
        let microbatches = Double(placed.schedule.microbatches) * (layout.schedule.isBidirectional ? 0.5 : 1)
        let multiple = 128 * layout.tensor
        let vocabulary = (plan.model.vocab + multiple - 1) / multiple * multiple
        let scatters = layout.sharding != .optimizer || plan.framework(for: layout).scattersGradients

        /// One reduction of the gradients and one gathering of the weights of `held` parameters, `times` and `gathers` times.
        /// - Parameters:
        ///   - held: parameters that have gradients.
        ///   - frozen: bytes of others, which are gathered beside them.
        func sent(
            _ held: Double, frozen: Double = 0, _ group: Group, times: Double, gathers: Double
        ) -> (Double, Double) {
            let inside = gradient * held * Self.ring(group.shards)
            let replicas = group.ranks / group.shards
            switch layout.sharding {
            case .none:
                // An all-reduce over all of them.
                let half = gradient * held * Self.ring(group.ranks)
                return (half, half)
            case .optimizer where !scatters:
                // DeepSpeed's and Megatron-LM's older optimizers: all-reduce, step a part, gather the weights.
                let half = inside + gradient * held * Self.ring(replicas)
                return (half, half + elementBytes * held * Self.ring(group.shards))
            default:
                // Scattered inside the shard group; each shard is added up over the groups (hybrid sharding).
                let half = gradient * held / Double(group.shards) * Self.ring(replicas)
                // Or each replica steps a part of the shard: gradients are scattered, and weights gathered once a step.
                let back =
                    layout.outerSharding == .none
                    ? times * half : elementBytes * held / Double(group.shards) * Self.ring(replicas)
                return (
                    times * (inside + half), gathers * (elementBytes * held + frozen) * Self.ring(group.shards) + back
                )
            }
        }

        for (rank, held) in inventory.held(layout, placed).enumerated() {
            var counted = Rank()
            let stages = placed.stages(of: rank)
            let (first, last) = (stages.contains(0), stages.contains(placed.layers.count - 1))
            switch layout.sharding {
            case .none, .optimizer, .gradients:
                // Sharded gradients are scattered after every micro-batch (Rajbhandari et al. 2020, section 5.2).
                let times = layout.sharding == .gradients ? microbatches : 1
                (counted.gradients, counted.weights) = sent(held.trained.dense, dense, times: times, gathers: 1)
                (counted.expertGradients, counted.expertWeights) = sent(
                    held.trained.experts, experts, times: times, gathers: 1)
            case .parameters:
                // Every unit is gathered for its forward and for its backward; looking up the word table has no backward
                // that reads it. A table that is both ends' is gathered for each.
                var (blocks, ahead) = (HeldParameters(), HeldParameters())
                for stage in stages {
                    for layer in placed.layers[stage] {
                        // Blocks without a backward are gathered once.
                        let tensors = inventory.tensors(ofBlock: layer)
                        if layer < inventory.firstPassed {
                            ahead.add(tensors, layout)
                        } else {
                            blocks.add(tensors, layout)
                        }
                    }
                }
                var (embedding, head) = (HeldParameters(), HeldParameters())
                if first {
                    let tensors = inventory.embedding(vocabulary: vocabulary)
                    // Patches and conditions are multiplied, so that a backward reads the layers again.
                    if plan.model.image != nil || plan.model.video != nil {
                        blocks.add(tensors, layout)
                    } else {
                        embedding.add(tensors, layout)
                    }
                }
                if last { head.add(inventory.headOthers() + [inventory.head(vocabulary: vocabulary)], layout) }
                // Modules of multi-token prediction look tokens up once more.
                if last, plan.model.mtp != nil { embedding.add([inventory.head(vocabulary: vocabulary)], layout) }
                func frozen(_ held: HeldParameters) -> (dense: Double, experts: Double) {
                    held.frozenBytes(plan, weight: elementBytes)
                }
                let twice = sent(
                    blocks.trained.dense + head.trained.dense, frozen: frozen(blocks).dense + frozen(head).dense, dense,
                    times: microbatches, gathers: 2 * microbatches)
                let once = sent(
                    embedding.trained.dense, frozen: frozen(embedding).dense + frozen(ahead).dense, dense,
                    times: microbatches, gathers: microbatches)
                (counted.gradients, counted.weights) = (twice.0 + once.0, twice.1 + once.1)
                let ofExperts = sent(
                    blocks.trained.experts, frozen: frozen(blocks).experts, experts, times: microbatches,
                    gathers: 2 * microbatches)
                let aheadOfExperts = sent(
                    0, frozen: frozen(ahead).experts, experts, times: microbatches, gathers: microbatches)
                counted.expertGradients = ofExperts.0
                counted.expertWeights = ofExperts.1 + aheadOfExperts.1
            }
            // Weights that are gathered in fewer bits (`--fp8-param-gather`; MXFP8 gathers bf16).
            if let recipe = CountedRecipe(plan), recipe.recipe.parameterGather, recipe.recipe.scaling != .mxfp8,
                layout.sharding != .none
            {
                let low = recipe.parameters(inventory, placed, layout, rank: rank)
                let less = elementBytes - (recipe.recipe.scaling == .nvfp4 ? 9.0 / 16 : 1)
                let gathers = layout.sharding == .parameters ? 2 * microbatches : 1
                counted.weights -= gathers * less * low.dense * Self.ring(dense.shards)
                counted.expertWeights -= gathers * less * low.experts * Self.ring(experts.shards)
            }
            add(&counted, held, isEnd: first != last, gradient: gradient, plan, layout, vocabulary: vocabulary)
            ranks.append(counted)
        }
    }

    /// Gradients that two ranks of a pipeline add up: those of a tied table on both ends (Megatron-LM's embedding group),
    /// or of both copies of a two-way pipeline's stages. Of the latter each rank has the part that is left after the
    /// replicas' sum. An all-reduce of two ranks sends as many bytes as the tensor has.
    private func add(
        _ counted: inout Rank, _ held: HeldParameters, isEnd: Bool, gradient: Double, _ plan: Plan, _ layout: Layout,
        vocabulary: Int
    ) {
        if layout.schedule.isBidirectional, layout.pipeline > 1 {
            let copies = layout.tensor * layout.context * layout.data / (layout.expert * layout.expertTensor)
            let dense = gradient * held.trained.dense / Double(layout.data * layout.context)
            let experts = gradient * held.trained.experts / Double(copies)
            counted.gradients += dense / 2
            counted.weights += dense / 2
            counted.expertGradients += experts / 2
            counted.expertWeights += experts / 2
        } else if plan.model.tiedEmbeddings || plan.model.mtp != nil, isEnd,
            Inventory(plan.model).head(vocabulary: vocabulary).fate == .trained
        {
            let table = gradient * Double(vocabulary * plan.model.tableNumbers) / Double(layout.tensor)
            counted.gradients += table / 2
            counted.weights += table / 2
        }
    }
}
