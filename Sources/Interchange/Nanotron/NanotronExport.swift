internal import Models
internal import Plans
internal import Schedules

/// Writes a plan as the YAML that nanotron's `run_train.py` reads.
enum NanotronExport: Exporter {
    static let target = ExportTarget.nanotron

    static func software(_ plan: Plan) -> String? { "nanotron" }

    private static let model: Set<ModelFeature.Kind> = [
        .tied, .geglu, .reglu, .inputBias, .window, .experts, .firstDense, .everyOther, .sharedExperts, .sharedGate,
    ]
    private static let plan: Set<PlanFeature> = [
        .tensor, .noSequenceParallel, .sequenceParallel, .pipeline, .unevenStages, .otherSchedule, .context,
        .contextRing,
        .contextGather, .otherDispatcher, .recomputeFull, .optimizerSharding, .tensorOverlap, .fp32, .otherOptimizer,
    ]

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: model, "nanotron", &gaps)
        let shape = plan.model
        if shape.headSize * shape.heads != shape.hidden {
            gaps.append(
                ExportGap("model.headSize", "\(shape.headSize)", "nanotron's heads have hidden / heads numbers each"))
        }
        if let moe = shape.moe, moe.sharedWidth > 0, !moe.sharedGate {
            gaps.append(
                ExportGap("model.moe.sharedGate", "false", "the shared expert of nanotron's Qwen passes a gate"))
        }
        guard let layout = plan.layout else { return }
        if layout.pipeline > 1, layout.schedule != .gpipe {
            if layout.schedule != .usual(virtualStages: layout.virtualStages) {
                plan.drop(.otherSchedule, because: "nanotron runs 1f1b, and all forwards before all backwards", &gaps)
            }
        }
        if let sizes = layout.layersPerStage, layout.pipeline > 1 {
            let isUsual = plan.hasUsualStages
            plan.layout?.layersPerStage = nil
            if !isUsual {
                gaps.append(
                    ExportGap(
                        "layout.layersPerStage", "[\(sizes.map(String.init).joined(separator: ", "))]",
                        "nanotron divides the blocks itself", nearest: "as the software divides them"))
            }
        }
        if shape.kvHeads < layout.tensor {
            gaps.append(
                ExportGap(
                    "layout.tensor", "\(layout.tensor)",
                    "nanotron wants a key/value head on each tensor rank, and the model has \(shape.kvHeads)"))
        }
        let optimizer = plan.optimizer
        if optimizer.name != .adamw, optimizer.name != .sgd || optimizer.momentum {
            plan.drop(.otherOptimizer, because: "nanotron has AdamW, and SGD without momentum", &gaps)
        }
        if layout.context > 1, shape.block.window != nil {
            gaps.append(
                ExportGap("model.window", "\(shape.block.window ?? 0)", "nanotron's rings of keys know no window here"))
        }
        if let dispatcher = layout.dispatcher, shape.mixtureLayers > 0, dispatcher != .alltoall,
            dispatcher != .allgather
        {
            plan.drop(.otherDispatcher, because: "nanotron has alltoall and allgather", &gaps)
        }
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        var text = ConfigurationText()
        addRun(plan, context, &text)
        addModel(plan, layout, &text)
        if let base = plan.training.rotaryBase { text.set("model.model_config.rope_theta", .number(base)) }
        addOptimizer(plan, layout, context, &text)
        let degrees: [(String, Int)] = [
            ("dp", layout.data), ("pp", layout.pipeline), ("tp", layout.tensor),
            ("context_parallel_size", layout.context), ("expert_parallel_size", layout.expert),
        ]
        for (name, degree) in degrees { text.set("parallelism.\(name)", .count(degree)) }
        text.set("parallelism.pp_engine", .word(layout.schedule == .gpipe ? "afab" : "1f1b"))
        text.set(
            "parallelism.tp_mode", .word(layout.tensor > 1 && layout.sequenceParallel ? "REDUCE_SCATTER" : "ALL_REDUCE")
        )
        text.set("parallelism.tp_linear_async_communication", .flag(layout.tensor > 1 && layout.overlap.tensor))
        text.set("parallelism.recompute_layer", .flag(layout.recompute == .full))
        text.set("tokens.sequence_length", .count(plan.model.sequence))
        text.set("tokens.micro_batch_size", .count(layout.microbatch))
        let slice = max(1, layout.data * layout.microbatch)
        text.set("tokens.batch_accumulation_per_replica", .count(max(1, plan.batch / slice)))
        text.set("tokens.train_steps", .count(MegatronFields.steps(plan, context)))
        text.set(
            "data_stages",
            .flow("[{name: all, start_training_step: 1, data: {dataset: null, num_loading_workers: 1, seed: 42}}]"))
        var comment = [
            "Start it with torchrun and run_train.py --config-file nanotron.yaml; the data are random numbers until data_stages names a dataset."
        ]
        comment += plan.usualWords([
            .learningRate, .minLearningRate, .warmup, .schedule, .betas, .epsilon, .weightDecay, .clip, .seed,
        ])
        var open = layout
        open.layersPerStage = nil
        let own = StagePartition(open, model: plan.model).sizes
        let usual = plan.framework(for: open).abilities.usualStages(open, model: plan.model)
        if layout.pipeline > 1, let usual, usual != own {
            comment.append(
                "nanotron divides the blocks by their cost: \(own.map(String.init).joined(separator: ", ")).")
        }
        return [ExportedFile("nanotron.yaml", text.yaml(header: header + comment))]
    }

    private static func addRun(_ plan: Plan, _ context: ExportContext, _ text: inout ConfigurationText) {
        text.set("general.project", .word("trainyard"))
        text.set("general.run", .word(plan.name))
        text.set("general.seed", .count(Int(clamping: plan.training.seed ?? 42)))
        text.set("checkpoints.checkpoints_path", .word("checkpoints"))
        // Without a checkpoint in the folder a run starts at its first step.
        text.set("checkpoints.resume_checkpoint_path", .word("checkpoints"))
        text.set("checkpoints.checkpoint_interval", .count(context.saveEvery ?? 1000))
        text.set("logging.iteration_step_info_interval", .count(1))
    }

    private static func addModel(_ plan: Plan, _ layout: Layout, _ text: inout ConfigurationText) {
        let shape = plan.model
        func set(_ name: String, _ value: ConfigurationText.Value) { text.set("model.model_config.\(name)", value) }
        text.set("model.ddp_bucket_cap_mb", .count(25))
        text.set("model.dtype", .word(plan.precision == .fp32 ? "float32" : "bfloat16"))
        text.set("model.init_method.std", .number(0.02))
        text.set("model.make_vocab_size_divisible_by", .count(1))
        let hasBias = shape.conventions.biases == [.attentionInput]
        let isLlama =
            shape.moe == nil && !hasBias && shape.block.window == nil && layout.context == 1
            && shape.mlp == .swiglu
        set(isLlama ? "is_llama_config" : "is_qwen2_config", .flag(true))
        set("hidden_size", .count(shape.hidden))
        set("num_hidden_layers", .count(shape.layers))
        set("num_attention_heads", .count(shape.heads))
        set("num_key_value_heads", .count(shape.kvHeads))
        set("intermediate_size", .count(shape.ffn))
        set("hidden_act", .word(shape.mlp == .geglu ? "gelu" : shape.mlp == .reglu ? "relu" : "silu"))
        set("vocab_size", .count(shape.vocab))
        set("max_position_embeddings", .count(shape.sequence))
        set("tie_word_embeddings", .flag(shape.tiedEmbeddings))
        if isLlama { return }
        set("attention_bias", .flag(hasBias))
        if let window = shape.block.window { set("sliding_window_size", .count(window)) }
        if layout.context > 1 {
            let isRing = layout.contextExchange == .ring
            set("_attn_implementation", .word(isRing ? "ring" : "llama3_ring_attention"))
            if !isRing { set("ring_attn_heads_k_stride", .count(1)) }
        }
        guard let moe = shape.moe else { return }
        set("moe_config.num_experts", .count(moe.experts))
        set("moe_config.top_k", .count(moe.topK))
        set("moe_config.moe_intermediate_size", .count(moe.ffn))
        set("moe_config.enable_shared_expert", .flag(moe.sharedWidth > 0))
        if moe.sharedWidth > 0 { set("moe_config.shared_expert_intermediate_size", .count(moe.sharedWidth)) }
        set("moe_config.token_dispatcher_type", .word(layout.dispatcher == .allgather ? "allgather" : "alltoall"))
        if moe.firstDense > 0 || moe.every > 1 {
            set("moe_config.layers", .counts((0..<shape.layers).filter { shape.hasExperts($0) }))
        }
    }

    private static func addOptimizer(
        _ plan: Plan, _ layout: Layout, _ context: ExportContext, _ text: inout ConfigurationText
    ) {
        let own = plan.training
        text.set("optimizer.zero_stage", .count(layout.sharding == .optimizer ? 1 : 0))
        text.set("optimizer.weight_decay", .number(own.weightDecay ?? 0.1))
        text.set("optimizer.clip_grad", own.clip == 0 ? .nothing : .number(own.clip ?? 1))
        text.set("optimizer.accumulate_grad_in_fp32", .flag(true))
        if plan.optimizer.name == .sgd {
            text.set("optimizer.optimizer_factory.name", .word("sgd"))
        } else {
            let betas = own.betas ?? []
            text.set("optimizer.optimizer_factory.adam_beta1", .number(betas.first ?? 0.9))
            text.set("optimizer.optimizer_factory.adam_beta2", .number(betas.count == 2 ? betas[1] : 0.95))
            text.set("optimizer.optimizer_factory.adam_eps", .number(own.epsilon ?? 1e-8))
            text.set("optimizer.optimizer_factory.name", .word("adamW"))
            text.set("optimizer.optimizer_factory.torch_adam_is_fused", .flag(true))
        }
        let section = "optimizer.learning_rate_scheduler."
        let steps = MegatronFields.steps(plan, context)
        let warmup = min(own.warmup ?? min(2000, steps / 10), max(0, steps - 1))
        text.set(section + "learning_rate", .number(own.learningRate ?? 3e-4))
        text.set(section + "lr_warmup_steps", .count(warmup))
        text.set(section + "lr_warmup_style", .word("linear"))
        text.set(section + "lr_decay_style", .word(own.schedule == .linear ? "linear" : "cosine"))
        text.set(section + "lr_decay_steps", .count(max(1, steps - warmup)))
        // Without a style of its own, a constant rate is one that falls to itself.
        let least = own.schedule == .constant ? own.learningRate ?? 3e-4 : own.minLearningRate ?? 3e-5
        text.set(section + "min_decay_lr", .number(least))
    }
}
