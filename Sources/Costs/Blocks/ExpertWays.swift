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
    /// Rows of the fullest rank of experts over the mean of all.
    let imbalance: Double

    init(hidden: Int, _ moe: Model.Mixture, rates: DeviceRates, device: DeviceShare) {
        let division = device.division(moe)
        // Of rows that experts have no room for, none is sent to the node.
        let taken = moe.taken(ofRows: division.rows(.own))
        let nodes =
            rates.framework.dispatchOncePerNode
            ? taken.mean * moe.nodesReached(of: device.expertGroup.nodes) : nil
        imbalance = taken.fullest / taken.mean
        let row = Double(moe.latentSize ?? hidden)
        func traffic(_ elementBytes: Double) -> ExpertTraffic {
            ExpertTraffic(rowBytes: elementBytes * row, division, nodes: nodes)
        }
        let sendsBytes = rates.framework.eightBitDispatch && rates.hasEightBitProducts
        dispatch = traffic(sendsBytes ? 1 : rates.elementBytes)
        combine = traffic(rates.elementBytes)
        shared = rates.elementBytes * division.arriving * row
    }
}

extension ExpertTraffic {
    /// Bytes of a micro-batch's rows in one direction.
    /// - Parameters:
    ///   - rowBytes: bytes of a row as it is sent.
    ///   - nodes: mean number of nodes of a row's experts, in software that sends a row to each node once; nil: a row is
    ///     sent to each of its experts.
    init(rowBytes: Double, _ division: Division, nodes: Double?) {
        copies = rowBytes * division.chosen
        perNode = nodes.map { rowBytes * division.rows(.own) * $0 }
    }
}

extension BlockTimes {
    /// Seconds of one pass for taking rows to their experts and back.
    func exchange(_ moe: Model.Mixture) -> Double {
        let ways = ExpertWays(hidden: block.stream.width.whole, moe, rates: rates, device: device)
        var seconds = 0.0
        for traffic in [ways.dispatch, ways.combine] {
            seconds += device.expertGroup.allToAll(traffic, imbalance: ways.imbalance)
        }
        guard device.expertTensor > 1 else { return seconds }
        return seconds + 2 * device.expertTensorGroup.gather(bytes: ways.imbalance * ways.shared)
    }
}

extension Model.Mixture {
    /// Mean number of nodes, out of `nodes`, that hold the experts of a token: k nodes are drawn at random from those
    /// that the token may reach.
    func nodesReached(of nodes: Double) -> Double {
        let reachable = min(nodes, nodeLimit.map(Double.init) ?? nodes)
        var missed = 1.0
        for _ in 0..<topK { missed *= 1 - 1 / reachable }
        return reachable * (1 - missed)
    }
}
