/// All groups of one kind, such as the tensor-parallel groups. Ranks are numbered tensor innermost, then context, data,
/// pipeline, so each group consists of `size` ranks, `stride` apart.
package struct RankGroups: Hashable, Sendable {
    package let size: Int
    /// Distance between neighbours of a group, in rank numbers.
    package let stride: Int
    /// Number of groups that begin at adjacent ranks.
    package let neighbours: Int
    /// Number of repetitions of these adjacent groups. Each repetition begins after all ranks of the previous one.
    package let repeats: Int
    /// The first rank of the first group.
    package let first: Int

    /// Groups that together hold all of `devices` ranks from `first` on. nil: only the groups that begin before the
    /// second member of the first group.
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

    /// Pairs of ranks: each of `stage` adjacent ranks from `first` on, and the rank `distance` stages after it.
    package static func pairs(stage: Int, distance: Int, first: Int = 0) -> RankGroups {
        let stage = max(1, stage)
        return RankGroups(
            size: distance > 0 ? 2 : 1, stride: stage * max(1, distance), neighbours: stage, repeats: 1, first: first)
    }

    /// Distance in ranks from one repeat to the next.
    var span: Int { size * stride }
    /// Number of groups.
    var count: Double { Double(neighbours) * Double(repeats) }
    /// The last rank of any group, plus one.
    var upperBound: Int { first + (repeats - 1) * span + (size - 1) * stride + neighbours }
}
