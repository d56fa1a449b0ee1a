internal import Models
internal import Plans

/// Writes a plan as TrainingArguments of transformers and as a model's configuration.
enum TransformersExport: Exporter {
    static let target = ExportTarget.transformers

    /// Fully sharded runs are accelerate's; the optimizer alone is sharded by DeepSpeed.
    static func software(_ plan: Plan) -> String? { AccelerateExport.software(plan) }

    static let plan: Set<PlanFeature> = [
        .recomputeFull, .recomputeEvery, .optimizerSharding, .gradientSharding, .parameterSharding, .optimizerOffload,
        .stateOffload, .fp32, .fp16, .otherOptimizer, .otherMoments, .chunkedLoss, .padding,
    ]

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: Set(ModelFeature.Kind.allCases), "transformers' Trainer", &gaps)
        if TransformersConfiguration(plan.model) == nil {
            gaps.append(
                ExportGap(
                    "model", plan.model.name ?? "(given)",
                    "transformers has no class with exactly these parameters among \(TransformersConfiguration.words)"))
        }
        fitOptimizer(&plan, &gaps)
        fitGradients(&plan, &gaps)
        fitOffload(&plan, &gaps)
    }

    private static func fitOptimizer(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        if plan.optimizer.name == .muon {
            plan.drop(.otherOptimizer, because: "its Trainer has no Muon", &gaps)
        }
        let optimizer = plan.optimizer
        let isEight =
            optimizer.firstMoment == .eightBit && (optimizer.secondMoment == .eightBit || !optimizer.keepsSecond)
        if !(isEight && (optimizer.name == .adamw || optimizer.name == .lion)) {
            plan.drop(.otherMoments, because: "its optimizers keep moments in fp32 or 8 bits", &gaps)
        }
        if optimizer.name == .sgd, optimizer.momentum {
            plan.optimizer.momentum = false
            gaps.append(ExportGap("optimizer.momentum", "true", "the Trainer's SGD has no momentum", nearest: "false"))
        }
        if optimizer.name == .adafactor, optimizer.momentum {
            plan.optimizer.momentum = false
            gaps.append(ExportGap("optimizer.momentum", "true", "the Trainer's Adafactor keeps none", nearest: "false"))
        }
        if plan.loss.kind == .chunked, plan.loss.chunks != 8 {
            gaps.append(
                ExportGap("loss.chunks", "\(plan.loss.chunks)", "Liger Kernel chooses the pieces itself", nearest: "8"))
            plan.loss.chunks = 8
        }
    }

    private static func fitGradients(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard var layout = plan.layout, plan.precision == .fp16, layout.sharding != .optimizer else { return }
        let gradients = layout.gradients ?? .fp16
        guard gradients != .fp32 else { return }
        layout.gradients = .fp32
        plan.layout = layout
        gaps.append(
            ExportGap(
                "layout.gradients", gradients.rawValue,
                "the Trainer keeps weights and gradients in fp32 under autocast",
                nearest: "fp32"))
    }

    private static func fitOffload(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout, let offload = layout.offload else { return }
        let isWhole = offload.parameters && offload.gradients && offload.optimizer == 1
        let isOptimizer =
            layout.sharding == .optimizer && offload.optimizer == 1 && !offload.parameters && !offload.gradients
        guard !isWhole, !isOptimizer else { return }
        let reason = "FSDP's cpu_offload moves parameters, gradients and optimizer together"
        plan.drop(.optimizerOffload, because: reason, &gaps)
        plan.drop(.stateOffload, because: reason, &gaps)
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let notes =
            header + ["The data are the script's: sequences of \(plan.model.sequence) tokens."]
            + plan.usualWords([.learningRate, .warmup, .schedule, .betas, .epsilon, .weightDecay, .clip])
        var files = [
            ExportedFile("training_args.yaml", entries(plan, layout: layout, context: context).yaml(header: notes))
        ]
        if let configuration = TransformersConfiguration(plan.model) {
            var entries = configuration.entries
            if let base = plan.training.rotaryBase, plan.model.conventions.isRotary { entries.add("rope_theta", base) }
            files.append(ExportedFile("config.json", entries.map.written() + "\n"))
        }
        if layout.sharding == .optimizer {
            files.append(
                ExportedFile("deepspeed.json", DeepspeedExport.entries(plan, layout: layout).map.written() + "\n"))
        }
        return files
    }

    private static func entries(_ plan: Plan, layout: Layout, context: ExportContext) -> JSONEntries {
        var root = JSONEntries()
        root.add("output_dir", plan.name.isEmpty ? "output" : plan.name)
        root.add("per_device_train_batch_size", layout.microbatch)
        let slice = max(1, layout.microbatch.multipliedReportingOverflow(by: max(1, layout.data)).partialValue)
        root.add("gradient_accumulation_steps", max(1, plan.batch / slice))
        root.add("max_steps", plan.train?.steps ?? context.steps ?? 1000)
        if plan.precision != .fp32 { root.add(plan.precision == .fp16 ? "fp16" : "bf16", true) }
        let isEight = plan.optimizer.firstMoment == .eightBit
        switch plan.optimizer.name {
        case .adamw, .muon: root.add("optim", isEight ? "adamw_bnb_8bit" : "adamw_torch_fused")
        case .lion: root.add("optim", isEight ? "lion_8bit" : "lion_32bit")
        case .adafactor: root.add("optim", "adafactor")
        case .sgd: root.add("optim", "sgd")
        }
        if plan.loss.kind == .chunked { root.add("use_liger_kernel", true) }
        addTraining(plan, to: &root)
        let isFSDP = layout.sharding == .gradients || layout.sharding == .parameters
        if isFSDP {
            root.add("fsdp", true)
            root.add("fsdp_config") {
                $0.add("version", 2)
                $0.add("reshard_after_forward", layout.sharding == .parameters)
                $0.add("cpu_offload", layout.offload?.parameters ?? false)
                $0.add("auto_wrap_policy", "TRANSFORMER_BASED_WRAP")
                // The Trainer's own recomputation would gather every block once more.
                $0.add("activation_checkpointing", layout.recompute == .full && !every(layout))
            }
        } else if layout.sharding == .optimizer {
            root.add("deepspeed", "deepspeed.json")
        }
        if layout.recompute == .full, !isFSDP || every(layout) {
            root.add("activation_checkpointing", true)
            if case .every(let step) = layout.recomputed {
                root.add("activation_checkpointing_kwargs") { $0.add("every_n_layers", step) }
            }
        }
        if let steps = plan.train?.checkpoint?.every ?? context.saveEvery {
            root.add("save_strategy", "steps")
            root.add("save_steps", steps)
        }
        return root
    }

    private static func every(_ layout: Layout) -> Bool {
        if case .every = layout.recomputed { true } else { false }
    }

    private static func addTraining(_ plan: Plan, to root: inout JSONEntries) {
        let own = plan.training
        root.add("learning_rate", own.learningRate ?? 3e-4)
        root.add("warmup_steps", own.warmup ?? 100)
        root.add("weight_decay", own.weightDecay ?? 0.1)
        let betas = own.betas ?? [0.9, 0.95]
        if betas.count == 2 {
            root.add("adam_beta1", betas[0])
            root.add("adam_beta2", betas[1])
        }
        root.add("adam_epsilon", own.epsilon ?? 1e-8)
        root.add("max_grad_norm", own.clip ?? 1)
        let schedules: [Hyperparameters.Schedule: String] = [.constant: "constant_with_warmup", .linear: "linear"]
        // The plain courses fall to 0, so that a stated smallest rate needs another.
        let least = own.schedule == .constant ? nil : plan.hyperparameters?.minLearningRate
        if let least, own.schedule == .linear, least < own.learningRate ?? 3e-4 {
            root.add("lr_scheduler_type", "polynomial")
            root.add("lr_scheduler_kwargs") {
                $0.add("lr_end", least)
                $0.add("power", 1.0)
            }
        } else if let least {
            root.add("lr_scheduler_type", "cosine_with_min_lr")
            root.add("lr_scheduler_kwargs") { $0.add("min_lr", least) }
        } else {
            root.add("lr_scheduler_type", own.schedule.flatMap { schedules[$0] } ?? "cosine")
        }
        if let seed = own.seed, let count = Int(exactly: seed) { root.add("seed", count) }
    }
}
