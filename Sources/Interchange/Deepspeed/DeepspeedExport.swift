internal import Models
internal import Plans
internal import Schedules

/// Writes a plan as a configuration of DeepSpeed. The model and what the training script decides are no part of it.
enum DeepspeedExport: Exporter {
    static let target = ExportTarget.deepspeed

    static func software(_ plan: Plan) -> String? { "deepspeed" }

    /// Features that a training script decides, not the files that start it.
    static let script: Set<PlanFeature> = [.plainAttention, .fusedLoss, .chunkedLoss, .padding]

    static let plan: Set<PlanFeature> = script.union([
        .tensor, .noSequenceParallel, .pipeline, .unevenStages, .context, .contextHeads, .expert, .expertTensor,
        .recomputeFull,
        .recomputeRuns, .optimizerSharding, .gradientSharding, .parameterSharding, .halfGradients, .noDataOverlap,
        .optimizerOffload, .stateOffload, .activationOffload, .fp32, .fp16, .otherOptimizer, .otherMoments,
        .otherMaster,
    ])

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: Set(ModelFeature.Kind.allCases), "DeepSpeed", &gaps)
        fitLayout(&plan, &gaps)
        fitNumbers(&plan, &gaps)
        fitOffload(&plan, &gaps)
    }

    private static func fitLayout(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout else { return }
        if layout.pipeline > 1 {
            let reason = "DeepSpeed's pipelines take ZeRO-1 at most"
            plan.drop(.gradientSharding, because: reason, allowing: [.optimizerSharding], &gaps)
            plan.drop(.parameterSharding, because: reason, allowing: [.optimizerSharding], &gaps)
        } else {
            plan.drop(.recomputeRuns, because: "DeepSpeed counts runs of blocks in pipelines alone", &gaps)
        }
        plan.drop(.unevenStages, because: "DeepSpeed gives every stage the same number of blocks", &gaps)
    }

    private static func fitNumbers(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        let optimizer = plan.optimizer
        let isHalf = optimizer.firstMoment == .bf16 && (optimizer.secondMoment == .bf16 || !optimizer.keepsSecond)
        if optimizer.master != .none {
            plan.drop(.otherMaster, because: "DeepSpeed steps fp32 weights, or the 16-bit weights themselves", &gaps)
        } else if plan.precision == .bf16, plan.layout?.gradients != .bf16 {
            plan.drop(.otherMaster, because: "without fp32 weights DeepSpeed has no fp32 gradients", &gaps)
        }
        if !isHalf || plan.precision != .bf16 || plan.optimizer.master != .none {
            plan.drop(
                .otherMoments, because: "DeepSpeed keeps moments in fp32, or in bf16 where it steps the bf16 weights",
                &gaps)
        }
        guard var layout = plan.layout else { return }
        let own = plan.precision
        let gradients = layout.gradients ?? (own == .fp16 ? .fp16 : .fp32)
        guard gradients != own, layout.sharding == .none || gradients == .fp8 else { return }
        layout.gradients = own
        plan.layout = layout
        gaps.append(
            ExportGap(
                "layout.gradients", gradients.rawValue,
                "without ZeRO DeepSpeed accumulates gradients in the model's format", nearest: own.rawValue))
    }

    private static func fitOffload(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        if plan.layout?.offload?.activations ?? .none != .none, plan.layout?.recompute != .full {
            plan.drop(
                .activationOffload, because: "DeepSpeed moves inputs of recomputed blocks to the host, and none else",
                &gaps)
        }
        guard var layout = plan.layout, var offload = layout.offload, offload.optimizer > 0 else { return }
        guard layout.sharding != .none else {
            return plan.drop(.optimizerOffload, because: "DeepSpeed offloads the optimizer of ZeRO alone", &gaps)
        }
        func note(_ field: String, _ value: String, _ reason: String, _ nearest: String) {
            gaps.append(ExportGap("layout.offload.\(field)", value, reason, nearest: nearest))
        }
        if case .first(let count) = offload.activations {
            note("activations", "\(count)", "cpu_checkpointing is for all blocks", "true")
            offload.activations = .all
        }
        let shards = layout.sharding == .gradients || layout.sharding == .parameters
        if !shards, offload.parameters || offload.gradients {
            note(
                offload.parameters ? "parameters" : "gradients", "true",
                "only ZeRO-2 and ZeRO-3 have shards to hand over",
                "false")
            (offload.parameters, offload.gradients) = (false, false)
        }
        if offload.optimizer < 1 {
            note(
                "optimizer", "\(offload.optimizer)", "only ZeRO-3 has a ratio, and hands all gradients to the host",
                "true")
            offload.optimizer = 1
        }
        if shards, !offload.gradients {
            note("gradients", "false", "gradients go where their optimizer is", "true")
            offload.gradients = true
        }
        layout.offload = offload
        plan.layout = layout
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let left = plan.leftToTheScript(stating: [.halfGradients, .otherOptimizer, .otherMoments, .otherMaster])
        let notes =
            header + [
                "deepspeed.json holds no model and no length of the run: \(plan.model.name ?? "the model") with sequences of"
                    + " \(plan.model.sequence) tokens is the training script's, on \(plan.devices) devices."
            ] + (left.isEmpty ? [] : ["The script's own, too: \(left)."])
            + plan.usualWords([.learningRate, .betas, .epsilon, .momentum, .weightDecay, .clip])
        return [
            ExportedFile("deepspeed.json", entries(plan, layout: layout).map.written() + "\n"),
            ExportedFile("deepspeed.txt", notes.joined(separator: "\n") + "\n"),
        ]
    }

    /// The keys of the configuration.
    static func entries(_ plan: Plan, layout: Layout) -> JSONEntries {
        var root = JSONEntries()
        root.add("train_batch_size", plan.batch)
        root.add("train_micro_batch_size_per_gpu", layout.microbatch)
        let slice = max(1, layout.microbatch.multipliedReportingOverflow(by: max(1, layout.data)).partialValue)
        root.add("gradient_accumulation_steps", max(1, plan.batch / slice))
        let isLow = plan.optimizer.master == .none
        switch plan.precision {
        case .fp32: break
        case .fp16:
            root.add("fp16") {
                $0.add("enabled", true)
                if isLow { $0.add("fp16_master_weights_and_grads", true) }
            }
        case .bf16, .fp8, .mxfp8, .nvfp4:
            root.add("bf16") {
                $0.add("enabled", true)
                if isLow { $0.add("bf16_master_weights_and_grads", true) }
                if plan.optimizer.firstMoment == .bf16 { $0.add("bf16_optimizer_states", true) }
            }
        }
        let gradients = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        root.add("data_types") { $0.add("grad_accum_dtype", gradients.rawValue) }
        root.add("zero_optimization") { addZero(layout, to: &$0) }
        if plan.optimizer.name != .adamw, plan.optimizer.name != .muon, layout.sharding != .none {
            root.add("zero_allow_untested_optimizer", true)
        }
        root.add("optimizer") { addOptimizer(plan, to: &$0) }
        if plan.train == nil { addScheduler(plan, to: &root) }
        root.add("gradient_clipping", plan.training.clip ?? 1)
        if layout.tensor > 1 { root.add("tensor_parallel") { $0.add("autotp_size", layout.tensor) } }
        if layout.context > 1 { root.add("sequence_parallel_size", layout.context) }
        if layout.expert > 1 || layout.expertTensor > 1, plan.model.mixtureLayers > 0 {
            root.add("expert_parallel") {
                $0.add("enabled", true)
                $0.add("autoep_size", layout.expert)
                $0.add("expert_tensor_parallel_size", layout.expertTensor)
            }
        }
        if layout.pipeline > 1 {
            root.add("pipeline") {
                $0.add("stages", layout.pipeline)
                $0.add("partition", "uniform")
                var interval = layout.recompute == .full ? 1 : 0
                if layout.recompute == .full, case .runs(let length) = layout.recomputed { interval = length }
                $0.add("activation_checkpoint_interval", interval)
            }
        }
        if layout.recompute == .full {
            let isHost = layout.offload?.activations ?? .none != .none
            root.add("activation_checkpointing") {
                $0.add("partition_activations", false)
                $0.add("cpu_checkpointing", isHost)
            }
        }
        return root
    }

    private static func addZero(_ layout: Layout, to zero: inout JSONEntries) {
        let stages: [Layout.Sharding] = [.none, .optimizer, .gradients, .parameters]
        zero.add("stage", stages.firstIndex(of: layout.sharding) ?? 0)
        guard layout.sharding != .none else { return }
        zero.add("overlap_comm", layout.overlap.data)
        guard let offload = layout.offload else { return }
        if offload.optimizer > 0 {
            zero.add("offload_optimizer") {
                $0.add("device", "cpu")
                $0.add("pin_memory", true)
            }
        }
        if offload.parameters {
            zero.add("offload_param") {
                $0.add("device", "cpu")
                $0.add("pin_memory", true)
            }
        }
    }

    private static func addOptimizer(_ plan: Plan, to optimizer: inout JSONEntries) {
        let names: [Optimizer.Name: String] = [
            .adamw: "AdamW", .lion: "Lion", .muon: "Muon", .sgd: "SGD", .adafactor: "Adafactor",
        ]
        let name = plan.optimizer.name
        optimizer.add("type", names[name] ?? "AdamW")
        optimizer.add("params") {
            let own = plan.training
            $0.add("lr", own.learningRate ?? 3e-4)
            if name == .adamw || name == .lion {
                $0.add("betas", .list((own.betas ?? [0.9, 0.95]).map(JSONText.number)))
            }
            if name == .adamw { $0.add("eps", own.epsilon ?? 1e-8) }
            if name == .sgd || name == .muon, plan.optimizer.momentum {
                $0.add("momentum", own.momentum ?? (name == .muon ? 0.95 : 0.9))
            }
            $0.add("weight_decay", own.weightDecay ?? 0.1)
        }
    }

    /// The learning rate's course, as far as the plan states it. DeepSpeed's own end with the run, whose steps they name.
    private static func addScheduler(_ plan: Plan, to root: inout JSONEntries) {
        let own = plan.training
        guard let warmup = own.warmup, let schedule = own.schedule else { return }
        let steps = plan.tokens.flatMap { Int(exactly: ($0 / max(1, plan.tokensPerStep)).rounded(.up)) }
        guard schedule == .constant || steps != nil else { return }
        let rate = own.learningRate ?? 3e-4
        let types: [Hyperparameters.Schedule: String] = [
            .constant: "WarmupLR", .linear: "WarmupDecayLR", .cosine: "WarmupCosineLR",
        ]
        root.add("scheduler") {
            $0.add("type", types[schedule] ?? "WarmupLR")
            $0.add("params") {
                if let steps, schedule != .constant { $0.add("total_num_steps", steps) }
                if schedule == .cosine {
                    $0.add("cos_min_ratio", rate > 0 ? (own.minLearningRate ?? 0) / rate : 0)
                } else {
                    // The rate begins at this, and a linear course ends at it.
                    $0.add("warmup_min_lr", schedule == .linear ? plan.hyperparameters?.minLearningRate ?? 0 : 0)
                    $0.add("warmup_max_lr", rate)
                }
                $0.add("warmup_num_steps", warmup)
                $0.add("warmup_type", "linear")
            }
        }
    }
}
