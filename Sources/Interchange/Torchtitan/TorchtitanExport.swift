internal import Models
internal import Plans
internal import Schedules

/// Writes a plan as flags of torchtitan, and as a module that holds the model.
enum TorchtitanExport: Exporter {
    static let target = ExportTarget.torchtitan

    static func software(_ plan: Plan) -> String? { "torchtitan" }

    static let model: Set<ModelFeature.Kind> = [
        .qkNormHead, .experts, .firstDense, .everyOther, .sharedExperts, .routerCorrection, .nodeLimit, .latent,
        .inputBias,
        .tied,
    ]
    static let plan: Set<PlanFeature> = [
        .tensor, .noSequenceParallel, .sequenceParallel, .pipeline, .virtualStages, .otherSchedule, .unevenStages,
        .context,
        .contextGather, .expert, .expertTensor, .otherDispatcher, .recomputeSelective, .recomputeFull,
        .gradientSharding,
        .parameterSharding, .shardGroup, .halfGradients, .tensorOverlap, .stateOffload, .fp32, .eightBits, .fourBits,
        .otherMoments, .otherMaster, .chunkedLoss,
    ]

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: model, "torchtitan", &gaps)
        fitModel(&plan, &gaps)
        fitNumbers(&plan, &gaps)
        fitPipeline(&plan, &gaps)
        fitSharding(&plan, &gaps)
        fitExperts(&plan, &gaps)
    }

    private static func fitModel(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        if let moe = plan.model.moe, moe.nodeLimit != nil, groups(moe) == nil {
            gaps.append(
                ExportGap(
                    "model.moe.nodeLimit", "\(moe.nodeLimit ?? 0)",
                    "torchtitan limits groups of two or more experts, and \(moe.experts) experts make no 8 such groups")
            )
        }
        guard let layout = plan.layout else { return }
        if plan.model.mla != nil, plan.model.mixtureLayers == 0 {
            gaps.append(
                ExportGap(
                    "model.mla", "(given)", "torchtitan's block with latent attention stands in models with experts"))
        }
        let cuts =
            (layout.tensor > 1 && layout.sequenceParallel ? layout.tensor : 1)
            * (layout.context > 1 ? 2 * layout.context : 1)
        if cuts > 0, plan.model.sequence % cuts != 0, layout.tensor > 1, layout.sequenceParallel {
            plan.drop(
                .sequenceParallel, because: "tensor · 2 · context, \(cuts), must divide the sequence there", &gaps)
        }
    }

    /// Groups of experts among which a token's are limited, as DeepSeek-V3 has; nil: they divide into no such groups.
    static func groups(_ moe: Model.Mixture) -> Int? {
        guard let limit = moe.nodeLimit else { return nil }
        return moe.experts % 8 == 0 && moe.experts / 8 >= 2 && limit <= 8 ? 8 : nil
    }

    private static func fitNumbers(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        if plan.precision == .fp8 {
            plan.drop(.eightBits, because: "torchtitan scales 8-bit products by rows, which a plan cannot say", &gaps)
        }
        plan.drop(.recipeDetails, because: "its converters have no such choice", &gaps)
        let optimizer = plan.optimizer
        let areHalf = optimizer.firstMoment == .bf16 && optimizer.secondMoment == .bf16
        let gradients = plan.layout?.gradients
        let isAllHalf = optimizer.master == .none && areHalf && gradients == .bf16 && plan.precision == .bf16
        if !isAllHalf {
            if optimizer.master != .fp32 {
                plan.drop(
                    .otherMaster,
                    because: "without fp32 weights torchtitan has gradients and moments in bf16 as well", &gaps)
            }
            if !areHalf { plan.drop(.otherMoments, because: "torchtitan keeps both moments in fp32 or in bf16", &gaps) }
            plan.drop(.halfGradients, because: "torchtitan reduces gradients in fp32", &gaps)
        }
        if let layout = plan.layout, layout.data * layout.context == 1 {
            plan.drop(
                .stateOffload, because: "torchtitan offloads what FSDP shards, and one rank shards nothing", &gaps)
        } else if let offload = plan.layout?.offload,
            !(offload.parameters && offload.gradients && offload.optimizer == 1)
        {
            plan.drop(
                .stateOffload,
                because: "--training.enable_cpu_offload moves parameters, gradients and optimizer together",
                &gaps)
        }
    }

    private static func fitPipeline(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout, layout.pipeline > 1 else { return }
        if plan.model.tiedEmbeddings {
            plan.drop(.pipeline, because: "torchtitan ties no embeddings across stages", &gaps)
        } else if schedule(layout.schedule) == nil {
            plan.drop(.otherSchedule, because: "PyTorch has no schedule of this name that torchtitan starts", &gaps)
        }
    }

    /// torchtitan's name of a schedule.
    static func schedule(_ name: ScheduleName) -> String? {
        TorchtitanReading.schedules.first { $0.ours == name.rawValue }?.theirs
    }

    private static func fitSharding(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard var layout = plan.layout else { return }
        if layout.context > 1, layout.sharding == .none {
            layout.sharding = .gradients
            layout.shardGroup = layout.data > 1 ? layout.context : nil
            plan.layout = layout
            gaps.append(
                ExportGap(
                    "layout.sharding", "none", "torchtitan shards weights among context ranks",
                    nearest: "gradients, among context ranks"))
        } else if layout.sharding != .none, layout.shardRanks % max(1, layout.context) != 0 {
            plan.drop(.shardGroup, because: "groups of shards hold whole groups of context ranks there", &gaps)
        }
    }

    private static func fitExperts(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard var layout = plan.layout, plan.model.mixtureLayers > 0 else { return }
        if layout.dispatcher == .allgather {
            plan.drop(.otherDispatcher, because: "torchtitan has an all-to-all, DeepEP and HybridEP", &gaps)
        }
        layout = plan.layout ?? layout
        let ranks = max(1, layout.shardRanks / max(1, layout.context)) * layout.context * layout.tensor
        if layout.expert > 1, ranks % layout.expert != 0 {
            plan.drop(.expert, because: "expert ranks divide the shards · tensor, \(ranks), there", &gaps)
        }
        layout = plan.layout ?? layout
        // Without expert ranks every expert is cut along its columns by the tensor ranks.
        let cuts = layout.expert == 1 ? layout.tensor : 1
        if layout.expertTensor != cuts {
            gaps.append(
                ExportGap(
                    "layout.expertTensor", "\(layout.expertTensor)",
                    layout.expert == 1
                        ? "without expert ranks torchtitan cuts experts by tensor ranks"
                        : "torchtitan leaves experts of expert ranks whole", nearest: "\(cuts)"))
            layout.expertTensor = cuts
            plan.layout = layout
        }
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let usual = plan.usualWords([
            .learningRate, .minLearningRate, .warmup, .schedule, .betas, .epsilon, .weightDecay,
        ])
        let comments = PlainComment.lines(header + usual)
        let start =
            "# Start it beside \(TorchtitanModule.name).py: PYTHONPATH=. torchrun … -m torchtitan.train @ these words."
        let lines = comments + [start] + arguments(plan, layout: layout, context: context)
        return [
            ExportedFile("torchtitan.args", lines.joined(separator: "\n") + "\n"),
            ExportedFile(
                "\(TorchtitanModule.name).py",
                comments.joined(separator: "\n") + "\n" + module(plan, layout: layout, context: context)),
        ]
    }

    private static func arguments(_ plan: Plan, layout: Layout, context: ExportContext) -> [String] {
        var lines = ["--module \(TorchtitanModule.name)", "--config plan"]
        func add(_ name: String, _ value: Any) { lines.append("--\(name) \(value)") }
        let isSharded = layout.sharding != .none
        let shards = isSharded ? max(1, layout.shardRanks / max(1, layout.context)) : 1
        add("parallelism.data_parallel_replicate_degree", max(1, layout.data / shards))
        add("parallelism.data_parallel_shard_degree", shards)
        if isSharded {
            add("parallelism.fsdp_reshard_after_forward", layout.sharding == .parameters ? "always" : "never")
        }
        add("parallelism.tensor_parallel_degree", layout.tensor)
        if layout.tensor > 1, !layout.sequenceParallel { lines.append("--parallelism.no-enable-sequence-parallel") }
        add("parallelism.pipeline_parallel_degree", layout.pipeline)
        add("parallelism.context_parallel_degree", layout.context)
        if plan.model.mixtureLayers > 0 { add("parallelism.expert_parallel_degree", layout.expert) }
        if layout.pipeline > 1 {
            add("parallelism.pipeline_parallel_schedule", schedule(layout.schedule) ?? "1F1B")
            add("parallelism.pipeline_parallel_microbatch_size", layout.microbatch)
            add("training.local_batch_size", plan.batch / max(1, layout.data))
        } else {
            add("training.local_batch_size", layout.microbatch)
        }
        add("training.global_batch_size", plan.batch)
        add("training.seq_len", plan.model.sequence)
        add("training.steps", plan.train?.steps ?? context.steps ?? 1000)
        let training = plan.training
        if let clip = training.clip { add("training.max_norm", clip) }
        if let seed = training.seed { add("debug.seed", seed) }
        if layout.tensor > 1, layout.overlap.tensor {
            lines += ["--compile.enable", "--compile.enable_async_tensor_parallel"]
        }
        // CUDA graphs go with neither a pipeline nor the exchange of rows between expert ranks.
        if layout.pipeline > 1 || layout.expert > 1 { lines.append("--training.disable_cuda_graphs") }
        let isHalf = plan.optimizer.master == .none && plan.precision == .bf16
        add("training.dtype", isHalf ? "bfloat16" : "float32")
        add("training.mixed_precision_param", plan.precision == .fp32 ? "float32" : "bfloat16")
        if plan.optimizer.firstMoment == .bf16, !isHalf { add("optimizer.implementation", "fused_opt_states_bf16") }
        if layout.offload?.parameters ?? false { lines.append("--training.enable_cpu_offload") }
        if let every = plan.train?.checkpoint?.every ?? context.saveEvery {
            lines.append("--checkpoint.enable")
            add("checkpoint.interval", every)
        }
        lines.append("activation-checkpoint:\(layout.recompute.rawValue)")
        return lines
    }

    private static func module(_ plan: Plan, layout: Layout, context: ExportContext) -> String {
        var fields = JSONEntries()
        fields.add("model", plan.model.fields.map)
        if layout.pipeline > 1 {
            fields.add("stages", .list(StagePartition(layout, model: plan.model).sizes.map(JSONText.count)))
        }
        if plan.loss.kind == .chunked { fields.add("chunks", plan.loss.chunks) }
        if plan.model.mixtureLayers > 0 {
            let other = layout.dispatcher.flatMap { $0 == .alltoall ? nil : $0.rawValue }
            fields.add("dispatcher", other ?? "standard")
            if let groups = plan.model.moe.flatMap(groups) { fields.add("groups", groups) }
        }
        if let recipe = plan.recipe { fields.add("recipe", recipe.scaling.rawValue) }
        fields.add("optimizer") {
            let own = plan.training
            $0.add("lr", own.learningRate ?? 3e-4)
            $0.add("betas", .list((own.betas ?? [0.9, 0.95]).map(JSONText.number)))
            $0.add("eps", own.epsilon ?? 1e-8)
            $0.add("weight_decay", own.weightDecay ?? 0.1)
        }
        let own = plan.training
        fields.add("warmup", own.warmup ?? 100)
        let rate = own.learningRate.map { $0 > 0 ? (own.minLearningRate ?? 0) / $0 : 0 } ?? 0.1
        fields.add("minimum", own.schedule == .constant ? 1 : rate)
        var text = TorchtitanModuleText.text
        if own.schedule == .linear { text = text.replacing("decay_type=\"cosine\"", with: "decay_type=\"linear\"") }
        if let base = own.rotaryBase {
            for usual in ["10000.0", "500000.0"] { text = text.replacing("theta=\(usual))", with: "theta=\(base))") }
        }
        return text.replacing("@PLAN@", with: fields.map.written())
    }
}
