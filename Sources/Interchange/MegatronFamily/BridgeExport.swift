internal import Models
internal import Plans

/// Writes a plan as the YAML of Megatron-Bridge's `ConfigContainer`, which `ConfigContainer.from_yaml` reads.
enum BridgeExport: Exporter {
    static let target = ExportTarget.megatronBridge

    static func software(_ plan: Plan) -> String? { "megatron-bridge" }

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        // A learned table has as many rows as a sequence has tokens.
        MegatronExport.fitFamily(&plan, without: [.positionEntries], "Megatron-Bridge", &gaps)
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        var plan = plan
        plan.model = plan.model.besideExperts
        var fields = MegatronFields(plan, layout: layout, context: context)
        var text = ConfigurationText()
        text.set("_target_", .word("megatron.bridge.training.config.ConfigContainer"))
        let training = fields.take([
            "micro_batch_size", "global_batch_size", "rampup_batch_size", "train_iters", "train_samples",
        ])
        text.set(
            "train", target: "megatron.bridge.training.config.TrainingConfig",
            training.filter { $0.name != "train_iters" && $0.name != "train_samples" }
                + [("train_iters", .count(MegatronFields.steps(plan, context)))])
        let (bf16, fp16) = (fields.has("bf16"), fields.has("fp16"))
        _ = fields.take(["bf16", "fp16"])
        let types = ["params_dtype", "pipeline_dtype"].map { name in
            (
                name: name,
                value: ConfigurationText.Value.object(
                    bf16 ? "torch.bfloat16" : fp16 ? "torch.float16" : "torch.float32")
            )
        }
        text.set(
            "mixed_precision", target: "megatron.bridge.training.mixed_precision.MixedPrecisionConfig",
            [("bf16", .flag(bf16)), ("fp16", .flag(fp16)), ("fp32", .flag(!bf16 && !fp16))] + types
                + fields.take(MegatronFields.precision))
        let isSharded = fields.has("use_distributed_optimizer")
        var ddp = fields.take(MegatronFields.ddp)
        if !isSharded { ddp.append(("use_distributed_optimizer", .flag(false))) }
        text.set("ddp", target: "megatron.bridge.training.config.DistributedDataParallelConfig", ddp)
        let schedule = fields.take(["lr_warmup_iters", "lr_decay_style"])
        let seed = fields.take(["seed"])
        let checkpoint = fields.take(["save", "load", "save_interval", "ckpt_format"])
        text.set(
            "optimizer", target: "megatron.bridge.training.config.OptimizerConfig",
            [("use_distributed_optimizer", .flag(isSharded))] + fields.take(MegatronFields.optimizer))
        text.set("scheduler", target: "megatron.bridge.training.config.SchedulerConfig", schedule)
        let vocab = plan.model.vocab
        text.set(
            "model",
            target: plan.model.mla == nil
                ? "megatron.bridge.models.gpt_provider.GPTModelProvider"
                : "megatron.bridge.models.mla_provider.MLAModelProvider", fields.fields.map(modelField))
        text.set(
            "dataset", target: "megatron.bridge.training.config.MockGPTDatasetConfig",
            [
                ("seq_length", .count(plan.model.sequence)), ("random_seed", .count(1234)),
                ("reset_position_ids", .flag(false)), ("reset_attention_mask", .flag(false)),
                ("eod_mask_loss", .flag(false)),
            ])
        text.set(
            "tokenizer", target: "megatron.bridge.training.tokenizers.config.TokenizerConfig",
            [("tokenizer_type", .word("NullTokenizer")), ("vocab_size", .count(vocab))])
        text.set("logger", target: "megatron.bridge.training.config.LoggerConfig", [("log_interval", .count(10))])
        text.set("checkpoint", target: "megatron.bridge.training.config.CheckpointConfig", checkpoint)
        if !seed.isEmpty { text.set("rng", target: "megatron.bridge.training.config.RNGConfig", seed) }
        let comment =
            [
                "\(plan.devices) devices. Read it with ConfigContainer.from_yaml and start megatron.bridge.training.pretrain.pretrain;",
                "dataset and tokenizer are stand-ins, since every run needs some.",
            ] + plan.usualWords(MegatronFields.usual)
        return [ExportedFile("megatron-bridge.yaml", text.yaml(header: header + comment))]
    }

    /// `attention_backend` is an enumeration of Python.
    private static func modelField(
        _ field: (name: String, value: ConfigurationText.Value)
    ) -> (name: String, value: ConfigurationText.Value) {
        guard field.name == "attention_backend" else { return field }
        let isUnfused = field.value == .word("unfused")
        return (field.name, .enumeration("megatron.core.transformer.enums.AttnBackend", isUnfused ? 3 : 5))
    }
}
