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
        let (model, run) = (ModelExplanation(work), RunExplanation(work))
        var lines = Derivation()
        lines.defineModel(work)
        ModelExplanation.defineRank(&lines, work)
        model.addParameters(to: &lines)
        model.addFLOPs(to: &lines)
        lines.defineLayout(work)
        StateExplanation(work).addShards(to: &lines)
        TimeExplanation(work, rank: time.bottleneck).addTime(to: &lines, time)
        run.addRates(to: &lines, peak: clusterPeak)
        if let fullest = fullest?.rank {
            let work = work.on(rank: fullest)
            StateExplanation(work).addState(to: &lines, rank: fullest)
            let activations = ActivationExplanation(work)
            activations.addBlocks(to: &lines, rank: fullest)
            activations.addActivations(to: &lines, rank: fullest)
            activations.addOnHost(to: &lines, rank: fullest)
            BufferExplanation(work).addBuffers(to: &lines, rank: fullest)
        }
        run.addRun(to: &lines, seconds: iteration.seconds)
        return lines.lines
    }
}

extension Derivation {
    /// Defines the sizes of the model and of the batch.
    fileprivate mutating func defineModel(_ work: LayoutWork) {
        let (model, words) = (work.model, ModelWords(work))
        define("L", model.layers, "blocks", "blocks of the model")
        for kind in words.kinds {
            let experts = kind.isMixture ? "with experts" : "without experts"
            define(
                "L_\(kind.symbol)", kind.count, "blocks",
                kind.predicts ? kind.names : "blocks \(experts)\(kind.ofKind)")
        }
        define("h", model.hidden, "", "hidden size")
        for kind in words.kinds {
            let shape = kind.block.shape
            define(kind.own("a"), shape.heads, "", "attention heads\(kind.ofKind)")
            define(kind.own("f"), shape.ffn, "", "feed-forward size\(kind.ofKind)")
            define(
                kind.own("n_m"), shape.mlp.matrices, "",
                "matrices of a feed-forward network\(kind.ofKind) (\(shape.mlp.rawValue))")
        }
        if words.embedding.hasTable { define("V", model.vocab, "", "vocabulary") }
        define("s", model.sequence, "tokens", "tokens a sequence")
        define("B", work.plan.batch, "sequences", "sequences a step")
        for size in words.embedding.sizes + (words.embedding.hasTable ? [] : words.head.sizes) {
            define(size.symbol, size.value, "", size.meaning)
        }
        for kind in words.kinds {
            for size in kind.attention.sizes + kind.feedForward.sizes + kind.block.normWords.sizes {
                define(kind.own(size.symbol), size.value, "", size.meaning + kind.ofKind)
            }
            if let moe = kind.block.mixture {
                define(
                    kind.own("i"), moe.imbalance, "", "rows of the fullest rank of experts over the mean\(kind.ofKind)")
            }
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
