internal import Models
internal import Plans
internal import Schedules

/// Gradients of parameters that two ranks of one pipeline both hold and add up: a table of tokens on the first and the
/// last rank (`Model.sharesTable`), or all stages of a bidirectional pipeline.
enum PairedGradients {
    /// Whether the first and the last rank both hold a tied table and add up its gradients. In a bidirectional pipeline
    /// the table is part of the stages whose gradients are added up anyway.
    static func addsTiedTable(_ work: LayoutWork) -> Bool {
        work.model.sharesTable && work.model.changesTable && work.headRank > 0
            && !work.layout.schedule.isBidirectional
    }

    /// Bytes of a tied table's gradient on one device.
    static func tiedTableBytes(_ work: LayoutWork) -> Double {
        work.state.gradient * work.trainedTable
    }

    /// Bytes of gradients that a rank of a bidirectional pipeline adds up with the rank that holds the other copies of
    /// its stages. Ranks with the same parameters have reduced them before, so each passes on only its part: a part of
    /// dense gradients for each rank of the data-parallel group, and of experts' gradients for each rank with the same
    /// experts.
    static func copiesBytes(of share: PipelineShares.Rank, _ work: LayoutWork) -> (dense: Double, experts: Double) {
        let layout = work.layout
        guard layout.schedule.isBidirectional, work.p > 1 else { return (0, 0) }
        let (ranks, copies) = (Double(layout.data * layout.context), Double(ExpertGrid(layout).copies))
        return (
            work.state.gradient * work.trainedDense(share) / ranks,
            work.state.gradient * work.trainedExperts(share) / copies
        )
    }

    /// Bytes that a device of `rank` sends to the rank `with` of its pipeline in the all-reduce of gradients that both
    /// hold. In an all-reduce of two ranks each sends as many bytes as the tensor has. Half of them count as gradients,
    /// half as returned sums.
    static func sent(rank: Int, _ work: LayoutWork) -> (with: Int, dense: Double, experts: Double)? {
        let headRank = work.headRank
        if addsTiedTable(work), rank == 0 || rank == headRank {
            return (rank == 0 ? headRank : 0, tiedTableBytes(work), 0)
        }
        guard work.layout.schedule.isBidirectional, work.p > 1 else { return nil }
        let copies = copiesBytes(of: work.shares.ranks[rank], work)
        return (work.p - 1 - rank, copies.dense, copies.experts)
    }

    /// Seconds of the all-reduce of a tied table's gradient between the first and the last rank.
    static func tiedTableSeconds(_ work: LayoutWork) -> Double {
        guard addsTiedTable(work) else { return 0 }
        guard work.mixed != nil else { return work.device.groups.ends.allReduce(bytes: tiedTableBytes(work)) }
        let (first, last) = (work.on(rank: 0).device.groups.ends, work.on(rank: work.headRank).device.groups.ends)
        let bytes = tiedTableBytes(work)
        return max(first.allReduce(bytes: bytes), last.allReduce(bytes: bytes))
    }

    /// Seconds of the all-reduce between the two ranks that hold a stage's copies in a bidirectional pipeline. The
    /// partner of the first rank is the farthest. The all-reduce cannot be hidden, because the last gradients of both
    /// copies come late.
    static func copiesSeconds(_ work: LayoutWork) -> Double {
        guard work.layout.schedule.isBidirectional, work.p > 1 else { return 0 }
        var most = 0.0
        for kind in work.shares.kinds {
            let bytes = copiesBytes(of: kind.share, work)
            most = max(most, bytes.dense + bytes.experts)
        }
        return work.device.groups.ends.allReduce(bytes: most)
    }
}
