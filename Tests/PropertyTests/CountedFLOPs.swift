import Models
import Plans

/// Floating-point operations of one step by matrix product: a product of a token with a matrix of n elements is 2n, its
/// backward twice that.
struct CountedFLOPs {
    /// Forward of every block.
    var blocks: [Double] = []
    /// Forward of core attention of every block. By convention a query meets twice the keys that a causal mask shows it:
    /// every key of the sequence where nothing else hides some (Korthikanti et al. 2022, appendix A).
    var cores: [Double] = []
    /// Forward of every matrix of every block, by name.
    private var products: [[(name: String, work: Double)]] = []
    /// The head, and what leads to and from a narrower word table.
    var ends: Double
    /// Forward of every block: rows that its experts compute and that the router sent none of, less those it dropped.
    var beyond: [Double] = []
    /// Of the backward, what frozen weights make unnecessary.
    private var unnecessary = 0.0
    /// Blocks without a backward.
    private var first = 0

    init(_ inventory: Inventory, sequences: Int, layout: Layout? = nil) {
        let model = inventory.model
        let tokens = Double(sequences) * Double(model.sequence)
        let samples = Double(sequences)
        // Every module of multi-token prediction has logits of its own.
        let losses = Double(1 + (model.mtp?.layers ?? 0))
        ends = losses * tokens * 2 * Double(model.vocab) * Double(model.tableNumbers)
        if let width = model.embeddingSize { ends += 2 * tokens * 2 * Double(width) * Double(model.hidden) }
        if model.image != nil || model.video != nil {
            for matrix in inventory.embedding(vocabulary: 0) + inventory.headOthers() where matrix.isMatrix {
                ends += 2 * Double(matrix.size) * inventory.rows(matrix.rows, samples)
            }
        }
        for layer in inventory.blocks {
            let shape = inventory.shape(layer)
            cores.append(samples * (Self.core(shape, model) + Self.cross(model, shape)))
            let products = inventory.tensors(ofBlock: layer).filter(\.isMatrix)
                .map {
                    (
                        name: $0.isAdapter ? $0.base : $0.name,
                        work: 2 * Double($0.size) * Double($0.used) * inventory.rows($0.rows, samples)
                    )
                }
            self.products.append(products)
            blocks.append(products.reduce(0) { $0 + $1.work } + cores[layer])
            guard let layout, inventory.isMixture(layer), let moe = shape.moe else {
                beyond.append(0)
                continue
            }
            let own = Double(layout.microbatch * model.sequence) / Double(layout.context * layout.tensor)
            let experts = inventory.tensors(ofBlock: layer).filter { $0.split == .expert && $0.isMatrix }
                .reduce(0.0) { $0 + 2 * Double($1.size) * Double($1.used) }
            beyond.append(tokens * experts * (ExpertRows(moe, own: own).sent / (own * Double(moe.topK)) - 1))
        }
        guard model.tuning != nil else { return }
        first = inventory.firstPassed
        for layer in 0..<model.layers {
            if layer < first {
                unnecessary += 2 * blocks[layer]
            } else {
                unnecessary += inventory.tensors(ofBlock: layer).filter { $0.isMatrix && $0.fate != .trained }
                    .reduce(0.0) { $0 + tokens * 2 * Double($1.size) * Double($1.used) }
            }
        }
        // A frozen embedding needs no gradient of its rows either.
        for tensor in inventory.embedding(vocabulary: model.vocab)
        where tensor.name == "projection in" && tensor.fate != .trained {
            unnecessary += 2 * tokens * 2 * Double(tensor.size)
        }
        for tensor in inventory.headOthers() + [inventory.head(vocabulary: model.vocab)]
        where tensor.isMatrix && tensor.fate != .trained { unnecessary += tokens * 2 * Double(tensor.size) }
    }

    /// Whether a module multiplies by a matrix of this name.
    static func makes(_ module: RecomputeModules.Name, _ matrix: String) -> Bool {
        let beside = ["shared expert", "beside", "gate of shared experts"]
        func begins(_ names: [String]) -> Bool { names.contains { matrix.hasPrefix($0) } }
        switch module {
        case .coreAttention, .expertActivation, .norms: return false
        // With latent attention: the rule asks for it.
        case .latentProjections: return ["query", "key", "value"].contains(matrix)
        case .network: return matrix.hasPrefix("feed-forward")
        case .mixture: return begins(["expert", "router", "to latent rows", "from latent rows"] + beside)
        case .sharedExperts: return begins(beside)
        }
    }

    /// Of one sequence.
    private static func core(_ shape: BlockShape, _ model: Model) -> Double {
        let length = model.sequence
        guard shape.hasCore else { return 0 }
        let query = shape.mla.map { $0.nopeSize + $0.ropeSize } ?? shape.headSize
        let value = shape.mla?.valueSize ?? shape.valueHead
        // Scores: a token with every key. Values: the scores with every value.
        var core = 2 * SeenKeys.pairs(shape, model) * Double(shape.heads) * Double(query + value)
        if shape.causal { core *= 2 }
        if let indexer = shape.mla?.indexer {
            // Scores of every head with one key, and their weighted sum, of all keys before a token.
            let all = Double(length) * Double(length)
            core += 2 * all * Double(indexer.heads) * Double(indexer.headSize + 1)
        }
        return core
    }

    /// Scores of every token of a sequence with every token of its text, and their products with the values.
    private static func cross(_ model: Model, _ shape: BlockShape) -> Double {
        guard shape.crossAttention != nil, let text = model.text else { return 0 }
        return 2 * Double(model.sequence) * Double(text.tokens) * Double(shape.heads)
            * Double(shape.headSize + shape.valueHead)
    }

    /// Forward and backward, nothing recomputed.
    var model: Double { 3 * (blocks.reduce(0, +) + ends) - unnecessary }

    /// What devices run. Selective recomputation by operation keeps attention and every second product of a block, and
    /// makes half of the products again (torchtitan, selective activation checkpointing: "op"). Of core attention it adds 12·B·s²·L·a·d, the figure that reproduces the paper's own table 5
    /// (Korthikanti et al. 2022, appendix A); full recomputation one forward of every block that is recomputed (Narayanan
    /// et al. 2021, equation 3), which with a number of blocks is the first ones of every stage (Megatron-LM's block
    /// method).
    ///
    /// Experts compute the rows that they take, model FLOPs count those that are routed.
    func hardware(_ layout: Layout, _ placed: PlacedBlocks, byOperation: Bool) -> Double {
        let model = model + 3 * beyond.reduce(0, +)
        switch layout.recompute {
        case .none: return model
        case .selective where !layout.recomputeModules.isEmpty:
            let again = layout.modulesByHand
            let matrices = products.dropFirst(first).joined().filter { product in
                again.contains { Self.makes($0, product.name) }
            }
            return matrices.reduce(model) { $0 + $1.work } + (again.contains(.mixture) ? beyond.reduce(0, +) : 0)
                + (again.contains(.coreAttention) ? 3 * cores.dropFirst(first).reduce(0, +) : 0)
        case .selective where byOperation:
            return model
                + (blocks.dropFirst(first).reduce(0, +) + beyond.reduce(0, +)
                    - cores.dropFirst(first).reduce(0, +)) / 2
        case .selective: return model + 3 * cores.dropFirst(first).reduce(0, +)
        case .full:
            return placed.layers.enumerated().reduce(model) { sum, stage in
                stage.element.enumerated().reduce(sum) { sum, block in
                    let isRecomputed =
                        placed.computesAgain(block.offset, ofStage: stage.offset, layout) && block.element >= first
                    return sum + (isRecomputed ? blocks[block.element] + beyond[block.element] : 0)
                }
            }
        }
    }
}
