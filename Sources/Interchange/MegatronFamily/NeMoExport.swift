internal import Models
internal import Plans

/// Writes a plan as the YAML of NeMo 2, which NeMo-Run reads: `nemo llm pretrain --yaml nemo.yaml`.
enum NeMoExport: Exporter {
    static let target = ExportTarget.nemo

    static func software(_ plan: Plan) -> String? { "nemo" }

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        // Fields that Megatron-Core 0.14, which NeMo 25.09 ships, does not have.
        MegatronExport.fitFamily(
            &plan, without: [.positionEntries, .latentExperts, .sharedGate], "NeMo", &gaps)
    }

    /// Arguments of MegatronStrategy.
    private static let strategy: Set<String> = [
        "tensor_model_parallel_size", "pipeline_model_parallel_size", "virtual_pipeline_model_parallel_size",
        "context_parallel_size", "expert_model_parallel_size", "expert_tensor_parallel_size", "sequence_parallel",
        "pipeline_model_parallel_layout",
    ]

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        var plan = plan
        plan.model = plan.model.besideExperts
        var fields = MegatronFields(plan, layout: layout, context: context)
        var text = ConfigurationText()
        text.set("_target_", .word("nemo.collections.llm.api.pretrain"))
        text.set("_partial_", .flag(true))
        let (bf16, fp16) = (fields.has("bf16"), fields.has("fp16"))
        _ = fields.take(["bf16", "fp16", "train_iters", "train_samples", "save", "load", "ckpt_format", "seq_length"])
        let perNode = min(plan.devices, max(1, plan.cluster.devicesPerNode))
        text.set(
            "trainer", target: "nemo.lightning.pytorch.trainer.Trainer",
            [
                ("accelerator", .word("gpu")), ("devices", .count(perNode)),
                ("num_nodes", .count(max(1, (plan.devices + perNode - 1) / perNode))),
                ("max_steps", .count(MegatronFields.steps(plan, context))), ("accumulate_grad_batches", .count(1)),
                ("use_distributed_sampler", .flag(false)),
            ])
        let type: ConfigurationText.Value = .object(bf16 ? "torch.bfloat16" : fp16 ? "torch.float16" : "torch.float32")
        text.set(
            "trainer.plugins", target: "nemo.lightning.pytorch.plugins.mixed_precision.MegatronMixedPrecision",
            [
                ("precision", .word(bf16 ? "bf16-mixed" : fp16 ? "16-mixed" : "32")), ("params_dtype", type),
                ("pipeline_dtype", type),
            ] + fields.take(MegatronFields.precision))
        let isSharded = fields.has("use_distributed_optimizer")
        let isFSDP = fields.has("use_megatron_fsdp")
        let instances = fields.take(["num_distributed_optimizer_instances"])
        var ddp = fields.take(MegatronFields.ddp)
        if !isSharded { ddp.append(("use_distributed_optimizer", .flag(false))) }
        text.set(
            "trainer.strategy", target: "nemo.lightning.pytorch.strategies.megatron_strategy.MegatronStrategy",
            fields.take(strategy) + instances + (isFSDP ? [("fsdp", .word("megatron"))] : []))
        text.set(
            "trainer.strategy.ddp",
            target: "megatron.core.distributed.distributed_data_parallel_config.DistributedDataParallelConfig",
            ddp)
        let interval = fields.take(["save_interval"])
        _ = fields.take(["seed"])
        let minimum = fields.take(["min_lr"])
        let schedule = fields.take(["lr_warmup_iters", "lr_decay_style"])
        text.set(
            "optim", target: "nemo.lightning.pytorch.optim.megatron.MegatronOptimizerModule", [])
        text.set(
            "optim.config", target: "megatron.core.optimizer.optimizer_config.OptimizerConfig",
            [("bf16", .flag(bf16)), ("fp16", .flag(fp16)), ("use_distributed_optimizer", .flag(isSharded))]
                + fields.take(MegatronFields.optimizer))
        if let warmup = schedule.first(where: { $0.name == "lr_warmup_iters" }),
            schedule.contains(where: { $0.value == .word("cosine") })
        {
            text.set(
                "optim.lr_scheduler", target: "nemo.lightning.pytorch.optim.lr_scheduler.CosineAnnealingScheduler",
                [("warmup_steps", warmup.value), ("constant_steps", .count(0))] + minimum)
        } else if plan.train == nil, let warmup = plan.hyperparameters?.warmup,
            let kind = plan.hyperparameters?.schedule
        {
            text.set(
                "optim.lr_scheduler",
                target: "nemo.lightning.pytorch.optim.lr_scheduler."
                    + (kind == .linear ? "WarmupAnnealingScheduler" : "WarmupPolicyScheduler"),
                [("warmup_steps", .count(warmup)), ("max_steps", .count(MegatronFields.steps(plan, context)))] + minimum
            )
        }
        text.set(
            "data", target: "nemo.collections.llm.gpt.data.mock.MockDataModule",
            [("seq_length", .count(plan.model.sequence))]
                + fields.take(["micro_batch_size", "global_batch_size", "rampup_batch_size"]))
        let isLatent = plan.model.mla != nil
        // DeepSeek's class has defaults of its own.
        let standard: [(name: String, value: ConfigurationText.Value)] =
            [
                ("gated_linear_unit", .flag(false)), ("activation_func", .object("torch.nn.functional.gelu")),
                ("add_bias_linear", .flag(true)), ("share_embeddings_and_output_weights", .flag(true)),
                ("moe_shared_expert_overlap", .flag(false)), ("q_lora_rank", .nothing),
            ].filter { field in isLatent && !fields.has(field.name) }
        let overlap = fields.take(["tp_comm_overlap"])
        text.set(
            "model",
            target: isLatent
                ? "nemo.collections.llm.gpt.model.deepseek.DeepSeekModel"
                : "nemo.collections.llm.gpt.model.base.GPTModel", [])
        text.set(
            "model.config",
            target: isLatent
                ? "nemo.collections.llm.gpt.model.deepseek.DeepSeekConfig"
                : "nemo.collections.llm.gpt.model.base.GPTConfig",
            [("seq_length", .count(plan.model.sequence))]
                + fields.fields.map { field in
                    guard field.name == "attention_backend" else { return field }
                    let isUnfused = field.value == .word("unfused")
                    return (
                        field.name, .enumeration("megatron.core.transformer.enums.AttnBackend", isUnfused ? 3 : 5)
                    )
                } + overlap + standard)
        if let every = interval.first {
            text.set("log", target: "nemo.lightning.nemo_logger.NeMoLogger", [("log_dir", .word("checkpoints"))])
            text.set(
                "log.ckpt", target: "nemo.lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
                [("every_n_train_steps", every.value), ("save_last", .flag(true))])
            text.set(
                "resume", target: "nemo.lightning.resume.AutoResume",
                [("resume_if_exists", .flag(true)), ("resume_ignore_no_checkpoint", .flag(true))])
        }
        var comment = [
            "Start it with: nemo llm pretrain --yaml nemo.yaml. The data are a stand-in, since every run needs some."
        ]
        comment += plan.usualWords(MegatronFields.usual)
        // NeMo 2 takes seeds from the script that starts it.
        if let seed = plan.hyperparameters?.seed { comment.append("Not in this file: seed \(seed).") }
        return [ExportedFile("nemo.yaml", text.yaml(header: header + comment))]
    }
}
