/// Bytes that one device sends in all-to-alls among the ranks that hold the experts of a block.
package struct ExpertTraffic {
    /// Bytes of all copies of the device's rows, one copy for each expert of a row. Copies that stay on the device are
    /// included.
    var copies: Double
    /// Bytes to all nodes, the device's own included, if a row is sent to each node once and distributed to its experts
    /// there. nil: every copy is sent separately.
    var perNode: Double?

    package init(copies: Double, perNode: Double? = nil) {
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

    /// Bytes sent over a network level over which a device reaches the fraction `share` of the group.
    /// - Parameter inside: fraction of a node's devices other than the device itself; nil: the level is not the
    ///   innermost.
    func sent(to share: Double, inside: Double? = nil) -> Double {
        guard let perNode else { return copies * share }
        // Inside a node, every copy is passed on from the device at which its row arrived, whatever node it comes from.
        return inside.map { copies * $0 } ?? perNode * share
    }
}
