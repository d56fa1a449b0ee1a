package import Reading

/// Reads a configuration of MaxText as a plan.
///
/// Keys and defaults are those of src/maxtext/configs/base.yml and types.py at e591f30cbbf2; shapes that a file names by `model_name`
/// are those of src/maxtext/configs/models.
package enum MaxTextImport {
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        var settings = try TreeSettings.read(text: text, name: name)
        var draft = PlanDraft()
        let table = try ShapeTable.read("maxtext", library)
        let stated = Set(settings.map(\.name))
        for section in ["student_overrides", "teacher_overrides"] {
            if let setting = settings.first(where: { $0.name.hasPrefix(section + ".") }) {
                collector.report(
                    section, line: setting.line, column: setting.column,
                    rule: "belongs to distillation, which has two models",
                    fix: "a plan holds one; write it by hand")
            }
        }
        guard collector.isEmpty else { throw collector.all }
        var names = ["default"]
        if let model = settings.first(where: { $0.name == "model_name" }), case .word(let word) = model.value,
            word != "default"
        {
            guard table.shapes[word] != nil else {
                let near = Wording.didYouMean(word, among: table.shapes.keys.sorted())
                throw PlanProblems([
                    PlanProblem(
                        file: name, line: model.line, column: model.column, field: "model_name", value: "'\(word)'",
                        rule: "is no model of MaxText that is known here",
                        fix: near.isEmpty ? "write its base_emb_dim and the like into the file" : near)
                ])
            }
            names.insert(word, at: 0)
            draft.note("the shape is that of \(word) in the \(table.source)")
        }
        let place =
            settings.first { $0.name == "model_name" } ?? settings.first
            ?? Setting(name: "model_name", value: .nothing, line: 1, column: 1)
        var known = stated
        for shape in names {
            for setting in table.settings(shape, section: "", at: place) where known.insert(setting.name).inserted {
                settings.append(setting)
            }
        }
        let reader = SettingsReader(settings, collector: collector)
        reader.expect(["model_name"])
        var reading = MaxTextReading(reader: reader, request: request)
        reading.readModel(into: &draft)
        reading.readLayout(into: &draft)
        reading.readBatch(into: &draft)
        reading.readTraining(into: &draft)
        reading.readHyperparameters(into: &draft)
        // Defaults are no settings of the file.
        reader.leaveAside { !stated.contains($0.name) }
        reader.expect(reader.ignored.filter { MaxTextReading.saysNothing($0.value) }.map(\.name))
        reader.know(reader.ignored.map(\.name).filter(MaxTextReading.isSilent))
        if !request.ignoresUnknown { reader.reportMisspelt(stated: stated) }
        return try draft.finished(
            reader, request: request, source: "a configuration of MaxText", framework: "maxtext", library: library)
    }
}

/// The reading of one configuration of MaxText.
struct MaxTextReading {
    let reader: SettingsReader
    let request: ImportRequest
    private var layers = 0
    private var sequence = 2048
    private var degrees: [String: Int] = [:]
    private var devices = 1

    init(reader: SettingsReader, request: ImportRequest) { (self.reader, self.request) = (reader, request) }

    /// Whether a setting says nothing of a plan.
    static func isSilent(_ name: String) -> Bool {
        let parts = [
            "run_name", "base_config", "dataset", "tokenizer", "checkpoint", "profiler", "log", "hf_", "grain", "wandb",
            "learning_rate", "warmup", "adam_", "eval", "seed", "jax_", "enable_", "use_iota_embed", "scan_layers",
            "normalization_layer_epsilon", "rope_", "base_output_directory", "async_", "save_", "load_", "sa_block",
            "max_segments_per_seq", "gcs_", "metrics", "packing", "xla", "init_weights", "skip_", "fused_", "beta_",
            "mscale", "tfds", "add_", "reuse_example", "tile_", "sa_", "megablox", "sparse_matmul", "mesh_axes",
        ]
        return parts.contains { name.contains($0) }
    }

    /// Whether a value is what a setting has that is not used.
    static func saysNothing(_ value: Setting.Value) -> Bool {
        guard case .word(let word) = value else { return value == .list([]) }
        return ["", "null", "None", "false", "False", "0", "-1", "1", "1.0", "-1.0", "0.0", "none", "disabled"]
            .contains(word)
    }

    private func set(_ draft: inout PlanDraft, _ key: String, _ value: PlanDraft.Value, _ name: String) {
        draft.set(key, value, from: reader.place(name))
    }

    /// Features that the kinds of `decoder_block` have beyond Llama's blocks; kinds that are not here are not read.
    private static let kinds: [String: (family: String, biases: [String], qkNorm: Bool)] = [
        "default": ("llama", [], false), "llama2": ("llama", [], false), "mistral": ("llama", [], false),
        "mixtral": ("llama", [], false), "gemma": ("llama", [], false), "qwen2": ("llama", [], false),
        "qwen3": ("llama", [], true), "qwen3_moe": ("llama", [], true), "deepseek": ("llama", [], false),
        "gpt3": ("gpt", [], false),
    ]

    mutating func readModel(into draft: inout PlanDraft) {
        let kind = reader.word("decoder_block") ?? "llama2"
        guard let own = Self.kinds[kind] else {
            reader.fail(
                "decoder_block", "has blocks that this import does not read",
                fix: "give a plan whose model is the shape's name in plans/models, or write its model.kinds")
            return
        }
        draft.set("model.family", .word(own.family), from: reader.place("decoder_block"))
        let scale = reader.count("global_parameter_scale", in: 1...65_536) ?? 1
        if scale > 1 {
            reader.fail(
                "global_parameter_scale", "scales all sizes at once, which this import does not read",
                fix: "write the scaled base_emb_dim and the like")
        }
        func take(_ key: String, _ name: String) -> Int? {
            guard let value = reader.count(name) else { return nil }
            draft.set("model.\(key)", .count(value), from: reader.place(name))
            return value
        }
        layers = take("layers", "base_num_decoder_layers") ?? 0
        let hidden = take("hidden", "base_emb_dim") ?? 0
        let heads = take("heads", "base_num_query_heads") ?? 0
        readAttention(hidden: hidden, heads: heads, hasNorm: own.qkNorm, into: &draft)
        let width = take("ffn", "base_mlp_dim") ?? 0
        readActivation(into: &draft)
        readExperts(ffn: width, into: &draft)
        _ = take("vocab", "vocab_size")
        if let length = reader.count("max_target_length") { sequence = length }
        set(&draft, "model.sequence", .count(sequence), "max_target_length")
        let isTied = reader.flag("logits_via_embedding") ?? false
        set(&draft, "model.tiedEmbeddings", .flag(isTied), "logits_via_embedding")
        if kind == "gpt3" {
            if let entries = reader.count("trainable_position_size"), entries != sequence {
                set(&draft, "model.positionEntries", .count(entries), "trainable_position_size")
            }
        } else if reader.flag("mlp_bias") ?? false {
            reader.fail(
                "mlp_bias", "belongs to blocks that this import does not read", fix: "write the plan's model.biases")
        }
        if let predictors = reader.count("mtp_num_layers", in: 0...64), predictors > 0 {
            set(&draft, "model.mtp.layers", .count(predictors), "mtp_num_layers")
        }
        reader.expect([
            "trainable_position_size", "use_post_attn_norm", "use_post_ffw_norm", "inhomogeneous_layer_cycle_interval",
            "interleave_moe_layer_step", "attention_sink", "chunk_attn_window_size", "global_head_dim",
            "global_num_kv_heads", "share_kv_projections", "routed_scaling_factor", "routed_score_func",
        ])
    }

    private func readAttention(hidden: Int, heads: Int, hasNorm: Bool, into draft: inout PlanDraft) {
        if reader.word("attention_type") == "mla" {
            for (key, name, standard) in [
                ("queryRank", "q_lora_rank", 0), ("kvRank", "kv_lora_rank", 512), ("nopeSize", "qk_nope_head_dim", 128),
                ("ropeSize", "qk_rope_head_dim", 64), ("valueSize", "v_head_dim", 128),
            ] {
                let value = reader.count(name, in: 0...1_000_000) ?? standard
                set(&draft, "model.mla.\(key)", .count(value), name)
            }
            reader.expect(["base_num_kv_heads", "head_dim"])
        } else {
            if let groups = reader.count("base_num_kv_heads"), groups != heads {
                set(&draft, "model.kvHeads", .count(groups), "base_num_kv_heads")
            }
            let size = reader.count("head_dim") ?? 128
            let (width, overflow) = size.multipliedReportingOverflow(by: heads)
            if overflow || width != hidden { set(&draft, "model.headSize", .count(size), "head_dim") }
            reader.expect(["q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"])
        }
        let normalises = reader.flag("use_qk_norm") ?? false
        if normalises || hasNorm { set(&draft, "model.qkNorm", .word("head"), "use_qk_norm") }
        if reader.flag("attention_bias") ?? false {
            set(&draft, "model.biases", .list(["attentionInput"]), "attention_bias")
        }
        if reader.word("attention_type") == "local_sliding", let window = reader.count("sliding_window_size") {
            set(&draft, "model.window", .count(window), "sliding_window_size")
        }
        reader.expect(["sliding_window_size"])
        let attention = reader.word("attention") ?? "autoselected"
        if attention == "dot_product" { set(&draft, "layout.flashAttention", .flag(false), "attention") }
    }

    private func readActivation(into draft: inout PlanDraft) {
        guard let words = reader.words("mlp_activations") else { return }
        let kinds: [([String], String)] = [
            (["silu", "linear"], "swiglu"), (["gelu", "linear"], "geglu"), (["relu", "linear"], "reglu"),
            (["gelu"], "gelu"), (["relu"], "relu"), (["silu"], "silu"),
        ]
        guard let kind = kinds.first(where: { $0.0 == words })?.1 else {
            reader.fail("mlp_activations", "are not known here", fix: "[silu, linear], [gelu, linear] or [gelu]")
            return
        }
        set(&draft, "model.mlp", .word(kind), "mlp_activations")
    }

    private func readExperts(ffn: Int, into draft: inout PlanDraft) {
        guard let experts = reader.count("num_experts"), experts > 1 else {
            reader.expect([
                "num_experts_per_tok", "base_moe_mlp_dim", "shared_experts", "first_num_dense_layers", "routed_bias",
            ])
            return
        }
        set(&draft, "model.moe.experts", .count(experts), "num_experts")
        set(&draft, "model.moe.topK", .count(reader.count("num_experts_per_tok") ?? 1), "num_experts_per_tok")
        let width = reader.count("base_moe_mlp_dim", in: -1...1_000_000_000) ?? -1
        set(&draft, "model.moe.ffn", .count(width > 0 ? width : max(1, ffn)), "base_moe_mlp_dim")
        if let shared = reader.count("shared_experts", in: 0...10_000), shared > 0 {
            set(&draft, "model.moe.shared", .count(shared), "shared_experts")
        }
        if let dense = reader.count("first_num_dense_layers", in: 0...10_000), dense > 0 {
            set(&draft, "model.moe.firstDense", .count(dense), "first_num_dense_layers")
        }
        if reader.flag("routed_bias") ?? false { set(&draft, "model.moe.routerCorrection", .flag(true), "routed_bias") }
        // Without megablox and with a factor, experts take so many rows and no more.
        if let factor = reader.number("capacity_factor", in: -1...100), factor > 0 {
            set(&draft, "model.moe.capacityFactor", .number(factor), "capacity_factor")
            set(&draft, "model.moe.padToCapacity", .flag(true), "capacity_factor")
        }
    }

    /// Axes of the mesh: within a slice or node (`ici_`), and between them (`dcn_`). One of each kind may be −1: what is left.
    mutating func readLayout(into draft: inout PlanDraft) {
        guard let mesh = MaxTextMesh(reader: reader, devices: request.devices, draft: &draft) else { return }
        degrees = mesh.degrees
        devices = mesh.devices
        func degree(_ axes: String...) -> Int { axes.reduce(1) { $0 * (degrees[$1] ?? 1) } }
        let tensor = degree("tensor", "tensor_transpose", "tensor_sequence", "sequence")
        let pipeline = degree("pipeline")
        let context = degree("context", "context_usp_ulysses")
        let shards = degree("fsdp", "fsdp_transpose", "expert") * context
        set(&draft, "devices", .count(devices), "ici_fsdp_parallelism")
        // Ranks of the expert axis have sequences of their own, and hold shards of the other weights.
        set(&draft, "layout.data", .count(degree("data", "fsdp", "fsdp_transpose", "expert")), "ici_fsdp_parallelism")
        set(&draft, "layout.tensor", .count(tensor), "ici_tensor_parallelism")
        if tensor > 1 {
            set(&draft, "layout.sequenceParallel", .flag(true), "ici_tensor_parallelism")
            draft.note(
                "layout.sequenceParallel true: MaxText cuts the residual stream among tensor ranks too, along its width or its tokens"
            )
        }
        if pipeline > 1 { readPipeline(pipeline, into: &draft) }
        if context > 1 {
            set(&draft, "layout.context", .count(context), "ici_context_parallelism")
            let isRing = reader.word("context_parallel_strategy") == "ring"
            set(
                &draft, "layout.contextExchange", .word(isRing ? "ring" : "gather"), "context_parallel_strategy")
        }
        if degree("expert") > 1 { set(&draft, "layout.expert", .count(degree("expert")), "ici_expert_parallelism") }
        if shards > 1 {
            set(&draft, "layout.sharding", .word("parameters"), "ici_fsdp_parallelism")
            if degree("data") > 1 { set(&draft, "layout.shardGroup", .count(shards), "ici_fsdp_parallelism") }
        } else {
            let isShared = reader.flag("shard_optimizer_over_data") ?? false
            set(&draft, "layout.sharding", .word(isShared ? "optimizer" : "none"), "shard_optimizer_over_data")
        }
        readRecomputation(into: &draft)
    }

    private func readPipeline(_ pipeline: Int, into draft: inout PlanDraft) {
        set(&draft, "layout.pipeline", .count(pipeline), "ici_pipeline_parallelism")
        let each = reader.count("num_layers_per_pipeline_stage", in: 1...10_000) ?? 1
        var repeats = reader.count("num_pipeline_repeats", in: -1...10_000) ?? -1
        if repeats < 1 {
            let (round, overflow) = pipeline.multipliedReportingOverflow(by: each)
            repeats = overflow || round == 0 ? 1 : max(1, layers / round)
        }
        if repeats > 1 { set(&draft, "layout.virtualStages", .count(repeats), "num_pipeline_repeats") }
        // All forwards, one after the other through all repeats, and their transposition.
        draft.set(
            "layout.schedule", .word(repeats > 1 ? "looped-bfs" : "gpipe"),
            from: reader.place("ici_pipeline_parallelism"))
    }

    private func readRecomputation(into draft: inout PlanDraft) {
        let policy = reader.word("remat_policy") ?? "full"
        let place = "remat_policy"
        switch policy {
        case "none": set(&draft, "layout.recompute", .word("none"), place)
        case "full": set(&draft, "layout.recompute", .word("full"), place)
        case "minimal", "minimal_with_quantization":
            // Results of products are kept; norms, activations and core attention are computed again.
            set(&draft, "layout.recompute", .word("selective"), place)
            set(&draft, "layout.recomputeModules", .list(["core_attn", "layernorm"]), place)
        case "minimal_with_context", "minimal_flash", "minimal_with_context_and_quantization":
            set(&draft, "layout.recompute", .word("selective"), place)
            set(&draft, "layout.recomputeModules", .list(["layernorm"]), place)
        case "save_dot_except_mlp", "save_dot_except_mlpwi":
            set(&draft, "layout.recompute", .word("selective"), place)
            set(&draft, "layout.recomputeModules", .list(["core_attn", "mlp"]), place)
        case "save_dot_with_context_except_mlp":
            set(&draft, "layout.recompute", .word("selective"), place)
            set(&draft, "layout.recomputeModules", .list(["mlp"]), place)
        case "save_qkv_proj", "save_out_proj", "custom", "minimal_offloaded", "qkv_proj_offloaded":
            set(&draft, "layout.recompute", .word("full"), place)
            draft.leave("remat_policy \(policy): some products are kept, which the plan computes again")
        default:
            reader.fail(place, "is not known here", fix: "full, minimal, minimal_with_context or none")
        }
    }

    mutating func readBatch(into draft: inout PlanDraft) {
        guard !degrees.isEmpty else { return }
        let each = reader.number("per_device_batch_size", in: 1e-6...1e6) ?? 12
        let steps = reader.count("gradient_accumulation_steps", in: 1...1_000_000) ?? 1
        let rows = (each * Double(devices)).rounded(.down)
        guard let micro = Int(exactly: rows), micro > 0, micro <= 100_000_000 else {
            reader.fail("per_device_batch_size", "makes less than one or more than 100,000,000 sequences of a step")
            return
        }
        let (batch, overflow) = micro.multipliedReportingOverflow(by: steps)
        guard !overflow, batch <= 100_000_000 else {
            reader.fail("gradient_accumulation_steps", "makes a step of more than 100,000,000 sequences")
            return
        }
        set(&draft, "batch", .count(batch), "per_device_batch_size")
        let data = ["data", "fsdp", "fsdp_transpose", "expert"].reduce(1) { $0 * (degrees[$1] ?? 1) }
        var parts = data
        if let pipeline = degrees["pipeline"], pipeline > 1 {
            let slices = reader.count("num_pipeline_microbatches", in: -1...1_000_000) ?? -1
            parts = data * (slices > 0 ? slices : pipeline)
        }
        if micro % parts == 0 {
            set(&draft, "layout.microbatch", .count(micro / parts), "per_device_batch_size")
        } else {
            reader.misfit(
                "per_device_batch_size",
                "makes \(micro) sequences, which \(parts) parts of a step do not share equally",
                fix: "change it or the degrees")
        }
        if let length = reader.count("steps", in: -1...Int(1e12)), length > 0 {
            set(&draft, "tokens", .number(Double(length) * Double(batch) * Double(sequence)), "steps")
        }
    }

    mutating func readTraining(into draft: inout PlanDraft) {
        let format = reader.word("dtype") ?? "bfloat16"
        let quantization = reader.word("quantization") ?? ""
        let recipes = [
            "te_fp8_delayedscaling": "delayed", "te_fp8_currentscaling": "tensorwise", "te_mxfp8": "mxfp8",
            "te_nvfp4": "nvfp4", "te_nvfp4_no_rht": "nvfp4",
        ]
        if let recipe = recipes[quantization] {
            set(&draft, "precision.recipe", .word(recipe), "quantization")
        } else if quantization.contains("fp8") {
            set(&draft, "precision", .word("fp8"), "quantization")
        } else {
            if !quantization.isEmpty {
                draft.leave("quantization \(quantization): a plan has no such products; they are priced in \(format)")
            }
            switch format {
            case "bfloat16": set(&draft, "precision", .word("bf16"), "dtype")
            case "float16": set(&draft, "precision", .word("fp16"), "dtype")
            case "float32": set(&draft, "precision", .word("fp32"), "dtype")
            default: reader.fail("dtype", "is not known here", fix: "bfloat16, float16 or float32")
            }
        }
        let weights = reader.word("weight_dtype") ?? "float32"
        let gradients = reader.word("grad_dtype") ?? "float32"
        if format != "float32" {
            if weights == "bfloat16" { set(&draft, "optimizer.master", .word("no"), "weight_dtype") }
            let isHalf = gradients == "bfloat16" || weights == "bfloat16"
            set(
                &draft, "layout.gradients", .word(isHalf ? "bf16" : "fp32"),
                weights == "bfloat16" ? "weight_dtype" : "grad_dtype")
        }
        if let moment = reader.word("mu_dtype"), moment == "bfloat16" {
            set(&draft, "optimizer.firstMoment", .word("bf16"), "mu_dtype")
        }
        switch reader.word("opt_type") ?? "adamw" {
        case "adamw", "adam_pax": break
        case "sgd": set(&draft, "optimizer.name", .word("sgd"), "opt_type")
        case "muon": set(&draft, "optimizer.name", .word("muon"), "opt_type")
        default: reader.fail("opt_type", "is not known here", fix: "adamw, adam_pax, sgd or muon")
        }
        if reader.flag("optimizer_memory_host_offload") ?? false {
            set(&draft, "layout.offload.optimizer", .flag(true), "optimizer_memory_host_offload")
        }
        if reader.flag("parameter_memory_host_offload") ?? false {
            set(&draft, "layout.offload.parameters", .flag(true), "parameter_memory_host_offload")
        }
        if let tiles = reader.count("num_vocab_tiling", in: 1...1_000_000), tiles > 1 {
            set(&draft, "loss.kind", .word("chunked"), "num_vocab_tiling")
            set(&draft, "loss.chunks", .count(tiles), "num_vocab_tiling")
        }
    }
}
