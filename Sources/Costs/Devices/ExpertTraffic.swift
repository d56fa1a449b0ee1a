/// Bytes that one device sends in all-to-alls among the ranks that hold the experts of a block.
struct ExpertTraffic {
    /// Bytes of all copies of the device's rows, one for each expert a row goes to. Copies that stay are included.
    var copies: Double
    /// Bytes for all nodes, the device's own included, where a row travels to each node once and is handed on to its experts
    /// there; nil: every copy travels by itself.
    var perNode: Double?

    init(copies: Double, perNode: Double? = nil) {
        self.copies = copies
        self.perNode = perNode
    }

    static func + (a: ExpertTraffic, b: ExpertTraffic) -> ExpertTraffic {
        ExpertTraffic(
            copies: a.copies + b.copies, perNode: a.perNode.flatMap { first in b.perNode.map { first + $0 } })
    }

    static func * (count: Double, exchange: ExpertTraffic) -> ExpertTraffic {
        ExpertTraffic(copies: count * exchange.copies, perNode: exchange.perNode.map { count * $0 })
    }

    /// Bytes over a level of the network over which a device reaches `share` of the group.
    /// - Parameter inside: share of a node's devices that are not the device itself; nil: the level is not the innermost.
    func sent(to share: Double, inside: Double? = nil) -> Double {
        guard let perNode else { return copies * share }
        // Inside a node every copy is handed on from the device it came in by, whatever node it comes from.
        return inside.map { copies * $0 } ?? perNode * share
    }
}
