internal import Plans
internal import Schedules

/// Reducing the gradients and gathering the weights that one rank holds, before anything hides it.
struct Reduction: Sendable {
    /// Seconds of the reduction, and of the gathering.
    var reduce = 0.0
    var gather = 0.0
    /// Seconds of them that nothing can hide: the last bucket, the first one.
    var lastBucket = 0.0
    var firstBucket = 0.0
    /// Seconds of both where nothing runs beside them.
    var reduceAlone = 0.0
    var gatherAlone = 0.0
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
        sum.reduceAlone += b.reduceAlone
        sum.gatherAlone += b.gatherAlone
        return sum
    }

    /// Seconds of one reduction that stick out of a backward of `seconds`.
    @inline(__always)
    func reduceExposed(behind seconds: Double) -> Double {
        exposed(reduce, behind: seconds, least: lastBucket, alone: reduceAlone)
    }

    /// Seconds of the gathering that stick out of a forward of `seconds`.
    @inline(__always)
    func gatherExposed(behind seconds: Double) -> Double {
        hidesGather
            ? exposed(gather, behind: seconds, least: firstBucket, alone: gatherAlone)
            : overlaps ? min(gather, gatherAlone) : gatherAlone
    }

    /// Never more than doing it all at once afterwards.
    @inline(__always)
    private func exposed(_ seconds: Double, behind: Double, least: Double, alone: Double) -> Double {
        guard overlaps else { return alone }
        return min(alone, Exposed(seconds, behind: behind, least: least, contention: contention).seconds)
    }
}

/// What a step loses to the reductions of all ranks: the slowest counts.
///
/// Every rank is taken to end its last backward with the step. Ranks behind the first end it a little earlier, by the
/// backwards of the ranks before them; that time is not subtracted.
struct SlowestReduction {
    private var most = 0.0
    private var pace = 0.0
    /// When all micro-batches are done.
    private(set) var once = 0.0

    /// Takes in a rank whose passes of one micro-batch take `forward` and `backward`, `work` of it without what messages
    /// cost.
    @inline(__always)
    mutating func add(_ reduction: Reduction, forward: Double, backward: Double, work: Double) {
        let reduce = reduction.reduceExposed(behind: backward)
        let gather = reduction.gatherExposed(behind: forward)
        if reduction.isRepeated {
            // Between micro-batches a rank with less work has time for more of it.
            most = max(most, work)
            pace = max(pace, work + reduce)
            once = max(once, gather)
        } else {
            once = max(once, reduce + gather)
        }
    }

    /// Seconds that reductions add to every micro-batch.
    var perMicrobatch: Double { pace - most }

    @inline(__always)
    func seconds(microbatches: Double) -> Double { microbatches * perMicrobatch + once }
}

extension LayoutWork {
    /// Gradient reduction and weight gathering once an iteration, seconds nothing hides, of the slowest rank.
    ///
    /// With overlap a rank's reduction runs behind its last micro-batch's backward but for the last bucket; gathering
    /// sharded weights runs behind its first forward but for the first bucket. Gradients sharded among the ranks
    /// (ZeRO-2) are scattered after every micro-batch, by every rank.
    package var dataExposed: Double {
        tiedEmbeddingSeconds + copiesSeconds + slowestReduction.seconds(microbatches: Double(m))
    }

    /// The reductions of all ranks.
    var slowestReduction: SlowestReduction {
        var slowest = SlowestReduction()
        if reducesGradients {
            for kind in shares.kinds {
                let times = times(of: kind.share)
                slowest.add(
                    reduction(of: kind.share), forward: times.forward.total, backward: times.backward.total,
                    work: times.withoutMessages)
            }
        }
        return slowest
    }

    /// Whether gradients are reduced when all passes are done, or most of them: fully sharded ones are within the passes.
    var reducesGradients: Bool { layout.hasReplicas(model) && layout.sharding != .parameters }

    /// Seconds to reduce the gradients of all a rank holds, one collective after the other.
    func reduction(of share: PipelineShares.Rank) -> Reduction {
        guard reducesGradients else { return Reduction() }
        let dense = reduction(
            of: denseParameters(of: share), shards: shard.shardGroup, replicas: shard.replicaGroup)
        let experts = expertParameters(of: share)
        guard experts > 0 else { return dense }
        return dense
            + reduction(of: experts, shards: shard.expertShardGroup, replicas: shard.expertReplicaGroup)
    }

    /// Reduction of the gradients and gathering of the weights of `held` parameters: scattered among `shards`, then
    /// added up over `replicas`.
    private func reduction(of held: Double, shards: DeviceGroup, replicas: DeviceGroup) -> Reduction {
        let software = rates.framework
        let bucket = software.bucket(replicas: layout.data * layout.context)
        var result = Reduction()
        result.overlaps = layout.overlap.data
        result.contention = software.contention
        result.hidesGather = scattersGradients
        result.isRepeated = layout.sharding == .gradients
        // A micro-batch of a two-way pipeline passes one of a rank's two stages: what is scattered after it is half.
        let reduced = result.isRepeated ? shares.passShare * held : held
        let exchange = exchange(of: reduced, shards: shards.size)
        let weights = self.exchange(of: held, shards: shards.size).gathered
        func reduce(buckets: Double) -> Double {
            let inside =
                scattersGradients
                ? shards.gather(bytes: exchange.scattered, count: buckets)
                : buckets * shards.allReduce(bytes: exchange.summed / buckets)
            return inside + buckets * replicas.allReduce(bytes: exchange.replicated / buckets)
        }
        func gather(buckets: Double) -> Double {
            // Without scattering nothing runs beside it: the weights of a sharded optimizer come back when its step is done.
            layout.sharding == .none ? 0 : shards.gather(bytes: weights, count: buckets)
        }
        let buckets = max(1, (reduced / bucket).rounded(.up))
        let pieces = max(1, (held / bucket).rounded(.up))
        (result.reduce, result.gather) = (reduce(buckets: buckets), gather(buckets: pieces))
        (result.reduceAlone, result.gatherAlone) =
            software.oneBucketWithoutOverlap
            ? (reduce(buckets: 1), gather(buckets: 1)) : (result.reduce, result.gather)
        result.lastBucket = result.reduce / buckets
        result.firstBucket = result.gather / pieces
        return result
    }

    /// All-reduce of a tied embedding's gradient between the first and the last rank.
    var tiedEmbeddingSeconds: Double { addsTiedTable ? shard.groups.ends.allReduce(bytes: tiedBytes) : 0 }

    /// All-reduce between the two ranks that hold a stage's copies in a bidirectional pipeline. The first rank's partner
    /// is the farthest. Nothing hides it: both copies' last gradients come late.
    var copiesSeconds: Double {
        guard layout.schedule.isBidirectional, p > 1 else { return 0 }
        var most = 0.0
        for kind in shares.kinds {
            let bytes = copiesBytes(of: kind.share)
            most = max(most, bytes.dense + bytes.experts)
        }
        return shard.groups.ends.allReduce(bytes: most)
    }

    /// The rank whose update takes longest: the step ends with it. Where experts are shared out over more ranks than the
    /// rest, or fewer, that need not be the one that holds most.
    var fullest: PipelineShares.Rank {
        var (most, fullest) = (-1.0, PipelineShares.Rank())
        for kind in shares.kinds {
            let seconds = optimizerSeconds(of: kind.share)
            if seconds > most { (most, fullest) = (seconds, kind.share) }
        }
        return fullest
    }

    /// Seconds of the optimizer's step on the rank with the longest one.
    package var optimizerSeconds: Double { shares.kinds.reduce(0) { max($0, optimizerSeconds(of: $1.share)) } }

    /// Adam: reads the gradient and three fp32 values, writes three (and the half-precision weight, where one is kept); the
    /// gradient is also read for its norm and zeroed. Memory-bound.
    private func optimizerSeconds(of share: PipelineShares.Rank) -> Double {
        let (held, experts) = (denseParameters(of: share), expertParameters(of: share))
        let sharded = held / Double(layout.shardRanks) + experts / Double(shard.expertShardGroup.size)
        let owned = layout.sharding == .none ? held + experts : sharded
        let kept = layout.sharding == .gradients || layout.sharding == .parameters ? sharded : held + experts
        let step = (state.gradient + 24 + state.writtenCopy) * owned
        let norm = state.gradient * owned
        let zero = state.gradient * kept
        return rates.framework.optimizer * (rates.memory(step) + rates.memory(norm) + rates.memory(zero))
    }

    /// All-reduce of the gradient norm over all devices.
    package var gradientNormSeconds: Double {
        shard.groups.all.allReduce(bytes: 4)
    }
}
