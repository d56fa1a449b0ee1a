/// What a block keeps of a sequence while a model generates: what later tokens read of those before them.
///
/// Letters: a heads, g key and value heads, d and d_v their sizes, r_k the rank of a latent.
package struct BlockCache: Hashable, Sendable {
    /// Numbers of a token that the core attention reads: keys and values of heads, which tensor ranks cut as long as each
    /// has one, or a latent, which every tensor rank keeps.
    package var token = Width()
    /// Numbers of a token that every tensor rank keeps beside it: keys of an indexer, and a token's part of compressed keys.
    package var beside = 0
    /// Most tokens of a sequence whose `token` is kept; nil: all of them.
    package var most: Int?
    /// Numbers of a sequence's state in fp32, which tensor ranks cut: a recurrence keeps as many for any length.
    package var state = 0
    /// Multiply-adds of one query and one key over all heads as generation computes them. A latent is read as it is: its
    /// widening is part of the queries and of the results (DeepSeek-AI 2024, DeepSeek-V2, section 2.1.2).
    package var work = 0.0
    /// Multiply-adds of one query and one token before it in the search for the best keys.
    package var searchWork = 0.0
    private var span = Span.all

    package init() {}

    /// The cache of a block of the shape `model.block`.
    package init(_ model: Model) {
        let block = model.block
        guard block.halves.hasAttention else { return }
        state = MixerSpec.of(model)?.scan.state ?? 0
        guard block.hasSoftmax else { return }
        let core = model.coreAttention
        span = core.span
        searchWork = 2 * core.indexWidth
        if let mla = model.mla {
            token = Width(whole: mla.kvRank + mla.ropeSize)
            beside = mla.indexer?.headSize ?? 0
            work = Double(model.heads) * Double(2 * mla.kvRank + mla.ropeSize)
        } else {
            token = AttentionSpec.keptKeys(model)
            beside = ChosenKeys(model)?.shared ?? 0
            work = Double(core.queries + core.attended)
        }
        switch span {
        case .window(let tokens), .chunk(let tokens), .compressed(let tokens, _, _): most = tokens
        case .all, .chosen, .blocks: most = nil
        }
    }

    /// Numbers of a sequence of `tokens` tokens that one of `tensor` ranks keeps, without `state`.
    package func numbers(tokens: Double, tensor: Double) -> Double {
        held(tensor: tensor) * kept(of: tokens) + Double(beside) * tokens
    }

    /// Numbers of the state that one of `tensor` ranks keeps for a sequence.
    package func state(tensor: Double) -> Double { Double(state) / tensor }

    /// Numbers of the cache that the next token of a sequence of `tokens` tokens reads on one of `tensor` ranks.
    package func read(tokens: Double, tensor: Double) -> Double {
        held(tensor: tensor) * near(of: tokens) + Double(beside) * (searchWork > 0 ? tokens : far(of: tokens))
    }

    /// Multiply-adds of the next token of a sequence of `tokens` tokens with the keys that it sees, over all heads.
    package func work(tokens: Double) -> Double {
        guard work > 0 else { return 0 }
        return work * (near(of: tokens) + far(of: tokens)) + searchWork * tokens
    }

    private func held(tensor: Double) -> Double {
        Division(tokens: 1, tensor: tensor, sequence: 1).width(token, .all)
    }

    private func kept(of tokens: Double) -> Double { most.map { min(Double($0), tokens) } ?? tokens }

    /// Keys of single tokens that the next token sees.
    private func near(of tokens: Double) -> Double {
        switch span {
        case .all: tokens
        case .window(let most), .chunk(let most), .chosen(let most), .compressed(let most, _, _):
            min(Double(most), tokens)
        case .blocks(let count, let size): min(Double(count) * Double(size), tokens)
        }
    }

    /// Keys that each stand for several tokens and that the next token sees.
    private func far(of tokens: Double) -> Double {
        guard case .compressed(_, let ratio, let chosen) = span else { return 0 }
        let all = tokens / Double(ratio)
        return chosen.map { min(Double($0), all) } ?? all
    }
}
