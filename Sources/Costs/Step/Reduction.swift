internal import Plans
internal import Schedules

/// Reduction of the gradients and gathering of the weights that one rank holds, before any of it is hidden.
struct Reduction: Sendable {
    /// Seconds of the reduction.
    var reduce = 0.0
    /// Seconds of the gathering.
    var gather = 0.0
    /// Seconds of the reduction that cannot be hidden: its last bucket.
    var lastBucket = 0.0
    /// Seconds of the gathering that cannot be hidden: its first bucket.
    var firstBucket = 0.0
    /// Seconds of the reduction if no compute runs at the same time.
    var reduceAlone = 0.0
    /// Seconds of the gathering if no compute runs at the same time.
    var gatherAlone = 0.0
    /// Whether the gathering overlaps with the first forward.
    var hidesGather = false
    /// Whether a reduction follows every micro-batch.
    var isRepeated = false
    /// Whether reduction and gathering overlap with compute at all.
    var overlaps = true
    /// Compute lost while a collective runs at the same time, as a fraction of the collective's time.
    var contention = 0.0

    /// The reductions of two sets of parameters of one layout, one after the other.
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

    /// Exposed seconds of one reduction that overlaps with a backward of `seconds`.
    @inline(__always)
    func reduceExposed(behind seconds: Double) -> Double {
        exposed(reduce, behind: seconds, least: lastBucket, alone: reduceAlone)
    }

    /// Exposed seconds of the gathering that overlaps with a forward of `seconds`.
    @inline(__always)
    func gatherExposed(behind seconds: Double) -> Double {
        hidesGather
            ? exposed(gather, behind: seconds, least: firstBucket, alone: gatherAlone)
            : overlaps ? min(gather, gatherAlone) : gatherAlone
    }

    /// Exposed seconds of a collective that overlaps with compute. They are never more than the seconds of running it
    /// afterwards as a whole (`alone`).
    @inline(__always)
    private func exposed(_ seconds: Double, behind: Double, least: Double, alone: Double) -> Double {
        guard overlaps else { return alone }
        return min(alone, Exposed(seconds, behind: behind, least: least, contention: contention).seconds)
    }
}

extension Reduction {
    /// Reduction of the gradients and gathering of the weights of a pipeline rank, one collective after the other.
    /// - Parameter share: the rank's share of the pipeline.
    init(of share: PipelineShares.Rank, _ work: LayoutWork) {
        guard GradientExchange.followsPasses(work) else {
            self.init()
            return
        }
        let device = work.device
        let low = LowPrecision.parameters(of: share, work)
        let dense = Reduction(
            of: work.trainedDense(share), low: low.dense, shards: device.shardGroup,
            replicas: device.replicaGroup, work)
        let experts = work.trainedExperts(share)
        guard experts > 0 else {
            self = dense
            return
        }
        self =
            dense
            + Reduction(
                of: experts, low: low.experts, shards: device.expertShardGroup, replicas: device.expertReplicaGroup,
                work)
    }

    /// Reduction of the gradients and gathering of the weights of `held` parameters. Gradients are scattered among
    /// `shards`, then added up over `replicas`.
    private init(
        of held: Double, low: Double, shards: DeviceGroup, replicas: DeviceGroup, _ work: LayoutWork
    ) {
        let (layout, rates) = (work.layout, work.rates)
        let scatters = GradientExchange.scatters(work)
        let bucket = rates.framework.bucket(replicas: layout.data * layout.context)
        overlaps = layout.overlap.data
        contention = rates.framework.contention
        hidesGather = scatters
        isRepeated = layout.sharding == .gradients
        // A micro-batch of a bidirectional pipeline passes only one of a rank's two stages, so the reduction after it
        // covers half of the gradients.
        let reduced = isRepeated ? work.shares.passShare * held : held
        let exchange = GradientExchange(of: reduced, low: 0, shards: shards.size, work)
        let weights = GradientExchange(of: held, low: low, shards: shards.size, work).gathered
        func reduce(buckets: Double) -> Double {
            let inside =
                scatters
                ? shards.gather(bytes: exchange.scattered, count: buckets)
                : buckets * shards.allReduce(bytes: exchange.summed / buckets)
            return inside + buckets * replicas.allReduce(bytes: exchange.replicated / buckets)
        }
        func gather(buckets: Double) -> Double {
            // Without scattering, the gathering does not overlap: the weights of a sharded optimizer come back after
            // its step.
            layout.sharding == .none ? 0 : shards.gather(bytes: weights, count: buckets)
        }
        let buckets = max(1, (reduced / bucket).rounded(.up))
        let pieces = max(1, (held / bucket).rounded(.up))
        (self.reduce, self.gather) = (reduce(buckets: buckets), gather(buckets: pieces))
        (reduceAlone, gatherAlone) =
            rates.framework.oneBucketWithoutOverlap
            ? (reduce(buckets: 1), gather(buckets: 1)) : (self.reduce, self.gather)
        lastBucket = self.reduce / buckets
        firstBucket = self.gather / pieces
    }
}
