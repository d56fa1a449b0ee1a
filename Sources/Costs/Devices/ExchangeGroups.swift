internal import Plans

/// Groups of devices that only some layouts have. A class, so that the groups of all other layouts stay small.
final class ExchangeGroups: Sendable {
    /// Context ranks that exchange heads.
    let contextHeads: DeviceGroup
    /// Context ranks of one ring, if some exchange heads.
    let contextRing: DeviceGroup
    /// Ranks that together hold the experts of one block in slices.
    let dispatch: DeviceGroup

    /// nil: the layout has no such groups.
    init?(_ layout: Layout, _ group: (RankGroups) -> DeviceGroup) {
        guard layout.headRanks > 1 || layout.expertTensor > 1 && layout.expert > 1 else { return nil }
        let ranks = LayoutRanks(layout)
        contextHeads = group(ranks.contextHeads)
        contextRing = group(ranks.contextRing)
        dispatch = group(ranks.dispatch)
    }
}
