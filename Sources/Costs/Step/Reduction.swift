internal import Plans
internal import Schedules

/// Reducing the gradients and gathering the weights that one rank holds, before anything hides it.
struct Reduction: Sendable {
    /// Seconds of the reduction.
    var reduce = 0.0
    /// Seconds of the gathering.
    var gather = 0.0
    /// Seconds of the reduction that nothing can hide: its last bucket.
    var lastBucket = 0.0
    /// Seconds of the gathering that nothing can hide: its first bucket.
    var firstBucket = 0.0
    /// Seconds of the reduction where nothing runs beside it.
    var reduceAlone = 0.0
    /// Seconds of the gathering where nothing runs beside it.
    var gatherAlone = 0.0
    /// Whether gathering runs behind the first forward.
    var hidesGather = false
    /// Whether a reduction follows every micro-batch.
    var isRepeated = false
    /// Whether reduction and gathering run behind compute at all.
    var overlaps = true
    /// Share of its time that compute loses while a collective runs beside it.
    var contention = 0.0

    /// Two reductions of one layout, one after the other.
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

    /// Seconds of a collective that stick out of compute, never more than running it all at once afterwards (`alone`).
    @inline(__always)
    private func exposed(_ seconds: Double, behind: Double, least: Double, alone: Double) -> Double {
        guard overlaps else { return alone }
        return min(alone, Exposed(seconds, behind: behind, least: least, contention: contention).seconds)
    }
}

extension Reduction {
    /// Reduction of the gradients and gathering of the weights of a pipeline rank, one collective after the other.
    /// - Parameter share: what the rank holds.
    init(of share: PipelineShares.Rank, _ work: LayoutWork) {
        guard GradientExchange.followsPasses(work) else {
            self.init()
            return
        }
        let device = work.device
        let dense = Reduction(
            of: work.denseParameters(of: share), shards: device.shardGroup, replicas: device.replicaGroup, work)
        let experts = work.expertParameters(of: share)
        guard experts > 0 else {
            self = dense
            return
        }
        self =
            dense
            + Reduction(of: experts, shards: device.expertShardGroup, replicas: device.expertReplicaGroup, work)
    }

    /// Reduction of the gradients and gathering of the weights of `held` parameters: gradients are scattered among
    /// `shards`, then added up over `replicas`.
    private init(of held: Double, shards: DeviceGroup, replicas: DeviceGroup, _ work: LayoutWork) {
        let (layout, software) = (work.layout, work.framework)
        let scatters = GradientExchange.scatters(work)
        let bucket = software.bucket(replicas: layout.data * layout.context)
        overlaps = layout.overlap.data
        contention = software.contention
        hidesGather = scatters
        isRepeated = layout.sharding == .gradients
        // A micro-batch of a two-way pipeline passes one of a rank's two stages: what is scattered after it is half.
        let reduced = isRepeated ? work.shares.passShare * held : held
        let exchange = GradientExchange(of: reduced, shards: shards.size, work)
        let weights = GradientExchange(of: held, shards: shards.size, work).gathered
        func reduce(buckets: Double) -> Double {
            let inside =
                scatters
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
        (self.reduce, self.gather) = (reduce(buckets: buckets), gather(buckets: pieces))
        (reduceAlone, gatherAlone) =
            software.oneBucketWithoutOverlap
            ? (reduce(buckets: 1), gather(buckets: 1)) : (self.reduce, self.gather)
        lastBucket = self.reduce / buckets
        firstBucket = self.gather / pieces
    }
}
