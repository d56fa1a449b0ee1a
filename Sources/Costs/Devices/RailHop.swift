internal import Plans

/// The way that messages take through a node if the network beyond it joins only devices at the same place of their node
/// (Wang et al. 2023, rail-only; NCCL's PXN).
///
/// A message for a device at another place goes to the sender's neighbour at that place first. Collectives around rings
/// leave and enter nodes on one rail each, so they need no such hop.
final class RailHop: Sendable {
    /// Fraction of a group that one member reaches on other rails of other nodes.
    let crossed: Double
    /// Bytes a second and latency of the network inside nodes.
    let rate: Double
    let latency: Double
    /// Whether the groups also have several members in a node.
    let sharesNodes: Bool

    /// nil: the groups use no rails, or all their members are at one place of their nodes.
    init?(_ groups: RankGroups, _ placement: Placement, on network: [NetworkLevel]) {
        guard let inner = network.first, groups.size > 1,
            let rails = zip(network, placement.levels).first(where: { $0.railNode > 0 && $1.isUsed })?.0
        else { return nil }
        crossed = Self.crossed(groups, placement, on: network, node: rails.railNode)
        guard crossed > 0 else { return nil }
        (rate, latency) = (inner.rate, inner.latency)
        sharesNodes = placement.levels[0].isUsed
    }

    /// Members that one member reaches on other rails, over the group's size: those beyond the node less those at its own
    /// place, which are a period of the stride apart.
    static func crossed(
        _ groups: RankGroups, _ placement: Placement, on network: [NetworkLevel], node: Int
    ) -> Double {
        var beyond = 0.0
        for (level, place) in zip(network, placement.levels) where level.railNode > 0 { beyond += place.reached }
        var (a, b) = (groups.stride, node)
        while b != 0 { (a, b) = (b, a % b) }
        // Places are met in turn, some of them once more than others.
        let (places, members) = (node / a, groups.size)
        let (times, rest) = members.quotientAndRemainder(dividingBy: places)
        let pairs =
            Double(rest) * Double(times + 1) * Double(times) + Double(places - rest) * Double(times)
            * Double(max(0, times - 1))
        return max(0, beyond - pairs / Double(members)) / Double(members)
    }
}
