import Models
import Plans

/// Floating-point operations of one step by matrix product: a product of a token with a matrix of n elements is 2n, its
/// backward twice that.
struct CountedFLOPs {
    /// Forward of every block.
    var blocks: [Double] = []
    /// Forward of core attention of one block, every query with every key (Korthikanti et al. 2022, appendix A).
    var core: Double
    var head: Double

    init(_ inventory: Inventory, sequences: Int) {
        let model = inventory.model
        let tokens = Double(sequences) * Double(model.sequence)
        let query = model.mla.map { $0.nopeSize + $0.ropeSize } ?? model.headSize
        let value = model.mla?.valueSize ?? model.headSize
        // Scores: a token with every key. Values: the scores with every value.
        core = tokens * 2 * Double(model.sequence) * Double(model.heads) * Double(query + value)
        head = tokens * 2 * Double(model.vocab) * Double(model.hidden)
        for layer in 0..<model.layers {
            let products = inventory.tensors(ofBlock: layer).filter(\.isMatrix)
                .reduce(0.0) { $0 + 2 * Double($1.size) * Double($1.used) }
            blocks.append(tokens * products + core)
        }
    }

    /// Forward and backward, nothing recomputed.
    var model: Double { 3 * (blocks.reduce(0, +) + head) }

    /// What devices run. Selective recomputation by operation keeps attention and every second product of a block, and
    /// makes half of the products again (torchtitan, selective activation checkpointing: "op"). Of core attention it adds 12·B·s²·L·a·d, the figure that reproduces the paper's own table 5
    /// (Korthikanti et al. 2022, appendix A); full recomputation one forward of every block that is recomputed (Narayanan
    /// et al. 2021, equation 3), which with a number of blocks is the first ones of every stage (Megatron-LM's block
    /// method).
    func hardware(_ layout: Layout, _ placed: PlacedBlocks, byOperation: Bool) -> Double {
        switch layout.recompute {
        case .none: return model
        case .selective where byOperation:
            return model + (blocks.reduce(0, +) - core * Double(blocks.count)) / 2
        case .selective: return model + 3 * core * Double(blocks.count)
        case .full:
            return placed.layers.reduce(model) { sum, stage in
                stage.prefix(layout.recomputeLayers ?? stage.count).reduce(sum) { $0 + blocks[$1] }
            }
        }
    }
}
