internal import Models
package import Plans

/// The host that is fullest of what devices offload.
package struct HostMemory: Hashable, Sendable {
    /// Bytes of a node's devices.
    package let bytes: Double
    /// Bytes of the node's host.
    package let capacity: Double
    /// Devices that share the host.
    let sharers: Int

    /// Share of the host that is taken.
    private var share: Double { capacity > 0 ? bytes / capacity : bytes > 0 ? .infinity : 0 }
    /// Whether the host has room for what is offloaded.
    package var fits: Bool { bytes <= CostConstants.usableShare * capacity }

    /// The fullest host of a layout whose devices of pipeline rank r offload `bytes[r]` each; in a cluster of several groups
    /// the one with the largest share taken.
    package init(_ bytes: [Double], _ layout: Layout, _ plan: Plan) {
        let stage = max(1, layout.devices / max(1, layout.pipeline))
        func host(_ bytes: ArraySlice<Double>, _ cluster: Cluster, _ devices: Int) -> HostMemory {
            let sharers = HostLink.sharers(cluster, devices: devices)
            return HostMemory(
                bytes: Self.fullestNode(Array(bytes), stage: stage, sharers: sharers),
                capacity: cluster.host?.memoryBytes ?? 0, sharers: sharers)
        }
        guard let groups = plan.cluster.groups, let stages = StageGroups(groups, layout), bytes.count == layout.pipeline
        else {
            self = host(bytes[...], plan.cluster, plan.devices)
            return
        }
        var fullest = HostMemory(bytes: 0, capacity: 0, sharers: 1)
        for (place, group) in groups.list.enumerated() {
            let own = host(bytes[stages.ranks(of: place)], group.cluster, group.devices)
            if fullest.capacity == 0 || own.share > fullest.share { fullest = own }
        }
        self = fullest
    }

    private init(bytes: Double, capacity: Double, sharers: Int) {
        (self.bytes, self.capacity, self.sharers) = (bytes, capacity, sharers)
    }

    /// Bytes of the fullest node, whose devices of pipeline rank r offload `bytes[r]` each. Ranks are numbered as
    /// `RankGrid` does: the devices of one pipeline rank are neighbours.
    /// - Parameters:
    ///   - stage: devices of a pipeline rank.
    ///   - sharers: devices of a node.
    package static func fullestNode(_ bytes: [Double], stage: Int, sharers: Int) -> Double {
        let devices = bytes.count * stage
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
    package static func holdsState(_ work: LayoutWork) -> Bool {
        guard work.layout.offload != nil else { return true }
        let kinds = work.shares.kinds.indices.map {
            StateMemory(of: work.shares.kinds[$0].share, work.on(kind: $0)).host
        }
        return HostMemory(work.shares.kindOfRank.map { kinds[$0] }, work.layout, work.plan).fits
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
        // Main weights that stay on the device are copied to the host too.
        optimizer -= moved - work.state.staying * stepped
        host = moved + work.state.hostGradient * stepped
        if offload.gradients {
            gradients = 0
            if let copies = work.device.copies { host += copies.summedBytes(stepped) }
        }
        if offload.parameters {
            host += weights
            weights = 0
        } else {
            host += work.state.hostWeight * stepped
        }
    }
}
