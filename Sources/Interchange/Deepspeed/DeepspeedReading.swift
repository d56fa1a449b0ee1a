internal import Numbers
internal import Plans
package import Reading

/// Reads a configuration of DeepSpeed as a plan.
package enum DeepspeedImport {
    /// Whether the keys of a tree are those of a DeepSpeed configuration.
    static func looks(_ keys: Set<String>) -> Bool {
        ["zero_optimization.", "train_micro_batch_size_per_gpu", "train_batch_size"].contains { key in
            keys.contains { $0 == key || key.hasSuffix(".") && $0.hasPrefix(key) }
        }
    }

    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        var draft = PlanDraft()
        let file = try TreeSettings.file(text: text, name: name, allowsLooseJSON: true)
        if let loose = file.loose {
            draft.note(
                "the file \(loose.rule) (line \(loose.line ?? 1), column \(loose.column ?? 1)): DeepSpeed's own reader takes it, "
                    + "and those of transformers and accelerate refuse the file")
        }
        let reader = draft.reader(
            ofFileWithoutModel: file.settings, tool: "DeepSpeed", request: request,
            collector: ProblemCollector(file: name), library: library)
        let reading = DeepspeedReading(reader: reader, prefix: "")
        let data = reading.readDegrees(devices: request.devices, into: &draft)
        reading.readNumbers(into: &draft)
        reading.readZero(into: &draft)
        reading.readRecomputation(into: &draft)
        reading.readBatch(data: data, into: &draft)
        reading.readHyperparameters(into: &draft)
        reader.know(DeepspeedReading.silent + DeepspeedReading.sections)
        if !request.ignoresUnknown { reader.reportMisspelt() }
        return try draft.finished(
            reader, request: request, source: "a configuration of DeepSpeed", framework: "deepspeed", library: library)
    }
}

/// The reading of a DeepSpeed configuration, which may stand inside another file.
struct DeepspeedReading {
    let reader: SettingsReader
    /// What stands before every key: nothing, or `deepspeed.`.
    let prefix: String

    /// Settings that change nothing of what a plan says.
    static let silent = [
        "gradient_clipping", "steps_per_print", "wall_clock_breakdown", "prescale_gradients", "dump_state",
        "zero_optimization.contiguous_gradients", "zero_optimization.reduce_bucket_size",
        "zero_optimization.allgather_bucket_size", "zero_optimization.reduce_scatter",
        "zero_optimization.allgather_partitions", "zero_optimization.stage3_prefetch_bucket_size",
        "zero_optimization.stage3_param_persistence_threshold", "zero_optimization.stage3_max_live_parameters",
        "zero_optimization.stage3_max_reuse_distance", "zero_optimization.sub_group_size",
        "zero_optimization.stage3_gather_16bit_weights_on_model_save", "zero_optimization.round_robin_gradients",
        "zero_allow_untested_optimizer", "optimizer.params.lr", "optimizer.params.betas", "optimizer.params.eps",
        "optimizer.params.weight_decay", "fp16.loss_scale", "fp16.loss_scale_window", "fp16.initial_scale_power",
        "fp16.hysteresis", "fp16.min_loss_scale", "zero_optimization.offload_optimizer.pin_memory",
        "zero_optimization.offload_param.pin_memory", "scheduler.type", "scheduler.params.warmup_min_lr",
        "scheduler.params.warmup_max_lr", "scheduler.params.warmup_num_steps", "scheduler.params.total_num_steps",
    ]

    /// Further keys at the root (deepspeed/runtime/constants.py and config.py of DeepSpeed 0.19).
    static let sections = [
        "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "sparse_gradients",
        "gradient_predivide_factor", "communication_data_type", "seq_parallel_communication_data_type", "amp",
        "autotuning", "flops_profiler", "comms_logger", "csv_monitor", "tensorboard", "wandb", "comet",
        "monitor_config", "aio", "elasticity", "compression_training", "data_efficiency", "curriculum_learning",
        "progressive_layer_drop", "eigenvalue", "sparse_attention", "quantize_training", "checkpoint", "nebula",
        "data_types", "hybrid_engine", "zero_force_ds_cpu_optimizer", "use_node_local_storage", "graph_harvesting",
        "compile", "torch_autocast", "memory_breakdown", "disable_allgather", "gradient_checkpointing",
        "activation_checkpointing", "pipeline", "tensor_parallel", "sequence_parallel_size", "expert_parallel",
        "timers", "weight_quantization", "vocabulary_size", "dataloader_drop_last", "gradient_noise_scale",
        "load_universal_checkpoint", "ignore_unused_parameters", "fp32_allreduce",
        "zero_optimization.ignore_unused_parameters", "zero_optimization.zero_hpz_partition_size",
        "zero_optimization.mics_hierarchical_params_gather", "zero_optimization.memory_efficient_linear",
        "zero_optimization.elastic_checkpoint", "zero_optimization.load_from_fp32_weights",
        "zero_optimization.offload_optimizer.nvme_path", "zero_optimization.offload_param.nvme_path", "bfloat16",
    ]

    func key(_ name: String) -> String { prefix + name }
    func place(_ name: String) -> Setting? { reader.place(key(name)) }
    func count(_ name: String, in range: ClosedRange<Int> = 1...100_000_000) -> Int? {
        reader.count(key(name), in: range)
    }
    func flag(_ name: String) -> Bool? { reader.flag(key(name)) }

    /// Reads the degrees.
    /// - Returns: data-parallel ranks; nil: the devices are not known, or the degrees do not divide them.
    func readDegrees(devices: Int?, into draft: inout PlanDraft) -> Int? {
        var ranks = 1
        for (degree, name) in [
            ("tensor", "tensor_parallel.autotp_size"), ("pipeline", "pipeline.stages"),
            ("context", "sequence_parallel_size"),
        ] {
            guard let value = count(name, in: 0...10_000_000), value > 1 else { continue }
            draft.set("layout.\(degree)", .count(value), from: place(name))
            if degree == "context" { draft.set("layout.contextExchange", .word("heads"), from: place(name)) }
            ranks = ranks.multipliedReportingOverflow(by: value).overflow ? 1 << 40 : ranks * value
        }
        if flag("expert_parallel.enabled") ?? false {
            let experts = count("expert_parallel.autoep_size") ?? 1
            draft.set("layout.expert", .count(experts), from: place("expert_parallel.autoep_size"))
            if let cuts = count("expert_parallel.expert_tensor_parallel_size"), cuts > 1 {
                draft.set(
                    "layout.expertTensor", .count(cuts), from: place("expert_parallel.expert_tensor_parallel_size"))
            }
        }
        if let word = reader.word(key("pipeline.partition")), word != "uniform" {
            draft.leave("pipeline.partition \(word): the software divides the blocks, and a plan as that software does")
        }
        guard let devices else {
            draft.note("layout.data: 1, since the file does not say how many devices there are; say it with --world")
            draft.set("layout.data", .count(1), from: nil)
            return 1
        }
        guard devices % ranks == 0 else {
            let names = ["tensor_parallel.autotp_size", "pipeline.stages", "sequence_parallel_size"]
            let culprit = names.first { (count($0, in: 0...10_000_000) ?? 1) > 1 } ?? names[0]
            reader.misfit(
                key(culprit), "the degrees make \(ranks) ranks, which do not divide \(devices) devices",
                fix: "change a degree, or say --world")
            return nil
        }
        draft.set("layout.data", .count(devices / ranks), from: nil)
        return devices / ranks
    }

    func readNumbers(into draft: inout PlanDraft) {
        let isHalf = flag("bf16.enabled") ?? flag("bfloat16.enabled") ?? false
        let is16 = flag("fp16.enabled") ?? false
        let place16 = place("fp16.enabled")
        if isHalf, is16 { reader.fail(key("fp16.enabled"), "contradicts bf16.enabled", fix: "keep one of them") }
        let word = isHalf ? "bf16" : is16 ? "fp16" : "fp32"
        if isHalf || is16 || place16 != nil {
            draft.set(
                "precision", .word(word), from: isHalf ? place("bf16.enabled") ?? place("bfloat16.enabled") : place16)
        } else {
            let open = ["bf16.enabled", "bfloat16.enabled", "fp16.enabled"].filter { reader.open.contains(key($0)) }
            draft.infer(
                "precision", .word(word),
                because: open.isEmpty
                    ? "the file enables neither bf16 nor fp16"
                    : "\(open.joined(separator: " and ")) is auto, which the training script decides; change it in the plan"
            )
        }
        let gradients: String? = reader.choice(
            key("data_types.grad_accum_dtype"), [("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp16")])
        if let gradients {
            draft.set("layout.gradients", .word(gradients), from: place("data_types.grad_accum_dtype"))
        } else if isHalf {
            draft.infer(
                "layout.gradients", .word("bf16"), because: "DeepSpeed accumulates gradients in the model's format")
        }
        if flag("bf16.bf16_master_weights_and_grads") ?? flag("fp16.fp16_master_weights_and_grads") ?? false {
            draft.set(
                "optimizer.master", .word("none"),
                from: place("bf16.bf16_master_weights_and_grads") ?? place("fp16.fp16_master_weights_and_grads"))
        }
        if flag("bf16.bf16_optimizer_states") ?? false {
            draft.set("optimizer.moments", .word("bf16"), from: place("bf16.bf16_optimizer_states"))
        }
        // DeepSpeed's Adam decouples the weight decay unless it is told not to.
        let names = [
            ("Adam", "adamw"), ("AdamW", "adamw"), ("Lion", "lion"), ("Muon", "muon"), ("SGD", "sgd"),
            ("Adafactor", "adafactor"),
        ]
        if let optimizer: String = reader.choice(key("optimizer.type"), names), optimizer != "adamw" {
            draft.set("optimizer.name", .word(optimizer), from: place("optimizer.type"))
        }
        reader.expect([key("optimizer.params.torch_adam"), key("optimizer.params.adam_w_mode")])
    }

    func readHyperparameters(into draft: inout PlanDraft) {
        let parameters = "optimizer.params."
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", [key(parameters + "lr")]), ("eps", [key(parameters + "eps")]),
                ("weightDecay", [key(parameters + "weight_decay")]), ("momentum", [key(parameters + "momentum")]),
                ("clip", [key("gradient_clipping")]), ("warmup", [key("scheduler.params.warmup_num_steps")]),
            ])
        draft.takeBetas(reader, key(parameters + "betas"))
        draft.takeSchedule(
            reader, key("scheduler.type"),
            ["warmuplr": "constant", "warmupdecaylr": "linear", "warmupcosinelr": "cosine"])
        draft.takeMinimum(reader, share: key("scheduler.params.cos_min_ratio"), of: draft.learningRate)
        readWarmup(into: &draft)
        // What is left is added by the schedule that an export writes.
        if let most = place("scheduler.params.warmup_max_lr"), most.value == place(parameters + "lr")?.value {
            draft.hold(most)
        }
    }

    /// The shape of the warm-up, and where a linear course ends.
    private func readWarmup(into draft: inout PlanDraft) {
        guard let schedule = reader.word(key("scheduler.type"))?.lowercased(),
            ["warmuplr", "warmupdecaylr", "warmupcosinelr"].contains(schedule)
        else { return }
        if schedule == "warmupdecaylr", place("scheduler.params.warmup_min_lr") != nil {
            draft.takeHyperparameters(reader, [("minLearningRate", [key("scheduler.params.warmup_min_lr")])])
        }
        let name = "scheduler.params.warmup_type"
        let kind = reader.word(key(name))
        if kind?.lowercased() == "linear" { return draft.hold(place(name)) }
        draft.leave(
            "\(key(name)) \(kind.map { String($0.prefix(60)) } ?? "log, DeepSpeed's default"): a plan's warm-up is linear; "
                + "change it in exported files by hand")
    }

    /// ZeRO, and what it offloads.
    func readZero(into draft: inout PlanDraft) {
        let stage = count("zero_optimization.stage", in: 0...3) ?? 0
        let kinds = ["none", "optimizer", "gradients", "parameters"]
        draft.set("layout.sharding", .word(kinds[stage]), from: place("zero_optimization.stage"))
        if let group = count("zero_optimization.mics_shard_size"), stage == 3 {
            draft.set("layout.shardGroup", .count(group), from: place("zero_optimization.mics_shard_size"))
        }
        if let group = count("zero_optimization.zero_hpz_partition_size"), group > 1 {
            draft.leave(
                "zero_hpz_partition_size \(group): a plan has no second copy of the weights for gathering inside nodes")
        }
        for name in ["zero_quantized_weights", "zero_quantized_gradients"]
        where flag("zero_optimization.\(name)") ?? false {
            draft.leave("\(name): a plan sends weights and gradients in their own formats")
        }
        // Where it is not stated, gradients are exchanged behind the backward for stage 3 alone.
        let isHidden = flag("zero_optimization.overlap_comm") ?? (stage == 3 || stage == 0)
        if !isHidden { draft.set("layout.overlap.data", .flag(false), from: place("zero_optimization.overlap_comm")) }
        let optimizer = "zero_optimization.offload_optimizer"
        let isOld = flag("zero_optimization.cpu_offload") ?? false
        if device(optimizer, draft: &draft) || isOld {
            let share = reader.number(key("\(optimizer).ratio"), in: 0...1) ?? 1
            let origin = place("\(optimizer).device") ?? place("zero_optimization.cpu_offload")
            draft.set("layout.offload.optimizer", share == 1 ? .flag(true) : .number(share), from: origin)
            if stage >= 2, share == 1 { draft.set("layout.offload.gradients", .flag(true), from: origin) }
        }
        if device("zero_optimization.offload_param", draft: &draft) {
            let place = place("zero_optimization.offload_param.device")
            draft.set("layout.offload.parameters", .flag(true), from: place)
            if !draft.has("layout.offload.optimizer") {
                draft.set("layout.offload.optimizer", .flag(true), from: place)
            }
        }
    }

    private func device(_ section: String, draft: inout PlanDraft) -> Bool {
        switch reader.choice(key("\(section).device"), [("none", 0), ("cpu", 1), ("nvme", 2)]) {
        case 1: return true
        case 2:
            draft.leave("\(section) to NVMe: a plan's hosts keep it in their memory")
            return true
        default: return false
        }
    }

    func readRecomputation(into draft: inout PlanDraft) {
        let section = key("activation_checkpointing")
        if let interval = count("pipeline.activation_checkpoint_interval", in: 0...10_000) {
            let place = place("pipeline.activation_checkpoint_interval")
            draft.set("layout.recompute", .word(interval > 0 ? "full" : "none"), from: place)
            if interval > 1 {
                draft.set("layout.recomputeMethod", .word("uniform"), from: place)
                draft.set("layout.recomputeLayers", .count(interval), from: place)
            }
        } else if reader.has(section) || reader.hasSection(section) {
            draft.set("layout.recompute", .word("full"), from: reader.place(section))
            draft.note(
                "layout.recompute: full, since the file has activation_checkpointing; the model chooses its blocks")
        }
        if flag("activation_checkpointing.cpu_checkpointing") ?? false {
            draft.set(
                "layout.offload.activations", .flag(true), from: place("activation_checkpointing.cpu_checkpointing"))
        }
        reader.expect(
            [
                "", ".partition_activations", ".contiguous_memory_optimization", ".number_checkpoints",
                ".synchronize_checkpoint_boundary", ".profile",
            ].map { section + $0 })
    }

    /// The batch, from two of its three numbers.
    func readBatch(data: Int?, into draft: inout PlanDraft) {
        let batch = count("train_batch_size")
        let micro = count("train_micro_batch_size_per_gpu")
        let steps = count("gradient_accumulation_steps")
        guard let data else { return }
        let place = place("train_batch_size") ?? place("train_micro_batch_size_per_gpu")
        switch (batch, micro, steps) {
        case (let batch?, let micro?, let steps):
            if let steps, Int.product(micro, steps, data) != batch {
                reader.fail(
                    key("train_batch_size"),
                    "is not micro-batch \(micro) · accumulation \(steps) · \(data) data-parallel ranks",
                    fix: "set it to \(Int.product(micro, steps, data).map(String.init) ?? "less"), or say --world")
            }
            draft.set("layout.microbatch", .count(micro), from: self.place("train_micro_batch_size_per_gpu"))
            draft.set("batch", .count(batch), from: place)
        case (let batch?, nil, let steps):
            let slices = Int.product(steps ?? 1, data) ?? 0
            guard slices > 0, batch % slices == 0 else {
                reader.misfit(
                    key("train_batch_size"),
                    "is no multiple of accumulation \(steps ?? 1) · \(data) data-parallel ranks",
                    fix: "change one of them, or say --world")
                return
            }
            draft.set("batch", .count(batch), from: place)
            draft.infer(
                "layout.microbatch", .count(batch / slices),
                because: "the batch over accumulation and data-parallel ranks")
        case (nil, let micro?, let steps):
            draft.set("layout.microbatch", .count(micro), from: self.place("train_micro_batch_size_per_gpu"))
            if let batch = Int.product(micro, steps ?? 1, data) { draft.set("batch", .count(batch), from: place) }
            if steps == nil {
                draft.note("batch: one micro-batch a step, since the file does not state gradient_accumulation_steps")
            }
        case (nil, nil, let steps):
            if let steps {
                draft.set("accumulation", .count(steps), from: self.place("gradient_accumulation_steps"))
            }
            let reason = "the plan's own, since the file does not state it; change it in the plan"
            draft.leaveOpen("batch", because: reason) { Figures.grouped($0.batch) }
            draft.leaveOpen("layout.microbatch", because: reason) { $0.layout.map { "\($0.microbatch)" } }
        }
    }
}
