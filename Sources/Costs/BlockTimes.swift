internal import Models
internal import Plans

/// Times of one transformer block for one micro-batch on one device.
///
/// Shapes: T rows (b·s/c), h hidden, a heads, g key/value heads, d head size, f feed-forward, t tensor degree.
/// Every operation is the larger of its arithmetic (at the device's efficiency for that size), its memory traffic and
/// one kernel launch.
struct BlockTimes {
    let model: Model
    let rates: DeviceRates
    let shard: Shard
    /// Bytes of a gradient element a weight-gradient product accumulates into.
    let gradientBytes: Double

    private var w: Double { rates.elementBytes }
    private var h: Double { Double(model.hidden) }
    /// Elementwise work of a whole dense block, forward and backward.
    var elementwise: Double {
        let feedForward = denseFeedForward.elementwise
        return elementwiseForward + elementwiseBackward + feedForward.forward + feedForward.backward
    }
    /// Widths on one device: queries a·d/t, keys and values g·d/t each, the attention's result a·d/t.
    private var queries: Double { Double(model.queryWidth) / shard.tensor }
    private var keysAndValues: Double { Double(model.keyWidth + model.valueWidth) / shard.tensor }
    private var attended: Double { Double(model.attendedWidth) / shard.tensor }
    /// Width of the queries and keys that rotary positions turn.
    private var rotated: Double {
        if let mla = model.mla { return Double(model.heads * mla.ropeSize) / shard.tensor + Double(mla.ropeSize) }
        return Double(model.queryWidth + model.keyWidth) / shard.tensor
    }
    private var ffn: Double { Double(model.ffn) / shard.tensor }
    /// Width of the first feed-forward product.
    private var ffnIn: Double { (model.mlp.isGated ? 2 : 1) * ffn }

    /// A dense block.
    func unit() -> UnitTimes {
        unit(feedForward: denseFeedForward, isMixture: false)
    }

    /// A block with experts.
    func unit(experts: Model.Mixture) -> UnitTimes {
        let times = ExpertTimes(model: model, moe: experts, rates: rates, shard: shard, gradientBytes: gradientBytes)
        return unit(feedForward: times.feedForward(), isMixture: true)
    }

    /// A feed-forward network for one micro-batch.
    struct FeedForward {
        var forward = 0.0
        var inputGradient = 0.0
        var weightGradient = 0.0
        /// Activation and what else is memory-bound, forward and backward.
        var elementwise = (forward: 0.0, backward: 0.0)
        /// Taking tokens to their experts and back, one pass.
        var exchange = 0.0
    }

    private func unit(feedForward: FeedForward, isMixture: Bool) -> UnitTimes {
        let attention = attention()
        // Each is worked out once: both are sums over products and kernels.
        let (projections, elementwiseForward) = (self.projections, self.elementwiseForward)
        let products = projections.forward + feedForward.forward
        let forwardCompute = products + elementwiseForward + feedForward.elementwise.forward + attention.forward
        var times = UnitTimes()
        times.forward.compute = forwardCompute
        let contexts = (
            forward: contextExposed(attention: attention.forward, passes: 1),
            backward: contextExposed(attention: attention.backward, passes: 2)
        )
        times.forward.context = contexts.forward.seconds
        times.weightGradient = projections.weight + feedForward.weightGradient
        let gradients = projections.input + feedForward.inputGradient + times.weightGradient
        times.backward.compute =
            gradients + elementwiseBackward + feedForward.elementwise.backward + attention.backward
        times.backward.context = contexts.backward.seconds
        times.forward.expert = feedForward.exchange
        times.backward.expert = feedForward.exchange

        let sent = shard.collectives(model, isMixture: isMixture, elementBytes: w)
        let collectives = tensorExposed(
            sent, forward: products, backward: gradients, inputs: gradients - times.weightGradient)
        times.forward.tensor = collectives.forward.seconds
        times.backward.tensor = collectives.backward.seconds
        // Compute that hides the one is not there to hide the experts' exchanges.
        let again = collectives.forward.hidden + contexts.forward.hidden
        var taken = again + collectives.backward.hidden + contexts.backward.hidden
        switch shard.recompute {
        case .none: break
        case .selective:
            times.backward.recompute =
                rates.framework.selectiveOperations
                ? products / 2 + elementwiseForward + feedForward.elementwise.forward : attention.forward
        case .full:
            times.backward.recompute = forwardCompute
            times.backward.tensor += collectives.forward.seconds
            times.backward.context += times.forward.context
            times.backward.expert += feedForward.exchange
            taken += again
        }
        if shard.overlap.expert { hideExchange(&times, taken: taken) }
        addParameterGathers(isMixture: isMixture, to: &times)
        waitForHost(
            &times, collectives: sent, mixture: isMixture ? model.moe : nil, exchanges: feedForward.exchange > 0,
            apart: collectives.apart)
        return times
    }

    // MARK: Matrix products

    /// Projections of the attention: forward, gradients of inputs and of weights.
    private var projections: (forward: Double, input: Double, weight: Double) {
        if let mla = model.mla { return latentProjections(mla) }
        let (T, g) = (shard.tokens, gradientBytes)
        return (
            rates.product(T, queries + keysAndValues, h) + rates.product(T, h, queries),
            rates.product(T, h, queries + keysAndValues) + rates.product(T, queries, h),
            rates.accumulate(h, queries + keysAndValues, T, accumulatorBytes: g)
                + rates.accumulate(queries, h, T, accumulatorBytes: g)
        )
    }

    /// Down to the latents (on every tensor rank, its share of the rows with sequence parallelism), up to the heads, and
    /// the output.
    private func latentProjections(_ mla: Model.LatentAttention) -> (forward: Double, input: Double, weight: Double) {
        let (T, a) = (shard.tokens, Double(model.heads) / shard.tensor)
        let scattered = T / shard.sequenceShare
        let (query, latent) = (Double(mla.queryRank), Double(mla.kvRank))
        var sum = (forward: 0.0, input: 0.0, weight: 0.0)
        func add(_ rows: Double, _ inputs: Double, _ outputs: Double) {
            sum.forward += rates.product(rows, outputs, inputs)
            sum.input += rates.product(rows, inputs, outputs)
            sum.weight += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes)
        }
        let heads = a * Double(mla.queryHead)
        if query > 0 {
            add(scattered, h, query)
            add(T, query, heads)
        } else {
            add(T, h, heads)
        }
        add(scattered, h, latent + Double(mla.ropeSize))
        add(T, latent, a * Double(mla.nopeSize + mla.valueSize))
        add(T, a * Double(mla.valueSize), h)
        return sum
    }

    private var denseFeedForward: FeedForward {
        let (T, g) = (shard.tokens, gradientBytes)
        var times = FeedForward()
        times.forward = rates.product(T, ffnIn, h) + rates.product(T, h, ffn)
        times.inputGradient = rates.product(T, h, ffnIn) + rates.product(T, ffn, h)
        times.weightGradient =
            rates.accumulate(h, ffnIn, T, accumulatorBytes: g) + rates.accumulate(ffn, h, T, accumulatorBytes: g)
        // The activation reads f or 2f and writes f.
        times.elementwise.forward = rates.elementwise(w * T * (ffnIn + ffn))
        times.elementwise.backward = rates.elementwise(w * T * (2 * ffnIn + ffn))
        if model.family == .gpt { times.elementwise.backward += rates.elementwise(w * T * ffnIn) }
        times.elementwise.backward += rates.cast(T * h)
        return times
    }

    // MARK: Memory-bound operations

    /// Seconds of memory-bound work in a forward: the attention's half of the block, both norms and residuals.
    private var elementwiseForward: Double {
        let T = shard.tokens
        let row = T * h / shard.sequenceShare
        let mask = shard.dropout ? 1.0 : 0
        // Two norms (read, write) and two residual additions with bias (two reads, write).
        var seconds = 2 * rates.elementwise(2 * w * row) + 2 * rates.elementwise((3 * w + mask) * row)
        if model.family == .llama { seconds += rates.elementwise(2 * w * T * rotated) }
        return seconds + latentCopies + rates.cast(T * attended)
    }

    private var elementwiseBackward: Double {
        let T = shard.tokens
        let row = T * h / shard.sequenceShare
        let mask = shard.dropout ? 1.0 : 0
        // A norm reads its input and the gradient and writes one; the residual adds two gradients.
        var seconds = 2 * rates.elementwise(3 * w * row) + 2 * rates.elementwise((3 * w + mask) * row)
        if model.family == .llama {
            seconds += rates.elementwise(2 * w * T * rotated)
        } else {
            // Bias gradients read every output gradient once.
            seconds += rates.elementwise(w * T * (queries + keysAndValues)) + rates.elementwise(2 * w * row)
        }
        return seconds + latentCopies + rates.cast(T * (h + queries + keysAndValues))
    }

    /// Latent attention assembles its query and key heads from two parts each and normalises the latents, of which
    /// sequence parallelism gives a rank its share of the rows.
    private var latentCopies: Double {
        guard let mla = model.mla else { return 0 }
        let a = Double(model.heads) / shard.tensor
        let latents = Double(mla.queryRank + mla.kvRank)
        return rates.elementwise(4 * w * shard.tokens * a * Double(mla.queryHead))
            + rates.elementwise(2 * w * shard.tokens / shard.sequenceShare * latents)
    }

    // MARK: Core attention

    private func attention() -> (forward: Double, backward: Double) {
        let s = Double(model.sequence)
        let T = shard.tokens
        // QKᵀ and PV against every key.
        let flops = 4 * T * s * model.attentionWidth / shard.tensor
        if shard.flashAttention {
            // The kernel skips the masked half.
            let forward = rates.flash(flops: flops / 2, length: s)
            let backward = rates.flash(
                flops: CostConstants.flashBackwardWork * flops / 2, length: s,
                share: CostConstants.flashBackwardShare)
            return (forward, backward)
        }
        // Unfused: every score exists in memory; products do not skip the mask.
        let scores = T * s * Double(model.heads) / shard.tensor
        let bytes = w * scores + w * T * (queries + keysAndValues / 2)
        // One small product a head: as many tiles as one tall product of all heads' rows has.
        let (rows, width) = (scores / s, model.attentionWidth / Double(model.heads))
        let toScores = rates.product(rows, s, width, bytes: bytes, high: true)
        let fromScores = rates.product(rows, width, s, bytes: bytes, high: true)
        let dropForward = shard.dropout ? rates.elementwise((2 * w + 1) * scores) : 0
        let forward = toScores + fromScores + rates.elementwise(2 * w * scores) + dropForward
        let backward = toScores + 3 * fromScores + rates.elementwise(3 * w * scores) + dropForward
        return (forward, backward)
    }

    // MARK: Communication

    /// Tensor-parallel collectives of one block that nothing hides. What the backward gathers again runs behind its
    /// products (Korthikanti et al. 2022, section 4.2.2).
    ///
    /// - Parameter inputs: seconds of the backward's products that are gradients of inputs.
    /// - Returns: with `apart`, what more is exposed in the backward behind these alone.
    private func tensorExposed(
        _ sent: PassCollectives, forward: Double, backward: Double, inputs: Double
    ) -> (forward: Exposed, backward: Exposed, apart: Double) {
        guard shard.tensor > 1 else { return (Exposed(), Exposed(), 0) }
        let group = shard.tensorGroup
        let whole = (forward: sent.forward.seconds(group), backward: sent.backward.seconds(group))
        let regather = rates.framework.contention * sent.again.seconds(group)
        guard shard.overlap.tensor else {
            return (Exposed(seconds: whole.forward), Exposed(seconds: whole.backward + regather), 0)
        }
        // Cut into t chunks, a collective hides behind the product beside it but for one chunk.
        func hide(_ seconds: Double, behind: Double) -> Exposed {
            rates.hide(seconds, behind: behind, least: seconds / shard.tensor)
        }
        var exposed = (
            forward: hide(whole.forward, behind: forward), backward: hide(whole.backward, behind: backward), apart: 0.0
        )
        exposed.apart = hide(whole.backward, behind: inputs).seconds - exposed.backward.seconds
        exposed.backward.seconds += regather
        return exposed
    }

    /// Ring attention: c − 1 exchanges of keys and values, each behind the attention of the part before it, which loses
    /// to it what it loses to any message beside it. The backward passes them on twice (with their gradients).
    private func contextExposed(attention: Double, passes: Double) -> Exposed {
        guard shard.context > 1 else { return Exposed() }
        let exchange = shard.contextGroup.transfer(bytes: w * shard.tokens * keysAndValues)
        let one = rates.hide(passes * exchange, behind: attention / shard.context)
        return Exposed(seconds: (shard.context - 1) * one.seconds, hidden: (shard.context - 1) * one.hidden)
    }

    /// Experts' exchanges of one micro-batch run behind another's compute: a forward and a backward make a pair
    /// (DeepSeek-AI 2024, section 3.2.1; Megatron-Core's overlap_moe_expert_parallel_comm).
    /// - Parameter taken: seconds of their compute that hide other transfers.
    private func hideExchange(_ times: inout UnitTimes, taken: Double) {
        let whole = times.forward.expert + times.backward.expert
        guard whole > 0 else { return }
        let beside = times.forward.compute + times.backward.compute + times.backward.recompute
        let share = rates.hide(whole, behind: max(0, beside - taken)).seconds / whole
        times.forward.expert *= share
        times.backward.expert *= share
    }

    /// What a step loses to `seconds` of gathering and scattering parameters beside `compute` seconds of work.
    private func gatherExposed(_ seconds: Double, behind compute: Double) -> Double {
        let software = rates.framework
        let hidden = min(software.gathersHidden * seconds, compute)
        return seconds - hidden + software.gatherContention * hidden
    }

    /// Fully sharded parameters: gathered before the forward and the backward, gradients scattered after it; each
    /// layer's transfers run behind its neighbour's compute.
    private func addParameterGathers(isMixture: Bool, to times: inout UnitTimes) {
        guard shard.sharding == .parameters else { return }
        let held = shard.held(of: BlockParameters(model, mixture: isMixture))
        let (count, rate) = (rates.framework.gathersPerBlock, rates.framework.gatherEfficiency)
        var (gather, reduce) = (0.0, 0.0)
        func add(_ held: Double, shards: DeviceGroup, replicas: DeviceGroup) {
            guard held > 0 else { return }
            gather += shards.gather(bytes: w * held / rate, count: count)
            reduce +=
                shards.gather(bytes: gradientBytes * held / rate, count: count)
                + replicas.allReduce(bytes: gradientBytes * held / Double(shards.size))
        }
        add(held.dense, shards: shard.shardGroup, replicas: shard.replicaGroup)
        add(held.experts, shards: shard.expertShardGroup, replicas: shard.expertReplicaGroup)
        let (forward, backward) = shard.overlap.data ? (times.forward.total, times.backward.total) : (0, 0)
        times.forward.data = gatherExposed(gather, behind: forward)
        times.backward.data = gatherExposed(gather + reduce, behind: backward)
    }
}
