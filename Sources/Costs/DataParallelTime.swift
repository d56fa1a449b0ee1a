internal import Plans
internal import Schedules

/// Reducing the gradients and gathering the weights of one group of parameters, before anything hides it.
struct Reduction: Sendable {
    /// Seconds of the reduction, and of the gathering.
    var reduce = 0.0
    var gather = 0.0
    /// Seconds of them that nothing can hide: the last bucket, the first one.
    var lastBucket = 0.0
    var firstBucket = 0.0
    /// Whether gathering runs behind the first forward, and whether a reduction follows every micro-batch.
    var hidesGather = false
    var isRepeated = false
    /// Whether any of it runs behind compute.
    var overlaps = true
    /// Compute lost while a collective runs beside it.
    var contention = 0.0

    /// Both, of the same layout, one after the other.
    static func + (a: Reduction, b: Reduction) -> Reduction {
        var sum = a
        sum.reduce += b.reduce
        sum.gather += b.gather
        sum.lastBucket += b.lastBucket
        sum.firstBucket += b.firstBucket
        return sum
    }

    /// Seconds a step loses where a rank's passes of one micro-batch take `forward` and `backward`.
    @inline(__always)
    func exposed(forward: Double, backward: Double, microbatches: Double) -> Double {
        let reduction = exposed(reduce, behind: backward, least: lastBucket)
        let gathering = hidesGather ? exposed(gather, behind: forward, least: firstBucket) : gather
        return (isRepeated ? microbatches : 1) * reduction + gathering
    }

    @inline(__always)
    private func exposed(_ seconds: Double, behind: Double, least: Double) -> Double {
        guard overlaps else { return seconds }
        let outside = max(least, seconds - behind)
        return outside + contention * max(0, seconds - outside)
    }
}

extension LayoutWork {
    /// Gradient reduction and weight gathering once an iteration, seconds nothing hides.
    ///
    /// The first rank's cool-down ends last, so its reduction is the late one. With overlap it runs behind the last
    /// micro-batch's backward but for the last bucket; gathering sharded weights runs behind the first forward but for
    /// the first bucket. Gradients sharded among the ranks (ZeRO-2) are scattered after every micro-batch.
    package var dataExposed: Double {
        let times = rank(0)
        return tiedEmbeddingSeconds + copiesSeconds
            + reduction.exposed(
                forward: times.forward.total, backward: times.backward.total, microbatches: Double(m))
    }

    /// Of everything the first rank holds, one collective after the other.
    var reduction: Reduction {
        guard shard.dataGroup.size > 1, layout.sharding != .parameters else { return Reduction() }
        let dense = reduction(
            of: denseParameters(rank: 0), shards: shard.shardGroup, replicas: shard.replicaGroup)
        let experts = expertParameters(rank: 0)
        guard experts > 0 else { return dense }
        return dense
            + reduction(of: experts, shards: shard.expertShardGroup, replicas: shard.expertReplicaGroup)
    }

    /// Reduction of the gradients and gathering of the weights of `held` parameters: scattered among `shards`, then
    /// added up over `replicas`.
    private func reduction(of held: Double, shards: DeviceGroup, replicas: DeviceGroup) -> Reduction {
        let buckets = max(1, (held / rates.framework.bucketParameters).rounded(.up))
        let gradients = state.gradient * held
        var result = Reduction()
        result.overlaps = layout.overlap.data
        result.contention = rates.framework.contention
        let sharded = layout.sharding == .optimizer || layout.sharding == .gradients
        if sharded, rates.framework.scattersGradients || layout.sharding == .gradients {
            let among = replicas.allReduce(bytes: gradients / buckets / Double(shards.size))
            result.reduce = shards.gather(bytes: gradients, count: buckets) + buckets * among
            result.gather = shards.gather(bytes: state.weight * held, count: buckets)
            result.hidesGather = true
            result.isRepeated = layout.sharding == .gradients
        } else {
            let inside = shards.allReduce(bytes: gradients / buckets)
            result.reduce = buckets * (inside + replicas.allReduce(bytes: gradients / buckets))
            // Nothing runs beside it: the weights of a sharded optimizer come back when its step is done.
            result.gather = sharded ? shards.gather(bytes: state.weight * held, count: buckets) : 0
        }
        result.lastBucket = result.reduce / buckets
        result.firstBucket = result.gather / buckets
        return result
    }

    /// The first and the last rank of a pipeline.
    private var ends: DeviceGroup {
        let stride = layout.tensor * layout.context * layout.data * (p - 1)
        return DeviceGroup(size: 2, stride: stride, cluster: pricer.plan.cluster)
    }

    /// All-reduce of a tied embedding's gradient between the first and the last rank.
    var tiedEmbeddingSeconds: Double {
        guard model.tiedEmbeddings, headRank > 0 else { return 0 }
        return ends.allReduce(bytes: state.gradient * Double(vocabulary) * Double(model.hidden) / shard.tensor)
    }

    /// All-reduce between the two ranks that hold a stage's copies in a bidirectional pipeline, of the share that is
    /// theirs once the data-parallel ranks have reduced. Nothing hides it: both copies' last gradients come late.
    var copiesSeconds: Double {
        guard layout.schedule.isBidirectional, p > 1 else { return 0 }
        return ends.allReduce(bytes: state.gradient * mostParameters / Double(layout.data * layout.context))
    }

    /// The fullest rank's share: the step ends when its update does.
    private var fullest: PipelineShares.Rank {
        var (most, fullest) = (-1.0, PipelineShares.Rank())
        for kind in shares.kinds {
            let held = parameters(of: kind.share)
            if held > most { (most, fullest) = (held, kind.share) }
        }
        return fullest
    }

    /// Parameters of the fullest rank.
    var mostParameters: Double { parameters(of: fullest) }

    /// Adam: reads the gradient and three fp32 values, writes three (and the half-precision weight, where one is kept); the
    /// gradient is also read for its norm and zeroed. Memory-bound.
    package var optimizerSeconds: Double {
        let group = Double(layout.shardRanks)
        let fullest = fullest
        let (held, experts) = (denseParameters(of: fullest), expertParameters(of: fullest))
        let sharded = held / group + experts / Double(shard.expertShardGroup.size)
        let owned = layout.sharding == .none ? held + experts : sharded
        let kept = layout.sharding == .gradients || layout.sharding == .parameters ? sharded : held + experts
        let step = (state.gradient + 24 + state.writtenCopy) * owned
        let norm = state.gradient * owned
        let zero = state.gradient * kept
        return rates.framework.optimizer * (rates.memory(step) + rates.memory(norm) + rates.memory(zero))
    }

    /// All-reduce of the gradient norm over all devices.
    package var gradientNormSeconds: Double {
        DeviceGroup(size: layout.devices, stride: 1, cluster: pricer.plan.cluster).allReduce(bytes: 4)
    }
}
