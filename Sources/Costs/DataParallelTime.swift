internal import Plans
internal import Schedules

extension LayoutWork {
    /// Gradient reduction and weight gathering once an iteration, seconds nothing hides.
    ///
    /// The first rank's cool-down ends last, so its reduction is the late one. With overlap it runs behind the last
    /// micro-batch's backward but for the last bucket; gathering sharded weights runs behind the first forward but for
    /// the first bucket. Gradients sharded among the ranks (ZeRO-2) are scattered after every micro-batch.
    package var dataExposed: Double {
        let tied = tiedEmbeddingSeconds + copiesSeconds
        guard shard.dataGroup.size > 1, layout.sharding != .parameters else { return tied }
        let times = rank(0)
        let dense = reduction(
            of: denseParameters(rank: 0), shards: shard.shardGroup, replicas: shard.replicaGroup, behind: times)
        let experts = expertParameters(rank: 0)
        guard experts > 0, shard.expertDataGroup.size > 1 else { return tied + dense }
        let (shards, replicas) =
            layout.sharding == .none
            ? (DeviceGroup.alone, shard.expertDataGroup) : (shard.expertDataGroup, .alone)
        return tied + dense + reduction(of: experts, shards: shards, replicas: replicas, behind: times)
    }

    /// Reduction of the gradients and gathering of the weights of `held` parameters: scattered among `shards`, then
    /// added up over `replicas`.
    private func reduction(
        of held: Double, shards: DeviceGroup, replicas: DeviceGroup, behind times: UnitTimes
    ) -> Double {
        let buckets = max(1, (held / rates.framework.bucketParameters).rounded(.up))
        let gradients = state.gradient * held
        func exposed(_ seconds: Double, behind: Double) -> Double {
            layout.overlap.data ? rates.exposed(seconds, behind: behind, least: seconds / buckets) : seconds
        }
        let sharded = layout.sharding == .optimizer || layout.sharding == .gradients
        guard sharded, rates.framework.scattersGradients || layout.sharding == .gradients else {
            let inside = shards.allReduce(bytes: gradients / buckets)
            let reduce = exposed(
                buckets * (inside + replicas.allReduce(bytes: gradients / buckets)), behind: times.backward.total)
            // Nothing runs beside it: the weights of a sharded optimizer come back when its step is done.
            return reduce + (sharded ? shards.gather(bytes: state.weight * held, count: buckets) : 0)
        }
        let among = replicas.allReduce(bytes: gradients / buckets / Double(shards.size))
        let scatter = exposed(
            shards.gather(bytes: gradients, count: buckets) + buckets * among, behind: times.backward.total)
        let gather = exposed(shards.gather(bytes: state.weight * held, count: buckets), behind: times.forward.total)
        return (layout.sharding == .gradients ? Double(m) : 1) * scatter + gather
    }

    /// All-reduce of a tied embedding's gradient between the first and the last rank.
    var tiedEmbeddingSeconds: Double {
        guard model.tiedEmbeddings, headRank > 0 else { return 0 }
        let stride = layout.tensor * layout.context * layout.data * (p - 1)
        let pair = DeviceGroup(size: 2, stride: stride, cluster: pricer.plan.cluster)
        return pair.allReduce(bytes: state.gradient * Double(vocabulary) * Double(model.hidden) / shard.tensor)
    }

    /// All-reduce between the two ranks that hold a stage's copies in a bidirectional pipeline, of the share that is
    /// theirs once the data-parallel ranks have reduced. Nothing hides it: both copies' last gradients come late.
    var copiesSeconds: Double {
        guard layout.schedule.isBidirectional, p > 1 else { return 0 }
        let stride = layout.tensor * layout.context * layout.data * (p - 1)
        let pair = DeviceGroup(size: 2, stride: stride, cluster: pricer.plan.cluster)
        return pair.allReduce(bytes: state.gradient * mostParameters / Double(layout.data * layout.context))
    }

    /// Parameters of the fullest rank: the step ends when its update does.
    var mostParameters: Double {
        var most = 0.0
        for rank in 0..<p { most = max(most, parameters(rank: rank)) }
        return most
    }

    /// Routed experts' parameters on the rank that holds `most` in all.
    private func rankExperts(of most: Double) -> Double {
        guard model.moe != nil else { return 0 }
        for rank in 0..<p where parameters(rank: rank) == most { return expertParameters(rank: rank) }
        return 0
    }

    /// Adam: reads the gradient and three fp32 values, writes three (and the half-precision weight); the gradient is
    /// also read for its norm and zeroed. Memory-bound.
    package var optimizerSeconds: Double {
        let group = Double(layout.shardRanks)
        let experts = rankExperts(of: mostParameters)
        let held = mostParameters - experts
        let sharded = held / group + experts / Double(shard.expertDataGroup.size)
        let owned = layout.sharding == .none ? held + experts : sharded
        let kept = layout.sharding == .gradients || layout.sharding == .parameters ? sharded : held + experts
        // fp32 weights are their own master copy.
        let narrow = pricer.plan.precision == .fp32 ? 0.0 : 2
        let step = (state.gradient + 24 + narrow) * owned
        let norm = state.gradient * owned
        let zero = state.gradient * kept
        return rates.framework.optimizer * (rates.memory(step) + rates.memory(norm) + rates.memory(zero))
    }

    /// All-reduce of the gradient norm over all devices.
    package var gradientNormSeconds: Double {
        DeviceGroup(size: layout.devices, stride: 1, cluster: pricer.plan.cluster).allReduce(bytes: 4)
    }

    /// Share of a step lost to waiting for the slowest of n nodes, whose steps vary by σ: the expected maximum of n
    /// normal draws, σ·√(2 ln n). Zero on one node.
    package var waitingShare: Double {
        let plan = pricer.plan
        let perNode = max(1, plan.cluster.devicesPerNode)
        let nodes = Double((plan.devices + perNode - 1) / perNode)
        return nodes > 1 ? rates.framework.nodeVariation * (2 * logarithm(nodes)).squareRoot() : 0
    }
}
