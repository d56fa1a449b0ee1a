package import Reading

/// Reads a configuration of accelerate as a plan.
package enum AccelerateImport {
    static func looks(_ keys: Set<String>) -> Bool { keys.contains("distributed_type") }

    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        var draft = PlanDraft()
        let reader = draft.reader(
            ofFileWithoutModel: try TreeSettings.read(text: text, name: name), tool: "accelerate", request: request,
            collector: ProblemCollector(file: name), library: library)
        let reading = AccelerateReading(reader: reader)
        reading.read(into: &draft, request: request)
        reader.know(AccelerateReading.silent)
        if !request.ignoresUnknown {
            reading.reportUnknown()
            reader.reportMisspelt()
        }
        return try draft.finished(
            reader, request: request, source: "a configuration of accelerate", framework: reading.framework,
            library: library)
    }
}

/// The reading of one configuration of accelerate.
struct AccelerateReading {
    let reader: SettingsReader

    static let silent = [
        "compute_environment", "debug", "downcast_bf16", "enable_cpu_affinity", "machine_rank", "main_process_ip",
        "main_process_port", "main_training_function", "rdzv_backend", "same_network", "use_cpu", "gpu_ids",
        "tpu_env", "tpu_use_cluster", "tpu_use_sudo", "fsdp_config.fsdp_auto_wrap_policy",
        "fsdp_config.fsdp_transformer_layer_cls_to_wrap", "fsdp_config.fsdp_state_dict_type",
        "fsdp_config.fsdp_cpu_ram_efficient_loading", "fsdp_config.fsdp_sync_module_states",
        "fsdp_config.fsdp_use_orig_params", "fsdp_config.fsdp_forward_prefetch", "fsdp_config.fsdp_backward_prefetch",
        "fsdp_config.fsdp_backward_prefetch_policy", "fsdp_config.fsdp_min_num_params",
        "deepspeed_config.zero3_init_flag",
        "deepspeed_config.zero3_save_16bit_model",
        "deepspeed_config.deepspeed_multinode_launcher", "dynamo_config.dynamo_backend",
    ]

    /// The software that the kind of the run starts.
    var framework: String {
        switch reader.word("distributed_type")?.uppercased() {
        case "DEEPSPEED": "deepspeed"
        case "MEGATRON_LM": "megatron-core"
        case "FSDP": "torch-fsdp"
        default: "torch-ddp"
        }
    }

    private static let kinds = ["FSDP", "MULTI_GPU", "DEEPSPEED", "MEGATRON_LM", "NO"]

    func read(into draft: inout PlanDraft, request: ImportRequest) {
        let kind: String? = reader.choice("distributed_type", Self.kinds.map { ($0, $0) })
        let stated = reader.count("num_processes", in: 1...10_000_000)
        if let devices = stated { draft.set("devices", .count(devices), from: reader.place("num_processes")) }
        if let stated {
            reader.contradicts(
                devices: request.devices, stated: stated, at: "num_processes", "num_processes \(stated)")
        }
        let devices = stated ?? request.devices
        if devices == nil, !reader.has("num_processes") {
            reader.missing("num_processes", "the devices of all machines, or say --devices")
        }
        let machines = reader.count("num_machines", in: 1...10_000_000) ?? 1
        readPrecision(into: &draft)
        draft.infer("layout.microbatch", .count(1), because: "the training script decides it")
        var others = 1
        switch kind {
        case "FSDP":
            others = readMesh(into: &draft)
            readFSDP(data: devices.map { $0 / max(1, others) }, machines: machines, into: &draft)
        case "DEEPSPEED": readDeepspeed(into: &draft)
        case "MEGATRON_LM": others = readMegatron(into: &draft)
        default:
            others = readMesh(into: &draft)
            draft.set("layout.sharding", .word("none"), from: reader.place("distributed_type"))
        }
        guard let devices, devices % others != 0 else { return }
        reader.misfit(
            reader.has("num_processes") ? "num_processes" : "distributed_type",
            "is no multiple of the other degrees, \(others) ranks", fix: "change it, or say --devices")
    }

    private func readPrecision(into draft: inout PlanDraft) {
        let words = [("no", "fp32"), ("fp16", "fp16"), ("bf16", "bf16"), ("fp8", "fp8")]
        guard let word: String = reader.choice("mixed_precision", words) else { return }
        let place = reader.place("mixed_precision")
        guard word == "fp8" else { return draft.set("precision", .word(word), from: place) }
        let backend = reader.word("fp8_config.backend")?.uppercased() ?? "TE"
        let recipe = backend == "AO" ? "tensorwise" : "delayed"
        draft.set("precision.recipe", .word(recipe), from: reader.place("fp8_config.backend") ?? place)
        reader.expect(["fp8_config.fp8_format", "fp8_config.amax_history_length", "fp8_config.amax_compute_algorithm"])
    }

    /// Reads `parallelism_config`.
    /// - Returns: ranks beside the data-parallel ones.
    private func readMesh(into draft: inout PlanDraft) -> Int {
        func size(_ name: String) -> Int {
            reader.count("parallelism_config.parallelism_config_\(name)_size", in: 1...10_000_000) ?? 1
        }
        func place(_ name: String) -> Setting? { reader.place("parallelism_config.parallelism_config_\(name)_size") }
        let (tensor, ring, heads) = (size("tp"), size("cp"), size("sp"))
        let (replicas, shards) = (size("dp_replicate"), size("dp_shard"))
        if tensor > 1 { draft.set("layout.tensor", .count(tensor), from: place("tp")) }
        if ring > 1, heads > 1 {
            reader.fail("parallelism_config.parallelism_config_sp_size", "contradicts cp_size", fix: "keep one of them")
        }
        let comm = "parallelism_config.parallelism_config_cp_comm_strategy"
        let way: String? = reader.choice(comm, [("allgather", "gather"), ("alltoall", "ring")])
        if ring > 1 {
            draft.set("layout.context", .count(ring), from: place("cp"))
            draft.set("layout.contextExchange", .word(way ?? "gather"), from: reader.place(comm))
        } else if heads > 1 {
            draft.set("layout.context", .count(heads), from: place("sp"))
            draft.set("layout.contextExchange", .word("heads"), from: place("sp"))
        }
        let (data, overflow) = replicas.multipliedReportingOverflow(by: shards)
        if data > 1, !overflow {
            draft.set("layout.data", .count(data), from: place("dp_shard") ?? place("dp_replicate"))
        }
        if replicas > 1, !overflow {
            draft.set(
                "layout.shardGroup", .count(shards.multipliedReportingOverflow(by: ring).partialValue),
                from: place("dp_shard") ?? place("dp_replicate"))
        }
        let (pair, first) = tensor.multipliedReportingOverflow(by: ring)
        let (all, second) = pair.multipliedReportingOverflow(by: heads)
        return first || second ? 1 << 40 : all
    }

    private func readFSDP(data: Int?, machines: Int, into draft: inout PlanDraft) {
        func flag(_ name: String) -> Bool? { reader.flag("fsdp_config.fsdp_\(name)") }
        func place(_ name: String) -> Setting? { reader.place("fsdp_config.fsdp_\(name)") }
        let stated = reader.count("fsdp_config.fsdp_version", in: 1...2)
        // A wrong version contradicts nothing.
        let version = reader.has("fsdp_config.fsdp_version") ? stated : 1
        if let version { readWords(version) }
        let strategies = [
            ("FULL_SHARD", "parameters"), ("SHARD_GRAD_OP", "gradients"), ("NO_SHARD", "none"),
            ("HYBRID_SHARD", "hybrid"), ("HYBRID_SHARD_ZERO2", "hybridGradients"), ("1", "parameters"),
            ("2", "gradients"),
            ("3", "none"), ("4", "hybrid"), ("5", "hybridGradients"),
        ]
        let old: String? = reader.choice("fsdp_config.fsdp_sharding_strategy", strategies)
        // The first version had the strategy's word under the second's name as well.
        let isWord = strategies.contains { $0.0 == reader.word("fsdp_config.fsdp_reshard_after_forward") }
        let word: String? = isWord ? reader.choice("fsdp_config.fsdp_reshard_after_forward", strategies) : old
        let origin = isWord ? place("reshard_after_forward") : place("sharding_strategy")
        if isWord, version == 2 {
            reader.fail("fsdp_config.fsdp_reshard_after_forward", "must be true or false where fsdp_version is 2")
        } else if !isWord, old == nil, version == 1, flag("reshard_after_forward") != nil {
            reader.fail(
                "fsdp_config.fsdp_reshard_after_forward",
                "must be a strategy such as FULL_SHARD where fsdp_version is 1, its default",
                fix: "write the strategy, or set fsdp_version to 2")
        }
        if let word {
            let sharding = word == "hybrid" ? "parameters" : word == "hybridGradients" ? "gradients" : word
            draft.set("layout.sharding", .word(sharding), from: origin)
            if word.hasPrefix("hybrid"), let data, machines > 1, data % machines == 0, !draft.has("layout.shardGroup") {
                draft.set("layout.shardGroup", .count(data / machines), from: origin)
            }
        } else {
            let frees = flag("reshard_after_forward") ?? true
            draft.set(
                "layout.sharding", .word(frees ? "parameters" : "gradients"), from: place("reshard_after_forward"))
        }
        let recomputes = flag("activation_checkpointing") ?? false
        draft.set("layout.recompute", .word(recomputes ? "full" : "none"), from: place("activation_checkpointing"))
        guard flag("offload_params") ?? false else { return }
        for key in ["optimizer", "gradients", "parameters"] {
            draft.set("layout.offload.\(key)", .flag(true), from: place("offload_params"))
        }
    }

    /// Words that change nothing of a plan, of which accelerate refuses others (its utils/constants.py and utils/dataclasses.py).
    private func readWords(_ version: Int) {
        func check(_ name: String, _ words: [String]) {
            let _: Bool? = reader.choice("fsdp_config.fsdp_\(name)", words.map { ($0, true) })
        }
        check("auto_wrap_policy", ["TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP"])
        check("backward_prefetch", ["BACKWARD_PRE", "BACKWARD_POST", "NO_PREFETCH", "1", "2"])
        check(
            "state_dict_type",
            version == 2
                ? ["SHARDED_STATE_DICT", "FULL_STATE_DICT"]
                : ["FULL_STATE_DICT", "LOCAL_STATE_DICT", "SHARDED_STATE_DICT", "1", "2", "3"])
    }

    /// Keys at the root of a file: the fields of ClusterConfig (accelerate's commands/config/config_args.py), and those that it
    /// turns into one of them.
    private static let keys: Set<String> = [
        "compute_environment", "distributed_type", "mixed_precision", "use_cpu", "debug", "num_processes",
        "machine_rank", "num_machines", "gpu_ids", "main_process_ip", "main_process_port", "rdzv_backend",
        "same_network", "main_training_function", "enable_cpu_affinity", "fp8_config", "deepspeed_config",
        "fsdp_config", "parallelism_config", "megatron_lm_config", "mpirun_config", "ipex_config", "downcast_bf16",
        "tpu_name", "tpu_zone", "tpu_use_cluster", "tpu_use_sudo", "command_file", "commands", "tpu_vm", "tpu_env",
        "dynamo_config", "fp16", "dynamo_backend",
    ]

    /// Reports keys at the root that accelerate does not know: it refuses a file that has one.
    func reportUnknown() {
        for setting in reader.ignored {
            let root = setting.name.prefix { $0 != "." }
            guard !Self.keys.contains(String(root)) else { continue }
            let nearest = Spelling.nearest(to: String(root), among: Self.keys.sorted())
            reader.fail(
                setting.name, "unknown setting, for which accelerate refuses the file",
                fix: nearest.map { "did you mean '\($0)'?" } ?? "remove it")
            reader.expect([setting.name])
        }
    }

    private func readDeepspeed(into draft: inout PlanDraft) {
        func place(_ name: String) -> Setting? { reader.place("deepspeed_config.\(name)") }
        if reader.word("deepspeed_config.deepspeed_config_file") != nil {
            reader.fail(
                "deepspeed_config.deepspeed_config_file", "holds the settings", fix: "import that file, with --world")
            return
        }
        let stage = reader.count("deepspeed_config.zero_stage", in: 0...3) ?? 2
        draft.set(
            "layout.sharding", .word(["none", "optimizer", "gradients", "parameters"][stage]), from: place("zero_stage")
        )
        if let steps = reader.count("deepspeed_config.gradient_accumulation_steps", in: 1...100_000_000) {
            draft.set("accumulation", .count(steps), from: place("gradient_accumulation_steps"))
        }
        draft.takeHyperparameters(reader, [("clip", ["deepspeed_config.gradient_clipping"])])
        let devices = [("none", false), ("cpu", true), ("nvme", true)]
        if reader.choice("deepspeed_config.offload_optimizer_device", devices) ?? false {
            draft.set("layout.offload.optimizer", .flag(true), from: place("offload_optimizer_device"))
            if stage >= 2 {
                draft.set("layout.offload.gradients", .flag(true), from: place("offload_optimizer_device"))
            }
        }
        if reader.choice("deepspeed_config.offload_param_device", devices) ?? false {
            draft.set("layout.offload.parameters", .flag(true), from: place("offload_param_device"))
        }
    }

    private func readMegatron(into draft: inout PlanDraft) -> Int {
        let prefix = "megatron_lm_config.megatron_lm_"
        func degree(_ name: String) -> Int { reader.count(prefix + name, in: 1...10_000_000) ?? 1 }
        let (tensor, pipeline) = (degree("tp_degree"), degree("pp_degree"))
        if tensor > 1 { draft.set("layout.tensor", .count(tensor), from: reader.place(prefix + "tp_degree")) }
        if pipeline > 1 { draft.set("layout.pipeline", .count(pipeline), from: reader.place(prefix + "pp_degree")) }
        if reader.flag(prefix + "sequence_parallelism") ?? false, tensor > 1 {
            draft.set("layout.sequenceParallel", .flag(true), from: reader.place(prefix + "sequence_parallelism"))
        }
        if reader.flag(prefix + "recompute_activations") ?? false {
            draft.set("layout.recompute", .word("selective"), from: reader.place(prefix + "recompute_activations"))
        }
        let shards = reader.flag(prefix + "use_distributed_optimizer") ?? false
        draft.set(
            "layout.sharding", .word(shards ? "optimizer" : "none"),
            from: reader.place(prefix + "use_distributed_optimizer"))
        if let count = reader.count(prefix + "num_micro_batches", in: 1...100_000_000) {
            draft.set("accumulation", .count(count), from: reader.place(prefix + "num_micro_batches"))
        }
        draft.takeHyperparameters(reader, [("clip", [prefix + "gradient_clipping"])])
        let (ranks, overflow) = tensor.multipliedReportingOverflow(by: pipeline)
        return overflow ? 1 << 40 : ranks
    }
}
