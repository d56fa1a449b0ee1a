internal import Models
internal import Plans
internal import Schedules

/// Bytes of weights, gradients and optimizer state on one device of a pipeline rank.
struct StateMemory {
    var weights: Double
    var gradients: Double
    var optimizer: Double
    /// Bytes in the memory of the device's host.
    var host = 0.0

    /// Weights, gradients and optimizer state together.
    var total: Double { weights + gradients + optimizer }

    /// - Parameter share: the rank's share of the pipeline.
    init(of share: PipelineShares.Rank, _ work: LayoutWork) {
        let (layout, state) = (work.layout, work.state)
        (weights, gradients, optimizer) = state.held(
            parameters: work.trainedDense(share), sharding: layout.sharding, group: layout.shardRanks,
            optimizerGroup: layout.optimizerRanks)
        let unseen = Self.unseenParameters(of: share, work)
        gradients -= state.keptGradient * unseen
        optimizer -= state.optimizer * unseen
        if work.holdsExperts(share) {
            let experts = state.held(
                parameters: work.trainedExperts(share), sharding: layout.sharding,
                group: work.device.expertShardGroup.size, optimizerGroup: work.device.expertOptimizerRanks)
            weights += experts.weights
            gradients += experts.gradients
            optimizer += experts.optimizer
        }
        if work.rates.recipe != nil { weights += LowPrecision.weights(of: share, work) }
        if let matrices = work.matrices { optimizer += matrices.optimizerBytes(of: share, work) }
        if work.parts.tuned != nil {
            let frozen = work.frozenBytes(share)
            let isSharded = layout.sharding == .parameters
            weights += frozen.dense / Double(isSharded ? layout.shardRanks : 1)
            weights += frozen.experts / Double(isSharded ? work.device.expertShardGroup.size : 1)
        }
        if Self.keepsTwoGradients(work) { gradients *= 1 + state.weight / state.gradient }
        if let offload = layout.offload { self.offload(offload, of: share, work) }
    }

    /// Whether the software keeps the gradients that products return in addition to the accumulated ones.
    static func keepsTwoGradients(_ work: LayoutWork) -> Bool {
        work.framework.twoGradients && work.state.gradient > work.state.weight
    }

    /// Parameters in the rows of a token table that no token ever reads. They need no gradient and no moments.
    ///
    /// A table that is sharded, or copied to the other end of a pipeline, has gradients and moments for all rows.
    static func unseenParameters(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let layout = work.layout
        guard let entries = work.framework.memory.lookedUp, share.holdsEmbedding, !work.model.sharesTable,
            work.divided == nil,
            work.model.changesTable,
            layout.sharding == .none || !layout.hasReplicas(work.model) && !layout.schedule.isBidirectional
        else { return 0 }
        return max(0, work.tableParameters - work.parts.embedding.table(vocabulary: entries, tensor: 1))
    }

    /// Bytes of a rank's buffers for whole tensors, in addition to its shards. Sharded parameters need the weights of
    /// the current layer and of the next one, which is being gathered. Sharded gradients, and sharded parameters too,
    /// need the gradients of the current layer before they are scattered (DeepSpeed's buckets, PyTorch's SHARD_GRAD_OP,
    /// Megatron-FSDP).
    ///
    /// A layer is a block or a table. The buffers, with the allocator's losses on them, never exceed the additional
    /// bytes of a rank that shards nothing.
    static func gathered(by share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        dequantized(by: share, work) + gatheredLayers(by: share, work)
    }

    private static func gatheredLayers(by share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let (layout, device, parts) = (work.layout, work.device, work.parts)
        guard layout.sharding == .parameters || layout.sharding == .gradients else { return 0 }
        guard parts.tuned == nil else { return tunedGathered(by: share, work) }
        let copies = device.expertShardGroup.size
        // The host has all of what is offloaded.
        let leaves = layout.offloadsGradients
        let isShared = (dense: layout.shardRanks > 1 || leaves, experts: copies > 1 || leaves)
        // Parameters that only one rank holds are not sharded. They may be the experts, or all others.
        func held(_ block: Block) -> Double {
            let held = device.held(of: block)
            return (isShared.dense ? held.dense : 0) + (isShared.experts ? held.experts : 0)
        }
        var largest = 0.0
        for (kind, block) in parts.blocks.enumerated() where share.blocks[kind] > 0 {
            largest = max(largest, held(block))
        }
        let table =
            (share.holdsEmbedding || share.holdsHead) && isShared.dense
            ? work.tableParameters : 0
        let layer = max(largest, table)
        // Parameters whose values are on other ranks, or on the host.
        func most(isOnHost: Bool) -> Double {
            func elsewhere(_ ranks: Int) -> Double { isOnHost ? 1 : 1 - 1 / Double(ranks) }
            let experts = work.holdsExperts(share) ? work.expertParameters(of: share) * elsewhere(copies) : 0
            return (work.denseParameters(of: share) * elsewhere(layout.shardRanks) + experts)
                / (1 + work.framework.fragmentation)
        }
        let gradients = work.state.gradient * min(layer, most(isOnHost: leaves))
        guard layout.sharding == .parameters else { return gradients }
        return gradients + work.state.weight * min(2 * layer, most(isOnHost: layout.offloadsParameters))
    }

    /// `gathered` if training does not change all weights: whole weights as they are stored, and gradients of those that it
    /// changes.
    private static func tunedGathered(by share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let (layout, device, parts, state) = (work.layout, work.device, work.parts, work.state)
        let leaves = layout.offloadsGradients
        let isShared = (
            dense: layout.shardRanks > 1 || leaves, experts: device.expertShardGroup.size > 1 || leaves
        )
        func whole(_ held: (dense: Double, experts: Double)) -> Double {
            (isShared.dense ? held.dense : 0) + (isShared.experts ? held.experts : 0)
        }
        var (bytes, trained) = (0.0, 0.0)
        for (kind, block) in parts.blocks.enumerated() where share.blocks[kind] > 0 {
            bytes = max(bytes, whole(device.storedBytes(of: block, elementBytes: state.weight)))
            trained = max(trained, whole(device.held(block.tuned?.trained ?? block.parameters)))
        }
        if isShared.dense, share.holdsEmbedding || share.holdsHead {
            bytes = max(bytes, state.weight * work.tableParameters)
            trained = max(trained, work.trainedTable)
        }
        let frozen = work.frozenBytes(share)
        func elsewhere(_ dense: Double, _ experts: Double, isOnHost: Bool = false) -> Double {
            func share(_ ranks: Int) -> Double { isOnHost ? 1 : 1 - 1 / Double(ranks) }
            return (dense * share(layout.shardRanks) + experts * share(device.expertShardGroup.size))
                / (1 + work.framework.fragmentation)
        }
        let (dense, experts) = (work.trainedDense(share), work.trainedExperts(share))
        let gradients = state.gradient * min(trained, elsewhere(dense, experts, isOnHost: leaves))
        guard layout.sharding == .parameters else { return gradients }
        let most = elsewhere(state.weight * dense + frozen.dense, state.weight * experts + frozen.experts)
        return gradients + min(2 * bytes, most)
    }

    /// Bytes of the buffer for the largest matrix that is made whole of its few bits; 0 if none is quantized.
    static func dequantized(by share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard let tuned = work.parts.tuned, tuned.quantizedBytes > 0 else { return 0 }
        var most = 0.0
        for (kind, block) in work.parts.blocks.enumerated() where share.blocks[kind] > 0 {
            guard let tuned = block.tuned else { continue }
            let division = work.device.division(block.mixture)
            func size(_ product: Product) -> Double {
                division.width(product.inputs, product.rows) * division.width(product.outputs, product.rows)
            }
            for (product, changes) in zip(block.products, tuned.changes) where !changes {
                most = max(most, size(product))
            }
            for (product, changes) in zip(block.expertProducts, tuned.changesExperts) where !changes {
                most = max(most, size(product))
            }
        }
        return work.state.weight * most
    }

    /// Bytes of a device that the allocator never sees: the driver, the context and the libraries.
    static func outside(_ work: LayoutWork) -> Double {
        work.framework.reservedBytes ?? work.plan.cluster.device.reservedBytes
    }
}
