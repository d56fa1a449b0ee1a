package import Reading

/// Reads a configuration of nanotron as a plan.
///
/// Fields are those of src/nanotron/config/{config,models_config,parallelism_config}.py at 2411b022a75f.
package enum NanotronImport {
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        let reader = SettingsReader(try TreeSettings.read(text: text, name: name), collector: collector)
        var draft = PlanDraft()
        var reading = NanotronReading(reader: reader)
        reading.readModel(into: &draft)
        reading.readLayout(request, into: &draft)
        reading.readBatch(into: &draft)
        reading.readOptimizer(into: &draft)
        reading.readHyperparameters(into: &draft)
        reader.know(
            reader.ignored.map(\.name).filter { name in NanotronReading.silent.contains { name.hasPrefix($0) } })
        if !request.ignoresUnknown { reader.reportMisspelt(sections: NanotronReading.sections) }
        return try draft.finished(
            reader, request: request, source: "a configuration of nanotron", framework: "nanotron", library: library)
    }
}

/// The reading of one configuration of nanotron.
struct NanotronReading {
    let reader: SettingsReader
    private var sequence = 0
    /// Degrees by their names; those that are missing or wrong are not there.
    private var degrees: [String: Int] = [:]

    init(reader: SettingsReader) { self.reader = reader }

    /// Beginnings of settings that say nothing of a plan.
    static let silent = [
        "checkpoints", "data_stages", "general", "logging", "metrics_logging", "profiler", "lighteval", "s3_upload",
        "tokenizer", "model.init_method", "model.ddp_bucket_cap_mb", "model.make_vocab_size_divisible_by",
        "optimizer.learning_rate_scheduler", "optimizer.optimizer_factory", "optimizer.weight_decay", "tokens.val_",
        "tokens.limit_", "optimizer.clip_grad", "model.model_config.bos", "model.model_config.eos",
        "model.model_config.pad", "model.model_config.pretraining_tp", "model.model_config.use_cache",
        "model.model_config.initializer_range", "model.model_config.rms_norm_eps", "model.model_config.rope_",
        "model.model_config.z_loss", "model.model_config._", "model.model_config.max_position_embeddings",
        "parallelism.tp_recompute_allgather", "parallelism.moe_layer_recompute", "optimizer.adam_",
        "optimizer.torch_adam",
        "model.model_config.flex_attention_mask", "model.model_config.ring_attn",
    ]

    /// Sections of a configuration.
    static let sections = [
        "checkpoints", "data_stages", "general", "logging", "metrics_logging", "profiler", "lighteval", "s3_upload",
        "tokenizer", "model.model_config", "parallelism", "optimizer.learning_rate_scheduler",
        "optimizer.optimizer_factory", "tokens",
    ]

    private func set(_ draft: inout PlanDraft, _ key: String, _ value: PlanDraft.Value, _ name: String) {
        draft.set(key, value, from: reader.place(name))
    }

    mutating func readModel(into draft: inout PlanDraft) {
        let section = "model.model_config."
        func count(_ key: String, _ name: String, _ what: String) -> Int? {
            guard let value = reader.count(section + name) else {
                if !reader.has(section + name) { reader.missing(section + name, what) }
                return nil
            }
            draft.set("model.\(key)", .count(value), from: reader.place(section + name))
            return value
        }
        let isStarcoder = reader.flag(section + "is_starcoder2_config") ?? false
        reader.expect([section + "is_llama_config", section + "is_qwen2_config"])
        draft.set("model.family", .word("llama"), from: reader.place(section + "is_llama_config"))
        let layers = count("layers", "num_hidden_layers", "blocks of the model") ?? 0
        let hidden = count("hidden", "hidden_size", "width of the residual stream") ?? 0
        let heads = count("heads", "num_attention_heads", "heads of the attention")
        if isStarcoder {
            readStarcoder(section, hidden: hidden, into: &draft)
        } else {
            if let groups = reader.count(section + "num_key_value_heads"), groups != heads {
                set(&draft, "model.kvHeads", .count(groups), section + "num_key_value_heads")
            }
            _ = count("ffn", "intermediate_size", "width of the feed-forward network")
            readActivation(section, into: &draft)
            if reader.flag(section + "attention_bias") ?? false, !(reader.flag(section + "is_llama_config") ?? false) {
                // Qwen2's products of queries, keys and values; nanotron's Llama has none in spite of the key.
                set(&draft, "model.biases", .list(["attentionInput"]), section + "attention_bias")
            }
            let isTied = reader.flag(section + "tie_word_embeddings") ?? false
            set(&draft, "model.tiedEmbeddings", .flag(isTied), section + "tie_word_embeddings")
        }
        if let window = reader.count(section + "sliding_window_size") {
            set(&draft, "model.window", .count(window), section + "sliding_window_size")
        }
        if let step = reader.count(section + "no_rope_layer") {
            draft.note(
                "\(section)no_rope_layer \(step): blocks without rotary positions have the same size and price as the others"
            )
            if reader.place(section + "sliding_window_size").map({ $0.value != .word("null") }) ?? false {
                reader.fail(
                    section + "no_rope_layer",
                    "mixes blocks with and without a window, which this import does not read",
                    fix: "write the plan's model.kinds by hand")
            }
        }
        _ = count("vocab", "vocab_size", "entries of the token table")
        readExperts(section + "moe_config.", layers: layers, into: &draft)
        if let length = reader.count("tokens.sequence_length") {
            sequence = length
            set(&draft, "model.sequence", .count(length), "tokens.sequence_length")
        } else if !reader.has("tokens.sequence_length") {
            reader.missing("tokens.sequence_length", "tokens of a sequence")
        }
    }

    private func readActivation(_ section: String, into draft: inout PlanDraft) {
        let kinds = [
            ("silu", "swiglu"), ("swish", "swiglu"), ("gelu", "geglu"), ("gelu_pytorch_tanh", "geglu"),
            ("relu", "reglu"),
        ]
        guard reader.has(section + "hidden_act"), let kind: String = reader.choice(section + "hidden_act", kinds) else {
            return
        }
        if kind != "swiglu" { set(&draft, "model.mlp", .word(kind), section + "hidden_act") }
    }

    /// LayerNorm, biases everywhere, a plain network, and a head that shares the token table.
    private func readStarcoder(_ section: String, hidden: Int, into draft: inout PlanDraft) {
        let place = reader.place(section + "is_starcoder2_config")
        draft.set("model.norm", .word("layerNorm"), from: place)
        draft.set("model.biases", .word("all"), from: place)
        draft.set("model.mlp", .word("gelu"), from: reader.place(section + "activation_function"))
        draft.set("model.tiedEmbeddings", .flag(true), from: place)
        if let ffn = reader.count(section + "intermediate_size") {
            set(&draft, "model.ffn", .count(ffn), section + "intermediate_size")
        } else if hidden > 0 {
            draft.infer("model.ffn", .count(4 * hidden), because: "nanotron's default for this hidden size")
        }
        let shares = reader.flag(section + "grouped_query") ?? false
        let groups = reader.count(section + "num_kv_heads")
        if shares, let groups {
            set(&draft, "model.kvHeads", .count(groups), section + "num_kv_heads")
        } else if shares {
            reader.missing(section + "num_kv_heads", "key/value heads of grouped_query")
        } else {
            draft.infer("model.kvHeads", .count(1), because: "nanotron's Starcoder 2 without grouped_query has one")
        }
        reader.expect(
            [
                "activation_function", "attention_softmax_in_fp32", "attn_pdrop", "embd_pdrop", "resid_pdrop",
                "global_attn_layers", "layer_norm_epsilon", "multi_query", "scale_attention_softmax_in_fp32",
                "scale_attn_weights", "use_position_embeddings", "use_rotary_embeddings",
            ].map { section + $0 })
    }

    private func readExperts(_ section: String, layers: Int, into draft: inout PlanDraft) {
        guard reader.hasSection(String(section.dropLast())) else {
            reader.expect([String(section.dropLast())])
            return
        }
        // Defaults of nanotron's MoEConfig.
        for (key, name, standard) in [
            ("experts", "num_experts", 8), ("topK", "top_k", 2), ("ffn", "moe_intermediate_size", 1408),
        ] {
            let value = reader.count(section + name) ?? standard
            set(&draft, "model.moe.\(key)", .count(value), section + name)
        }
        let shared = reader.count(section + "shared_expert_intermediate_size") ?? 5632
        if reader.flag(section + "enable_shared_expert") ?? false {
            set(&draft, "model.moe.shared", .count(1), section + "enable_shared_expert")
            set(&draft, "model.moe.sharedFfn", .count(shared), section + "shared_expert_intermediate_size")
            // Its result passes a gate in every such model.
            set(&draft, "model.moe.sharedGate", .flag(true), section + "enable_shared_expert")
        }
        if let word = reader.word(section + "token_dispatcher_type") {
            set(&draft, "layout.dispatcher", .word(word), section + "token_dispatcher_type")
        }
        reader.expect([section + "router_aux_loss_coef"])
        guard let indices = reader.counts(section + "layers", in: -1...9_999), indices != [-1], layers > 0,
            layers <= 10_000
        else { return }
        let place = reader.place(section + "layers")
        let has = (0..<layers).map { indices.contains($0) }
        let dense = has.prefix { !$0 }.count
        if has.dropFirst(dense).allSatisfy({ $0 }) {
            if dense > 0 { draft.set("model.moe.firstDense", .count(dense), from: place) }
            return
        }
        draft.set("model.kinds.dense.moe", .word("none"), from: place)
        draft.set("model.kinds.mixture", .emptyMap, from: place)
        draft.set("model.pattern", .list(has.map { $0 ? "mixture" : "dense" }), from: place)
    }

    mutating func readLayout(_ request: ImportRequest, into draft: inout PlanDraft) {
        var product = 1
        for (key, name, isRequired) in [
            ("data", "dp", true), ("tensor", "tp", true), ("pipeline", "pp", true),
            ("context", "context_parallel_size", false),
        ] {
            let path = "parallelism.\(name)"
            guard let degree = reader.count(path, in: 1...10_000_000) else {
                if isRequired, !reader.has(path) { reader.missing(path, "ranks of that kind") }
                continue
            }
            degrees[name] = degree
            if isRequired || degree > 1 { set(&draft, "layout.\(key)", .count(degree), path) }
            let (next, overflow) = product.multipliedReportingOverflow(by: degree)
            product = overflow ? product : next
        }
        set(&draft, "devices", .count(product), "parallelism.dp")
        if ["dp", "tp", "pp"].allSatisfy({ degrees[$0] != nil }) {
            let words = ["dp", "tp", "pp", "context_parallel_size"].compactMap { name in
                degrees[name].map { "\(name) \($0)" }
            }
            reader.contradicts(
                devices: request.devices, stated: product, at: "parallelism.dp",
                "parallelism (\(words.joined(separator: " · ")), \(product) devices)")
        }
        let tensor = degrees["tp"] ?? 1
        let mode: Bool =
            reader.choice("parallelism.tp_mode", [("ALL_REDUCE", false), ("REDUCE_SCATTER", true)]) ?? false
        if tensor > 1 {
            set(&draft, "layout.sequenceParallel", .flag(mode), "parallelism.tp_mode")
            if reader.flag("parallelism.tp_linear_async_communication") ?? false {
                set(&draft, "layout.overlap.tensor", .flag(true), "parallelism.tp_linear_async_communication")
            }
        }
        reader.expect(["parallelism.tp_linear_async_communication"])
        if let expert = reader.count("parallelism.expert_parallel_size", in: 1...10_000_000), expert > 1 {
            set(&draft, "layout.expert", .count(expert), "parallelism.expert_parallel_size")
        }
        let engine: String = reader.choice("parallelism.pp_engine", [("1f1b", "1f1b"), ("afab", "gpipe")]) ?? "gpipe"
        if degrees["pp"] ?? 1 > 1 {
            set(&draft, "layout.schedule", .word(engine), "parallelism.pp_engine")
        }
        if reader.flag("parallelism.recompute_layer") ?? false {
            set(&draft, "layout.recompute", .word("full"), "parallelism.recompute_layer")
        }
        let attention = "model.model_config._attn_implementation"
        if degrees["context_parallel_size"] ?? 1 > 1,
            let word = reader.word(attention), word == "llama3_ring_attention"
        {
            // It gathers keys and values of some heads at a time.
            set(&draft, "layout.contextExchange", .word("gather"), attention)
        }
        if let word = reader.word(attention), word == "sdpa" || word == "eager" {
            set(&draft, "layout.flashAttention", .flag(word == "sdpa"), attention)
        }
    }

    func readBatch(into draft: inout PlanDraft) {
        let micro = reader.count("tokens.micro_batch_size", in: 1...100_000_000)
        let steps = reader.count("tokens.batch_accumulation_per_replica", in: 1...100_000_000)
        for (name, value) in [("micro_batch_size", micro), ("batch_accumulation_per_replica", steps)]
        where value == nil && !reader.has("tokens.\(name)") {
            reader.missing("tokens.\(name)", "sequences of a step follow from it")
        }
        let length = reader.count("tokens.train_steps", in: 1...Int(1e12))
        guard let micro, let steps, let data = degrees["dp"] else { return }
        set(&draft, "layout.microbatch", .count(micro), "tokens.micro_batch_size")
        let (slice, overflow) = micro.multipliedReportingOverflow(by: steps)
        let (batch, overflows) = slice.multipliedReportingOverflow(by: data)
        guard !overflow, !overflows, batch <= 100_000_000 else {
            reader.fail("tokens.batch_accumulation_per_replica", "makes a step of more than 100,000,000 sequences")
            return
        }
        set(&draft, "batch", .count(batch), "tokens.batch_accumulation_per_replica")
        if let length {
            set(&draft, "tokens", .number(Double(length) * Double(batch) * Double(sequence)), "tokens.train_steps")
        }
    }

    mutating func readOptimizer(into draft: inout PlanDraft) {
        let kinds = [("bfloat16", "bf16"), ("float16", "fp16"), ("float32", "fp32")]
        let precision: String = reader.has("model.dtype") ? reader.choice("model.dtype", kinds) ?? "bf16" : "bf16"
        set(&draft, "precision", .word(precision), "model.dtype")
        let stage = reader.count("optimizer.zero_stage", in: 0...3) ?? 0
        if stage > 1 {
            reader.fail("optimizer.zero_stage", "is not built in nanotron", fix: "0 or 1")
        } else {
            set(&draft, "layout.sharding", .word(stage == 1 ? "optimizer" : "none"), "optimizer.zero_stage")
        }
        if reader.word("optimizer.optimizer_factory.name") == "sgd" {
            set(&draft, "optimizer.name", .word("sgd"), "optimizer.optimizer_factory.name")
            // torch.optim.SGD as nanotron makes it.
            set(&draft, "optimizer.momentum", .flag(false), "optimizer.optimizer_factory.name")
        }
        let isWide = reader.flag("optimizer.accumulate_grad_in_fp32") ?? true
        if !isWide, precision == "bf16" {
            let place = reader.place("optimizer.accumulate_grad_in_fp32")
            draft.set("layout.gradients", .word("bf16"), from: place)
            // Without the accumulator AdamW steps the 16-bit weights, and its moments have their format.
            draft.set("optimizer.master", .word("no"), from: place)
            draft.set("optimizer.moments", .word("bf16"), from: place)
        }
    }

    func readHyperparameters(into draft: inout PlanDraft) {
        let (course, factory) = ("optimizer.learning_rate_scheduler.", "optimizer.optimizer_factory.")
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", [course + "learning_rate"]), ("minLearningRate", [course + "min_decay_lr"]),
                ("warmup", [course + "lr_warmup_steps"]), ("weightDecay", ["optimizer.weight_decay"]),
                ("clip", ["optimizer.clip_grad"]), ("eps", [factory + "adam_eps", "optimizer.adam_eps"]),
                ("seed", ["general.seed"]), ("rotaryBase", ["model.model_config.rope_theta"]),
            ])
        let section = reader.has("optimizer.adam_beta1") ? "optimizer." : factory
        draft.takeBetas(reader, section + "adam_beta1", section + "adam_beta2", defaults: (0.9, 0.999))
        draft.takeSchedule(reader, course + "lr_decay_style", ["linear": "linear", "cosine": "cosine"])
        let warmup = reader.count(course + "lr_warmup_steps", in: 0...1_000_000_000) ?? 0
        let steps = reader.count("tokens.train_steps", in: 1...Int(1e12))
        if let fall = reader.count(course + "lr_decay_steps", in: 1...Int(1e12)), let steps, fall == steps - warmup {
            draft.hold(reader.place(course + "lr_decay_steps"))
        } else if let setting = reader.place(course + "lr_decay_steps") {
            draft.leave(
                "\(setting.written): a plan's learning rate falls until the run ends; change it in exported files by hand"
            )
        }
        if reader.word(course + "lr_warmup_style") == "linear" { draft.hold(reader.place(course + "lr_warmup_style")) }
    }
}
