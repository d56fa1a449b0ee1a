internal import Models
internal import Plans

/// Times of one micro-batch in one end of a model: the embedding (first stage), or the final norm, the head and the loss
/// (last stage). They are sums over the products, kernels and messages of the end's part.
struct EndTimes {
    private let end: End
    private let rates: DeviceRates
    private let device: DeviceShare
    private let gradientBytes: Double
    private let measure: BlockMeasure

    init(end: End, rates: DeviceRates, device: DeviceShare, gradientBytes: Double) {
        self.end = end
        self.rates = rates
        self.device = device
        self.gradientBytes = gradientBytes
        measure = BlockMeasure(
            division: device.division(nil), activation: rates.elementBytes, operand: rates.operandBytes,
            dropout: device.dropout, gradient: gradientBytes)
    }

    /// Times of one micro-batch through the end.
    /// - Parameter known: what `inside()` returns; nil: computed here.
    func unit(_ known: UnitTimes? = nil) -> UnitTimes {
        var times = known ?? inside()
        addTableGathers(to: &times)
        // A frozen embedding needs no gradient at all.
        if end.looksUp, let tuned = end.tuned, !tuned.changesAny {
            let gathers = times.backward.data
            times.leaveOutBackward()
            times.backward.data = gathers
        }
        return times
    }

    /// Times without transfers of sharded tables and copies to the host. They do not depend on sharding.
    /// - Parameter known: what `work` is; nil: computed here.
    func inside(_ known: UnitTimes? = nil) -> UnitTimes {
        var times = known ?? work
        addCollectives(to: &times)
        return times
    }

    /// Times of the work on the device itself, without messages.
    var work: UnitTimes {
        var times = UnitTimes()
        var (forward, backward, weights) = (
            measure.seconds(end.part.forward, rates), measure.seconds(end.part.backward, rates), 0.0
        )
        // Products of the ends are not in 8 bits.
        for (index, product) in end.part.products.enumerated() {
            let (rows, inputs, outputs) = measure.shape(product)
            forward += rates.product(rows, outputs, inputs, high: true)
            backward += rates.product(rows, inputs, outputs, high: true)
            guard end.changes(product: index) else { continue }
            weights += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes, high: true)
        }
        backward += weights
        if let logits = end.logits, device.loss.kind == .fused {
            // The backward computes the logits again; neither pass writes them.
            times.backward.recompute = logitsAgain(logits)
        } else if let logits = end.logits, device.loss.kind == .chunked {
            return inChunks(logits)
        } else if let logits = end.logits {
            let numbers = Double(end.losses) * measure.division.numbers(logits)
            forward += rates.elementwise(CostConstants.lossForwardBytes * numbers)
            backward += rates.elementwise(CostConstants.lossBackwardBytes * numbers)
        }
        times.forward.compute = forward
        times.backward.compute = backward
        // The whole backward of a lookup is the gradient of its table.
        times.weightGradient = end.looksUp ? backward : weights
        return times
    }

    /// Seconds of the product that gives the logits.
    private func logitsAgain(_ logits: Extent) -> Double {
        end.part.products.reduce(0) { seconds, product in
            guard product.outputs == logits.width else { return seconds }
            let (rows, inputs, outputs) = measure.shape(product)
            return seconds + rates.product(rows, outputs, inputs, high: true)
        }
    }

    /// Times if the rows are taken in chunks: the forward computes logits, loss and all gradients of one chunk after the
    /// other. The gradient of the table is added up in the weights' format.
    private func inChunks(_ logits: Extent) -> UnitTimes {
        let chunks = Double(device.loss.chunks)
        var times = UnitTimes()
        var forward = measure.seconds(end.part.forward, rates)
        var (backward, weights) = (measure.seconds(end.part.backward, rates), 0.0)
        for (index, product) in end.part.products.enumerated() {
            let (rows, inputs, outputs) = measure.shape(product)
            let changes = end.changes(product: index)
            guard product.outputs == logits.width else {
                forward += rates.product(rows, outputs, inputs, high: true)
                backward += rates.product(rows, inputs, outputs, high: true)
                guard changes else { continue }
                weights += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes, high: true)
                continue
            }
            let part = max(1, rows / chunks)
            forward +=
                chunks
                * (rates.product(part, outputs, inputs, high: true) + rates.product(part, inputs, outputs, high: true))
            // A frozen table has no gradient (Liger Kernel, `fused_linear_cross_entropy.py`: `weight.requires_grad`).
            guard changes else { continue }
            forward +=
                chunks
                * rates.accumulate(inputs, outputs, part, accumulatorBytes: rates.elementBytes, high: true)
            // The gradient of the table is added to the accumulated one.
            weights += rates.memory((rates.elementBytes + 2 * gradientBytes) * inputs * outputs)
        }
        let numbers = Double(end.losses) * measure.division.numbers(logits)
        forward += rates.elementwise((CostConstants.lossForwardBytes + CostConstants.lossBackwardBytes) * numbers)
        times.forward.compute = forward
        times.backward.compute = backward + weights
        times.weightGradient = weights
        return times
    }

    /// Adds collectives among tensor ranks, which are not hidden.
    private func addCollectives(to times: inout UnitTimes) {
        let collectives = device.collectives(end.messages, elementBytes: rates.elementBytes)
        times.forward.tensor = collectives.forward.seconds(device.tensorGroup, in: rates.framework)
        times.backward.tensor = collectives.backward.seconds(device.tensorGroup, in: rates.framework)
    }

    /// Matrices of an end that a device holds, before sharding, and that are sharded together.
    struct Held {
        var parameters: Double
        /// Parameters that training changes.
        var trained: Double
        /// Whether the backward reads them again.
        var isReadBack: Bool
    }

    /// The matrices of `end` on `device`: its own, and the table in which multi-token prediction looks tokens up.
    static func held(_ end: End, _ device: DeviceShare) -> [Held] {
        let own = Held(
            parameters: end.held(vocabulary: device.vocabulary, tensor: device.tensor),
            trained: end.trained(vocabulary: device.vocabulary, tensor: device.tensor), isReadBack: !end.looksUp)
        guard end.losses > 1 else { return [own] }
        let table = end.table(vocabulary: device.vocabulary, tensor: device.tensor)
        return [own, Held(parameters: table, trained: table, isReadBack: false)]
    }

    /// Adds the transfers of fully sharded tables. They are gathered for their forward, for the backward too if products
    /// read them, and their gradients are scattered. No compute runs long enough at the same time to hide them.
    private func addTableGathers(to times: inout UnitTimes) {
        addTableCopies(to: &times)
        guard device.sharding == .parameters, device.dataGroup.size > 1 else { return }
        for held in Self.held(end, device) {
            let gather = device.shardGroup.gather(bytes: rates.elementBytes * held.parameters)
            times.forward.data += gather
            times.backward.data += held.isReadBack ? gather : 0
            guard held.trained > 0 else { continue }
            times.backward.data +=
                device.shardGroup.gather(bytes: gradientBytes * held.trained)
                + device.addReplicas(
                    device.replicaGroup, bytes: gradientBytes * held.trained / Double(device.shardGroup.size))
        }
    }

    /// Adds the copies of the end's shards from the host, and of their gradients to it. Nothing hides them.
    private func addTableCopies(to times: inout UnitTimes) {
        guard let copies = device.copies else { return }
        let shards = Double(device.shardGroup.size)
        for held in Self.held(end, device) {
            let fetch = device.sharding == .parameters ? copies.fetch(held.parameters / shards) : 0
            times.forward.offload += fetch
            times.backward.offload += max(
                (held.isReadBack ? fetch : 0) + copies.takeBack(held.trained / shards),
                copies.handOver(held.trained / shards))
        }
    }
}
