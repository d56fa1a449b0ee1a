internal import Models
internal import Plans

/// Bytes that one device sends in one pass to take the rows of a micro-batch to their experts and back.
///
/// Routing is balanced, and a backward sends gradients in the same two directions. Letters: T/t rows that a device
/// routes (each tensor rank its own), h hidden, k experts of a token. A capacity of the experts bounds the rows, and
/// padding fills it.
struct ExpertWays {
    /// Tokens sent to their experts: in the activations' format, or in 8 bits if the software does so.
    let dispatch: ExpertTraffic
    /// Results sent back to their tokens, in the activations' format.
    let combine: ExpertTraffic
    /// Bytes of the rows that the ranks with the slices of one expert gather before its products. The results are
    /// scattered over the same ranks (Megatron-Core, `token_dispatcher.py`).
    let shared: Double
    /// Bytes of the rows of all ranks, if every rank gathers them; the sums of the results are scattered as they came
    /// (Megatron-Core, `MoEAllGatherTokenDispatcher`).
    let gathered: Double
    let dispatcher: Layout.Dispatcher
    /// Rows of the fullest rank of experts over the mean of all.
    let imbalance: Double

    init(hidden: Int, _ moe: Model.Mixture, rates: DeviceRates, device: DeviceShare) {
        let division = device.division(moe)
        let dispatcher = rates.framework.dispatcher(device.dispatcher)
        self.dispatcher = dispatcher
        // Of rows that experts have no room for, none is sent to the node.
        let taken = moe.taken(ofRows: division.rows(.own))
        imbalance = taken.fullest / taken.mean
        let row = Double(moe.latentSize ?? hidden)
        let sent: (perNode: Double?, perRank: Double?)
        switch dispatcher {
        case .deepep, .hybridep:
            // Every slice of an expert needs the row, on however many nodes the slices are.
            let nodes = device.dispatchGroup.nodes
            let groups = min(nodes, device.expert)
            sent = (
                nodes / groups * moe.groupsReached(of: groups, nodes: groups),
                device.expertTensor * moe.groupsReached(of: device.expert, nodes: groups)
            )
        case .alltoall:
            sent = (
                rates.framework.dispatchOncePerNode ? taken.mean * moe.nodesDrawn(of: device.expertGroup.nodes) : nil,
                nil
            )
        case .allgather: sent = (nil, nil)
        }
        func traffic(_ elementBytes: Double) -> ExpertTraffic {
            guard dispatcher != .allgather else { return ExpertTraffic(copies: 0) }
            return ExpertTraffic(rowBytes: elementBytes * row, division, nodes: sent.perNode, ranks: sent.perRank)
        }
        let sendsBytes = rates.framework.eightBitDispatch && rates.hasEightBitProducts
        dispatch = traffic(sendsBytes ? 1 : rates.elementBytes)
        combine = traffic(rates.elementBytes)
        shared = dispatcher == .alltoall ? rates.elementBytes * division.arriving * row : 0
        gathered =
            dispatcher == .allgather && device.expert * device.expertTensor > 1
            ? rates.elementBytes * division.rows(.own) * device.expert * device.expertTensor * row : 0
    }
}

extension Framework {
    /// The way by which rows reach their experts in a layout that states `dispatcher` or nothing.
    func dispatcher(_ dispatcher: Layout.Dispatcher?) -> Layout.Dispatcher { dispatcher ?? self.dispatcher }
}

extension Layout.Dispatcher {
    /// Multiprocessors that the exchange takes of a device; nil: those of the software's collectives. DeepEP:
    /// `Buffer.num_sms`; hybrid-ep: the defaults of `csrc/hybrid_ep/config.cuh`, for one node and for several.
    func multiprocessors(nodes: Double) -> Double? {
        switch self {
        case .alltoall, .allgather: nil
        case .deepep: 20
        case .hybridep: nodes > 1 ? 8 : 24
        }
    }

    /// Kernels of a pass, of the two that sort rows by their experts before and after an all-to-all, that the exchange
    /// makes unnecessary. DeepEP takes rows as they are, and hybrid-ep's dispatch and combine also sort them.
    var sortsSaved: Double {
        switch self {
        case .alltoall, .allgather: 0
        case .deepep: 1
        case .hybridep: 2
        }
    }
}

extension ExpertTraffic {
    /// Bytes of a micro-batch's rows in one direction.
    /// - Parameters:
    ///   - rowBytes: bytes of a row as it is sent.
    ///   - nodes: mean number of nodes of a row's experts, in software that sends a row to each node once; nil: a row is
    ///     sent to each of its experts.
    ///   - ranks: mean number of ranks of a row's experts, in software that sends a row to each rank once.
    init(rowBytes: Double, _ division: Division, nodes: Double?, ranks: Double? = nil) {
        let rows = rowBytes * division.rows(.own)
        copies = rowBytes * division.chosen
        perNode = nodes.map { rows * $0 }
        perRank = ranks.map { rows * $0 }
    }
}

extension BlockTimes {
    /// Seconds of one pass for taking rows to their experts and back.
    func exchange(_ moe: Model.Mixture) -> Double {
        let ways = ExpertWays(hidden: block.stream.width.whole, moe, rates: rates, device: device)
        if ways.gathered > 0 { return 2 * device.dispatchGroup.gather(bytes: ways.gathered) }
        let group = ways.dispatcher.sendsOnce ? device.dispatchGroup : device.expertGroup
        var seconds = 0.0
        for traffic in [ways.dispatch, ways.combine] {
            seconds += group.allToAll(traffic, imbalance: ways.imbalance)
        }
        guard device.expertTensor > 1, ways.shared > 0 else { return seconds }
        return seconds + 2 * device.expertTensorGroup.gather(bytes: ways.imbalance * ways.shared)
    }

    /// Compute lost to a hidden exchange, as a fraction of the exchange's time: its share of the device's multiprocessors;
    /// the software's own fraction if either is unknown.
    var exchangeContention: Double {
        let dispatcher = rates.framework.dispatcher(device.dispatcher)
        guard let own = dispatcher.multiprocessors(nodes: device.dispatchGroup.nodes), let all = rates.multiprocessors
        else { return rates.framework.contention }
        return min(1, own / all)
    }

    /// Seconds of one pass that the exchange saves in kernels which sort rows.
    func sortingSaved(_ moe: Model.Mixture) -> Double {
        let saved = rates.framework.dispatcher(device.dispatcher).sortsSaved
        guard saved > 0 else { return 0 }
        let row = Double(moe.latentSize ?? block.stream.width.whole)
        return saved * rates.elementwise(2 * rates.elementBytes * device.division(moe).chosen * row)
    }
}

extension Model.Mixture {
    /// Mean number of nodes, out of `nodes`, that hold the experts of a token, if each of the k experts may be on any
    /// node that the token may reach, whatever nodes the others are on.
    func nodesDrawn(of nodes: Double) -> Double {
        let reachable = min(nodes, nodeLimit.map(Double.init) ?? nodes)
        var missed = 1.0
        for _ in 0..<topK { missed *= 1 - 1 / reachable }
        return reachable * (1 - missed)
    }

    /// Mean number of the equal groups of experts that hold the k different experts of a token. A group is missed with
    /// the hypergeometric probability C(E − E/g, k)/C(E, k) for g groups (derived here). With a limit on nodes the k
    /// experts are drawn from those of so many nodes (DeepSeek-AI 2024, DeepSeek-V3, section 2.1.2).
    func groupsReached(of groups: Double, nodes: Double) -> Double {
        let share = min(1, (nodeLimit.map(Double.init) ?? nodes) / nodes)
        let (reachable, all) = (groups * share, Double(experts) * share)
        let own = Double(experts) / groups
        var missed = 1.0
        for drawn in 0..<topK {
            let left = all - Double(drawn)
            guard left > 0 else { break }
            missed *= max(0, left - own) / left
        }
        return reachable * (1 - missed)
    }
}
