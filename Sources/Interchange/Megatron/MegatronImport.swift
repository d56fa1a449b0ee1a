package import Reading

/// Reads a run of Megatron-LM as a plan.
package enum MegatronImport {
    /// - Parameters:
    ///   - text: a script, a list of arguments, or a log that prints its `arguments` block.
    ///   - name: the file, for problems.
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        let arguments = MegatronArguments(
            text: text, table: try MegatronTable.read(library), ignoresUnknown: request.ignoresUnknown,
            collector: collector)
        guard !arguments.settings.isEmpty else { throw collector.all }
        let reader = SettingsReader(arguments.settings, collector: collector)
        var draft = PlanDraft()
        reader.isWhole = arguments.isWhole
        for line in arguments.decided { draft.note(line) }
        if let note = arguments.devicesNote, request.devices == nil { draft.note(note) }
        let framework = Self.read(
            reader, devices: arguments.devices, whyUnknown: arguments.whyUnknown, request: request, into: &draft)
        if let seconds = Self.steady(arguments.stepSeconds) {
            draft.infer(
                "measured.seconds", .number(seconds),
                because: "the median of the later half of the \(arguments.stepSeconds.count) steps that the log prints")
        }
        return try draft.finished(
            reader, request: request, source: arguments.kind, framework: framework, library: library,
            unknown: arguments.unknown)
    }

    /// Reads arguments, or settings of another tool under the names of arguments, into a draft.
    /// - Parameters:
    ///   - devices: the setting that says how many devices there are.
    ///   - whyUnknown: why the file does not say how many devices there are, as a clause.
    ///   - dialect: how the tool spells arguments.
    /// - Returns: the software.
    @discardableResult
    static func read(
        _ reader: SettingsReader, devices: Setting?, whyUnknown: String? = nil,
        dialect: MegatronDialect = MegatronDialect(),
        request: ImportRequest,
        into draft: inout PlanDraft
    ) -> String {
        var stated: Int?
        if case .word(let word)? = devices?.value, let count = Int(word), count > 0 { stated = count }
        var reading = MegatronReading(
            reader: reader, devices: request.devices ?? stated, vocab: request.vocab, dialect: dialect,
            whyUnknown: whyUnknown)
        reading.readModel(into: &draft)
        reading.readTraining(into: &draft)
        reading.readLayout(into: &draft)
        reading.readBatch(into: &draft)
        reading.readHyperparameters(into: &draft)
        if let devices, let stated { draft.set("devices", .count(stated), from: devices) }
        reader.know(MegatronReading.silent)
        return reading.framework(&draft)
    }

    /// The median of the later half of the steps: the first ones also compile and warm up.
    static func steady(_ seconds: [Double]) -> Double? {
        guard seconds.count >= 4 else { return nil }
        let later = seconds[(seconds.count / 2)...].sorted()
        return (later[later.count / 2] * 1e6).rounded() / 1e6
    }
}

/// How a tool that trains with Megatron-Core spells the arguments of Megatron-LM.
struct MegatronDialect: Sendable {
    /// Settings by the names of the parsed arguments; others are flags.
    var spelled: [String: String] = [:]
    var tool = "Megatron-LM"

    func spelling(_ name: String) -> String { spelled[name] ?? "--" + name.replacing("_", with: "-") }
}

/// The reading of one list of arguments.
struct MegatronReading {
    let reader: SettingsReader
    /// Devices of the run; nil: not known.
    let devices: Int?
    /// Entries of the vocabulary as the user says them.
    let vocab: Int?
    let dialect: MegatronDialect
    /// Why the devices are not known, as a clause.
    let whyUnknown: String?

    private(set) var layers = 0
    /// Whether queries and keys have rotary positions.
    private(set) var isRotary = false
    private(set) var sequence = 0
    private(set) var hasExperts = false
    private(set) var hasLatent = false
    private(set) var hybrid: MegatronHybrid?

    init(
        reader: SettingsReader, devices: Int?, vocab: Int?, dialect: MegatronDialect, whyUnknown: String?
    ) {
        (self.reader, self.devices, self.vocab) = (reader, devices, vocab)
        (self.dialect, self.whyUnknown) = (dialect, whyUnknown)
    }

    /// Arguments that say where data and logs are, or how rows are routed and weights begin: no part of a plan.
    static let silent = [
        "data_path", "split", "save", "load", "tensorboard_dir", "log_interval", "eval_interval", "eval_iters",
        "tokenizer_type", "tokenizer_model", "vocab_file", "merge_file", "wandb_project", "wandb_exp_name",
        "distributed_backend", "moe_router_load_balancing_type", "moe_aux_loss_coeff", "moe_permute_fusion",
        "moe_router_dtype", "moe_router_score_function", "moe_router_num_groups", "fp8_amax_history_len",
        "fp8_amax_compute_algo", "fp8_margin", "fp8_interval", "fp8_wgrad", "init_method_std", "attention_dropout",
        "hidden_dropout", "megatron_fsdp_grad_comm_dtype", "megatron_fsdp_main_params_dtype",
    ]

    /// Reports an argument that the file lacks, as the tool spells it.
    func missing(_ name: String, _ fix: String) { reader.missing(dialect.spelling(name), fix) }

    mutating func readModel(into draft: inout PlanDraft) {
        func take(_ key: String, _ name: String, in range: ClosedRange<Int> = 1...1_000_000_000) -> Int? {
            guard let value = reader.count(name, in: range) else { return nil }
            draft.set("model.\(key)", .count(value), from: reader.place(name))
            return value
        }
        let isRMS = reader.word("normalization") == "RMSNorm"
        draft.set("model.family", .word(isRMS ? "llama" : "gpt"), from: reader.place("normalization"))
        let layersKey = reader.has("num_layers") ? "num_layers" : "encoder_num_layers"
        layers = take("layers", layersKey) ?? 0
        if let pattern = MegatronHybrid.read(reader) {
            layers = pattern.letters.count
            draft.set("model.layers", .count(layers), from: pattern.setting)
            hybrid = pattern
        }
        if layers == 0, !reader.has(layersKey), hybrid == nil { missing("num_layers", "blocks of the model") }
        let hidden = take("hidden", "hidden_size") ?? 0
        if hidden == 0, !reader.has("hidden_size") { missing("hidden_size", "width of the residual stream") }
        let heads = take("heads", "num_attention_heads") ?? 0
        if heads == 0, !reader.has("num_attention_heads") {
            missing("num_attention_heads", "heads of the attention")
        }
        readAttention(into: &draft, hidden: hidden, heads: heads)
        readNetwork(into: &draft, hidden: hidden)
        readVocabulary(into: &draft)
        let sequenceKey = reader.has("seq_length") ? "seq_length" : "encoder_seq_length"
        sequence = take("sequence", sequenceKey) ?? 0
        if sequence == 0, !reader.has(sequenceKey) { missing("seq_length", "tokens of a sequence") }
        readPositions(into: &draft, isRMS: isRMS)
        let unties = reader.flag("untie_embeddings_and_output_weights") ?? false
        draft.set(
            "model.tiedEmbeddings", .flag(!unties), from: reader.place("untie_embeddings_and_output_weights"))
        readBiases(into: &draft, isRMS: isRMS)
        if let predictors = reader.count("mtp_num_layers", in: 1...64) {
            draft.set("model.mtp.layers", .count(predictors), from: reader.place("mtp_num_layers"))
        }
        let name = "heterogeneous_layers_config_path"
        if reader.word(name) != nil {
            reader.fail(
                name, "is a file of blocks of several kinds, which this import does not read",
                fix: "write the plan's model.kinds by hand")
        }
        hybrid?.write(to: &draft, reader: reader, hidden: hidden)
    }

    private mutating func readAttention(into draft: inout PlanDraft, hidden: Int, heads: Int) {
        let sharesKeys = reader.flag("group_query_attention") ?? false
        let groups = reader.count("num_query_groups", in: 1...1_000_000)
        if sharesKeys {
            draft.set("model.kvHeads", .count(groups ?? 1), from: reader.place("num_query_groups"))
            draft.hold(reader.place("group_query_attention"))
        }
        hasLatent = reader.flag("multi_latent_attention") ?? false
        if let size = reader.count("kv_channels", in: 1...1_000_000), !hasLatent {
            if heads == 0 || size * heads != hidden {
                draft.set("model.headSize", .count(size), from: reader.place("kv_channels"))
            }
        }
        let normalises = reader.flag("qk_layernorm") ?? false
        if hasLatent {
            // Defaults of Megatron-Core's MLATransformerConfig.
            if !normalises {
                draft.note(
                    "norms of the latents: a plan has them with model.mla, and this run has none without --qk-layernorm"
                )
            }
            for (key, name, standard) in [
                ("queryRank", "q_lora_rank", 0), ("kvRank", "kv_lora_rank", 512), ("nopeSize", "qk_head_dim", 128),
                ("ropeSize", "qk_pos_emb_head_dim", 64), ("valueSize", "v_head_dim", 128),
            ] {
                let stated = reader.count(name, in: 0...1_000_000)
                draft.set("model.mla.\(key)", .count(stated ?? standard), from: reader.place(name))
            }
        } else if normalises {
            draft.set("model.qkNorm", .word("head"), from: reader.place("qk_layernorm"))
        }
        if let window = reader.words("window_size") {
            let sizes = window.joined(separator: ",").split { !$0.isNumber && $0 != "-" }.compactMap { Int($0) }
            if let left = sizes.first, left >= 0, left < 1_000_000_000 { readWindow(left + 1, into: &draft) }
        }
        if reader.word("softmax_type") ?? "vanilla" == "learnable" {
            draft.set("model.sinks", .flag(true), from: reader.place("softmax_type"))
        }
    }

    /// Windows of some blocks or of all: `--window-attn-skip-freq` n leaves every n-th block without one.
    private func readWindow(_ window: Int, into draft: inout PlanDraft) {
        let place = reader.place("window_size")
        guard let words = reader.words("window_attn_skip_freq"), layers > 0, layers <= 10_000 else {
            draft.set("model.window", .count(window), from: place)
            return
        }
        let text = words.joined(separator: ",")
        let pattern =
            words.count == 1
            ? Int(text).map { step in (0..<layers).map { step > 0 && ($0 + 1) % step != 0 } }
                ?? MegatronPattern.blocks(text, isList: false, layers: layers)
            : MegatronPattern.blocks(text, isList: true, layers: layers)
        guard let pattern else {
            reader.fail("window_attn_skip_freq", "must be a number of blocks, or a list of \(layers) ones and zeros")
            return
        }
        let origin = reader.place("window_attn_skip_freq")
        draft.set("model.kinds.local.window", .count(window), from: place)
        draft.set("model.kinds.global", .emptyMap, from: origin)
        draft.set("model.pattern", .list(pattern.map { $0 ? "local" : "global" }), from: origin)
    }

    private mutating func readNetwork(into draft: inout PlanDraft, hidden: Int) {
        let isGated = reader.flag("swiglu") ?? false
        if isGated {
            draft.set("model.mlp", .word("swiglu"), from: reader.place("swiglu"))
        } else if reader.flag("quick_geglu") ?? false {
            draft.set("model.mlp", .word("geglu"), from: reader.place("quick_geglu"))
        } else if reader.flag("squared_relu") ?? false {
            draft.set("model.mlp", .word("squaredRelu"), from: reader.place("squared_relu"))
        } else {
            draft.set("model.mlp", .word("gelu"), from: nil)
        }
        let stated = reader.count("ffn_hidden_size", in: 1...1_000_000_000)
        // Megatron-LM's validate_args: two thirds of four times the width, in steps of 64.
        let standard = isGated ? Int(Double(4 * hidden) * 2 / 3) / 64 * 64 : 4 * hidden
        let ffn = stated ?? standard
        if let stated {
            draft.set("model.ffn", .count(stated), from: reader.place("ffn_hidden_size"))
        } else if standard > 0 {
            draft.infer("model.ffn", .count(standard), because: "\(dialect.tool)'s default for this hidden size")
        }
        readExperts(into: &draft, ffn: ffn)
    }

    private mutating func readExperts(into draft: inout PlanDraft, ffn: Int) {
        guard let experts = reader.count("num_experts", in: 1...1_000_000) else { return }
        hasExperts = true
        draft.set("model.moe.experts", .count(experts), from: reader.place("num_experts"))
        let top = reader.count("moe_router_topk", in: 1...1_000_000)
        draft.set("model.moe.topK", .count(top ?? 2), from: reader.place("moe_router_topk"))
        let width = reader.count("moe_ffn_hidden_size", in: 1...1_000_000_000)
        draft.set("model.moe.ffn", .count(width ?? ffn), from: reader.place("moe_ffn_hidden_size"))
        if let shared = reader.count("moe_shared_expert_intermediate_size", in: 1...1_000_000_000) {
            let place = reader.place("moe_shared_expert_intermediate_size")
            draft.set("model.moe.shared", .count(1), from: place)
            draft.set("model.moe.sharedFfn", .count(shared), from: place)
        }
        for (key, name) in [
            ("sharedGate", "moe_shared_expert_gate"), ("routerCorrection", "moe_router_enable_expert_bias"),
            ("padToCapacity", "moe_pad_expert_input_to_capacity"),
        ] where reader.flag(name) ?? false {
            draft.set("model.moe.\(key)", .flag(true), from: reader.place(name))
        }
        if let factor = reader.number("moe_expert_capacity_factor", in: 0.01...100) {
            draft.set("model.moe.capacityFactor", .number(factor), from: reader.place("moe_expert_capacity_factor"))
            if let policy: String = reader.choice(
                "moe_token_drop_policy", [("probs", "probs"), ("position", "position")])
            {
                draft.set("model.moe.tokenDropPolicy", .word(policy), from: reader.place("moe_token_drop_policy"))
            }
        }
        if let limit = reader.count("moe_router_group_topk", in: 1...1_000_000) {
            draft.set("model.moe.nodeLimit", .count(limit), from: reader.place("moe_router_group_topk"))
        }
        if let latent = reader.count("moe_latent_size", in: 1...1_000_000) {
            draft.set("model.moe.latentSize", .count(latent), from: reader.place("moe_latent_size"))
        }
        readExpertPattern(into: &draft)
        reader.expect(["moe_grouped_gemm"])
    }

    /// `--moe-layer-freq`: the first block of every n has experts, or a list of ones and zeros.
    private func readExpertPattern(into draft: inout PlanDraft) {
        guard let words = reader.words("moe_layer_freq"), layers > 0, layers <= 10_000 else { return }
        let text = words.joined(separator: ",")
        let place = reader.place("moe_layer_freq")
        guard let pattern = MegatronPattern.blocks(text, isList: words.count > 1, layers: layers) else {
            reader.fail(
                "moe_layer_freq",
                "must be a number of blocks, or a list of \(layers) ones and zeros such as [0]*3+[1]*58")
            return
        }
        let dense = pattern.prefix { !$0 }.count
        if pattern.dropFirst(dense).allSatisfy({ $0 }) {
            if dense > 0 { draft.set("model.moe.firstDense", .count(dense), from: place) }
            return
        }
        draft.set("model.kinds.dense.moe", .word("none"), from: place)
        draft.set("model.kinds.mixture", .emptyMap, from: place)
        draft.set("model.pattern", .list(pattern.map { $0 ? "mixture" : "dense" }), from: place)
    }

    private func readVocabulary(into draft: inout PlanDraft) {
        if let vocab {
            reader.expect(["vocab_size", "padded_vocab_size"])
            draft.set("model.vocab", .count(vocab), from: nil)
            return
        }
        // A log prints both, the first as None where the tokenizer knows it.
        for key in ["vocab_size", "padded_vocab_size"] {
            guard let vocab = reader.count(key, in: 2...100_000_000) else { continue }
            draft.set("model.vocab", .count(vocab), from: reader.place(key))
            reader.expect(["padded_vocab_size"])
            return
        }
        let known = [
            "GPT2BPETokenizer": 50257, "Llama2Tokenizer": 32000, "BertWordPieceLowerCase": 30522,
            "BertWordPieceCase": 28996,
        ]
        // A path that only the environment holds says nothing.
        func name(_ key: String) -> String? {
            if case .word(let word)? = reader.setting(key)?.value { word } else { nil }
        }
        let kind = name("tokenizer_type")
        let model = name("tokenizer_model")
        if let kind, let vocab = known[kind] {
            draft.infer("model.vocab", .count(vocab), because: "the vocabulary of \(kind)")
        } else if let name = [model, kind].compactMap(\.self).first(where: { TokenizerVocabulary.entries($0) != nil }),
            let vocab = TokenizerVocabulary.entries(name)
        {
            draft.infer("model.vocab", .count(vocab), because: "models with the tokenizer \(name) have so many entries")
        } else if !reader.has("vocab_size") || reader.has("padded_vocab_size") {
            missing("vocab_size", "the file names a tokenizer alone; say how many entries it has with --vocab")
        }
    }

    private mutating func readPositions(into draft: inout PlanDraft, isRMS: Bool) {
        let stated = reader.word("position_embedding_type")
        let isRotary =
            (reader.flag("use_rotary_position_embeddings") ?? false) || ["rope", "mrope", "yarn"].contains(stated)
        let hasTable = reader.flag("add_position_embedding") ?? true
        let entries = reader.count("max_position_embeddings", in: 1...1_000_000_000)
        let kind: String
        switch stated {
        case _ where isRotary: kind = "rotary"
        case nil, "learned_absolute": kind = hasTable ? "learned" : "none"
        case "none": kind = "none"
        default:
            reader.fail(
                "position_embedding_type", "is not known here", fix: "learned_absolute, rope, mrope, yarn or none")
            return
        }
        self.isRotary = kind == "rotary" || hasLatent
        if kind != (isRMS ? "rotary" : "learned") {
            draft.set(
                "model.positions", .word(kind),
                from: reader.place("position_embedding_type") ?? reader.place("use_rotary_position_embeddings"))
        }
        if kind == "learned", let entries, entries != sequence {
            draft.set("model.positionEntries", .count(entries), from: reader.place("max_position_embeddings"))
        }
    }

    private func readBiases(into draft: inout PlanDraft, isRMS: Bool) {
        let isLinear = reader.flag("add_bias_linear") ?? true
        let isQuery = reader.flag("add_qkv_bias") ?? false
        let place = reader.place("add_bias_linear") ?? reader.place("add_qkv_bias")
        if isLinear, isRMS {
            draft.set("model.biases", .word("all"), from: place)
        } else if !isLinear, isQuery {
            draft.set("model.biases", .list(["attentionInput"]), from: reader.place("add_qkv_bias"))
        } else if !isLinear, !isRMS {
            draft.set("model.biases", .word("none"), from: place)
        }
    }
}
