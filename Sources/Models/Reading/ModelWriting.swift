internal import Reading

extension Model {
    /// The keys and values of a shape as lines of a plan.
    package var yaml: [String] {
        var lines = ["family: \(family.rawValue)"] + Self.stackSizes.flatMap { $0.lines(of: self) }
        lines += BlockShape.sizes.flatMap { $0.lines(of: block) }
        lines += (Self.textSizes + Self.features).flatMap { $0.lines(of: self) }
        lines += BlockShape.features.flatMap { $0.lines(of: block) }
        guard !kinds.isEmpty else { return lines }
        lines.append("kinds:")
        for kind in kinds {
            let own = BlockShape.keys.flatMap { key -> [String] in
                // Heads of keys that are not stated follow those of queries.
                let follows = key.key == "kvHeads" && kind.shape.heads != block.heads
                guard follows || !key.isSame(kind.shape, block) else { return [] }
                let lines = key.lines(of: kind.shape, isComplete: true)
                return lines.isEmpty ? ["\(key.key): none"] : lines
            }
            lines += own.isEmpty ? ["  \(kind.name): {}"] : ["  \(kind.name):"] + own.map { "    " + $0 }
        }
        lines.append("pattern: \(BlockPattern.text(pattern.map { kinds[$0].name }))")
        return lines
    }
}
