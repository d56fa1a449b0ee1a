internal import Models
internal import Plans

/// What the host adds to a block: it launches every kernel of a pass, and small passes end before it has.
extension BlockTimes {
    /// Small passes end before the host has launched them.
    ///
    /// A backward launches its input gradients first. They end when both the host has launched them and the device has
    /// worked them off; the rest of the backward is the weight gradients'. So a faster weight gradient never lengthens
    /// an input gradient, and both together take what the backward takes in one piece.
    ///
    /// - Parameter apart: seconds more that collectives stick out of the input gradients alone.
    func waitForHost(
        _ times: inout UnitTimes, collectives: PassCollectives, exchanges: Bool, apart: Double
    ) {
        let software = rates.framework
        // An all-reduce counts as the two halves that it is.
        func starting(_ pass: TensorCollectives) -> Double {
            Double(pass.gathers.count + 2 * pass.sums.count) * software.hostCollective
        }
        let waiting = exchanges ? software.hostExperts : 0
        let forward = software.hostForward + starting(collectives.forward)
        let again = shard.recompute == .full ? forward : 0
        let backward = software.hostBackward + starting(collectives.backward) + again
        let weights = weightLaunches * software.hostBackward
        let passes = shard.recompute == .full ? 2.0 : 1
        if software.blockingLaunches {
            times.forward.host = waiting + forward
            times.backward.host = passes * waiting + backward
            times.weightGradient += weights - apart
            return
        }
        times.forward.host = waiting + max(0, forward - times.forward.total)
        let device = times.backward.total
        let inputs = device - times.weightGradient + apart
        if apart > 0 || device < backward || inputs < backward - weights {
            times.weightGradient = max(device, backward) - max(inputs, backward - weights)
        }
        times.backward.host = passes * waiting + max(0, backward - device)
    }

    /// Share of a backward's launches that weight gradients take: each product has one kernel for them and one for the
    /// gradients of its inputs, as which all other kernels count.
    private var weightLaunches: Double {
        var products = block.parts.reduce(0.0) { $0 + Double($1.products.count) }
        if let experts = block.feedForward.experts {
            products += Double(experts.products.count) * Double(experts.mixture.experts) / shard.expert
        }
        // Core attention: one kernel, or two products' backwards and the softmax's, and dropout's.
        let core = shard.flashAttention ? 1.0 : shard.dropout ? 6 : 5
        let others = core + block.parts.reduce(0) { $0 + Double($1.otherKernels) }
        return products / (2 * products + others)
    }
}
