internal import Models
internal import Plans
internal import Schedules

/// The arguments of a plan for Megatron-LM as fields of Megatron-Core's configurations, which Megatron-Bridge and NeMo fill in.
struct MegatronFields {
    typealias Value = ConfigurationText.Value

    /// Fields in the order of the arguments.
    private(set) var fields: [(name: String, value: Value)] = []

    /// Arguments that are no field: they choose a program, data, or what a field says by being there.
    private static let programs: Set<String> = [
        "--use-mcore-models", "--tokenizer-type", "--mock-data", "--group-query-attention", "--max-position-embeddings",
        "--hierarchical-context-parallel-sizes",
    ]
    /// Flags that a field says by another word.
    private static let flags: [String: [(String, Value)]] = [
        "--swiglu": [("gated_linear_unit", .flag(true)), ("activation_func", .object("torch.nn.functional.silu"))],
        "--squared-relu": [("activation_func", .object("megatron.core.activations.squared_relu"))],
        "--untie-embeddings-and-output-weights": [("share_embeddings_and_output_weights", .flag(false))],
        "--disable-bias-linear": [("add_bias_linear", .flag(false))],
        "--no-overlap-p2p-communication": [("overlap_p2p_comm", .flag(false))],
        "--no-gradient-accumulation-fusion": [("gradient_accumulation_fusion", .flag(false))],
        "--grad-reduce-in-bf16": [("grad_reduce_in_fp32", .flag(false))],
        "--accumulate-allreduce-grads-in-fp32": [("grad_reduce_in_fp32", .flag(true))],
    ]
    private static let names = [
        "--num-experts": "num_moe_experts", "--fp8-format": "fp8", "--fp4-format": "fp4",
        "--num-virtual-stages-per-pipeline-rank": "virtual_pipeline_model_parallel_size",
    ]

    init(_ plan: Plan, layout: Layout, context: ExportContext) {
        let arguments = MegatronExport.arguments(plan, layout: layout, context: context)
        // No run starts without a learning rate.
        let usual = plan.train == nil ? MegatronExport.usualTraining(beside: arguments) : []
        for argument in arguments + usual {
            if Self.programs.contains(argument.flag) { continue }
            if argument.flag == "--lr-warmup-samples" {
                // The length of these runs is in steps.
                if let steps = plan.training.warmup { fields.append(("lr_warmup_iters", .count(steps))) }
                continue
            }
            if let own = Self.flags[argument.flag] {
                fields += own
                continue
            }
            let name =
                Self.names[argument.flag]
                ?? String(argument.flag.drop { $0 == "-" }).replacing("-", with: "_")
            fields.append((name, Self.value(name, argument.values, plan: plan, layout: layout)))
        }
        if layout.contextExchange == .headsAndRing, layout.context > 1 {
            let heads = max(1, layout.contextHeads ?? 1)
            fields.append(("hierarchical_context_parallel_sizes", .counts([heads, layout.context / heads])))
        }
        if !fields.contains(where: { $0.name == "grad_reduce_in_fp32" }) {
            fields.append(("grad_reduce_in_fp32", .flag(plan.precision != .fp16)))
        }
        if layout.virtualStages > 1, !fields.contains(where: { $0.name == "overlap_p2p_comm" }) {
            fields.append(("overlap_p2p_comm", .flag(true)))
            fields.append(("batch_p2p_comm", .flag(false)))
        }
    }

    private static func value(_ name: String, _ values: [String], plan: Plan, layout: Layout) -> Value {
        switch name {
        case "moe_layer_freq":
            return .counts((0..<plan.model.layers).map { plan.model.hasExperts($0) ? 1 : 0 })
        case "window_size": return .counts([max(0, (plan.model.block.window ?? 1) - 1), 0])
        case "recompute_modules": return .words(values)
        case "rampup_batch_size": return .counts(values.compactMap { Int($0) })
        case "exp_avg_dtype", "exp_avg_sq_dtype", "main_params_dtype":
            let types = ["fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp8": "uint8"]
            return .object("torch.\(types[values.first ?? ""] ?? "float32")")
        default: break
        }
        guard let first = values.first else { return .flag(true) }
        guard values.count == 1 else { return .words(values) }
        if let count = Int(first) { return .count(count) }
        return Double(first).map(Value.number) ?? .word(first)
    }

    func has(_ name: String) -> Bool { fields.contains { $0.name == name } }

    /// Takes fields out.
    mutating func take(_ names: Set<String>) -> [(name: String, value: Value)] {
        let taken = fields.filter { names.contains($0.name) }
        fields.removeAll { names.contains($0.name) }
        return taken
    }

    /// Steps of the run.
    static func steps(_ plan: Plan, _ context: ExportContext) -> Int {
        if let train = plan.train { return train.steps }
        return max(1, context.steps ?? 100)
    }

    /// Fields of Megatron-Core's `DistributedDataParallelConfig`.
    static let ddp: Set<String> = [
        "use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather", "data_parallel_sharding_strategy",
        "outer_dp_sharding_strategy", "use_megatron_fsdp", "num_distributed_optimizer_instances",
    ]
    /// Fields of Megatron-Core's `OptimizerConfig`.
    static let optimizer: Set<String> = [
        "optimizer", "lr", "min_lr", "adam_beta1", "adam_beta2", "adam_eps", "weight_decay", "clip_grad",
        "use_precision_aware_optimizer", "exp_avg_dtype", "exp_avg_sq_dtype", "main_params_dtype",
        "optimizer_cpu_offload", "optimizer_offload_fraction", "overlap_cpu_optimizer_d2h_h2d", "muon_num_ns_steps",
        "muon_tp_mode", "muon_momentum", "sgd_momentum",
    ]
    /// Settings that a run needs, which are filled in where a plan does not state them.
    static let usual: [Plan.UsualSetting] = [.learningRate, .minLearningRate, .schedule, .weightDecay, .clip]
    /// Fields of both tools' mixed precision.
    static let precision: Set<String> = [
        "fp8", "fp8_recipe", "fp8_param_gather", "fp4", "fp4_recipe", "fp4_param_gather", "first_last_layers_bf16",
        "num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16", "grad_reduce_in_fp32",
    ]
}

extension MegatronExport {
    /// Refuses what Megatron-LM refuses, and what the fields of a tool on Megatron-Core do not hold.
    static func fitFamily(
        _ plan: inout Plan, without features: Set<ModelFeature.Kind>, _ tool: String, _ gaps: inout [ExportGap]
    ) {
        plan.drop(.rampup, because: "Megatron-Core of today reads rampup_batch_size and ignores it", &gaps)
        fit(&plan, &gaps)
        if let layout = plan.layout, layout.virtualStages == 1 {
            plan.drop(.noPipelineOverlap, because: "it overlaps the messages of virtual stages alone", &gaps)
        }
        let lacking = model.subtracting(features)
        // What neither has is noted by the first.
        gaps += plan.model.gaps(allowing: lacking.union(Set(ModelFeature.Kind.allCases).subtracting(model)), tool)
        gaps = gaps.map { gap in
            var own = gap
            own.reason = gap.reason.replacing("Megatron-LM", with: tool)
            return own
        }
    }
}
