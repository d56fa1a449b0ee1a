internal import Plans
internal import Schedules

/// Activations of a block and of the fullest rank.
extension LayoutWork {
    /// What one kind of block keeps for one micro-batch.
    func explainBlocks(_ lines: inout Derivation, rank: Int) {
        let share = shares.ranks[rank]
        lines.derive("rows of a micro-batch on a device", as: "T", "b·s/c", "tokens")
        lines.derive(
            "core attention of a block", as: "C", coreBytes, "bytes",
            note: layout.flashAttention ? "flash attention keeps two numbers a head and row" : "every score",
            after: "Korthikanti et al. 2022, table 2")
        if share.mixtures < share.layers { explainBlock(&lines, mixture: false) }
        if share.mixtures > 0 {
            lines.derive("rows of experts for one row", as: "ρ", "k·i·e_t/t", "")
            explainBlock(&lines, mixture: true)
        }
    }

    private var coreBytes: String {
        if layout.flashAttention { return "T·4·a/t" }
        return shard.dropout ? "T·a·s·(2·w + 1)/t" : "T·a·s·w/t"
    }

    private func explainBlock(_ lines: inout Derivation, mixture: Bool) {
        let (x, name) = mixture ? ("e", "block with experts") : ("d", "dense block")
        lines.derive(
            "all activations of a \(name)", as: "Z_\(x)",
            "T·(\(sum(rowBytes, attentionBytes, mixture ? expertBytes : "w·n_m·f/t"))) + C", "bytes",
            note: shard.dropout ? "dropout masks" : "no dropout", after: "Korthikanti et al. 2022, table 2")
        let keepsOperations = rates.framework.selectiveOperations
        let (kept, again): (String, String) =
            switch layout.recompute {
            case .none: ("Z_\(x)", "0")
            case .selective where keepsOperations:
                (
                    "T·(w·h/σ + w·\(attended)/t + w·(\(productWidth(mixture)))/2) + C", "Z_\(x)"
                )
            case .selective: ("Z_\(x) − C", "C")
            case .full: ("T·w·h/σ", "Z_\(x)")
            }
        lines.derive(
            "activations a \(name)", as: "K_\(x)", kept, "bytes", note: "recompute \(layout.recompute.rawValue)",
            after: "Korthikanti et al. 2022, section 4.2.3")
        lines.derive("recomputed at once of a \(name)", as: "R_\(x)_1", again, "bytes")
        lines.derive(
            "gradients of the widest tensors of a \(name)", as: "G_\(x)", "T·w·\(widest(mixture))", "bytes")
    }

    /// Inputs of norms and of column-parallel layers, and dropout masks, a row.
    private var rowBytes: String { shard.dropout ? "(4·w·h + 2·h)/σ" : "4·w·h/σ" }

    private var attended: String { model.mla == nil ? "a·d" : "a·d_v" }

    /// Queries, keys, values and the attention's result, a row.
    private var attentionBytes: String {
        model.mla == nil
            ? "w·(2·a + 2·g)·d/t" : "w·2·a·(d_n + d_r + d_v)/t + w·(2·r_q + 2·r_k + d_r)/σ"
    }

    private var expertBytes: String {
        sum(
            "w·ρ·(h + n_m·f_e/e_t)", rates.framework.keepsCombinedRows ? "w·k·h/t" : nil, "8·E/t",
            hasShared ? "w·n_m·n_s·f_s/t" : nil)
    }

    /// Width of the results of all products, a row.
    private func productWidth(_ mixture: Bool) -> String {
        let projected =
            model.mla == nil ? "(a + 2·g)·d/t" : "(r_q + r_k + d_r)/σ + a·(2·d_n + d_r + d_v)/t"
        guard mixture else { return sum(projected, "h/σ", "(n_m − 1)·f/t + h/σ") }
        return sum(
            projected, "h/σ", "ρ·((n_m − 1)·f_e/e_t + h)", "E/t", hasShared ? "(n_m − 1)·n_s·f_s/t + h/σ" : nil)
    }

    private func widest(_ mixture: Bool) -> String {
        guard mixture else { return "(n_m·f/t + h)" }
        let routed = "ρ·(n_m·f_e/e_t + h)"
        return hasShared ? "max(\(routed), n_m·n_s·f_s/t + h)" : routed
    }

    /// All activations of the fullest rank.
    func explainActivations(_ lines: inout Derivation, rank: Int) {
        let share = shares.ranks[rank]
        let terms = activationTerms
        let moments = fullestMoments[rank]
        let moment = moments.max { terms.kept($0) < terms.kept($1) } ?? HeldBlocks()
        let partly = terms.isPartial
        let held: [(Double, String, String, String)] = [
            (moment.dense, "y_d", partly ? "Z_d" : "K_d", "dense blocks held at once\(partly ? ", whole" : "")"),
            (moment.recomputed, "y_dr", "K_d", "dense blocks held at once that are recomputed"),
            (
                moment.mixtures, "y_e", partly ? "Z_e" : "K_e",
                "blocks with experts held at once\(partly ? ", whole" : "")"
            ),
            (moment.recomputedMixtures, "y_er", "K_e", "blocks with experts held at once that are recomputed"),
        ]
        var sums: [String?] = held.map { count, symbol, bytes, meaning in
            guard count > 0 else { return nil }
            lines.know(symbol, count, "blocks", "\(meaning), each as often as micro-batches of it")
            return "\(symbol)·\(bytes)"
        }
        if shard.dropout, moment.first > 0 {
            lines.know("y_1", moment.first, "", "micro-batches held of the first stage")
            sums.append("y_1·T·h/σ")
        }
        sums.append(recomputedAtOnce(share, isPartial: partly))
        if share.holdsHead {
            let held = heldLogits
            lines.know("y_p", held.pending, "", "micro-batches whose loss is pending")
            lines.know("y_w", held.deferred, "", "micro-batches whose head's weight gradient is put off")
            sums.append("(y_p + y_w)·2·w·T·h/σ")
        }
        lines.derive(
            "activations", as: "activations", sum(sums), "bytes",
            note: "\(inFlight(rank: rank)) stages in flight, \(rankLayers(rank)) blocks",
            after: "Korthikanti et al. 2022, table 2 and section 4.2.3")
    }

    private func recomputedAtOnce(_ share: PipelineShares.Rank, isPartial: Bool) -> String? {
        let dense = isPartial ? share.recomputed > 0 : share.mixtures < share.layers
        let mixtures = isPartial ? share.recomputedMixtures > 0 : share.mixtures > 0
        guard layout.recompute != .none else { return nil }
        switch (dense, mixtures) {
        case (true, true): return "max(R_d_1, R_e_1)"
        case (true, false): return "R_d_1"
        case (false, true): return "R_e_1"
        case (false, false): return nil
        }
    }
}
