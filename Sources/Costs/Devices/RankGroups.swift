/// All groups of one kind: ranks are numbered tensor innermost, then context, data, pipeline, so each is `size` ranks
/// `stride` apart, and the groups begin one after the other.
package struct RankGroups: Hashable, Sendable {
    package let size: Int
    /// Distance between neighbours of a group in rank numbers.
    package let stride: Int
    /// Groups that begin at ranks next to one another.
    package let neighbours: Int
    /// How often that comes again, each time behind all ranks of the groups before.
    package let repeats: Int
    /// The first rank of the first group.
    package let first: Int

    /// The groups among `devices` ranks from `first` on, all of them in such groups.
    package init(size: Int, stride: Int, devices: Int? = nil, first: Int = 0) {
        let (size, stride) = (max(1, size), max(1, stride))
        self.init(
            size: size, stride: stride, neighbours: stride, repeats: max(1, (devices ?? 0) / stride / size),
            first: first)
    }

    private init(size: Int, stride: Int, neighbours: Int, repeats: Int, first: Int) {
        self.size = size
        self.stride = stride
        self.neighbours = neighbours
        self.repeats = repeats
        self.first = first
    }

    /// Each of `stage` neighbouring ranks from `first` on with the one `distance` stages behind it.
    package static func pairs(stage: Int, distance: Int, first: Int = 0) -> RankGroups {
        let stage = max(1, stage)
        return RankGroups(
            size: distance > 0 ? 2 : 1, stride: stage * max(1, distance), neighbours: stage, repeats: 1, first: first)
    }

    /// Ranks from one repeat to the next.
    var span: Int { size * stride }
    /// Groups in all.
    var count: Double { Double(neighbours) * Double(repeats) }
    /// One behind the last rank of any group.
    var end: Int { first + (repeats - 1) * span + (size - 1) * stride + neighbours }
}
