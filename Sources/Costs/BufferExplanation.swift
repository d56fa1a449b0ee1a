internal import Plans

/// Temporary buffers of the fullest rank, and its peak.
extension LayoutWork {
    func explainBuffers(_ lines: inout Derivation, rank: Int) {
        let share = shares.ranks[rank]
        let (dense, mixtures) = (share.mixtures < share.layers, share.mixtures > 0)
        lines.know("φ", fragmentation, "share", "the allocator's losses (\(rates.framework.name))")
        lines.know("ℓ", rates.framework.logitBytes, "bytes", "bytes of a logit in all its copies")
        let gathers = explainGathered(&lines, share)
        lines.derive(
            "buffers", as: "buffers",
            sum(
                dense && mixtures ? "max(G_d, G_e)" : dense ? "G_d" : "G_e", shard.sequenceParallel ? "w·T·h" : nil,
                p > 1 ? "2·w·T·h/σ" : nil, share.holdsHead ? "(4·y_p + w·y_w + ℓ − 4)·T·V_p/t" : nil,
                gathers ? "gathered" : nil), "bytes",
            note: "gradients at work, gathered inputs, messages, logits, gathered layers")
        lines.derive("fragmentation", as: "unused", "φ·(activations + buffers)", "bytes")
        lines.know(
            "reserved", outside, "bytes",
            rates.framework.reservedBytes == nil
                ? "reserved before any tensor, of the device's file"
                : "reserved before any tensor, of the framework's file (\(rates.framework.name))")
        lines.derive(
            "other memory", as: "otherMemory", "buffers + unused + reserved", "bytes",
            after: "own assumption where no source is named")
        lines.derive(
            "peak memory", as: "peak", "weights + gradients + optimizerState + activations + otherMemory", "bytes",
            note: "rank \(rank)")
    }

    /// What exists whole beside shards; false where nothing does.
    private func explainGathered(_ lines: inout Derivation, _ share: PipelineShares.Rank) -> Bool {
        guard layout.sharding == .parameters || layout.sharding == .gradients, layout.shardRanks > 1 else {
            return false
        }
        let mixture = shard.expertShardGroup.size > 1 ? "Q_e + Q_x" : "Q_e"
        let units = [
            share.mixtures < share.layers ? "Q_d" : nil, share.mixtures > 0 ? mixture : nil,
            share.holdsEmbedding || share.holdsHead ? "V_p·h/t" : nil,
        ].compactMap { $0 }
        lines.derive(
            "largest layer on a device", as: "Q", units.count > 1 ? "max(\(units.joined(separator: ", ")))" : units[0],
            "parameters", note: "a block or a table")
        lines.derive(
            "parameters that other ranks hold", as: "N_o",
            "(\(sum("N_d·(1 − 1/S)", share.mixtures > 0 ? "N_e·(1 − 1/S_e)" : nil)))/(1 + φ)", "parameters",
            note: "less the allocator's losses: sharding never takes more memory than not sharding")
        lines.derive(
            "gathered layers and unscattered gradients", as: "gathered",
            sum("b_r·min(Q, N_o)", layout.sharding == .parameters ? "b_p·min(2·Q, N_o)" : nil), "bytes",
            note: layout.sharding == .parameters
                ? "the layer at work and the next one, and the gradients of the one at work"
                : "the gradients of the layer at work",
            after: "Rajbhandari et al. 2020; PyTorch FSDP")
        return true
    }
}
