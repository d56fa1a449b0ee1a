internal import Models
internal import Plans

/// What a device holds of parameters, gradients and optimizer, and what updating them takes.
extension LayoutWork {
    /// Bytes a parameter, ranks that share them out, and the parameters of the kinds of blocks.
    func explainShards(_ lines: inout Derivation) {
        lines.know("b_w", state.keptWeight, "bytes", "bytes of a weight that is kept")
        lines.know("b_p", state.weight, "bytes", "bytes of a weight that products read")
        lines.know("b_g", state.keptGradient, "bytes", "bytes of a gradient that is kept")
        lines.know("b_r", state.gradient, "bytes", "bytes of a gradient that is reduced")
        lines.know("b_o", state.optimizer, "bytes", "bytes of a parameter's optimizer state")
        let group = layout.shardGroup == nil ? "all with the same parameters" : "the shard group"
        lines.know("S", layout.shardRanks, "ranks", "ranks that share out parameters' state: \(group)")
        lines.know("S_e", shard.expertShardGroup.size, "ranks", "ranks that share out experts' state")
        lines.derive(
            "padded vocabulary", as: "V_p", "ceil(V/(128·t))·128·t", "", after: "Megatron-LM: a multiple of 128·tensor")
        let latents = attentionWords.wholeParameters
        if hasDense {
            lines.derive(
                "on every tensor rank, of a dense block", as: "Y_d", sum(norms, hasBiases ? "2·h" : nil, latents),
                "parameters", note: "norms, row biases, projections to latents")
            lines.derive("a dense block on a device", as: "Q_d", "(A + F + \(norms) − Y_d)/t + Y_d", "parameters")
        }
        if hasExperts {
            lines.derive(
                "on every tensor rank, of a block with experts", as: "Y_e",
                sum(norms, hasBiases ? "h" : nil, latents, feedForwardWords(true).wholeParameters), "parameters",
                note: "norms, row biases, projections to latents, router")
            lines.derive(
                "a block with experts on a device, routed ones aside", as: "Q_e",
                "(A + X + \(norms) − E·n_m·h·f_e − Y_e)/t + Y_e", "parameters")
            lines.derive("routed experts of a block on a device", as: "Q_x", "E·n_m·h·f_e/(e·e_t)", "parameters")
        }
    }

    /// Parameters of the rank `share`; the symbols are N_d and N_e with `suffix`.
    private func explainHeld(_ lines: inout Derivation, _ share: PipelineShares.Rank, _ suffix: String, _ rank: String)
    {
        lines.know("l_d\(suffix)", share.layers - share.mixtures, "blocks", "dense blocks of \(rank)")
        lines.know("l_e\(suffix)", share.mixtures, "blocks", "blocks with experts of \(rank)")
        let headTable = share.holdsHead && (!model.tiedEmbeddings || !share.holdsEmbedding)
        let tables = (share.holdsEmbedding ? 1 : 0) + (headTable ? 1 : 0)
        let terms = [
            share.mixtures < share.layers ? "l_d\(suffix)·Q_d" : nil, share.mixtures > 0 ? "l_e\(suffix)·Q_e" : nil,
            tables > 0 ? "\(tables)·V_p·h/t" : nil, share.holdsEmbedding && parts.positions > 0 ? "s·h" : nil,
            share.holdsHead ? finalNorm : nil,
        ]
        lines.derive(
            "parameters a device of \(rank), routed experts aside", as: "N_d\(suffix)", sum(terms), "parameters",
            after: "Megatron-LM's layers")
        if share.mixtures > 0 {
            lines.derive(
                "routed experts' parameters a device of \(rank)", as: "N_e\(suffix)", "l_e\(suffix)·Q_x", "parameters")
        }
    }

    private func shared(_ share: PipelineShares.Rank, _ isShared: Bool, suffix: String = "") -> String {
        guard isShared else { return sum("N_d\(suffix)", share.mixtures > 0 ? "N_e\(suffix)" : nil) }
        return sum("N_d\(suffix)/S", share.mixtures > 0 ? "N_e\(suffix)/S_e" : nil)
    }

    func explainState(_ lines: inout Derivation, rank: Int) {
        let share = shares.ranks[rank]
        explainHeld(&lines, share, "", "the fullest rank")
        let sharding = layout.sharding
        lines.derive(
            "parameters a device", as: "N_all", shared(share, false), "parameters",
            note: "rank \(rank), the fullest: \(rankLayers(rank)) blocks")
        lines.derive(
            "weights", as: "weights", "b_w·(\(shared(share, sharding == .parameters)))", "bytes",
            note: "sharding \(sharding.rawValue)", after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020")
        let two = rates.framework.twoGradients && state.gradient > state.weight
        let isUnseen = unseenParameters(of: share) > 0
        if isUnseen {
            lines.know("v_1", rates.framework.memory.lookedUp ?? 0, "", "entries of a looked-up table with gradients")
            lines.derive("parameters that no token reads", as: "N_0", "(V_p/t − v_1)·h", "parameters")
        }
        let less = isUnseen ? " − N_0" : ""
        let gradients = shared(share, sharding == .parameters || sharding == .gradients) + less
        lines.derive(
            "gradients", as: "gradients", "b_g·(\(gradients))" + (two ? "·(1 + b_p/b_r)" : ""),
            "bytes", note: two ? "the gradients of the products are kept beside them" : "",
            after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020")
        lines.derive(
            "optimizer state", as: "optimizerState", "b_o·(\(shared(share, sharding != .none) + less))", "bytes",
            after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020"
        )
    }

    func explainOptimizer(_ lines: inout Derivation) {
        let share = fullest
        explainHeld(&lines, share, "_u", "the rank with most parameters")
        let scattered = layout.sharding == .gradients || layout.sharding == .parameters
        lines.derive(
            "parameters whose update a device does", as: "U", shared(share, layout.sharding != .none, suffix: "_u"),
            "parameters")
        lines.derive(
            "gradients a device zeroes", as: "Z", shared(share, scattered, suffix: "_u"), "parameters")
        lines.know("b_c", state.writtenCopy, "bytes", "bytes of the weights' copy that an update writes")
        lines.know("β", rates.memoryRate, "bytes/s", "bytes a second of memory-bound kernels")
        lines.know("λ", rates.launch, "s", "seconds of one kernel's launch")
        lines.know(
            "ω", rates.framework.optimizer, "", "the software's optimizer over one kernel (\(rates.framework.name))")
        lines.derive(
            "optimizer", as: "optimizer", "ω·(max(λ, (b_r + 24 + b_c)·U/β) + max(λ, b_r·U/β) + max(λ, b_r·Z/β))", "s",
            note: "Adam's update, the gradient's norm, zeroing: memory-bound")
    }
}
