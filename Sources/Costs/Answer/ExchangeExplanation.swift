internal import Models
internal import Plans

extension Layout.ContextExchange {
    /// The exchange as words of a note.
    func words(_ layout: Layout) -> String {
        switch self {
        case .ring: "by rings"
        case .gather: "keys and values gathered"
        case .heads: "by heads"
        case .headsAndRing: "\(layout.headRanks) ranks by heads, \(layout.ringRanks) by rings"
        }
    }

    var source: String {
        switch self {
        case .ring: "Liu et al. 2023"
        case .gather: "Llama team 2024, section 3.3.2"
        case .heads: "Jacobs et al. 2023"
        case .headsAndRing: "Fang and Zhao 2024; Liu et al. 2023"
        }
    }
}

/// Explains what is kept and buffered because ranks exchange heads, keys and values, or rows of experts.
struct ExchangeExplanation {
    let work: LayoutWork

    private func ways(_ block: Block) -> ContextWays {
        ContextWays(block, work.device, sequence: work.model.sequence, elementBytes: work.rates.elementBytes)
    }

    /// Formula of the bytes that the core attention of `kind` keeps because heads are exchanged; nil if there are none.
    func kept(_ kind: KindWords, to lines: inout Derivation) -> String? {
        guard work.device.headRanks > 1, kind.block.core.heads > 0 else { return nil }
        let copies = "ξ_\(kind.symbol)"
        lines.define(
            copies, ways(kind.block).copies, "ranks", "context ranks that get each key/value head\(kind.ofKind)")
        let (attended, pair) = (kind.own(kind.attention.attended), "H_\(kind.symbol)")
        lines.define(
            pair, kind.block.core.keysAndValues(tensor: work.device.tensor), "",
            "numbers of a row of keys and values on a tensor rank\(kind.ofKind)")
        return "T·w·(\(attended)/t + (\(copies) − 1)·\(pair))"
    }

    /// Adds the buffers of the exchanges. Returns the symbols of their bytes.
    func addBuffers(to lines: inout Derivation) -> [String] {
        var symbols: [String] = []
        if ExchangeBuffers.context(work) > 0,
            let block = work.parts.blocks.max(by: { ways($0).buffers < ways($1).buffers })
        {
            let core = block.core
            lines.define("H_q", core.queries + core.attended, "", "numbers of a row of queries and results")
            lines.define(
                "H_k", core.keysAndValues(tensor: work.device.tensor), "",
                "numbers of a row of keys and values on a tensor rank")
            lines.define("ξ", ways(block).copies, "ranks", "context ranks that get each key/value head")
            lines.derive(
                "rows between context ranks", as: "X_c",
                work.layout.contextExchange == .gather ? "2·w·c·T·H_k" : "w·T·(H_q/t + ξ·H_k)", "bytes",
                note: work.layout.contextExchange.words(work.layout), after: "own count")
            symbols.append("X_c")
        }
        if ExchangeBuffers.experts(work) > 0 {
            let rows = work.parts.blocks.compactMap { $0.mixture.map { $0.latentSize ?? work.model.hidden } }
            lines.define("H_ρ", rows.max() ?? 0, "", "numbers of a row at the experts")
            lines.derive(
                "rows gathered for experts", as: "X_e", "w·T·e·e_t·H_ρ/t", "bytes", note: "allgather",
                after: "Megatron-Core, token_dispatcher.py")
            symbols.append("X_e")
        }
        return symbols
    }
}
