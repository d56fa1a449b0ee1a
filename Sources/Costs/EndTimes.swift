internal import Plans

/// Times of what only the first and the last stage do for one micro-batch: embedding, final norm, head and loss.
struct EndTimes {
    let model: Model
    let rates: DeviceRates
    let shard: Shard
    let gradientBytes: Double

    private var w: Double { rates.elementBytes }
    private var row: Double { shard.tokens * Double(model.hidden) }

    func embedding() -> UnitTimes {
        var times = UnitTimes()
        // Rows are looked up (read, written), positions added; the gradient is added to the table's rows.
        let positions = model.family == .gpt ? 2.0 : 0
        times.forward.compute = rates.elementwise((2 + positions) * w * row)
        times.backward.compute = rates.elementwise((w + 2 * gradientBytes) * row / shard.sequenceShare)
        times.weightGradient = times.backward.compute
        times.forward.tensor = reduction
        times.backward.tensor = shard.sequenceParallel ? shard.tensorGroup.gather(bytes: w * row) : 0
        addTableGathers(to: &times, backwardGathers: 0)
        return times
    }

    func head() -> UnitTimes {
        var times = UnitTimes()
        let (T, h) = (shard.tokens, Double(model.hidden))
        let columns = Double(shard.vocabulary) / shard.tensor
        let logits = T * columns
        let local = row / shard.sequenceShare
        times.forward.compute =
            rates.elementwise(2 * w * local) + rates.product(T, columns, h, high: true)
            + rates.elementwise(CostConstants.lossForwardBytes * logits)
        times.weightGradient = rates.accumulate(h, columns, T, accumulatorBytes: gradientBytes, high: true)
        times.backward.compute =
            rates.elementwise(3 * w * local) + rates.product(T, h, columns, high: true)
            + times.weightGradient + rates.elementwise(CostConstants.lossBackwardBytes * logits)
        if shard.tensor > 1 {
            // Maximum, target logit and sum of exponentials, 4 bytes a token each (vocabulary-parallel loss).
            let loss = 3 * shard.tensorGroup.allReduce(bytes: 4 * T)
            times.forward.tensor =
                loss + (shard.sequenceParallel ? shard.tensorGroup.gather(bytes: w * row) : 0)
            times.backward.tensor = reduction
        }
        addTableGathers(to: &times, backwardGathers: 1)
        return times
    }

    /// Sum over the tensor group: all-reduce, or reduce-scatter with sequence parallelism.
    private var reduction: Double {
        shard.sequenceParallel
            ? shard.tensorGroup.gather(bytes: w * row) : shard.tensorGroup.allReduce(bytes: w * row)
    }

    /// Fully sharded tables: nothing runs beside them long enough to hide the transfers.
    private func addTableGathers(to times: inout UnitTimes, backwardGathers: Double) {
        guard shard.sharding == .parameters, shard.dataGroup.size > 1 else { return }
        let parameters = Double(shard.vocabulary) * Double(model.hidden) / shard.tensor
        let gather = shard.shardGroup.gather(bytes: w * parameters)
        times.forward.data = gather
        times.backward.data =
            backwardGathers * gather + shard.shardGroup.gather(bytes: gradientBytes * parameters)
            + shard.replicaGroup.allReduce(bytes: gradientBytes * parameters / Double(shard.shardGroup.size))
    }
}
