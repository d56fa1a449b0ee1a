internal import Models
internal import Plans
internal import Schedules

extension MegatronExport {
    /// Adds arguments to a list.
    struct List {
        private(set) var arguments: [Argument] = []

        mutating func add(_ flag: String, _ values: Any...) {
            arguments.append(Argument(flag: flag, values: values.map { "\($0)" }))
        }

        mutating func add(_ flag: String, words: [String]) {
            arguments.append(Argument(flag: flag, values: words))
        }

        mutating func add(_ flag: String, if isGiven: Bool) {
            if isGiven { add(flag) }
        }
    }

    /// The arguments of a plan that Megatron-LM can say.
    static func arguments(_ plan: Plan, layout: Layout, context: ExportContext) -> [Argument] {
        // The arguments state one block, and which blocks have experts.
        var plan = plan
        plan.model = plan.model.besideExperts
        var list = List()
        list.add("--use-mcore-models")
        addModel(plan.model, to: &list)
        addExperts(plan, layout, to: &list)
        addLayout(plan, layout, to: &list)
        addSharding(plan, layout, to: &list)
        addPrecision(plan, to: &list)
        addOptimizer(plan, layout, to: &list)
        addBatch(plan, layout, to: &list)
        addRun(plan, context, to: &list)
        return list.arguments
    }

    private static func addModel(_ model: Model, to list: inout List) {
        let own = model.conventions
        list.add("--num-layers", model.layers)
        list.add("--hidden-size", model.hidden)
        list.add("--ffn-hidden-size", model.ffn)
        list.add("--num-attention-heads", model.heads)
        if let mla = model.mla {
            list.add("--multi-latent-attention")
            if mla.queryRank > 0 { list.add("--q-lora-rank", mla.queryRank) }
            list.add("--kv-lora-rank", mla.kvRank)
            list.add("--qk-head-dim", mla.nopeSize)
            list.add("--qk-pos-emb-head-dim", mla.ropeSize)
            list.add("--v-head-dim", mla.valueSize)
        } else {
            if model.kvHeads != model.heads {
                list.add("--group-query-attention")
                list.add("--num-query-groups", model.kvHeads)
            }
            list.add("--kv-channels", model.headSize)
        }
        // Latents have norms of their own, which Megatron-Core makes only with this.
        list.add("--qk-layernorm", if: model.block.qkNorm == .head || model.mla != nil)
        if let window = model.block.window { list.add("--window-size", "\(window - 1),0") }
        if model.block.sinks { list.add("--softmax-type", "learnable") }
        list.add("--seq-length", model.sequence)
        list.add("--max-position-embeddings", model.positionEntries ?? model.sequence)
        switch own.positions {
        case .rotary: list.add("--position-embedding-type", "rope")
        case .learned: list.add("--position-embedding-type", "learned_absolute")
        case .none, .alibi, .sinusoidal: list.add("--position-embedding-type", "none")
        }
        list.add("--normalization", own.norm == .rmsNorm ? "RMSNorm" : "LayerNorm")
        list.add("--swiglu", if: model.mlp == .swiglu)
        list.add("--squared-relu", if: model.mlp == .squaredRelu)
        list.add("--disable-bias-linear", if: own.biases != Bias.ofGPT)
        list.add("--add-qkv-bias", if: own.biases == [.attentionInput])
        list.add("--untie-embeddings-and-output-weights", if: !model.tiedEmbeddings)
        list.add("--vocab-size", model.vocab)
        list.add("--make-vocab-size-divisible-by", 128)
        list.add("--tokenizer-type", "NullTokenizer")
        if let mtp = model.mtp { list.add("--mtp-num-layers", mtp.layers) }
        list.add("--attention-dropout", "0.0")
        list.add("--hidden-dropout", "0.0")
    }

    private static func addExperts(_ plan: Plan, _ layout: Layout, to list: inout List) {
        let model = plan.model
        guard let moe = model.moe else { return }
        list.add("--num-experts", moe.experts)
        list.add("--moe-router-topk", moe.topK)
        list.add("--moe-ffn-hidden-size", moe.ffn)
        list.add("--moe-grouped-gemm")
        if moe.firstDense > 0 || moe.every > 1 || model.mixtureLayers < model.layers {
            let blocks = (0..<model.layers).map { model.hasExperts($0) ? 1 : 0 }
            list.add("--moe-layer-freq", MegatronPattern.written(blocks))
        }
        if moe.sharedWidth > 0 { list.add("--moe-shared-expert-intermediate-size", moe.sharedWidth) }
        list.add("--moe-shared-expert-gate", if: moe.sharedGate)
        if moe.routerCorrection {
            list.add("--moe-router-enable-expert-bias")
            list.add("--moe-router-score-function", "sigmoid")
        }
        if let limit = moe.nodeLimit {
            list.add("--moe-router-num-groups", expertNodes(plan, layout))
            list.add("--moe-router-group-topk", limit)
        }
        if let latent = moe.latentSize { list.add("--moe-latent-size", latent) }
        if let factor = moe.capacityFactor {
            list.add("--moe-expert-capacity-factor", factor)
            list.add("--moe-pad-expert-input-to-capacity", if: moe.padToCapacity)
            list.add("--moe-token-drop-policy", moe.tokenDropPolicy.rawValue)
        }
        switch layout.dispatcher ?? .alltoall {
        case .alltoall: list.add("--moe-token-dispatcher-type", "alltoall")
        case .allgather: list.add("--moe-token-dispatcher-type", "allgather")
        case .deepep, .hybridep:
            list.add("--moe-token-dispatcher-type", "flex")
            list.add("--moe-flex-dispatcher-backend", (layout.dispatcher ?? .deepep).rawValue)
        }
        list.add("--expert-model-parallel-size", layout.expert)
        list.add("--expert-tensor-parallel-size", layout.expertTensor)
        list.add("--overlap-moe-expert-parallel-comm", if: layout.overlap.expert && layout.expert > 1)
        list.add("--moe-shared-expert-overlap", if: layout.overlap.sharedExperts)
    }

    /// Nodes among which the experts of a block are divided.
    static func expertNodes(_ plan: Plan, _ layout: Layout) -> Int {
        let (ranks, overflow) = layout.expert.multipliedReportingOverflow(by: layout.expertTensor)
        return overflow ? 1 : max(1, ranks / max(1, plan.cluster.devicesPerNode))
    }

    private static func addLayout(_ plan: Plan, _ layout: Layout, to list: inout List) {
        list.add("--tensor-model-parallel-size", layout.tensor)
        list.add("--sequence-parallel", if: layout.tensor > 1 && layout.sequenceParallel)
        list.add("--tp-comm-overlap", if: layout.tensor > 1 && layout.overlap.tensor)
        list.add("--pipeline-model-parallel-size", layout.pipeline)
        if layout.pipeline > 1 {
            if let sizes = StagePartition(layout, model: plan.model).unevenSizes {
                list.add("--pipeline-model-parallel-layout", stages(sizes, predictors: plan.model.predictors))
            } else if layout.virtualStages > 1 {
                list.add("--num-virtual-stages-per-pipeline-rank", layout.virtualStages)
            }
            list.add("--no-overlap-p2p-communication", if: layout.virtualStages > 1 && !layout.overlap.pipeline)
        }
        list.add("--context-parallel-size", layout.context)
        if layout.context > 1 {
            switch layout.contextExchange {
            case .ring: list.add("--cp-comm-type", "p2p")
            case .gather: list.add("--cp-comm-type", "all_gather")
            case .heads: list.add("--cp-comm-type", "a2a")
            case .headsAndRing:
                let heads = max(1, layout.contextHeads ?? 1)
                list.add("--cp-comm-type", "a2a+p2p")
                list.add("--hierarchical-context-parallel-sizes", heads, layout.context / heads)
            }
        }
        list.add("--attention-backend", layout.flashAttention ? "auto" : "unfused")
        addRecomputation(layout, to: &list)
        if let activations = layout.offload?.activations, activations != .none {
            list.add("--cpu-offloading")
            if case .first(let count) = activations {
                list.add("--cpu-offloading-num-layers", count)
            } else {
                list.add("--cpu-offloading-num-layers", max(1, plan.model.layers - 1))
            }
        }
    }

    /// The stages as `--pipeline-model-parallel-layout` writes them.
    static func stages(_ sizes: [Int], predictors: Int) -> String {
        var texts = sizes.map { String(repeating: "t", count: $0) }
        guard let last = texts.indices.last else { return "" }
        texts[0] = "E" + texts[0]
        texts[last] += String(repeating: "m", count: predictors) + "L"
        return texts.joined(separator: "|")
    }

    private static func addRecomputation(_ layout: Layout, to list: inout List) {
        switch layout.recompute {
        case .none: return
        case .selective:
            list.add("--recompute-granularity", "selective")
            if layout.recomputeModules != .nothing {
                let names = RecomputeModules.Name.allCases.filter(layout.recomputeModules.has).map(\.rawValue)
                list.add("--recompute-modules", words: names)
            }
        case .full:
            list.add("--recompute-granularity", "full")
            switch layout.recomputed {
            case .first(let count):
                list.add("--recompute-method", "block")
                list.add("--recompute-num-layers", count)
            case .runs(let length):
                list.add("--recompute-method", "uniform")
                list.add("--recompute-num-layers", length)
            case .all, .every, .firstOfStage:
                list.add("--recompute-method", "uniform")
                list.add("--recompute-num-layers", 1)
            }
        }
    }

    private static func addSharding(_ plan: Plan, _ layout: Layout, to list: inout List) {
        let isFSDP = layout.sharding == .gradients || layout.sharding == .parameters
        if layout.sharding != .none { list.add("--use-distributed-optimizer") }
        if isFSDP {
            list.add("--use-megatron-fsdp")
            list.add(
                "--data-parallel-sharding-strategy",
                layout.sharding == .gradients ? "optim_grads" : "optim_grads_params")
            list.add("--ckpt-format", "fsdp_dtensor")
            list.add("--no-gradient-accumulation-fusion")
        }
        let ranks = layout.data * layout.context
        if layout.sharding != .none, layout.shardRanks > 0, layout.shardRanks < ranks {
            list.add("--num-distributed-optimizer-instances", ranks / layout.shardRanks)
            if layout.sharesOptimizer { list.add("--outer-dp-sharding-strategy", "optim") }
        }
        if layout.overlap.data {
            list.add("--overlap-grad-reduce")
            list.add("--overlap-param-gather", if: layout.sharding != .none)
        }
    }
}

extension MegatronPattern {
    /// Ones and zeros as a sum of lists: `([0]*3+[1]*58)`.
    static func written(_ blocks: [Int]) -> String {
        var terms: [String] = []
        var index = 0
        while index < blocks.count {
            var end = index
            while end < blocks.count, blocks[end] == blocks[index] { end += 1 }
            terms.append("[\(blocks[index])]*\(end - index)")
            index = end
        }
        return "(\(terms.joined(separator: "+")))"
    }
}
