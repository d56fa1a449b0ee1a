internal import Numbers
internal import Reading

/// The reading of one configuration of GPT-NeoX.
struct NeoXReading {
    let reader: SettingsReader
    let request: ImportRequest
    private var sequence = 0
    private var layers = 0
    private var dataRanks: Int?

    init(reader: SettingsReader, request: ImportRequest) { (self.reader, self.request) = (reader, request) }

    private var devices: Int? { request.devices }

    /// Beginnings of settings that say nothing of a plan.
    static let silent = [
        "data_path", "data_impl", "save", "load", "vocab_file", "merge_file", "split", "log_", "steps_per_print",
        "wall_clock_breakdown", "tensorboard_dir", "checkpoint_factor", "checkpoint_scale", "extra_save_iters",
        "eval_interval", "eval_iters", "keep_last_n_checkpoints", "distributed_backend", "use_wandb", "wandb_",
        "init_method", "output_layer_init_method", "output_layer_parallelism", "lr_decay", "min_lr", "warmup",
        "weight_decay", "gradient_clipping", "hidden_dropout", "attention_dropout", "layernorm_epsilon",
        "rms_norm_epsilon", "rotary_", "scaled_", "bias_gelu_fusion", "bias_dropout_fusion", "rope_fusion",
        "layernorm_fusion", "rmsnorm_fusion", "num_workers",
        "launcher", "hostfile", "deepspeed_", "synchronize_each_layer", "train_data", "valid_data", "test_data",
        "checkpoint_validation", "config_files", "seed", "use_flashattn_swiglu", "finetune", "override_lr",
        "make_vocab_size_divisible_by", "contiguous_checkpointing", "profile", "attention_softmax_in_fp32",
        "te_fp8_", "use_bias_in_norms", "moe_lbl", "moe_jitter", "include", "num_nodes", "num_gpus", "comment",
    ]

    private func set(_ draft: inout PlanDraft, _ key: String, _ value: PlanDraft.Value, _ name: String) {
        draft.set(key, value, from: reader.place(name))
    }

    mutating func readModel(into draft: inout PlanDraft) {
        func count(_ key: String, _ name: String, _ what: String) -> Int? {
            guard let value = reader.count(name) else {
                if !reader.has(name) { reader.missing(name, what) }
                return nil
            }
            draft.set("model.\(key)", .count(value), from: reader.place(name))
            return value
        }
        draft.set("model.family", .word("gpt"), from: nil)
        layers = count("layers", "num_layers", "blocks of the model") ?? 0
        let hidden = count("hidden", "hidden_size", "width of the residual stream") ?? 0
        let heads = count("heads", "num_attention_heads", "heads of the attention")
        if let groups = reader.count("num_kv_heads"), groups != heads {
            set(&draft, "model.kvHeads", .count(groups), "num_kv_heads")
        }
        sequence = count("sequence", "seq_length", "tokens of a sequence") ?? 0
        if let window = reader.count("sliding_window_width", in: 0...1_000_000_000) {
            // The width goes to flash attention as the tokens on the left of one's own.
            set(&draft, "model.window", .count(window + 1), "sliding_window_width")
        }
        readBlock(into: &draft)
        let width = readNetwork(hidden: hidden, into: &draft)
        readExperts(layers: layers, ffn: width, into: &draft)
        readAttention(layers: layers, into: &draft)
        readVocabulary(into: &draft)
        let unties = reader.flag("no_weight_tying") ?? false
        set(&draft, "model.tiedEmbeddings", .flag(!unties), "no_weight_tying")
        for name in ["num_unique_layers", "soft_prompt_tuning", "gmlp_attn_dim"] where reader.word(name) != nil {
            reader.fail(name, "makes blocks that this import does not read", fix: "write the plan's model by hand")
        }
    }

    private func readBlock(into draft: inout PlanDraft) {
        let norms = [
            ("layernorm", "layerNorm"), ("te_layernorm", "layerNorm"), ("rmsnorm", "rmsNorm"),
            ("te_rmsnorm", "rmsNorm"),
            ("non_parametric_layernorm", "nonParametric"),
        ]
        if reader.has("norm"), let norm: String = reader.choice("norm", norms), norm != "layerNorm" {
            set(&draft, "model.norm", .word(norm), "norm")
        }
        let positions = ["learned", "rotary", "sinusoidal", "alibi", "none"].map { ($0, $0) }
        if reader.has("pos_emb"), let kind: String = reader.choice("pos_emb", positions), kind != "learned" {
            set(&draft, "model.positions", .word(kind), "pos_emb")
        }
        let entries = reader.count("max_position_embeddings")
        if reader.word("pos_emb") ?? "learned" == "learned", let entries, entries != sequence {
            set(&draft, "model.positionEntries", .count(entries), "max_position_embeddings")
        }
        if reader.flag("use_qk_layernorm") ?? false {
            set(&draft, "model.qkNorm", .word("heads"), "use_qk_layernorm")
        }
        let isParallel = reader.flag("gpt_j_residual") ?? false
        let isShared = reader.flag("gpt_j_tied") ?? false
        if isParallel {
            set(&draft, "model.parallel", .word(isShared ? "oneNorm" : "twoNorms"), "gpt_j_residual")
        }
        let attention = reader.flag("use_bias_in_attn_linear") ?? true
        let network = reader.flag("use_bias_in_mlp") ?? true
        if attention, network { return }
        let biases = (attention ? ["attentionInput", "attentionOutput"] : []) + (network ? ["feedForward"] : [])
        let place = reader.place(attention ? "use_bias_in_mlp" : "use_bias_in_attn_linear")
        draft.set("model.biases", biases.isEmpty ? .word("none") : .list(biases), from: place)
    }

    /// The width of the network: `intermediate_size` counts two matrices, of which gated activations make three.
    private func readNetwork(hidden: Int, into draft: inout PlanDraft) -> Int {
        let kinds: [(String, String)] = [
            ("gelu", "gelu"), ("relu", "relu"), ("silu", "silu"), ("swish", "silu"), ("geglu", "geglu"),
            ("reglu", "reglu"), ("swiglu", "swiglu"),
        ]
        let kind: String = reader.has("activation") ? reader.choice("activation", kinds) ?? "gelu" : "gelu"
        if kind != "gelu" { set(&draft, "model.mlp", .word(kind), "activation") }
        let stated = reader.count("intermediate_size")
        let factor = reader.number("expansion_factor", in: 0.01...1000)
        let multiple = reader.count("mlp_multiple_of", in: 1...1_000_000) ?? 1
        var width = stated ?? factor.flatMap { Int(exactly: ($0 * Double(hidden)).rounded(.down)) } ?? 4 * hidden
        guard width > 0, width <= 1_000_000_000 else { return 0 }
        let isGated = kind.hasSuffix("glu")
        if isGated { width = width * 2 / 3 / 2 }
        let (padded, overflow) = width.addingReportingOverflow(multiple - 1)
        guard !overflow else { return 0 }
        width = padded / multiple * multiple
        let place = stated == nil ? "expansion_factor" : "intermediate_size"
        set(&draft, "model.ffn", .count(width), place)
        if isGated {
            draft.note(
                "model.ffn \(width): GPT-NeoX makes the three matrices of \(kind) as large as two of width \(stated.map(String.init) ?? "4 · hidden_size")"
            )
        }
        return width
    }

    private func readExperts(layers: Int, ffn: Int, into draft: inout PlanDraft) {
        guard let experts = reader.count("moe_num_experts"), experts > 1 else {
            reader.expect(["moe_expert_interval", "moe_top_k", "moe_router_type"])
            return
        }
        set(&draft, "model.moe.experts", .count(experts), "moe_num_experts")
        set(&draft, "model.moe.topK", .count(reader.count("moe_top_k") ?? 1), "moe_top_k")
        if ffn > 0 { set(&draft, "model.moe.ffn", .count(ffn), "intermediate_size") }
        let interval = reader.count("moe_expert_interval", in: 1...10_000) ?? 1
        reader.expect(["moe_router_type"])
        guard interval > 1, layers > 0, layers <= 10_000 else { return }
        let place = reader.place("moe_expert_interval")
        draft.set("model.kinds.dense.moe", .word("none"), from: place)
        draft.set("model.kinds.mixture", .emptyMap, from: place)
        // Blocks are counted from 0, and the first has experts.
        let pattern = (0..<layers).map { $0 % interval == 0 ? "mixture" : "dense" }
        draft.set("model.pattern", .list(pattern), from: place)
    }

    /// `attention_config`: lists of kinds, each with the number of times that it is repeated.
    private func readAttention(layers: Int, into draft: inout PlanDraft) {
        var kinds: [String] = []
        var index = 0
        while reader.has("attention_config.\(index).0") || reader.has("attention_config.\(index)") {
            if reader.has("attention_config.\(index)") {
                kinds += reader.words("attention_config.\(index)") ?? []
            } else {
                kinds += reader.words("attention_config.\(index).0") ?? []
            }
            reader.expect(["attention_config.\(index).1"])
            index += 1
            if index > 10_000 { break }
        }
        kinds += (reader.words("attention_config") ?? [])
        let known = kinds.filter { Int($0) == nil && $0 != "all" }
        if let other = known.first(where: { $0 != "flash" && $0 != "global" }) {
            let place = reader.has("attention_config.0.0") ? "attention_config.0.0" : "attention_config"
            reader.fail(
                place, "has blocks of the kind '\(other)', which this import does not read",
                fix: "write the plan's model.kinds by hand")
            return
        }
        let isTE = (reader.flag("te_mha") ?? false) || (reader.flag("te_fp8_mha") ?? false)
        reader.expect(["te_layernorm_mlp", "te_columnparallel", "te_rowparallel"])
        if !isTE, !known.contains("flash") {
            draft.set("layout.flashAttention", .flag(false), from: reader.place("attention_config.0.0"))
            if known.isEmpty {
                draft.note("layout.flashAttention false: GPT-NeoX's default attention_config is global")
            }
        }
    }

    private func readVocabulary(into draft: inout PlanDraft) {
        if let padded = reader.count("padded_vocab_size") {
            set(&draft, "model.vocab", .count(padded), "padded_vocab_size")
            return
        }
        let kind = reader.word("tokenizer_type") ?? "GPT2BPETokenizer"
        if let vocab = request.vocab {
            draft.set("model.vocab", .count(vocab), from: nil)
            reader.expect(["vocab_file"])
            return
        }
        let file = reader.word("vocab_file")
        if let file, let entries = TokenizerVocabulary.entries(file) {
            draft.infer(
                "model.vocab", .count(entries), because: "models with the tokenizer \(file) have so many entries")
        } else if kind == "GPT2BPETokenizer" || kind == "HFGPT2Tokenizer" {
            draft.infer("model.vocab", .count(50257), because: "the vocabulary of \(kind)")
        } else if kind == "HFTokenizer" {
            draft.infer(
                "model.vocab", .count(50277),
                because: "HFTokenizer is that of GPT-NeoX-20B and Pythia unless a file says otherwise")
        } else if kind == "CharLevelTokenizer" {
            draft.infer("model.vocab", .count(512), because: "the vocabulary of \(kind)")
        } else {
            reader.missing(
                "padded_vocab_size", "the file names \(kind) alone; say how many entries it has with --vocab")
        }
    }

    mutating func readLayout(into draft: inout PlanDraft) {
        func degree(_ name: String) -> Int { max(1, reader.count(name, in: 0...10_000_000) ?? 1) }
        let (tensor, pipeline) = (degree("model_parallel_size"), degree("pipe_parallel_size"))
        set(&draft, "layout.tensor", .count(tensor), "model_parallel_size")
        set(&draft, "layout.pipeline", .count(pipeline), "pipe_parallel_size")
        let isSequence = reader.flag("sequence_parallel") ?? false
        if tensor > 1 { set(&draft, "layout.sequenceParallel", .flag(isSequence), "sequence_parallel") }
        let stated = reader.count("global_num_gpus", in: 1...10_000_000)
        if let stated {
            set(&draft, "devices", .count(stated), "global_num_gpus")
            reader.contradicts(devices: devices, stated: stated, at: "global_num_gpus", "global_num_gpus \(stated)")
        }
        let (used, overflow) = tensor.multipliedReportingOverflow(by: pipeline)
        if let devices = stated ?? devices, !overflow {
            if devices % used == 0 {
                dataRanks = devices / used
            } else {
                reader.misfit(
                    reader.has("model_parallel_size") ? "model_parallel_size" : "pipe_parallel_size",
                    "tensor \(tensor) · pipeline \(pipeline) ranks do not divide \(devices) devices",
                    fix: "change a degree, or say --devices")
            }
        } else {
            dataRanks = 1
            draft.note("layout.data: 1, since the file does not say how many devices there are; say it with --devices")
            draft.set("layout.data", .count(1), from: nil)
        }
        if pipeline > 1, layers % pipeline == 0, layers <= 10_000 {
            let sizes = [String](repeating: "\(layers / pipeline)", count: pipeline)
            if pipeline <= layers { set(&draft, "layout.layersPerStage", .list(sizes), "pipe_parallel_size") }
        }
        if let method = reader.word("pipe_partition_method"), !method.hasPrefix("type:"), pipeline > 1 {
            draft.leave("pipe_partition_method \(method): the plan's stages have equal numbers of blocks")
        }
        let again = reader.flag("checkpoint_activations") ?? false
        let run = reader.count("checkpoint_num_layers", in: 1...10_000) ?? 1
        if again {
            set(&draft, "layout.recompute", .word("full"), "checkpoint_activations")
            if run > 1 {
                set(&draft, "layout.recomputeMethod", .word("uniform"), "checkpoint_num_layers")
                set(&draft, "layout.recomputeLayers", .count(run), "checkpoint_num_layers")
            }
            if reader.flag("partition_activations") ?? false, tensor > 1 {
                draft.leave(
                    "partition_activations: a plan cannot cut the inputs of recomputed blocks among tensor ranks")
            }
            if reader.flag("checkpoint_in_cpu") ?? false {
                set(&draft, "layout.offload.activations", .flag(true), "checkpoint_in_cpu")
            }
        }
        reader.expect(["partition_activations", "checkpoint_in_cpu"])
        readSharding(into: &draft)
    }

    private func readSharding(into draft: inout PlanDraft) {
        // GPT-NeoX takes stage 0 where the section is missing (ZERO_DEFAULTS).
        let stage = reader.count("zero_optimization.stage", in: 0...3) ?? 0
        let kinds = ["none", "optimizer", "gradients", "parameters"]
        set(&draft, "layout.sharding", .word(kinds[stage]), "zero_optimization.stage")
        if let overlap = reader.flag("zero_optimization.overlap_comm") {
            set(&draft, "layout.overlap.data", .flag(overlap), "zero_optimization.overlap_comm")
        }
        let isOld = reader.flag("zero_optimization.cpu_offload") ?? false
        let device = reader.word("zero_optimization.offload_optimizer.device") ?? "none"
        if isOld || device != "none" {
            set(
                &draft, "layout.offload.optimizer", .flag(true),
                isOld ? "zero_optimization.cpu_offload" : "zero_optimization.offload_optimizer.device")
        }
        if reader.word("zero_optimization.offload_param.device") ?? "none" != "none" {
            set(&draft, "layout.offload.parameters", .flag(true), "zero_optimization.offload_param.device")
        }
    }

    mutating func readBatch(into draft: inout PlanDraft) {
        let batch = reader.count("train_batch_size", in: 1...100_000_000)
        let micro = reader.count("train_micro_batch_size_per_gpu", in: 1...100_000_000)
        let steps = reader.count("gradient_accumulation_steps", in: 1...100_000_000)
        let length = reader.count("train_iters", in: 1...Int(1e12))
        guard batch != nil || micro != nil else {
            if !reader.has("train_batch_size"), !reader.has("train_micro_batch_size_per_gpu") {
                reader.missing("train_micro_batch_size_per_gpu", "sequences of a micro-batch")
            }
            return
        }
        guard let ranks = dataRanks else { return }
        let whole = batch ?? Int.product(micro ?? 1, steps ?? 1, ranks)
        guard let whole, whole <= 100_000_000 else {
            reader.fail("train_micro_batch_size_per_gpu", "makes a step of more than 100,000,000 sequences")
            return
        }
        let slice = micro ?? whole / max(1, Int.product(steps ?? 1, ranks) ?? 1)
        if let batch, let micro,
            let all = Int.product(micro, steps ?? max(1, batch / max(1, Int.product(micro, ranks) ?? batch)), ranks),
            all != batch
        {
            reader.fail(
                "train_batch_size",
                "is not train_micro_batch_size_per_gpu · gradient_accumulation_steps · \(ranks) data-parallel ranks, \(all)",
                fix: "remove it, or say --devices")
            return
        }
        set(
            &draft, "batch", .count(whole),
            batch != nil
                ? "train_batch_size" : steps != nil ? "gradient_accumulation_steps" : "train_micro_batch_size_per_gpu")
        set(&draft, "layout.microbatch", .count(max(1, slice)), "train_micro_batch_size_per_gpu")
        if let length {
            set(&draft, "tokens", .number(Double(length) * Double(whole) * Double(sequence)), "train_iters")
        }
    }

    mutating func readTraining(into draft: inout PlanDraft) {
        let words = [("fp16", "fp16"), ("bfloat16", "bf16"), ("fp32", "fp32")]
        let isHalf = reader.flag("fp16.enabled") ?? false
        let isBrain = reader.flag("bf16.enabled") ?? false
        let stated: String? = reader.has("precision") ? reader.choice("precision", words) : nil
        if isHalf, isBrain { reader.fail("bf16.enabled", "contradicts fp16.enabled", fix: "keep one of them") }
        let precision = stated ?? (isHalf ? "fp16" : isBrain ? "bf16" : "fp32")
        set(
            &draft, "precision", .word(precision),
            stated != nil ? "precision" : isHalf ? "fp16.enabled" : "bf16.enabled")
        if let stated, isHalf && stated != "fp16" || isBrain && stated != "bf16" {
            reader.fail("precision", "contradicts \(isHalf ? "fp16" : "bf16").enabled", fix: "keep one of them")
        }
        let formats = [("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp16")]
        if let format: String = reader.has("data_types.grad_accum_dtype")
            ? reader.choice("data_types.grad_accum_dtype", formats) : nil
        {
            set(&draft, "layout.gradients", .word(format), "data_types.grad_accum_dtype")
        } else if precision == "bf16" {
            let isWide = reader.flag("fp32_allreduce") ?? false
            if !isWide {
                draft.set("layout.gradients", .word("bf16"), from: nil)
                draft.note(
                    "layout.gradients bf16: DeepSpeed's default for bf16 weights, unless data_types.grad_accum_dtype says fp32"
                )
            }
        }
        reader.expect(["fp32_allreduce"])
        guard let kind = reader.word("optimizer.type") else { return }
        switch kind.lowercased() {
        case "adam", "adamw", "onebitadam", "cpu_torch_adam": break
        case "cpu_adam": set(&draft, "layout.offload.optimizer", .flag(true), "optimizer.type")
        case "sgd":
            set(&draft, "optimizer.name", .word("sgd"), "optimizer.type")
            let momentum = reader.number("optimizer.params.momentum", in: 0...1) ?? 0
            set(&draft, "optimizer.momentum", .flag(momentum > 0), "optimizer.params.momentum")
        case "lion": set(&draft, "optimizer.name", .word("lion"), "optimizer.type")
        default:
            reader.fail("optimizer.type", "is no optimizer that a plan can say", fix: "Adam, SGD or Lion")
        }
        if reader.flag("use_bnb_optimizer") ?? false {
            set(&draft, "optimizer.moments", .word("8bit"), "use_bnb_optimizer")
        }
    }
}
