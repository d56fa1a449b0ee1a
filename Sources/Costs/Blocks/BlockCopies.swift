internal import Models
internal import Plans

/// Copies of a block's activations, gradients and parameters to the host and back.
extension BlockTimes {
    /// Parameters of one device's shards of a block's parameters `held`.
    func shards(_ held: (dense: Double, experts: Double)) -> Double {
        held.dense / Double(device.shardGroup.size) + held.experts / Double(device.expertShardGroup.size)
    }

    /// Seconds of copying the activations that the block keeps to the host, or back.
    var activationCopy: Double { device.copies.map { $0.link.copy(copiedActivations) } ?? 0 }

    /// Bytes of the activations that the block keeps.
    var copiedActivations: Double {
        ActivationBytes(
            block, device, sequence: sequence, rates: rates, recompute: device.recompute, isSplit: false
        ).kept
    }

    /// Parameters of one device's shards whose gradients the block has.
    var reducedShards: Double {
        shards(block.tuned.map { device.held($0.trained) } ?? device.held(of: block))
    }

    /// Adds the copies that no compute hides. The link carries both directions at once: in the forward parameters come and
    /// activations go; in the backward parameters, activations and gradients to be added to come, and gradients go. The longer
    /// direction counts.
    /// - Parameter passes: seconds of both passes without transfers of sharded parameters, which hide copies.
    func addCopies(to times: inout UnitTimes, behind passes: (forward: Double, backward: Double)) {
        guard let copies = device.copies else { return }
        let activations = copies.offload.activations == .all ? activationCopy : 0
        let fetch = copies.fetch(shards(device.held(of: block)))
        let gradients = copies.handOver(reducedShards)
        let inbound = activations + copies.takeBack(reducedShards)
        times.forward.offload = max(times.forward.offload, activations - passes.forward, 0)
        times.backward.offload = max(
            times.backward.offload + max(0, inbound - max(0, passes.backward - fetch)),
            gradients - (device.overlap.data ? passes.backward : 0))
    }
}
