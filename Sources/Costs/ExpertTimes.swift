internal import Models
internal import Plans

/// Times of the feed-forward half of a block with experts, for one micro-batch on one device, routing balanced.
///
/// Shapes: T rows, of which each tensor rank routes its own T/t; k experts a token; E experts over the expert
/// degree; each expert's matrices divided by the expert-tensor degree.
struct ExpertTimes {
    let model: Model
    let moe: Model.Mixture
    let rates: DeviceRates
    let shard: Shard
    let gradientBytes: Double

    func feedForward() -> BlockTimes.FeedForward {
        let (w, h) = (rates.elementBytes, Double(model.hidden))
        let inputs = model.mlp.isGated ? 2.0 : 1
        let local = shard.tokens / shard.tensor
        var times = BlockTimes.FeedForward()

        // The router, in fp32 as a rule, and its softmax and top-k.
        let experts = Double(moe.experts)
        times.forward = rates.product(local, experts, h)
        times.inputGradient = rates.product(local, h, experts)
        times.weightGradient = rates.accumulate(h, experts, local, accumulatorBytes: gradientBytes)
        times.elementwise.forward = rates.elementwise(4 * 4 * local * experts)
        times.elementwise.backward = times.elementwise.forward

        // Rows that arrive: as many as leave when routing is balanced, from each rank that shares an expert. The fullest
        // rank sets the pace.
        let routed = Double(moe.topK) * local
        let rows = moe.imbalance * routed * shard.expertTensor
        let held = experts / shard.expert
        let ffn = Double(moe.ffn) / shard.expertTensor
        let forward = grouped(rows, held: held, inputs * ffn, h) + grouped(rows, held: held, h, ffn)
        times.forward += forward
        times.inputGradient += forward
        times.weightGradient += forward + rates.memory(2 * gradientBytes * held * (1 + inputs) * h * ffn)

        // Sorting by expert and putting back, each a read and a write; weighting and adding up k rows.
        let sorted = 2 * rates.elementwise(2 * w * routed * h) + rates.elementwise(w * (routed + local) * h)
        let activation = rates.elementwise(w * rows * (inputs + 1) * ffn)
        times.elementwise.forward += sorted + activation + rates.cast(rows * h)
        times.elementwise.backward +=
            sorted + rates.cast(rows * h) + rates.elementwise(w * rows * (2 * inputs + 1) * ffn)

        // Dispatch and combine.
        let exchanges = Self.exchanges(model: model, moe: moe, rates: rates, shard: shard)
        for exchange in [exchanges.dispatch, exchanges.combine] {
            times.exchange += shard.expertGroup.allToAll(exchange, imbalance: moe.imbalance)
        }
        let pieces = moe.imbalance * Self.sharedRows(model: model, moe: moe, rates: rates, shard: shard)
        if shard.expertTensor > 1 { times.exchange += 2 * shard.expertTensorGroup.gather(bytes: pieces) }

        if moe.sharedWidth > 0 {
            let (T, width) = (shard.tokens, Double(moe.sharedWidth) / shard.tensor)
            times.forward += rates.product(T, inputs * width, h) + rates.product(T, h, width)
            times.inputGradient += rates.product(T, h, inputs * width) + rates.product(T, width, h)
            times.weightGradient +=
                rates.accumulate(h, inputs * width, T, accumulatorBytes: gradientBytes)
                + rates.accumulate(width, h, T, accumulatorBytes: gradientBytes)
            times.elementwise.forward += rates.elementwise(w * T * (inputs + 1) * width)
            times.elementwise.backward += rates.elementwise(w * T * (2 * inputs + 1) * width)
        }
        return times
    }

    /// Bytes of the rows that the ranks with the pieces of one expert gather before its products, and scatter the results
    /// of, with balanced routing (Megatron-Core, `token_dispatcher.py`).
    static func sharedRows(model: Model, moe: Model.Mixture, rates: DeviceRates, shard: Shard) -> Double {
        let routed = Double(moe.topK) * shard.tokens / shard.tensor
        return rates.elementBytes * routed * shard.expertTensor * Double(model.hidden)
    }

    /// Seconds of the products of all held experts, run one after the other: each has rows/held rows of its own.
    private func grouped(_ rows: Double, held: Double, _ n: Double, _ k: Double) -> Double {
        held * rates.product(max(1, rows / held), n, k) / rates.framework.experts
    }
}
