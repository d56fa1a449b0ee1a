internal import Models

/// Terms of formulas that several explanations use, as the model's parts state them.
struct ModelWords {
    /// The kinds of block.
    let kinds: [KindWords]
    /// Whether one table serves as embedding and as head.
    let isTied: Bool
    /// Whether the letters of a block mean the same in every kind, so that they need no number.
    let isPlain: Bool
    private let parts: ModelParts

    init(_ work: LayoutWork) {
        let parts = work.parts
        self.parts = parts
        isTied = work.model.tiedEmbeddings
        let (dense, mixtures) = (parts.denseBlocks, parts.mixtures)
        let isPlain =
            dense.count <= 1 && mixtures.count <= 1
            && parts.blocks.allSatisfy {
                $0.attention == parts.blocks[0].attention && $0.shape.mlp == parts.blocks[0].shape.mlp
                    && $0.normWords == parts.blocks[0].normWords
            }
        self.isPlain = isPlain
        let (counts, model) = (work.parts.kinds.counts, work.model)
        kinds = work.parts.blocks.enumerated().map { number, block in
            let layer = work.parts.kinds.kindOfBlock.firstIndex(of: number) ?? 0
            let named = model.pattern.indices.contains(layer) ? model.kinds[model.pattern[layer]].name : nil
            return KindWords(
                number: number, name: named, block: block, count: counts[number], isPlain: isPlain)
        }
    }

    /// The kinds whose attention has letters of its own.
    var attentionKinds: [KindWords] { isPlain ? Array(kinds.prefix(1)) : kinds }
    var hasDense: Bool { kinds.contains { !$0.isMixture } }
    var hasExperts: Bool { kinds.contains(where: \.isMixture) }
    /// Whether a kind has a token mixer with a recurrence.
    var hasScans: Bool { kinds.contains { $0.attention.scan != nil } }

    /// Terms of the embedding, and of the final norm and the head.
    var embedding: EndWords { parts.embedding.words }
    var head: EndWords { parts.head.words }
    /// Source of the exchanges among tensor ranks, if a kind of attention has one of its own.
    var messagesSource: String? { parts.blocks.lazy.compactMap { $0.attention.words.messagesSource }.first }

    /// A sum over kinds of block: the symbol of `count` of each kind times its `term`.
    func sumOverKinds(_ count: String, _ term: (KindWords) -> String) -> String {
        sum(kinds.map { "\(count)_\($0.symbol)·\(term($0))" })
    }
}

/// Terms of one kind of block. If kinds differ in more than having experts, every letter of a block ends in the kind's
/// number.
struct KindWords {
    let number: Int
    let block: Block
    /// Number of such blocks in the model.
    let count: Int
    /// The name that the plan gives the kind; nil: it has none.
    private let given: String?
    private let isPlain: Bool
    /// The letters that mean something else in another kind.
    private let letters: Set<String>

    init(number: Int, name: String?, block: Block, count: Int, isPlain: Bool) {
        self.number = number
        given = name
        self.block = block
        self.count = count
        self.isPlain = isPlain
        let sizes = block.attention.words.sizes + block.feedForward.words.sizes + block.normWords.sizes
        letters = Set(sizes.map(\.symbol)).union([
            "A", "F", "X", "W_a", "W_s", "C", "ρ", "κ", "q_c", "i", "a", "f", "n_m", "Q_x",
        ])
    }

    var attention: AttentionWords { block.attention.words }
    var feedForward: FeedForwardWords { block.feedForward.words }
    /// Formula of the parameters of the norms; nil if there are none.
    var norms: String? { block.normWords.parameters.map(own) }
    var isMixture: Bool { block.mixture != nil }
    /// Whether it is the kind of the modules of multi-token prediction.
    var predicts: Bool { block.shape.predicts }
    /// Formulas of the projection's parameters, and of the width of its results; nil if there is none.
    var projection: String? { block.normWords.projection }
    var projected: String? { block.normWords.projected }
    /// Last letter of the kind's symbols.
    var symbol: String { isPlain ? (isMixture ? "e" : "d") : "\(number + 1)" }
    var name: String {
        predicts ? "module of multi-token prediction" : (isMixture ? "block with experts" : "dense block") + ofKind
    }
    /// The name for several blocks.
    var names: String {
        predicts ? "modules of multi-token prediction" : (isMixture ? "blocks with experts" : "dense blocks") + ofKind
    }
    /// The kind's number, and its name in the plan, as a phrase; empty if no number is needed.
    var ofKind: String {
        // The modules of multi-token prediction have a name of their own.
        if predicts { return isPlain ? "" : " of multi-token prediction" }
        return isPlain ? "" : " of kind \(number + 1)" + (given.map { " (\($0))" } ?? "")
    }

    /// `formula` with this kind's letters.
    func own(_ formula: String) -> String {
        guard !isPlain else { return formula }
        var text = ""
        var word = ""
        func finish() {
            text += letters.contains(word) ? "\(word)_\(number + 1)" : word
            word = ""
        }
        for character in formula {
            if character.isLetter || character == "_" || !word.isEmpty && character.isNumber {
                word.append(character)
            } else {
                finish()
                text.append(character)
            }
        }
        finish()
        return text
    }

    /// `formulas` with this kind's letters.
    func own(_ formulas: [String]) -> [String] { formulas.map(own) }
}
