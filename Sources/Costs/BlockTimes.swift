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
    /// Query width on one device, a·d/t.
    private var queries: Double { Double(model.heads * model.headSize) / shard.tensor }
    /// Key (or value) width on one device, g·d/t.
    private var keys: Double { Double(model.kvHeads * model.headSize) / shard.tensor }
    private var ffn: Double { Double(model.ffn) / shard.tensor }
    /// Width of the first feed-forward product.
    private var ffnIn: Double { (model.mlp.isGated ? 2 : 1) * ffn }

    func unit() -> UnitTimes {
        let attention = attention()
        let forwardCompute = linearForward + elementwiseForward + attention.forward
        var times = UnitTimes()
        times.forward.compute = forwardCompute
        times.forward.context = contextExposed(attention: attention.forward, passes: 1)
        times.weightGradient = weightGradients
        times.backward.compute = inputGradients + weightGradients + elementwiseBackward + attention.backward
        times.backward.context = contextExposed(attention: attention.backward, passes: 2)

        let collectives = tensorExposed
        times.forward.tensor = collectives.forward
        times.backward.tensor = collectives.backward
        switch shard.recompute {
        case .none: break
        case .selective: times.backward.recompute = attention.forward
        case .full:
            times.backward.recompute = forwardCompute
            times.backward.tensor += collectives.forward
            times.backward.context += times.forward.context
        }
        addParameterGathers(to: &times)
        return times
    }

    // MARK: Matrix products

    private var linearForward: Double {
        let T = shard.tokens
        return rates.product(T, queries + 2 * keys, h) + rates.product(T, h, queries)
            + rates.product(T, ffnIn, h) + rates.product(T, h, ffn)
    }

    private var inputGradients: Double {
        let T = shard.tokens
        return rates.product(T, h, queries + 2 * keys) + rates.product(T, queries, h)
            + rates.product(T, h, ffnIn) + rates.product(T, ffn, h)
    }

    private var weightGradients: Double {
        let (T, g) = (shard.tokens, gradientBytes)
        return rates.accumulate(h, queries + 2 * keys, T, accumulatorBytes: g)
            + rates.accumulate(queries, h, T, accumulatorBytes: g)
            + rates.accumulate(h, ffnIn, T, accumulatorBytes: g) + rates.accumulate(ffn, h, T, accumulatorBytes: g)
    }

    // MARK: Memory-bound operations

    var elementwiseForward: Double {
        let T = shard.tokens
        let row = T * h / shard.sequenceShare
        let mask = shard.dropout ? 1.0 : 0
        // Two norms (read, write) and two residual additions with bias (two reads, write).
        var seconds = 2 * rates.memory(2 * w * row) + 2 * rates.memory((3 * w + mask) * row)
        // Activation: reads f or 2f, writes f.
        seconds += rates.memory(w * T * (ffnIn + ffn))
        if model.family == .llama { seconds += rates.memory(2 * w * T * (queries + keys)) }
        return seconds
    }

    var elementwiseBackward: Double {
        let T = shard.tokens
        let row = T * h / shard.sequenceShare
        let mask = shard.dropout ? 1.0 : 0
        // A norm reads its input and the gradient and writes one; the residual adds two gradients.
        var seconds = 2 * rates.memory(3 * w * row) + 2 * rates.memory((3 * w + mask) * row)
        seconds += rates.memory(w * T * (2 * ffnIn + ffn))
        if model.family == .llama {
            seconds += rates.memory(2 * w * T * (queries + keys))
        } else {
            // Bias gradients read every output gradient once.
            seconds += rates.memory(w * T * (queries + 2 * keys + ffnIn)) + rates.memory(2 * w * row)
        }
        return seconds
    }

    // MARK: Core attention

    private func attention() -> (forward: Double, backward: Double) {
        let s = Double(model.sequence)
        let T = shard.tokens
        // QKᵀ and PV against every key.
        let flops = 4 * T * s * queries
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
        let inputs = w * T * (queries + keys)
        let product = rates.product(flops: flops / 2, bytes: w * scores + inputs, high: true)
        let dropForward = shard.dropout ? rates.memory((2 * w + 1) * scores) : 0
        let forward = 2 * product + rates.memory(2 * w * scores) + dropForward
        let backward = 4 * product + rates.memory(3 * w * scores) + dropForward
        return (forward, backward)
    }

    // MARK: Communication

    /// Tensor-parallel collectives of one block that nothing hides: two a pass (all-reduce, or all-gather and
    /// reduce-scatter with sequence parallelism). The two extra gathers of the backward run behind its
    /// products (Korthikanti et al. 2022, section 4.2.2).
    private var tensorExposed: (forward: Double, backward: Double) {
        guard shard.tensor > 1 else { return (0, 0) }
        let bytes = w * shard.tokens * h
        let pair =
            shard.sequenceParallel
            ? 2 * shard.tensorGroup.gather(bytes: bytes) : shard.tensorGroup.allReduce(bytes: bytes)
        let whole = 2 * pair
        let regather =
            shard.sequenceParallel ? 2 * rates.contention * shard.tensorGroup.gather(bytes: bytes) : 0
        guard shard.overlap.tensor else { return (whole, whole + regather) }
        // Cut into t chunks, a collective hides behind the product beside it but for one chunk.
        let chunk = whole / shard.tensor
        return (
            rates.exposed(whole, behind: linearForward, least: chunk),
            rates.exposed(whole, behind: inputGradients + weightGradients, least: chunk) + regather
        )
    }

    /// Ring attention: c − 1 exchanges of keys and values, each behind the attention of the part before it. The
    /// backward passes them on twice (with their gradients).
    private func contextExposed(attention: Double, passes: Double) -> Double {
        guard shard.context > 1 else { return 0 }
        let exchange = shard.contextGroup.transfer(bytes: 2 * w * shard.tokens * keys)
        return (shard.context - 1) * max(0, passes * exchange - attention / shard.context)
    }

    /// Fully sharded parameters: gathered before the forward and the backward, gradients scattered after it; each
    /// layer's transfers run behind its neighbour's compute.
    private func addParameterGathers(to times: inout UnitTimes) {
        guard shard.sharding == .parameters, shard.dataGroup.size > 1 else { return }
        let parameters = BlockParameters(model).perDevice(tensor: Int(shard.tensor))
        let gather = shard.dataGroup.gather(bytes: w * parameters)
        let reduce = shard.dataGroup.gather(bytes: gradientBytes * parameters)
        let (forward, backward) = shard.overlap.data ? (times.forward.total, times.backward.total) : (0, 0)
        times.forward.data = rates.exposed(gather, behind: forward)
        times.backward.data = rates.exposed(gather + reduce, behind: backward)
    }
}
