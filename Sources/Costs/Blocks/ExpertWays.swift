internal import Models
internal import Plans

/// Bytes that one device sends to take a micro-batch's rows to their experts and back in one pass.
///
/// Routing is balanced; a backward sends gradients the same two ways. T/t rows a device routes (each tensor rank its own),
/// h hidden, k experts a token.
struct ExpertWays {
    /// Tokens to their experts: in the activations' format, or in 8 bits where the software sends them so.
    let dispatch: ExpertTraffic
    /// Results back to their tokens, in the activations' format.
    let combine: ExpertTraffic
    /// Bytes of the rows that the ranks with the pieces of one expert gather before its products. Their results are
    /// scattered over the same ranks (Megatron-Core, `token_dispatcher.py`).
    let shared: Double

    init(hidden: Int, _ moe: Model.Mixture, rates: DeviceRates, device: DeviceShare) {
        func traffic(_ elementBytes: Double) -> ExpertTraffic {
            ExpertTraffic(hidden: hidden, moe, framework: rates.framework, elementBytes: elementBytes, device: device)
        }
        let sendsBytes = rates.framework.eightBitDispatch && rates.hasEightBitProducts
        dispatch = traffic(sendsBytes ? 1 : rates.elementBytes)
        combine = traffic(rates.elementBytes)
        let routed = Double(moe.topK) * device.tokens / device.tensor
        shared = rates.elementBytes * routed * device.expertTensor * Double(hidden)
    }
}

extension ExpertTraffic {
    /// Bytes of one way of a micro-batch's rows.
    /// - Parameter elementBytes: bytes of one number on its way.
    init(hidden: Int, _ moe: Model.Mixture, framework: Framework, elementBytes: Double, device: DeviceShare) {
        let rows = elementBytes * Double(hidden) * device.tokens / device.tensor
        copies = rows * Double(moe.topK)
        perNode = framework.dispatchOncePerNode ? rows * moe.nodesReached(of: device.expertGroup.nodes) : nil
    }
}

extension BlockTimes {
    /// Seconds of one pass that rows take to their experts and back.
    func exchange(_ moe: Model.Mixture) -> Double {
        let ways = ExpertWays(hidden: block.stream.width.whole, moe, rates: rates, device: device)
        var seconds = 0.0
        for traffic in [ways.dispatch, ways.combine] {
            seconds += device.expertGroup.allToAll(traffic, imbalance: moe.imbalance)
        }
        guard device.expertTensor > 1 else { return seconds }
        return seconds + 2 * device.expertTensorGroup.gather(bytes: moe.imbalance * ways.shared)
    }
}

extension Model.Mixture {
    /// Mean number of nodes, of `nodes`, that a token's experts lie on: k drawn at random from the nodes it may reach.
    func nodesReached(of nodes: Double) -> Double {
        let reachable = min(nodes, nodeLimit.map(Double.init) ?? nodes)
        var missed = 1.0
        for _ in 0..<topK { missed *= 1 - 1 / reachable }
        return reachable * (1 - missed)
    }
}
