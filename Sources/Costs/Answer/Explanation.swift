internal import Models
internal import Plans

extension Estimate {
    /// This estimate with `explanation`: the arithmetic behind its figures.
    /// - Parameter options: those it was priced with.
    package func explained(_ options: CostOptions = CostOptions()) throws(CostError) -> Estimate {
        let work = try Pricer(plan: plan, options: options).work(of: self)
        var explained = self
        explained.explanation = work.explanation(of: self)
        return explained
    }
}

extension LayoutWork {
    /// The arithmetic behind an estimate, in the order it is done.
    func explanation(of estimate: Estimate) -> [Estimate.Explanation] {
        let pipeline = estimate.iteration.pipeline
        let time =
            pipeline.isSimulated ? iterationTime(filled: pipeline.filled, span: pipeline.span) : iterationTime()
        var lines = Derivation()
        explainShape(&lines)
        explainParameters(&lines)
        explainFLOPs(&lines)
        explainLayout(&lines)
        explainShards(&lines)
        explainTime(&lines, time)
        explainRates(&lines, peak: estimate.clusterPeak)
        if let fullest = estimate.memoryByRank.max(by: { $0.peak < $1.peak })?.rank {
            explainState(&lines, rank: fullest)
            explainBlocks(&lines, rank: fullest)
            explainActivations(&lines, rank: fullest)
            explainBuffers(&lines, rank: fullest)
        }
        explainRun(&lines)
        return lines.lines
    }

    /// What the model and the layout are made of.
    private func explainShape(_ lines: inout Derivation) {
        let model = self.model
        lines.know("L", model.layers, "blocks", "blocks of the model")
        lines.know("L_d", model.denseLayers, "blocks", "blocks without experts")
        lines.know("L_e", model.mixtureLayers, "blocks", "blocks with experts")
        lines.know("h", model.hidden, "", "hidden size")
        lines.know("a", model.heads, "", "attention heads")
        lines.know("f", model.ffn, "", "feed-forward size")
        lines.know("n_m", model.mlp.matrices, "", "matrices of a feed-forward network (\(model.mlp.rawValue))")
        lines.know("V", model.vocab, "", "vocabulary")
        lines.know("s", model.sequence, "tokens", "tokens a sequence")
        lines.know("B", pricer.plan.batch, "sequences", "sequences a step")
        let sizes = parts.attention.words.sizes + (parts.mixture?.feedForward.words.sizes ?? [])
        for size in sizes { lines.know(size.symbol, size.value, "", size.meaning) }
        if let moe = model.moe {
            lines.know("i", moe.imbalance, "", "rows of the fullest rank of experts over the mean")
        }
    }

    private func explainLayout(_ lines: inout Derivation) {
        lines.know("t", layout.tensor, "", "tensor degree")
        lines.know("c", layout.context, "", "context degree")
        lines.know("e", layout.expert, "", "expert degree")
        lines.know("e_t", layout.expertTensor, "", "expert-tensor degree")
        lines.know("b", layout.microbatch, "sequences", "sequences of a micro-batch")
        lines.know("m", m, "", "micro-batches a step")
        lines.know("n", pricer.plan.devices, "devices", "devices that are used")
        lines.know("w", rates.elementBytes, "bytes", "bytes of an activation element")
        lines.know("σ", shard.sequenceShare, "", "tensor ranks that share the rows (sequence parallelism)")
    }
}
