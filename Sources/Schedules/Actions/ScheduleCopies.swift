extension Schedule {
    /// Whether the two ranks with the same stages of a bidirectional pipeline (r and p−1−r) compute the same kind of action
    /// for the same stage at every position of their lists: then both finish a stage's gradients at the same time, and may
    /// wait for each other there. Waiting makes no circle: in any run without it, mirrored ranks reach a position at the
    /// same time. True of every other pipeline. O(actions).
    package var copiesRunAlike: Bool {
        guard placement.reverseStageToRank != nil else { return true }
        func parts(_ list: [Action]) -> [[Int]] {
            list.map { action in
                var found: [Int] = []
                var parts = action.parts
                while let part = parts.next() { found += [Int(part.kind.rawValue), Int(part.stage)] }
                return found
            }
        }
        return (0..<ranks / 2).allSatisfy { parts(actions[$0]) == parts(actions[ranks - 1 - $0]) }
    }
}
