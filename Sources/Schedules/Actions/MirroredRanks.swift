extension Schedule {
    /// Whether mirrored ranks of a bidirectional pipeline (r and p−1−r, which hold the same stages) compute the same kind of
    /// action for the same stage at every position of their lists. True of every other pipeline. O(actions).
    ///
    /// Mirrored ranks in step finish a stage's gradients together and may wait for each other there. The wait cannot
    /// deadlock: they reach the same list position together anyway.
    package var mirroredRanksRunInStep: Bool {
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
