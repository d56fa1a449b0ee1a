internal import Models
internal import Plans

/// The blocks at both ends of a model that a recipe leaves in bf16.
struct HighBlocks {
    struct One {
        /// Index of the block's kind.
        var kind: Int
        /// Whether it keeps all its activations, while other blocks of its stage may be recomputed.
        var isPlain: Bool
    }

    let start: [One]
    let end: [One]

    /// - Parameter layers: blocks of each stage, in stage order.
    init(_ recipe: Recipe, _ parts: ModelParts, _ model: Model, _ layout: Layout, layers: [Int]) {
        // Modules of multi-token prediction are no layers.
        let kinds = parts.kinds.kindOfBlock.prefix(model.layers)
        let keepsSome = layout.recompute == .full && layout.recomputed.keepsSome
        func blocks(_ kinds: ArraySlice<Int>, from first: Int, stage: Int) -> [One] {
            kinds.enumerated().map { place, kind in
                One(kind: kind, isPlain: keepsSome && !layout.recomputed.contains(first + place, stage: stage))
            }
        }
        let last = max(0, layers.count - 1)
        start = blocks(kinds.prefix(recipe.bf16LayersAtStart), from: 0, stage: 0)
        end = blocks(
            kinds.suffix(recipe.bf16LayersAtEnd), from: (layers.last ?? 0) - recipe.bf16LayersAtEnd, stage: last)
    }
}
