internal import Models
internal import Plans

/// Times of what only the first and the last stage do for one micro-batch: embedding, final norm, head and loss.
struct EndTimes {
    let model: Model
    let parts: ModelParts
    let rates: DeviceRates
    let shard: Shard
    let gradientBytes: Double

    private var w: Double { rates.elementBytes }
    private var row: Double { shard.tokens * Double(model.hidden) }

    func embedding() -> UnitTimes {
        var times = UnitTimes()
        // Rows are looked up (read, written), positions added; the gradient is added to the table's rows.
        let positions = parts.positions > 0 ? 2.0 : 0
        times.forward.compute = rates.elementwise((2 + positions) * w * row)
        times.backward.compute = rates.elementwise((w + 2 * gradientBytes) * row / shard.sequenceShare)
        times.weightGradient = times.backward.compute
        add(shard.embeddingCollectives(hidden: model.hidden, elementBytes: w), to: &times)
        addTableGathers(of: ShardedEnds(parts, shard).embedding, to: &times, backwardGathers: 0)
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
        add(shard.headCollectives(hidden: model.hidden, elementBytes: w), to: &times)
        addTableGathers(of: ShardedEnds(parts, shard).head, to: &times, backwardGathers: 1)
        return times
    }

    /// Nothing hides them.
    private func add(_ collectives: PassCollectives, to times: inout UnitTimes) {
        times.forward.tensor = collectives.forward.seconds(shard.tensorGroup)
        times.backward.tensor = collectives.backward.seconds(shard.tensorGroup)
    }

    /// Fully sharded tables: nothing runs beside them long enough to hide the transfers.
    private func addTableGathers(of parameters: Double, to times: inout UnitTimes, backwardGathers: Double) {
        guard shard.sharding == .parameters, shard.dataGroup.size > 1 else { return }
        let gather = shard.shardGroup.gather(bytes: w * parameters)
        times.forward.data = gather
        times.backward.data =
            backwardGathers * gather + shard.shardGroup.gather(bytes: gradientBytes * parameters)
            + shard.replicaGroup.allReduce(bytes: gradientBytes * parameters / Double(shard.shardGroup.size))
    }
}

/// Parameters on one device that only the first and the last stage have, as they are gathered where they are fully sharded:
/// the embedding forward, the head in both passes; both are scattered.
struct ShardedEnds {
    /// The table and the positions.
    let embedding: Double
    /// The table and the final norm.
    let head: Double

    init(_ parts: ModelParts, _ shard: Shard) {
        let table = parts.table(vocabulary: shard.vocabulary, tensor: shard.tensor)
        embedding = table + Double(parts.positions)
        head = table + Double(parts.finalNorm)
    }
}
