/// Bytes that one device sends in all-to-alls among the ranks that hold the experts of a block.
package struct ExpertTraffic {
    /// Bytes of all copies of the device's rows, one copy for each expert of a row. Copies that stay on the device are
    /// included.
    var copies: Double
    /// Bytes to all nodes, the device's own included, if a row is sent to each node once and distributed to its experts
    /// there. nil: every copy is sent separately.
    var perNode: Double?
    /// Bytes that are passed on inside nodes, those for the device itself included, if a row is sent to each rank once.
    /// nil: one copy is passed on for each expert.
    var perRank: Double?

    package init(copies: Double, perNode: Double? = nil, perRank: Double? = nil) {
        self.copies = copies
        self.perNode = perNode
        self.perRank = perRank
    }

    static func + (a: ExpertTraffic, b: ExpertTraffic) -> ExpertTraffic {
        func sum(_ path: KeyPath<ExpertTraffic, Double?>) -> Double? {
            a[keyPath: path].flatMap { first in b[keyPath: path].map { first + $0 } }
        }
        return ExpertTraffic(copies: a.copies + b.copies, perNode: sum(\.perNode), perRank: sum(\.perRank))
    }

    static func * (count: Double, exchange: ExpertTraffic) -> ExpertTraffic {
        ExpertTraffic(
            copies: count * exchange.copies, perNode: exchange.perNode.map { count * $0 },
            perRank: exchange.perRank.map { count * $0 })
    }

    /// Bytes sent over a network level over which a device reaches the fraction `share` of the group.
    /// - Parameter inside: fraction of a node's devices other than the device itself; nil: the level is not the
    ///   innermost.
    func sent(to share: Double, inside: Double? = nil) -> Double {
        guard let perNode else { return copies * share }
        // Inside a node, rows are passed on from the device at which they arrived, whatever node they come from.
        return inside.map { (perRank ?? copies) * $0 } ?? perNode * share
    }
}
