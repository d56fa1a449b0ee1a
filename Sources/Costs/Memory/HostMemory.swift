internal import Models
package import Plans

/// Bytes of host memory that what devices offload takes.
package enum HostMemory {
    /// Bytes of the fullest node, whose devices of pipeline rank r offload `bytes[r]` each. Ranks are numbered as
    /// `RankGrid` does: the devices of one pipeline rank are neighbours.
    package static func fullestNode(_ bytes: [Double], _ layout: Layout, _ plan: Plan) -> Double {
        let (stage, sharers) = (max(1, layout.devices / max(1, layout.pipeline)), HostLink.sharers(plan))
        let devices = max(1, layout.devices)
        var most = 0.0
        // A node with more of one rank's devices than others begins with that rank, or behind the node in which it begins.
        for rank in bytes.indices {
            let first = rank * stage / sharers
            for node in [first, first + 1] {
                let range = node * sharers..<min((node + 1) * sharers, max(node * sharers, devices))
                guard !range.isEmpty else { continue }
                var sum = 0.0
                for other in range.lowerBound / stage...(range.upperBound - 1) / stage where other < bytes.count {
                    let own = range.clamped(to: other * stage..<(other + 1) * stage)
                    sum += Double(own.count) * bytes[other]
                }
                most = max(most, sum)
            }
        }
        return most
    }

    /// Whether the state that a layout offloads fits into its hosts.
    static func holdsState(_ work: LayoutWork) -> Bool {
        guard work.layout.offload != nil, let host = work.plan.cluster.host else { return true }
        let kinds = work.shares.kinds.map { StateMemory(of: $0.share, work).host }
        let node = fullestNode(work.shares.kindOfRank.map { kinds[$0] }, work.layout, work.plan)
        return node <= CostConstants.usableShare * host.memoryBytes
    }
}

extension StateMemory {
    /// Moves what the layout offloads to the host.
    ///
    /// Beside the optimizer's state the host has an fp32 gradient of every parameter that it steps, and the weight where the
    /// state has no master weight (Megatron-LM's HybridDeviceOptimizer: `cpu_copy_map_grad`, `gpu_params_map_cpu_copy`;
    /// DeepSpeed's estimators: 16 bytes of a parameter, 18 with the weights).
    mutating func offload(_ offload: Layout.Offload, of share: PipelineShares.Rank, _ work: LayoutWork) {
        let stepped =
            offload.optimizer * max(0, work.owned(share) - Self.unseenParameters(of: share, work))
        let moved = offload.optimizer * optimizer
        optimizer -= moved
        host = moved + work.state.hostGradient * stepped
        if offload.gradients { gradients = 0 }
        if offload.parameters {
            host += weights
            weights = 0
        } else {
            host += work.state.hostWeight * stepped
        }
    }
}
