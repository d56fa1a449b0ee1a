internal import Models
internal import Plans

/// What one device sends to take its tokens to their experts, or to bring the results back, in one pass of one
/// micro-batch. Routing is balanced; a backward sends gradients the same two ways.
///
/// Shapes: T/t rows a device routes (each tensor rank its own), h hidden, k experts a token.
struct ExpertTraffic {
    /// Bytes of all copies of the device's rows, k of each, those that stay included: T/t · k · h.
    var copies: Double
    /// Bytes that leave for all nodes, the own included, where a row travels to each node once and is handed on to its
    /// experts there; nil: every copy travels by itself.
    var perNode: Double?

    init(copies: Double, perNode: Double? = nil) {
        self.copies = copies
        self.perNode = perNode
    }

    /// - Parameter elementBytes: of one number on its way.
    init(hidden: Int, _ moe: Model.Mixture, framework: Framework, elementBytes: Double, shard: Shard) {
        let rows = elementBytes * Double(hidden) * shard.tokens / shard.tensor
        copies = rows * Double(moe.topK)
        perNode = framework.dispatchOncePerNode ? rows * moe.nodesReached(of: shard.expertGroup.nodes) : nil
    }

    static func + (a: ExpertTraffic, b: ExpertTraffic) -> ExpertTraffic {
        ExpertTraffic(
            copies: a.copies + b.copies, perNode: a.perNode.flatMap { first in b.perNode.map { first + $0 } })
    }

    static func * (count: Double, exchange: ExpertTraffic) -> ExpertTraffic {
        ExpertTraffic(copies: count * exchange.copies, perNode: exchange.perNode.map { count * $0 })
    }

    /// Bytes over a network level over which a device reaches `share` of the group.
    /// - Parameter inside: at the innermost level, the share of the devices of its node that are not itself.
    func sent(to share: Double, inside: Double? = nil) -> Double {
        guard let perNode else { return copies * share }
        // Inside a node every copy is handed on from the device it came in by, whatever node it comes from.
        return inside.map { copies * $0 } ?? perNode * share
    }
}

/// The ways of a micro-batch's rows to their experts and back on one device.
struct ExpertWays {
    /// Tokens to their experts, and their results back: in the activations' format, but for tokens sent in 8 bits.
    let dispatch: ExpertTraffic
    let combine: ExpertTraffic
    /// Bytes of the rows that the ranks with the pieces of one expert gather before its products, and scatter the results
    /// of, with balanced routing (Megatron-Core, `token_dispatcher.py`).
    let shared: Double

    init(hidden: Int, _ moe: Model.Mixture, rates: DeviceRates, shard: Shard) {
        func traffic(_ elementBytes: Double) -> ExpertTraffic {
            ExpertTraffic(hidden: hidden, moe, framework: rates.framework, elementBytes: elementBytes, shard: shard)
        }
        let sendsBytes = rates.framework.eightBitDispatch && rates.hasEightBitProducts
        dispatch = traffic(sendsBytes ? 1 : rates.elementBytes)
        combine = traffic(rates.elementBytes)
        let routed = Double(moe.topK) * shard.tokens / shard.tensor
        shared = rates.elementBytes * routed * shard.expertTensor * Double(hidden)
    }
}

extension BlockTimes {
    /// Seconds that taking rows to their experts and back takes in one pass.
    func exchange(_ experts: RoutedExperts) -> Double {
        let moe = experts.mixture
        let ways = ExpertWays(hidden: block.stream.width.whole, moe, rates: rates, shard: shard)
        var seconds = 0.0
        for traffic in [ways.dispatch, ways.combine] {
            seconds += shard.expertGroup.allToAll(traffic, imbalance: moe.imbalance)
        }
        guard shard.expertTensor > 1 else { return seconds }
        return seconds + 2 * shard.expertTensorGroup.gather(bytes: moe.imbalance * ways.shared)
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
