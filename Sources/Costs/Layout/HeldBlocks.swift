/// Number of blocks whose activations a rank holds at one moment. A block counts once for each micro-batch whose
/// activations are held.
///
/// One list holds all numbers, so that bytes are a sum of products with a list in the same order (`HeldBytes`). Blocks
/// of kind k that are not recomputed stand at 2k, recomputed ones, if only some blocks are, at 2k + 1. Then, in the same
/// order, follow those between the two halves of a split backward, which hold only the tensors that weight gradients
/// read. The last number is that of the micro-batches of which the first stage is held.
package struct HeldBlocks: Hashable, Sendable {
    package private(set) var numbers: [Double]

    /// Number of kinds of block.
    package var kinds: Int { numbers.count / 4 }
    /// Micro-batches of which the first stage is held.
    package var first: Double { numbers[numbers.count - 1] }

    /// - Parameter numbers: four for each kind of block, and one.
    init(numbers: [Double]) { self.numbers = numbers }

    package init(kinds: Int) { numbers = [Double](repeating: 0, count: 4 * kinds + 1) }

    /// Blocks of kind `kind` whose backward has not started; recomputed ones if only some blocks are, or the others.
    package func whole(_ kind: Int, isRecomputed: Bool = false) -> Double { numbers[2 * kind + (isRecomputed ? 1 : 0)] }

    /// Blocks of kind `kind` between the two halves of a split backward.
    package func later(_ kind: Int, isRecomputed: Bool = false) -> Double {
        numbers[2 * (kinds + kind) + (isRecomputed ? 1 : 0)]
    }

    /// Blocks of a rank whose `stages` are alike. The rank holds `inFlight` activations of a stage, and `later` stages
    /// are between the two halves of their backward. By default: the blocks that one micro-batch passes on the rank.
    init(of rank: PipelineShares.Rank, inFlight: Int = 1, later: Int = 0, stages: Int = 1) {
        let kinds = rank.blocks.count
        numbers = [Double](unsafeUninitializedCapacity: 4 * kinds + 1) { numbers, count in
            for kind in 0..<kinds {
                let (again, all) = (rank.recomputed[kind], rank.blocks[kind])
                numbers[2 * kind] = Double(inFlight * (all - again)) / Double(stages)
                numbers[2 * kind + 1] = Double(inFlight * again) / Double(stages)
                numbers[2 * (kinds + kind)] = Double(later * (all - again)) / Double(stages)
                numbers[2 * (kinds + kind) + 1] = Double(later * again) / Double(stages)
            }
            numbers[4 * kinds] = rank.holdsEmbedding ? Double(inFlight) / Double(stages) : 0
            count = 4 * kinds + 1
        }
    }

    /// Whether both have equal numbers of blocks of each kind whose backward has not started.
    func isAlike(_ other: HeldBlocks) -> Bool { numbers.prefix(2 * kinds) == other.numbers.prefix(2 * kinds) }

    /// Equal numbers of blocks, each with all its tensors, also if the first half of its backward has run.
    var asSets: HeldBlocks {
        var sets = self
        for place in 0..<2 * kinds {
            sets.numbers[place] += numbers[2 * kinds + place]
            sets.numbers[2 * kinds + place] = 0
        }
        return sets
    }
}
