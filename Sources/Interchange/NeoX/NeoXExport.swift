internal import Models
internal import Plans
internal import Schedules

/// Writes a plan as the YAML that GPT-NeoX's `deepy.py train.py` reads.
enum NeoXExport: Exporter {
    static let target = ExportTarget.gptNeoX

    static func software(_ plan: Plan) -> String? { "gpt-neox" }

    private static let model: Set<ModelFeature.Kind> = [
        .layerNorm, .nonParametric, .learnedPositions, .positionEntries, .alibi, .sinusoidal, .noPositions, .allBiases,
        .otherBiases, .tied, .gelu, .relu, .silu, .geglu, .reglu, .parallelHalves, .window, .qkNormOther,
    ]
    private static let plan: Set<PlanFeature> = [
        .tensor, .noSequenceParallel, .sequenceParallel, .pipeline, .recomputeFull, .recomputeRuns, .optimizerSharding,
        .gradientSharding, .parameterSharding, .plainAttention, .halfGradients, .noDataOverlap, .noPipelineOverlap,
        .optimizerOffload, .stateOffload, .activationOffload, .fp32, .fp16, .otherOptimizer, .unevenStages,
    ]

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: model, "GPT-NeoX", &gaps)
        fitModel(plan.model, &gaps)
        guard let layout = plan.layout else { return }
        let isEven = plan.model.layers % max(1, layout.pipeline) == 0
        if layout.pipeline > 1, isEven || !plan.hasUsualStages {
            plan.drop(.unevenStages, because: "GPT-NeoX gives its stages equal numbers of blocks", &gaps)
        }
        if layout.sharding == .gradients || layout.sharding == .parameters, layout.pipeline > 1 {
            plan.drop(
                layout.sharding == .gradients ? .gradientSharding : .parameterSharding,
                because: "DeepSpeed's pipeline engine takes stages 0 and 1 alone", allowing: [.optimizerSharding], &gaps
            )
        }
        if layout.pipeline > 1, !layout.overlap.pipeline {
            plan.drop(.noPipelineOverlap, because: "GPT-NeoX has no such setting", &gaps)
        }
        if let share = layout.offload?.optimizer, share > 0, share < 1 {
            plan.drop(.optimizerOffload, because: "GPT-NeoX offloads the whole optimizer or nothing of it", &gaps)
        }
        if layout.offload?.activations ?? .none != .none, layout.recompute != .full {
            plan.drop(
                .activationOffload, because: "checkpoint_in_cpu moves the inputs of recomputed blocks alone", &gaps)
        }
        switch plan.optimizer.name {
        case .adamw, .lion: break
        default: plan.drop(.otherOptimizer, because: "GPT-NeoX has Adam, Lion, and SGD with Mup alone", &gaps)
        }
        let formats: [Precision] = plan.precision == .fp32 ? [.fp32] : [.fp32, plan.precision]
        if let gradients = plan.layout?.gradients, !formats.contains(gradients) {
            plan.drop(.halfGradients, because: "its gradients are fp32, or those of the weights", &gaps)
        }
        let ranks = max(1, plan.layout?.tensor ?? 1)
        let (vocab, rest) = (plan.model.vocab, plan.model.vocab % ranks)
        if rest != 0 {
            let (padded, overflow) = vocab.addingReportingOverflow(ranks - rest)
            gaps.append(
                ExportGap(
                    "model.vocab", "\(vocab)",
                    "GPT-NeoX rounds the entries up to a multiple of the \(ranks) tensor ranks",
                    nearest: overflow ? nil : "\(padded)"))
            if !overflow { plan.model.vocab = padded }
        }
        if plan.model.kvHeads != plan.model.heads, plan.model.kvHeads % max(1, layout.tensor) != 0 {
            gaps.append(
                ExportGap(
                    "layout.tensor", "\(layout.tensor)",
                    "GPT-NeoX wants equal numbers of key/value heads on tensor ranks, and the model has \(plan.model.kvHeads)"
                ))
        }
    }

    private static func fitModel(_ shape: Model, _ gaps: inout [ExportGap]) {
        if shape.headSize * shape.heads != shape.hidden {
            gaps.append(
                ExportGap("model.headSize", "\(shape.headSize)", "GPT-NeoX's heads have hidden / heads numbers each"))
        }
        if shape.block.qkNorm == .whole {
            gaps.append(ExportGap("model.qkNorm", "whole", "GPT-NeoX norms every head by itself"))
        }
        if shape.block.parallel == .fused {
            gaps.append(ExportGap("model.parallel", "fused", "GPT-NeoX has no such block or layer"))
        }
        let biases = shape.conventions.biases
        let attention: Set<Bias> = [.attentionInput, .attentionOutput]
        let isHalf = !attention.isDisjoint(with: biases) && !attention.isSubset(of: biases)
        if isHalf || !biases.isSubset(of: Bias.ofGPT) {
            gaps.append(
                ExportGap(
                    "model.biases", "[\(biases.sorted().map(\.rawValue).joined(separator: ", "))]",
                    "GPT-NeoX switches the biases of attention and those of the network, each as a whole"))
        }
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        var text = ConfigurationText()
        text.set("pipe_parallel_size", .count(layout.pipeline))
        text.set("model_parallel_size", .count(layout.tensor))
        if layout.tensor > 1 { text.set("sequence_parallel", .flag(layout.sequenceParallel)) }
        addModel(plan.model, layout, &text)
        if let base = plan.training.rotaryBase, plan.model.conventions.positions == .rotary {
            text.set(
                "rotary_emb_base", Int(exactly: base.rounded()).map(ConfigurationText.Value.count) ?? .number(base))
        }
        addTraining(plan, layout, context, &text)
        let comment =
            [
                "\(plan.devices) devices, as the launcher's hostfile says. Start it with deepy.py train.py gpt-neox.yml;",
                "say data_path and your tokenizer, of at most \(plan.model.vocab) entries.",
            ]
            + plan.usualWords([
                .learningRate, .minLearningRate, .warmup, .schedule, .betas, .epsilon, .weightDecay, .clip,
            ])
        return [ExportedFile("gpt-neox.yml", text.yaml(header: header + comment))]
    }

    private static func addModel(_ shape: Model, _ layout: Layout, _ text: inout ConfigurationText) {
        let own = shape.conventions
        text.set("num_layers", .count(shape.layers))
        text.set("hidden_size", .count(shape.hidden))
        text.set("num_attention_heads", .count(shape.heads))
        if shape.kvHeads != shape.heads { text.set("num_kv_heads", .count(shape.kvHeads)) }
        text.set("seq_length", .count(shape.sequence))
        text.set("max_position_embeddings", .count(shape.positionEntries ?? shape.sequence))
        switch own.norm {
        case .rmsNorm: text.set("norm", .word("rmsnorm"))
        case .nonParametric: text.set("norm", .word("non_parametric_layernorm"))
        default: text.set("norm", .word("layernorm"))
        }
        text.set("pos_emb", .word(own.positions.rawValue))
        text.set("no_weight_tying", .flag(!shape.tiedEmbeddings))
        text.set("activation", .word(shape.mlp.rawValue))
        // Of a gated activation's width GPT-NeoX takes a third.
        let isGated = shape.mlp == .swiglu || shape.mlp == .geglu || shape.mlp == .reglu
        let (width, overflow) = shape.ffn.multipliedReportingOverflow(by: isGated ? 3 : 1)
        text.set("intermediate_size", .count(overflow ? shape.ffn : width))
        text.set("use_bias_in_attn_linear", .flag(own.biases.contains(.attentionInput)))
        text.set("use_bias_in_mlp", .flag(own.biases.contains(.feedForward)))
        if shape.block.qkNorm == .heads { text.set("use_qk_layernorm", .flag(true)) }
        text.set("gpt_j_residual", .flag(shape.block.parallel != .none))
        if shape.block.parallel == .oneNorm { text.set("gpt_j_tied", .flag(true)) }
        if let window = shape.block.window { text.set("sliding_window_width", .count(max(0, window - 1))) }
        text.set("attention_config", .repeated([layout.flashAttention ? "flash" : "global"], shape.layers))
        text.set("output_layer_parallelism", .word("column"))
        // The tokenizer's entries are rounded up to a multiple of this for each tensor rank, and replace padded_vocab_size: with a
        // rank's share of the plan's entries every tokenizer that is no larger comes to exactly these.
        text.set("make_vocab_size_divisible_by", .count(max(1, shape.vocab / max(1, layout.tensor))))
        text.set("padded_vocab_size", .count(shape.vocab))
        text.set("hidden_dropout", .number(0))
        text.set("attention_dropout", .number(0))
    }

    private static func addTraining(
        _ plan: Plan, _ layout: Layout, _ context: ExportContext, _ text: inout ConfigurationText
    ) {
        let own = plan.training
        let slice = max(1, layout.data * layout.microbatch)
        text.set("train_micro_batch_size_per_gpu", .count(layout.microbatch))
        text.set("gradient_accumulation_steps", .count(max(1, plan.batch / slice)))
        text.set("train_iters", .count(MegatronFields.steps(plan, context)))
        text.set("lr_decay_iters", .count(MegatronFields.steps(plan, context)))
        text.set("lr_decay_style", .word(own.schedule?.rawValue ?? "cosine"))
        text.set(
            "warmup",
            .number(own.warmup.map { min(1, Double($0) / Double(max(1, MegatronFields.steps(plan, context)))) } ?? 0.01)
        )
        text.set("min_lr", .number(own.minLearningRate ?? 3e-5))
        if let seed = plan.hyperparameters?.seed { text.set("seed", .count(Int(clamping: seed))) }
        let offload = layout.offload ?? Layout.Offload()
        text.set("optimizer.type", .word(plan.optimizer.name == .lion ? "Lion" : "Adam"))
        text.set("optimizer.params.lr", .number(own.learningRate ?? 3e-4))
        text.set("optimizer.params.betas", .numbers(own.betas ?? [0.9, 0.95]))
        if plan.optimizer.name == .adamw { text.set("optimizer.params.eps", .number(own.epsilon ?? 1e-8)) }
        text.set("weight_decay", .number(own.weightDecay ?? 0.1))
        text.set("gradient_clipping", .number(own.clip ?? 1))
        switch plan.precision {
        case .fp16: text.set("fp16.enabled", .flag(true))
        case .fp32: text.set("precision", .word("fp32"))
        default:
            text.set("precision", .word("bfloat16"))
            text.set("bf16.enabled", .flag(true))
        }
        if plan.precision != .fp32 {
            let usual: Precision = plan.precision == .fp16 ? .fp16 : .fp32
            text.set("data_types.grad_accum_dtype", .word((layout.gradients ?? usual).rawValue))
        }
        let stages: [Layout.Sharding: Int] = [.none: 0, .optimizer: 1, .gradients: 2, .parameters: 3]
        text.set("zero_optimization.stage", .count(stages[layout.sharding] ?? 0))
        text.set("zero_optimization.overlap_comm", .flag(layout.overlap.data))
        text.set("zero_optimization.reduce_scatter", .flag(true))
        text.set("zero_optimization.contiguous_gradients", .flag(true))
        if offload.optimizer > 0 { text.set("zero_optimization.offload_optimizer.device", .word("cpu")) }
        if offload.parameters { text.set("zero_optimization.offload_param.device", .word("cpu")) }
        if layout.recompute == .full {
            text.set("checkpoint_activations", .flag(true))
            if case .runs(let length) = layout.recomputed {
                text.set("checkpoint_num_layers", .count(length))
            } else {
                text.set("checkpoint_num_layers", .count(1))
            }
            if offload.activations != .none { text.set("checkpoint_in_cpu", .flag(true)) }
        }
        if let every = context.saveEvery {
            text.set("save", .word("checkpoints"))
            // Without a checkpoint in the folder a run starts at its first step.
            text.set("load", .word("checkpoints"))
            text.set("checkpoint_factor", .count(every))
        }
    }
}
