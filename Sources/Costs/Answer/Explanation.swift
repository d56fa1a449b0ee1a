internal import Models
internal import Plans

extension Estimate {
    /// The estimate with its `explanation`: the arithmetic behind its figures.
    /// - Parameter options: the options that the estimate was priced with.
    package func explained(_ options: CostOptions = CostOptions()) throws(CostError) -> Estimate {
        let work = try Pricer(plan: plan, options: options).work(of: self)
        var explained = self
        explained.explanation = arithmetic(work)
        return explained
    }

    /// The arithmetic behind the figures, in the order of computation.
    private func arithmetic(_ work: LayoutWork) -> [Explanation] {
        let pipeline = iteration.pipeline
        let time =
            pipeline.isSimulated
            ? IterationTime(work, filled: pipeline.filled, span: pipeline.span) : IterationTime(work)
        let (model, state, run) = (ModelExplanation(work), StateExplanation(work), RunExplanation(work))
        var lines = Derivation()
        lines.defineModel(work)
        model.addParameters(to: &lines)
        model.addFLOPs(to: &lines)
        lines.defineLayout(work)
        state.addShards(to: &lines)
        TimeExplanation(work).addTime(to: &lines, time)
        run.addRates(to: &lines, peak: clusterPeak)
        if let fullest = memoryByRank.max(by: { $0.peak < $1.peak })?.rank {
            state.addState(to: &lines, rank: fullest)
            let activations = ActivationExplanation(work)
            activations.addBlocks(to: &lines, rank: fullest)
            activations.addActivations(to: &lines, rank: fullest)
            BufferExplanation(work).addBuffers(to: &lines, rank: fullest)
        }
        run.addRun(to: &lines)
        return lines.lines
    }
}

extension Derivation {
    /// Defines the sizes of the model and of the batch.
    fileprivate mutating func defineModel(_ work: LayoutWork) {
        let (model, parts) = (work.model, work.parts)
        define("L", model.layers, "blocks", "blocks of the model")
        define("L_d", model.denseLayers, "blocks", "blocks without experts")
        define("L_e", model.mixtureLayers, "blocks", "blocks with experts")
        define("h", model.hidden, "", "hidden size")
        define("a", model.heads, "", "attention heads")
        define("f", model.ffn, "", "feed-forward size")
        define("n_m", model.mlp.matrices, "", "matrices of a feed-forward network (\(model.mlp.rawValue))")
        define("V", model.vocab, "", "vocabulary")
        define("s", model.sequence, "tokens", "tokens a sequence")
        define("B", work.plan.batch, "sequences", "sequences a step")
        let sizes = parts.attention.words.sizes + (parts.mixture?.feedForward.words.sizes ?? [])
        for size in sizes { define(size.symbol, size.value, "", size.meaning) }
        if let moe = model.moe {
            define("i", moe.imbalance, "", "rows of the fullest rank of experts over the mean")
        }
    }

    /// Defines the degrees of the layout.
    fileprivate mutating func defineLayout(_ work: LayoutWork) {
        let layout = work.layout
        define("t", layout.tensor, "", "tensor degree")
        define("c", layout.context, "", "context degree")
        define("e", layout.expert, "", "expert degree")
        define("e_t", layout.expertTensor, "", "expert-tensor degree")
        define("b", layout.microbatch, "sequences", "sequences of a micro-batch")
        define("m", work.m, "", "micro-batches a step")
        define("n", work.plan.devices, "devices", "devices that are used")
        define("w", work.rates.elementBytes, "bytes", "bytes of an activation element")
        define("σ", work.device.sequenceShare, "", "tensor ranks that share the rows (sequence parallelism)")
    }
}
