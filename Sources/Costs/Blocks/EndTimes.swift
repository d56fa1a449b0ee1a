internal import Models
internal import Plans

/// Times of one micro-batch in the embedding (first stage) and in the final norm, the head and the loss (last stage).
struct EndTimes {
    let model: Model
    let parts: ModelParts
    let rates: DeviceRates
    let device: DeviceShare
    let gradientBytes: Double

    private var w: Double { rates.elementBytes }
    private var row: Double { device.tokens * Double(model.hidden) }

    func embedding() -> UnitTimes {
        var times = UnitTimes()
        // Rows are looked up (read and written), and positions added. The gradient is added to the table's rows.
        let positions = parts.positions > 0 ? 2.0 : 0
        times.forward.compute = rates.elementwise((2 + positions) * w * row)
        times.backward.compute = rates.elementwise((w + 2 * gradientBytes) * row / device.sequenceShare)
        times.weightGradient = times.backward.compute
        add(device.embeddingCollectives(hidden: model.hidden, elementBytes: w), to: &times)
        addTableGathers(of: ShardedEnds(parts, device).embedding, to: &times, backwardGathers: 0)
        return times
    }

    func head() -> UnitTimes {
        var times = UnitTimes()
        let (T, h) = (device.tokens, Double(model.hidden))
        let columns = Double(device.vocabulary) / device.tensor
        let logits = T * columns
        let local = row / device.sequenceShare
        times.forward.compute =
            rates.elementwise(2 * w * local) + rates.product(T, columns, h, high: true)
            + rates.elementwise(CostConstants.lossForwardBytes * logits)
        times.weightGradient = rates.accumulate(h, columns, T, accumulatorBytes: gradientBytes, high: true)
        times.backward.compute =
            rates.elementwise(3 * w * local) + rates.product(T, h, columns, high: true)
            + times.weightGradient + rates.elementwise(CostConstants.lossBackwardBytes * logits)
        add(device.headCollectives(hidden: model.hidden, elementBytes: w), to: &times)
        addTableGathers(of: ShardedEnds(parts, device).head, to: &times, backwardGathers: 1)
        return times
    }

    /// Adds collectives among tensor ranks, which are not hidden.
    private func add(_ collectives: PassCollectives, to times: inout UnitTimes) {
        times.forward.tensor = collectives.forward.seconds(device.tensorGroup)
        times.backward.tensor = collectives.backward.seconds(device.tensorGroup)
    }

    /// Adds the transfers of a fully sharded table. No compute runs long enough at the same time to hide them.
    private func addTableGathers(of parameters: Double, to times: inout UnitTimes, backwardGathers: Double) {
        guard device.sharding == .parameters, device.dataGroup.size > 1 else { return }
        let gather = device.shardGroup.gather(bytes: w * parameters)
        times.forward.data = gather
        times.backward.data =
            backwardGathers * gather + device.shardGroup.gather(bytes: gradientBytes * parameters)
            + device.replicaGroup.allReduce(bytes: gradientBytes * parameters / Double(device.shardGroup.size))
    }
}

/// Parameters of the embedding and of the head on one device, before sharding. If they are fully sharded, the embedding
/// is gathered for its forward, the head for both passes, and the gradients of both are scattered.
struct ShardedEnds {
    /// Parameters of the table and the positions.
    let embedding: Double
    /// Parameters of the table and the final norm.
    let head: Double

    init(_ parts: ModelParts, _ device: DeviceShare) {
        let table = parts.table(vocabulary: device.vocabulary, tensor: device.tensor)
        embedding = table + Double(parts.positions)
        head = table + Double(parts.finalNorm)
    }
}
