internal import Models
internal import Plans

/// Writes a plan as a configuration of `accelerate launch`. Model, batch and optimizer are the training script's.
enum AccelerateExport: Exporter {
    static let target = ExportTarget.accelerate

    static func software(_ plan: Plan) -> String? {
        switch plan.layout?.sharding {
        case .gradients, .parameters: "torch-fsdp"
        case .optimizer: "deepspeed"
        default: "torch-ddp"
        }
    }

    static let plan: Set<PlanFeature> = DeepspeedExport.script.union([
        .tensor, .noSequenceParallel, .context, .contextGather, .contextRing, .recomputeFull, .optimizerSharding,
        .gradientSharding, .parameterSharding, .shardGroup, .halfGradients, .stateOffload, .optimizerOffload, .fp32,
        .fp16,
        .eightBits, .otherOptimizer, .otherMoments, .otherMaster,
    ])

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        plan.fit(allowing: self.plan, model: Set(ModelFeature.Kind.allCases), "accelerate", &gaps)
        if let recipe = plan.recipe, recipe != Recipe(.delayed) {
            plan.drop(.eightBits, because: "its FP8 is Transformer Engine's with delayed scaling", &gaps)
        }
        guard var layout = plan.layout else { return }
        let isMesh = layout.tensor > 1 || layout.context > 1
        if isMesh, layout.sharding == .none || layout.sharding == .optimizer {
            gaps.append(
                ExportGap(
                    "layout.sharding", layout.sharding.rawValue,
                    "accelerate splits tensors and sequences beside FSDP alone",
                    nearest: "gradients"))
            layout.sharding = .gradients
            plan.layout = layout
        }
        if layout.sharding == .optimizer {
            plan.drop(.shardGroup, because: "ZeRO-1 shards among all data-parallel ranks", &gaps)
        } else if layout.sharding != .none, layout.shardRanks % max(1, layout.context) != 0 {
            plan.drop(.shardGroup, because: "groups of shards hold whole groups of context ranks", &gaps)
        }
        fitOffload(&plan, &gaps)
    }

    private static func fitOffload(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout, let offload = layout.offload else { return }
        if layout.sharding == .optimizer {
            if offload.optimizer < 1 || offload.parameters || offload.gradients {
                plan.drop(.optimizerOffload, because: "DeepSpeed's ZeRO-1 hands its whole optimizer to the host", &gaps)
                plan.drop(.stateOffload, because: "DeepSpeed's ZeRO-1 hands its optimizer to the host", &gaps)
            }
            return
        }
        guard !(offload.parameters && offload.gradients && offload.optimizer == 1) else { return }
        let reason = "fsdp_offload_params moves parameters, gradients and optimizer together"
        plan.drop(.optimizerOffload, because: reason, &gaps)
        plan.drop(.stateOffload, because: reason, &gaps)
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let slice = max(1, layout.microbatch.multipliedReportingOverflow(by: max(1, layout.data)).partialValue)
        let steps = max(1, plan.batch / slice)
        let left = plan.leftToTheScript(stating: [])
        let notes =
            header + [
                "The training script decides the rest: micro-batches of \(layout.microbatch) sequences of"
                    + " \(plan.model.sequence) tokens, \(steps) of them a step."
            ] + (left.isEmpty ? [] : ["The script's own, too: \(left)."])
        return [ExportedFile("accelerate.yaml", entries(plan, layout: layout, steps: steps).yaml(header: notes))]
    }

    private static func entries(_ plan: Plan, layout: Layout, steps: Int) -> JSONEntries {
        var root = JSONEntries()
        let isSharded = layout.sharding == .gradients || layout.sharding == .parameters
        root.add("compute_environment", "LOCAL_MACHINE")
        root.add("debug", false)
        root.add(
            "distributed_type",
            isSharded ? "FSDP" : layout.sharding == .optimizer ? "DEEPSPEED" : plan.devices > 1 ? "MULTI_GPU" : "NO")
        let isEight = plan.recipe != nil || plan.precision == .fp8
        root.add("mixed_precision", plan.precision == .fp32 ? "no" : isEight ? "fp8" : plan.precision.rawValue)
        if isEight {
            root.add("fp8_config") {
                $0.add("backend", "TE")
                $0.add("fp8_format", "HYBRID")
            }
        }
        if isSharded { root.add("fsdp_config") { addFSDP(layout, to: &$0) } }
        if layout.sharding == .optimizer {
            root.add("deepspeed_config") {
                $0.add("zero_stage", 1)
                $0.add("gradient_accumulation_steps", steps)
                $0.add("offload_optimizer_device", layout.offload?.optimizer ?? 0 > 0 ? "cpu" : "none")
                $0.add("offload_param_device", "none")
                $0.add("zero3_init_flag", false)
                if plan.train == nil, let clip = plan.training.clip, clip > 0 { $0.add("gradient_clipping", clip) }
            }
        }
        let isHybrid = isSharded && layout.shardRanks < layout.data * layout.context
        if isSharded, layout.tensor > 1 || layout.context > 1 || isHybrid {
            root.add("parallelism_config") { addMesh(layout, to: &$0) }
        }
        let perNode = max(1, plan.cluster.devicesPerNode)
        root.add("num_machines", max(1, (plan.devices + perNode - 1) / perNode))
        root.add("num_processes", plan.devices)
        root.add("machine_rank", 0)
        root.add("main_training_function", "main")
        root.add("downcast_bf16", "no")
        root.add("rdzv_backend", "static")
        root.add("same_network", true)
        root.add("use_cpu", false)
        return root
    }

    private static func addFSDP(_ layout: Layout, to fsdp: inout JSONEntries) {
        fsdp.add("fsdp_version", 2)
        fsdp.add("fsdp_reshard_after_forward", layout.sharding == .parameters)
        fsdp.add("fsdp_offload_params", layout.offload?.parameters ?? false)
        fsdp.add("fsdp_activation_checkpointing", layout.recompute == .full)
        fsdp.add("fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP")
        fsdp.add("fsdp_cpu_ram_efficient_loading", true)
        fsdp.add("fsdp_state_dict_type", "SHARDED_STATE_DICT")
    }

    private static func addMesh(_ layout: Layout, to mesh: inout JSONEntries) {
        let shards = max(1, layout.shardRanks / max(1, layout.context))
        mesh.add("parallelism_config_dp_replicate_size", max(1, layout.data / shards))
        mesh.add("parallelism_config_dp_shard_size", shards)
        mesh.add("parallelism_config_tp_size", layout.tensor)
        mesh.add("parallelism_config_cp_size", layout.context)
        guard layout.context > 1 else { return }
        mesh.add("parallelism_config_cp_comm_strategy", layout.contextExchange == .ring ? "alltoall" : "allgather")
    }
}
