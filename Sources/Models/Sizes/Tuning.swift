/// Which weights of a model training changes, if not all of them: adapters beside frozen weights (LoRA), or some parts
/// frozen.
package struct Tuning: Hashable, Codable, Sendable {
    /// Adapters. All other weights are then frozen.
    package var lora: LoRA?
    /// Parts that training leaves as they are.
    package var frozen: [FrozenPart]
    /// Format in which the frozen matrices of blocks are stored; nil: that of other weights.
    package var quantized: Quantization?
    /// The first block that a backward passes: the first one with weights that training changes, or 0 if it changes some
    /// before the blocks. Follows from the model (`Model.tune`).
    package var firstTrained = 0

    package init(lora: LoRA? = nil, frozen: [FrozenPart] = [], quantized: Quantization? = nil) {
        (self.lora, self.frozen, self.quantized) = (lora, frozen, quantized)
    }

    /// Whether nothing is tuned in any particular way.
    package var isEmpty: Bool { lora == nil && frozen.isEmpty && quantized == nil }
}

/// Low-rank adapters (Hu et al. 2021): beside a frozen matrix W stand A, which reads the same rows and gives `rank`
/// numbers, and B, which gives as many results as W. Their product times `alpha`/`rank` is added to W's results.
package struct LoRA: Hashable, Codable, Sendable {
    package var rank: Int
    package var alpha: Double
    /// Matrices with an adapter: by names of a checkpoint (`q_proj`, as in PEFT), or by Megatron-LM's (`linear_qkv`),
    /// which stand for all matrices of one product, with one A for them together.
    package var targetModules: [String]

    package init(rank: Int, alpha: Double, targetModules: [String]) {
        (self.rank, self.alpha, self.targetModules) = (rank, alpha, targetModules)
    }

    /// Factor of the adapters' results.
    package var scale: Double { alpha / Double(rank) }

    /// The word that stands for every matrix of the blocks' products, as in PEFT.
    package static let allLinear = "all-linear"
}

/// The format of quantized weights: NormalFloat of 4 bits (Dettmers et al. 2023, QLoRA, section 3).
package struct Quantization: Hashable, Codable, Sendable {
    /// Whether the blocks' largest values are quantized themselves.
    package var isDouble = true

    package init(isDouble: Bool = true) { self.isDouble = isDouble }

    /// Weights with one largest value (absmax) in common, and largest values with one of theirs in common.
    static let block = 64.0
    static let outerBlock = 256.0

    /// Bytes of a weight: 4 bits, and its share of the largest values. Those are fp32; quantized themselves, 8 bits with
    /// an fp32 value for each 256 of them.
    package var bytes: Double {
        let largest = isDouble ? 1 + 4 / Self.outerBlock : 4
        return 0.5 + largest / Self.block
    }
}

/// A part of a model that training may leave as it is.
package enum FrozenPart: Hashable, Codable, Sendable {
    /// Everything before the first block; everything behind the last.
    case embedding, head
    /// A part of every block. `attention` stands for token mixers too, `feedForward` for experts with their router.
    case norms, attention, feedForward, router, experts
    /// Blocks by their numbers, from 0.
    case layers(first: Int, last: Int)

    /// The parts that a plan names by a word alone.
    package static let words: [(word: String, part: FrozenPart)] = [
        ("embedding", .embedding), ("head", .head), ("norms", .norms), ("attention", .attention),
        ("feedForward", .feedForward), ("router", .router), ("experts", .experts),
    ]

    /// The part as a plan names it.
    package var word: String {
        if case .layers(let first, let last) = self {
            return first == last ? "layers \(first)" : "layers \(first)-\(last)"
        }
        return Self.words.first { $0.part == self }?.word ?? ""
    }

    /// Reads a part as a plan names it; nil: no such part.
    package init?(_ text: String) {
        if let known = Self.words.first(where: { $0.word == text }) {
            self = known.part
            return
        }
        guard text.hasPrefix("layers ") else { return nil }
        let ends = text.dropFirst(7).split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], 0 <= first,
            first <= last
        else { return nil }
        self = .layers(first: first, last: last)
    }
}

/// The weights of one kind of block that training changes.
package struct BlockTuning: Hashable, Codable, Sendable {
    package var lora: LoRA?
    /// Frozen parts of the block, without blocks by number.
    package var frozen: [FrozenPart]
    /// Whether the whole block is frozen, but for adapters.
    package var isFrozen: Bool
    package var quantized: Quantization?
    /// Whether a backward passes the block: it, or something before it, has weights that training changes.
    package var passesGradient = true

    /// Whether training changes the scales of the block's norms.
    var changesNorms: Bool { !isFrozen && !frozen.contains(.norms) }
}

extension Model {
    /// Parameters of block `layer` that training changes; nil: all of them.
    func tuning(ofBlock layer: Int) -> BlockTuning? {
        guard let tuning else { return nil }
        let isFrozen = tuning.frozen.contains {
            if case .layers(let first, let last) = $0 { return (first...last).contains(layer) }
            return false
        }
        let parts = tuning.frozen.filter {
            switch $0 {
            case .norms, .attention, .feedForward, .router, .experts: true
            case .embedding, .head, .layers: false
            }
        }
        return BlockTuning(
            lora: tuning.lora, frozen: parts, isFrozen: isFrozen || tuning.lora != nil, quantized: tuning.quantized,
            passesGradient: layer >= tuning.firstTrained)
    }

    /// Whether training changes the weights before the first block, or those behind the last. A tied table belongs to
    /// both, and is frozen with either.
    package var changesEmbedding: Bool { !freezes(.embedding) }
    package var changesHead: Bool { !freezes(.head) }
    package var changesTable: Bool { tiedEmbeddings ? changesEmbedding && changesHead : changesEmbedding }
    package var changesHeadTable: Bool { tiedEmbeddings ? changesTable : changesHead }

    private func freezes(_ part: FrozenPart) -> Bool {
        guard let tuning else { return false }
        return tuning.lora != nil || tuning.frozen.contains(part)
    }

    /// Whether training changes the norms beside the blocks.
    package var changesNorms: Bool { !freezes(.norms) }
}
