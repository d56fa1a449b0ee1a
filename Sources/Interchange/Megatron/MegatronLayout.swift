/// The layout of a run of Megatron-LM.
extension MegatronReading {
    private func degree(_ name: String) -> Int? { reader.count(name, in: 1...10_000_000) }

    /// Data-parallel ranks, if the devices are known.
    var dataRanks: Int? {
        guard let devices else { return degree("data_parallel_size") }
        var ranks = devices
        for name in ["tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size"] {
            let degree = degree(name) ?? 1
            guard ranks % degree == 0 else { return nil }
            ranks /= degree
        }
        return ranks
    }

    mutating func readLayout(into draft: inout PlanDraft) {
        func set(_ key: String, _ value: PlanDraft.Value, _ name: String) {
            draft.set("layout.\(key)", value, from: reader.place(name))
        }
        let tensor = degree("tensor_model_parallel_size") ?? 1
        let pipeline = degree("pipeline_model_parallel_size") ?? 1
        let context = degree("context_parallel_size") ?? 1
        set("tensor", .count(tensor), "tensor_model_parallel_size")
        set("pipeline", .count(pipeline), "pipeline_model_parallel_size")
        if context > 1 { set("context", .count(context), "context_parallel_size") }
        if let devices {
            let used = [tensor, pipeline, context].reduce((1, false)) { product, degree in
                let next = product.0.multipliedReportingOverflow(by: degree)
                return (next.partialValue, product.1 || next.overflow)
            }
            if used.1 || used.0 == 0 || devices % used.0 != 0 {
                let name = tensor > 1 ? "tensor_model_parallel_size" : "pipeline_model_parallel_size"
                reader.misfit(
                    reader.has(name) ? name : "context_parallel_size",
                    "tensor \(tensor) · pipeline \(pipeline) · context \(context) ranks do not divide \(devices) devices",
                    fix: "change a degree, or say --devices")
            }
        } else {
            draft.note(
                "layout.data: 1, since \(whyUnknown ?? "the file does not say how many devices there are"); say it with "
                    + "--devices")
            draft.set("layout.data", .count(1), from: nil)
        }
        readStages(pipeline: pipeline, into: &draft)
        readContext(context: context, into: &draft)
        readExpertLayout(tensor: tensor, into: &draft)
        let isSequence = reader.flag("sequence_parallel") ?? false
        if tensor > 1 { set("sequenceParallel", .flag(isSequence), "sequence_parallel") }
        readRecomputation(into: &draft)
        readSharding(into: &draft)
        let isUnfused =
            reader.word("attention_backend").map { $0.hasSuffix("unfused") || $0.hasSuffix("local") } ?? false
        if isUnfused { set("flashAttention", .flag(false), "attention_backend") }
        // Megatron-LM's own layers compute scores in memory unless they are told otherwise.
        if reader.word("transformer_impl") == "local", !(reader.flag("use_flash_attn") ?? false), !isUnfused {
            set("flashAttention", .flag(false), "transformer_impl")
        }
        readOverlap(into: &draft)
        if reader.flag("cpu_offloading") ?? false {
            let blocks = reader.count("cpu_offloading_num_layers", in: 1...10_000)
            set("offload.activations", blocks.map(PlanDraft.Value.count) ?? .flag(true), "cpu_offloading")
        }
    }

    /// The software: scripts with arguments that only Megatron-LM 2 has are priced on it, without fused attention.
    func framework(_ draft: inout PlanDraft) -> String {
        let old = ["DDP_impl", "checkpoint_activations", "activations_checkpoint_method", "data_impl"].filter(
            reader.has)
        reader.expect(["DDP_impl", "data_impl", "use_mcore_models"])
        guard let name = old.first, let setting = reader.place(name), setting.written.hasPrefix("--"),
            !(reader.flag("use_flash_attn") ?? false), !(reader.flag("use_mcore_models") ?? false)
        else {
            reader.expect(["use_flash_attn"])
            return "megatron-core"
        }
        draft.infer(
            "layout.flashAttention", .flag(false),
            because: "\(setting.written) is an argument of Megatron-LM 2, which has no fused attention")
        return "megatron-2021"
    }

    private func readStages(pipeline: Int, into draft: inout PlanDraft) {
        func set(_ key: String, _ value: PlanDraft.Value, _ name: String) {
            draft.set("layout.\(key)", value, from: reader.place(name))
        }
        var virtual = degree("num_virtual_stages_per_pipeline_rank")
        var origin = "num_virtual_stages_per_pipeline_rank"
        if let each = degree("num_layers_per_virtual_pipeline_stage") {
            origin = "num_layers_per_virtual_pipeline_stage"
            if virtual != nil {
                reader.fail(
                    origin, "contradicts \(dialect.spelling("num_virtual_stages_per_pipeline_rank"))",
                    fix: "keep one of them")
            }
            let ends =
                ((reader.flag("account_for_embedding_in_pipeline_split") ?? false) ? 1 : 0)
                + ((reader.flag("account_for_loss_in_pipeline_split") ?? false) ? 1 : 0)
            let counted = layers + ends
            if layers > 0, counted % pipeline == 0, (counted / pipeline) % each == 0 {
                virtual = counted / pipeline / each
            } else if layers > 0 {
                reader.misfit(
                    origin, "does not divide the \(layers) blocks of \(pipeline) pipeline ranks",
                    fix: "change it or \(dialect.spelling("pipeline_model_parallel_size"))")
            }
        }
        if let virtual, virtual > 1 { set("virtualStages", .count(virtual), origin) }
        if let text = reader.word("pipeline_model_parallel_layout") {
            set("pipelineLayout", .word(text), "pipeline_model_parallel_layout")
        }
        for (key, name) in [
            ("decoderFirstPipelineNumLayers", "decoder_first_pipeline_num_layers"),
            ("decoderLastPipelineNumLayers", "decoder_last_pipeline_num_layers"),
        ] {
            if let count = degree(name) { set(key, .count(count), name) }
        }
        for (key, name) in [
            ("accountForEmbeddingInPipelineSplit", "account_for_embedding_in_pipeline_split"),
            ("accountForLossInPipelineSplit", "account_for_loss_in_pipeline_split"),
        ] where reader.flag(name) ?? false {
            set(key, .flag(true), name)
        }
    }

    private func readContext(context: Int, into draft: inout PlanDraft) {
        guard context > 1 else {
            reader.expect(["cp_comm_type", "hierarchical_context_parallel_sizes"])
            return
        }
        let words = reader.words("cp_comm_type") ?? []
        guard let word = words.first else { return }
        if words.contains(where: { $0 != word }) {
            reader.fail("cp_comm_type", "differs from block to block, which a plan cannot say", fix: "give one word")
            return
        }
        let kinds = [
            "p2p": "ring", "all_gather": "gather", "allgather": "gather", "a2a": "heads", "a2a+p2p": "headsAndRing",
        ]
        guard let kind = kinds[word] else {
            reader.fail("cp_comm_type", "is not known here", fix: "p2p, all_gather, a2a or a2a+p2p")
            return
        }
        if kind != "ring" { draft.set("layout.contextExchange", .word(kind), from: reader.place("cp_comm_type")) }
        if kind == "headsAndRing",
            let sizes = reader.counts("hierarchical_context_parallel_sizes", in: 1...1_000_000), let first = sizes.first
        {
            draft.set("layout.contextHeads", .count(first), from: reader.place("hierarchical_context_parallel_sizes"))
        }
    }

    private func readExpertLayout(tensor: Int, into draft: inout PlanDraft) {
        let expert = degree("expert_model_parallel_size")
        let expertTensor = degree("expert_tensor_parallel_size")
        guard hasExperts else { return }
        draft.set("layout.expert", .count(expert ?? 1), from: reader.place("expert_model_parallel_size"))
        // Megatron-Core's default is the tensor-parallel degree.
        draft.set(
            "layout.expertTensor", .count(expertTensor ?? tensor), from: reader.place("expert_tensor_parallel_size"))
        let place = reader.place("moe_token_dispatcher_type")
        switch reader.word("moe_token_dispatcher_type") {
        case nil: draft.set("layout.dispatcher", .word("allgather"), from: nil)
        case "alltoall", "alltoall_seq": draft.set("layout.dispatcher", .word("alltoall"), from: place)
        case "allgather": draft.set("layout.dispatcher", .word("allgather"), from: place)
        case "flex":
            let backend = reader.word("moe_flex_dispatcher_backend") ?? "deepep"
            draft.set(
                "layout.dispatcher", .word(backend),
                from: reader.place("moe_flex_dispatcher_backend") ?? place)
        default:
            reader.fail("moe_token_dispatcher_type", "is not known here", fix: "alltoall, allgather or flex")
        }
        reader.expect(["moe_enable_deepep"])
    }

    private func readRecomputation(into draft: inout PlanDraft) {
        var granularity = reader.word("recompute_granularity")
        var place = reader.place("recompute_granularity")
        if reader.flag("recompute_activations") ?? false {
            granularity = "selective"
            place = reader.place("recompute_activations")
        }
        // Megatron-LM 2 checkpointed whole blocks.
        if reader.flag("checkpoint_activations") ?? false {
            granularity = "full"
            place = reader.place("checkpoint_activations")
        }
        if let method = reader.word("activations_checkpoint_method") {
            granularity = "full"
            place = reader.place("activations_checkpoint_method")
            let blocks = degree("activations_checkpoint_num_layers")
            if method == "block", let blocks {
                draft.set(
                    "layout.recomputeLayers", .count(blocks), from: reader.place("activations_checkpoint_num_layers"))
            }
        }
        guard let granularity else {
            reader.expect(["recompute_method", "recompute_num_layers", "recompute_modules"])
            return
        }
        guard granularity == "full" || granularity == "selective" else {
            reader.fail("recompute_granularity", "must be full or selective")
            return
        }
        let blocks = reader.count("recompute_num_layers", in: 0...10_000_000)
        if granularity == "full", blocks == 0 {
            draft.set("layout.recompute", .word("none"), from: reader.place("recompute_num_layers"))
            reader.expect(["recompute_method", "recompute_modules"])
            return
        }
        draft.set("layout.recompute", .word(granularity), from: place)
        if granularity == "selective" {
            let modules = reader.words("recompute_modules") ?? []
            if !modules.isEmpty {
                draft.set("layout.recomputeModules", .list(modules), from: reader.place("recompute_modules"))
            }
            reader.expect(["recompute_method"])
            return
        }
        let method = reader.word("recompute_method")
        if method == "block" {
            if let blocks {
                draft.set("layout.recomputeLayers", .count(blocks), from: reader.place("recompute_num_layers"))
            }
        } else if method == "uniform", let blocks, blocks > 1 {
            draft.set("layout.recomputeMethod", .word("uniform"), from: reader.place("recompute_method"))
            draft.set("layout.recomputeLayers", .count(blocks), from: reader.place("recompute_num_layers"))
        } else if let method, method != "uniform" {
            reader.fail("recompute_method", "must be uniform or block", fix: "found \(method)")
        }
        reader.expect(["recompute_modules"])
        if reader.flag("distribute_saved_activations") ?? false {
            draft.leave(
                "\(dialect.spelling("distribute_saved_activations")): a plan cannot cut the inputs of recomputed blocks among tensor ranks"
            )
        }
    }

    private func readSharding(into draft: inout PlanDraft) {
        let isFSDP =
            (reader.flag("use_megatron_fsdp") ?? false) || (reader.flag("use_custom_fsdp") ?? false)
        let strategy = reader.word("data_parallel_sharding_strategy") ?? "no_shard"
        let kinds = [
            "no_shard": "none", "optim": "optimizer", "optim_grads": "gradients", "optim_grads_params": "parameters",
        ]
        var sharding = "none"
        var place: Setting?
        if isFSDP {
            place = reader.place("data_parallel_sharding_strategy")
            guard let kind = kinds[strategy] else {
                reader.fail(
                    "data_parallel_sharding_strategy", "is not known here",
                    fix: "no_shard, optim, optim_grads or optim_grads_params")
                return
            }
            sharding = kind
            let format = "megatron_fsdp_main_grads_dtype"
            if let word = reader.word(format), word.contains("bf16") || word.contains("bfloat16") {
                draft.set("layout.gradients", .word("bf16"), from: reader.place(format))
            }
        } else if reader.flag("use_torch_fsdp2") ?? false {
            (sharding, place) = ("parameters", reader.place("use_torch_fsdp2"))
        } else if reader.flag("use_distributed_optimizer") ?? false {
            (sharding, place) = ("optimizer", reader.place("use_distributed_optimizer"))
        }
        draft.set("layout.sharding", .word(sharding), from: place)
        reader.expect(["use_distributed_optimizer", "data_parallel_sharding_strategy"])
        if let copies = degree("num_distributed_optimizer_instances"), copies > 1, sharding != "none",
            let ranks = dataRanks
        {
            let context = degree("context_parallel_size") ?? 1
            let (shards, overflow) = ranks.multipliedReportingOverflow(by: context)
            if overflow || shards % copies != 0 {
                reader.misfit(
                    "num_distributed_optimizer_instances",
                    "does not divide the \(ranks) data and \(context) context ranks")
            } else {
                draft.set(
                    "layout.shardGroup", .count(shards / copies),
                    from: reader.place("num_distributed_optimizer_instances"))
                if reader.word("outer_dp_sharding_strategy") == "optim" {
                    draft.set(
                        "layout.outerSharding", .word("optimizer"), from: reader.place("outer_dp_sharding_strategy"))
                }
            }
        }
    }

    private func readOverlap(into draft: inout PlanDraft) {
        let data = reader.flag("overlap_grad_reduce") ?? false
        draft.set("layout.overlap.data", .flag(data), from: reader.place("overlap_grad_reduce"))
        reader.expect(["overlap_param_gather"])
        let tensor = reader.flag("tp_comm_overlap") ?? false
        draft.set("layout.overlap.tensor", .flag(tensor), from: reader.place("tp_comm_overlap"))
        // A log prints false wherever there are no virtual stages, whatever the run says.
        let pipeline = reader.flag("overlap_p2p_comm") ?? true
        let isStated = reader.place("overlap_p2p_comm")?.isSwitch ?? false
        if !pipeline, isStated || draft.has("layout.virtualStages") {
            draft.set("layout.overlap.pipeline", .flag(false), from: reader.place("overlap_p2p_comm"))
        }
        if reader.flag("overlap_moe_expert_parallel_comm") ?? false {
            draft.set("layout.overlap.expert", .flag(true), from: reader.place("overlap_moe_expert_parallel_comm"))
        }
        if reader.flag("moe_shared_expert_overlap") ?? false {
            draft.set("layout.overlap.sharedExperts", .flag(true), from: reader.place("moe_shared_expert_overlap"))
        }
    }
}
