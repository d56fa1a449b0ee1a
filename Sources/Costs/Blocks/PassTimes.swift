/// Seconds of one pass of one micro-batch through a block, a stage or a rank, by their use.
package struct PassTimes: Hashable, Sendable {
    package var compute = 0.0
    package var recompute = 0.0
    /// Exposed tensor-parallel collectives.
    package var tensor = 0.0
    /// Exposed context-parallel exchange.
    package var context = 0.0
    /// Exposed all-to-alls that take tokens to their experts and back.
    package var expert = 0.0
    /// Exposed gathering and reduction of sharded parameters.
    package var data = 0.0
    /// Compute lost while messages to and from neighbouring ranks overlap with it.
    package var pipeline = 0.0
    /// Host time that the pass waits for.
    package var host = 0.0
    /// Exposed copies to the host and back.
    package var offload = 0.0

    package init() {}

    package var total: Double { compute + recompute + tensor + context + expert + data + pipeline + host + offload }

    static func + (a: PassTimes, b: PassTimes) -> PassTimes {
        var sum = a
        sum.compute += b.compute
        sum.recompute += b.recompute
        sum.tensor += b.tensor
        sum.context += b.context
        sum.expert += b.expert
        sum.data += b.data
        sum.pipeline += b.pipeline
        sum.host += b.host
        sum.offload += b.offload
        return sum
    }

    static func * (count: Double, times: PassTimes) -> PassTimes {
        var product = times
        product.compute *= count
        product.recompute *= count
        product.tensor *= count
        product.context *= count
        product.expert *= count
        product.data *= count
        product.pipeline *= count
        product.host *= count
        product.offload *= count
        return product
    }
}

/// Forward and backward of one micro-batch through a block, a stage or a rank.
package struct UnitTimes: Hashable, Sendable {
    package var forward = PassTimes()
    /// Input and weight gradients, with the recomputation that they need.
    package var backward = PassTimes()
    /// Seconds of `backward` that only weight gradients need, including the host's launches of them.
    package var weightGradient = 0.0

    package init() {}

    /// Leaves out the backward: nothing before it and nothing in it has weights that training changes.
    mutating func leaveOutBackward() {
        backward = PassTimes()
        weightGradient = 0
    }

    package var total: Double { forward.total + backward.total }
    /// Seconds without the compute lost to messages to other pipeline ranks.
    var withoutMessages: Double { total - forward.pipeline - backward.pipeline }

    static func + (a: UnitTimes, b: UnitTimes) -> UnitTimes {
        var sum = UnitTimes()
        sum.forward = a.forward + b.forward
        sum.backward = a.backward + b.backward
        sum.weightGradient = a.weightGradient + b.weightGradient
        return sum
    }

    static func * (count: Double, times: UnitTimes) -> UnitTimes {
        var product = UnitTimes()
        product.forward = count * times.forward
        product.backward = count * times.backward
        product.weightGradient = count * times.weightGradient
        return product
    }
}
