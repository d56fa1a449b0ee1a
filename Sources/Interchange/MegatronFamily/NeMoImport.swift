package import Reading

/// Reads a configuration of NeMo as a plan: the Hydra files of NeMo 1 (`trainer:`, `model:` with `tensor_model_parallel_size`),
/// and the YAML of NeMo 2 (`_target_: nemo.collections.llm.api.pretrain`), which NeMo-Run writes.
///
/// Fields of NeMo 1 are those of examples/nlp/language_modeling/conf/megatron_gpt_config.yaml and
/// nemo/collections/nlp/models/language_modeling/megatron_gpt_model.py; those of NeMo 2 the arguments of MegatronStrategy,
/// MegatronMixedPrecision and the configuration classes (NeMo at 8cfedd720346).
package enum NeMoImport {
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        let destinations = try MegatronTable.read(library).destinations
        let settings = Interpolation.resolve(try TreeSettings.read(text: text, name: name))
        MegatronTranslation.reportMisspeltRoots(settings, known: sections, request: request, collector)
        let isSecond = settings.contains {
            $0.name.hasPrefix("trainer.strategy.") || $0.name.hasPrefix("model.config.")
        }
        let source: [Setting]
        if isSecond {
            source = try expanded(settings, library, collector)
            guard collector.isEmpty else { throw collector.all }
        } else {
            source = settings
        }
        var translation = MegatronTranslation(source)
        var draft = PlanDraft()
        let devices = devices(&translation, collector)
        if isSecond {
            NeMoSecond.pass(&translation, destinations, collector, &draft)
        } else {
            NeMoFirst.pass(&translation, destinations, collector, &draft)
        }
        translation.drop(silent)
        let reader = SettingsReader(translation.all, collector: collector)
        MegatronImport.read(
            reader, devices: devices, dialect: isSecond ? NeMoSecond.dialect : NeMoFirst.dialect, request: request,
            into: &draft)
        if reader.setting("is_hybrid_model") != nil {
            reader.fail(
                "is_hybrid_model", "names blocks that this import does not read",
                fix: "write the plan's model by hand")
        }
        for key in ["attention_chunk_size", "interleaved_attn_pattern", "nope_layer_interval"]
        where reader.setting(key) != nil {
            reader.fail(
                key, "belongs to blocks of several kinds, which this import does not read",
                fix: "write the plan's model.kinds by hand")
        }
        for (section, words) in [("mm_cfg", "a tower of images and frozen parts"), ("hyena", "blocks of Hyena")] {
            if let setting = settings.first(where: { $0.name.hasPrefix("model.\(section).") }) {
                collector.report(
                    "model.\(section)", line: setting.line, column: setting.column, rule: "names \(words)",
                    fix: "write the plan by hand: this import reads GPT models alone")
            }
        }
        MegatronTranslation.expectIdle(reader, destinations, request: request)
        reader.isWhole = true
        return try draft.finished(
            reader, request: request, source: isSecond ? "a configuration of NeMo 2" : "a configuration of NeMo 1",
            framework: "nemo", library: library, fates: translation.fates(reader))
    }

    private static let sections = [
        "trainer", "model", "exp_manager", "optim", "data", "log", "resume", "run", "hydra", "defaults", "name",
        "s3_checkpointing", "cluster_type", "tuner", "peft", "_target_", "_partial_", "restore_from_path",
        "training", "inference",
    ]

    /// Sections that say nothing of a plan.
    private static let silent = [
        "exp_manager", "run", "hydra", "s3_checkpointing", "name", "defaults", "log", "resume", "trainer", "data",
        "model.data", "model.tokenizer", "model.nsys_profile", "optim", "model.optim", "model.megatron_timer_kwargs",
        "model.config.transformer_layer_spec", "model.config.init_method", "model.config.output_layer_init_method",
        "model.config.forward_step_fn", "model.config.data_step_fn", "cluster_type", "tuner",
    ]

    /// `trainer.devices` times `trainer.num_nodes`.
    private static func devices(_ translation: inout MegatronTranslation, _ collector: ProblemCollector) -> Setting? {
        guard let local = translation.take("trainer.devices"), case .word(let word) = local.value,
            let count = Int(word),
            count > 0
        else { return nil }
        let nodes = translation.take("trainer.num_nodes").flatMap { setting -> Int? in
            guard case .word(let word) = setting.value else { return nil }
            return Int(word)
        }
        let (total, overflow) = count.multipliedReportingOverflow(by: max(1, nodes ?? 1))
        guard !overflow else { return nil }
        var devices = local
        devices.value = .word("\(total)")
        return devices
    }

    /// Classes whose blocks are made by code, and not by their fields alone.
    private static let others = [
        "Gemma2", "Gemma3", "Llama4", "GPTOSS", "Hyena", "SSM", "BaseMamba", "NemotronH", "NemotronNano",
        "Baichuan2Config13B", "Llama33NemotronSuper", "Llama31NemotronUltra", "Qwen3Next",
    ]

    /// The settings with those of the configuration class beneath them, which a file states only where it changes them.
    private static func expanded(
        _ settings: [Setting], _ library: Library, _ collector: ProblemCollector
    ) throws(PlanProblems) -> [Setting] {
        let table = try ShapeTable.read("nemo", library)
        guard let target = settings.first(where: { $0.name == "model.config._target_" }),
            case .word(let path) = target.value
        else { return settings }
        let name = path.split(separator: ".").last.map(String.init) ?? path
        if let kind = others.first(where: name.hasPrefix) {
            collector.report(
                target.written, line: target.line, column: target.column, value: "'\(path)'",
                rule: "has blocks of \(kind), which this import does not read",
                fix: "give a plan whose model is the shape's name in plans/models, or write its model.kinds")
            return settings
        }
        guard table.shapes[name] != nil else {
            collector.report(
                target.written, line: target.line, column: target.column, value: "'\(path)'",
                rule: "is no configuration class of NeMo that is known here",
                fix: Wording.didYouMean(name, among: table.shapes.keys.sorted()))
            return settings
        }
        let stated = Set(settings.map(\.name))
        var beneath = table.settings(name, section: "model.config.", at: target).filter {
            // An object of Python is flattened to its parts.
            !stated.contains($0.name) && !stated.contains($0.name + "._target_")
        }
        // The tokenizer's name is not stated where a recipe chooses it; the class then tells the family.
        if TokenizerVocabulary.entries(name) != nil {
            beneath.append(
                Setting(
                    name: "model.config.tokenizer_model", written: target.written, value: .word(name),
                    line: target.line,
                    column: target.column))
        }
        return settings + beneath
    }
}

/// NeMo 1.
enum NeMoFirst {
    static let dialect = MegatronDialect(
        spelled: [
            "num_layers": "model.num_layers", "hidden_size": "model.hidden_size",
            "num_attention_heads": "model.num_attention_heads", "seq_length": "model.encoder_seq_length",
            "vocab_size": "model.override_vocab_size", "micro_batch_size": "model.micro_batch_size",
            "global_batch_size": "model.global_batch_size", "train_iters": "trainer.max_steps",
            "num_virtual_stages_per_pipeline_rank": "model.virtual_pipeline_model_parallel_size",
            "pipeline_model_parallel_size": "model.pipeline_model_parallel_size",
        ], tool: "NeMo")

    /// Switches of kernels and of initial weights.
    private static let silent: Set<String> = [
        "init_method_std", "use_scaled_init_method", "hidden_dropout", "attention_dropout", "ffn_dropout",
        "layernorm_epsilon", "make_vocab_size_divisible_by", "pre_process", "post_process", "persist_layer_norm",
        "gradient_as_bucket_view", "grad_div_ar_fusion", "gradient_accumulation_fusion", "bias_activation_fusion",
        "bias_dropout_add_fusion", "masked_softmax_fusion", "get_attention_mask_from_fusion", "apply_rope_fusion",
        "native_amp_init_scale", "native_amp_growth_interval", "hysteresis", "fp32_residual_connection",
        "fp16_lm_cross_entropy", "megatron_amp_O2", "grad_allreduce_chunk_size_mb", "mcore_gpt",
        "apex_transformer_log_level", "gc_interval", "normalize_attention_scores", "attention_type",
        "apply_query_key_layer_scaling", "batch_p2p_comm", "rotary_percentage", "resume_from_checkpoint",
        "fsdp_sharding_strategy", "fsdp_grad_reduce_dtype", "cpu_offloading_activations", "cpu_offloading_weights",
        "fp8_margin", "fp8_interval", "fp8_amax_history_len", "fp8_amax_compute_algo", "reduce_amax", "fp8_wgrad",
        "skip_train", "openai_gelu", "use_cpu_initialization", "onnx_safe", "sync_batch_comm", "headscale",
        "cross_entropy_loss_fusion", "deterministic_mode", "defer_embedding_wgrad_compute", "wgrad_deferral_limit",
        "gradient_accumulation_fusion", "sharp", "enable_megatron_timers", "restore_from_path", "restore_from_ckpt",
        "do_layer_norm_weight_decay", "make_vocab_size_divisible_by", "use_te_rng_tracker", "use_emha",
    ]

    static func pass(
        _ translation: inout MegatronTranslation, _ destinations: Set<String>, _ collector: ProblemCollector,
        _ draft: inout PlanDraft
    ) {
        if let precision = translation.take("trainer.precision") {
            translation.passPrecision(precision, collector: collector)
        }
        if let steps = translation.take("trainer.max_steps"), case .word(let word) = steps.value, Int(word) ?? 1 > 0 {
            translation.say("train_iters", steps.value, at: steps)
        }
        translation.pass("seq_length", "model.data.seq_length", "model.encoder_seq_length")
        translation.pass("vocab_size", "model.override_vocab_size", "model.vocab_size")
        passTokenizer(&translation)
        passBlock(&translation, collector)
        translation.drop(silent.map { "model." + $0 })
        translation.pass("add_bias_linear", "model.bias")
        translation.pass("add_qkv_bias", "model.qkv_bias", "model.add_qkv_bias")
        translation.pass("tp_comm_overlap", "model.ub_tp_comm_overlap")
        translation.pass("recompute_granularity", "model.activations_checkpoint_granularity")
        translation.pass("recompute_method", "model.activations_checkpoint_method")
        translation.pass("recompute_num_layers", "model.activations_checkpoint_num_layers")
        for name in [
            "num_micro_batches_with_partial_activation_checkpoints", "activations_checkpoint_layers_per_pipeline",
        ] {
            if let setting = translation.take("model." + name) {
                draft.leave("\(setting.written): a plan recomputes the same blocks for every micro-batch and stage")
            }
        }
        passLowPrecision(&translation)
        passOptimizer(&translation, &draft)
        if translation.isTrue("model.moe_extended_tp") {
            draft.leave("model.moe_extended_tp: experts are cut along tensor and expert ranks, which a plan cannot say")
        }
        translation.passModel("model.", destinations, collector: collector)
    }

    private static func passTokenizer(_ translation: inout MegatronTranslation) {
        translation.pass("tokenizer_type", "model.tokenizer.type")
        translation.pass("tokenizer_model", "model.tokenizer.model", "model.tokenizer.tokenizer_model")
        // `library: huggingface` has the model's name as type.
        if translation.word("model.tokenizer.library") == "huggingface",
            let kind = translation.withdraw("tokenizer_type")
        {
            translation.say("tokenizer_model", kind.value, at: kind)
        }
    }

    private static func passBlock(_ translation: inout MegatronTranslation, _ collector: ProblemCollector) {
        func report(_ setting: Setting, _ rule: String, _ fix: String) {
            guard case .word(let word) = setting.value else { return }
            collector.report(
                setting.written, line: setting.line, column: setting.column, value: "'\(word)'", rule: rule, fix: fix)
        }
        if let norm = translation.take("model.normalization"), case .word(let word) = norm.value {
            switch word.lowercased() {
            case "rmsnorm": translation.say("normalization", "RMSNorm", at: norm)
            case "layernorm", "layernorm1p", "low_precision_layernorm":
                translation.say("normalization", "LayerNorm", at: norm)
            default: report(norm, "is no norm that is known here", "layernorm, layernorm1p or rmsnorm")
            }
        }
        if let activation = translation.take("model.activation"), case .word(let word) = activation.value {
            switch word.replacing("fast-", with: "") {
            case "gelu", "openai-gelu": break
            case "swiglu": translation.say("swiglu", "true", at: activation)
            case "geglu", "quick-geglu": translation.say("quick_geglu", "true", at: activation)
            case "squared-relu": translation.say("squared_relu", "true", at: activation)
            default:
                report(activation, "is no activation that is known here", "gelu, swiglu, geglu or squared-relu")
            }
        }
        if let kind = translation.take("model.transformer_block_type"), kind.value != .word("pre_ln") {
            report(kind, "is not read here", "pre_ln")
        }
        if translation.isTrue("model.use_flash_attention") || translation.isTrue("model.transformer_engine") {
            translation.drop(["model.use_flash_attention", "model.transformer_engine"])
        } else if let plain = translation.take("model.use_flash_attention") {
            translation.say("attention_backend", "unfused", at: plain)
        }
        translation.drop(["model.transformer_engine"])
    }

    private static func passLowPrecision(_ translation: inout MegatronTranslation) {
        guard let place = translation.take("model.fp8") else { return }
        guard translation.isTrue("model.fp8") else {
            translation.drop(["model.fp8_e4m3", "model.fp8_hybrid", "model.fp8_params"])
            return
        }
        translation.say("fp8", translation.isTrue("model.fp8_e4m3") ? "e4m3" : "hybrid", at: place)
        translation.say("fp8_recipe", "delayed", at: place)
        translation.pass("fp8_param_gather", "model.fp8_params")
        translation.drop(["model.fp8_e4m3", "model.fp8_hybrid"])
    }

    private static func passOptimizer(_ translation: inout MegatronTranslation, _ draft: inout PlanDraft) {
        if translation.isTrue("model.fsdp"), let place = translation.take("model.fsdp") {
            // FSDP of PyTorch: `full` shards everything, `grad` all but weights, `hybrid` everything within a node.
            if translation.word("model.fsdp_sharding_strategy") == "grad" {
                translation.say("use_megatron_fsdp", "true", at: place)
                translation.say("data_parallel_sharding_strategy", "optim_grads", at: place)
            } else {
                translation.say("use_torch_fsdp2", "true", at: place)
            }
            if translation.word("model.fsdp_sharding_strategy") == "hybrid" {
                draft.leave("model.fsdp_sharding_strategy hybrid: its groups are not stated; set layout.shardGroup")
            }
        }
        let section = "model.optim."
        passCourse(&translation, section)
        if let name = translation.take(section + "name"), case .word(let word) = name.value {
            if ["distributed_fused_adam", "mcore_distributed_optim", "distributed_adam"].contains(word) {
                translation.say("use_distributed_optimizer", "true", at: name)
            } else if word.contains("sgd") {
                translation.say("optimizer", "sgd", at: name)
            } else if word.contains("adafactor") {
                draft.set("optimizer.name", .word("adafactor"), from: name)
            }
        }
        translation.pass("overlap_grad_reduce", section + "overlap_grad_sync")
        translation.pass("overlap_param_gather", section + "overlap_param_sync")
        if let format = translation.take(section + "grad_sync_dtype"), case .word(let word) = format.value,
            word.contains("bf16") || word.contains("bfloat16")
        {
            translation.say("grad_reduce_in_bf16", "true", at: format)
        }
    }
}

/// NeMo 2.
enum NeMoSecond {
    static let dialect = MegatronDialect(
        spelled: [
            "num_layers": "model.config.num_layers", "hidden_size": "model.config.hidden_size",
            "num_attention_heads": "model.config.num_attention_heads", "seq_length": "data.seq_length",
            "vocab_size": "model.config.vocab_size", "micro_batch_size": "data.micro_batch_size",
            "global_batch_size": "data.global_batch_size", "train_iters": "trainer.max_steps",
            "num_virtual_stages_per_pipeline_rank": "trainer.strategy.virtual_pipeline_model_parallel_size",
            "pipeline_model_parallel_size": "trainer.strategy.pipeline_model_parallel_size",
        ], tool: "NeMo")

    static func pass(
        _ translation: inout MegatronTranslation, _ destinations: Set<String>, _ collector: ProblemCollector,
        _ draft: inout PlanDraft
    ) {
        if let steps = translation.take("trainer.max_steps"), case .word(let word) = steps.value, Int(word) ?? 1 > 0 {
            translation.say("train_iters", steps.value, at: steps)
        }
        passPrecision(&translation, collector)
        translation.pass("seq_length", "data.seq_length", "model.config.seq_length")
        translation.pass(
            "vocab_size", "model.config.vocab_size", "data.tokenizer.vocab_size", "model.tokenizer.vocab_size")
        translation.pass(
            "tokenizer_model", "data.tokenizer.pretrained_model_name", "model.tokenizer.pretrained_model_name",
            "data.tokenizer.model_name", "model.config.tokenizer_model")
        for callback in translation.names(endingIn: ".tp_comm_overlap") where callback.hasPrefix("trainer.callbacks.") {
            let section = String(callback.dropLast("tp_comm_overlap".count))
            translation.passSection(section, ["tp_comm_overlap", "overlap_grad_reduce", "overlap_param_gather"])
        }
        // Degrees of the strategy override those of the model's configuration.
        translation.passModel("trainer.strategy.", destinations, collector: collector)
        translation.passSection("trainer.strategy.ddp.", destinations)
        if let kind = translation.word("trainer.strategy.fsdp"), let place = translation.take("trainer.strategy.fsdp") {
            if kind == "pytorch" { translation.say("use_torch_fsdp2", "true", at: place) }
            if kind == "megatron" { translation.say("use_megatron_fsdp", "true", at: place) }
        }
        translation.passModel("model.config.", destinations, collector: collector)
        for section in ["data.", "optim.config."] { translation.passSection(section, destinations) }
        let stated = translation.take("trainer.strategy.ddp.grad_reduce_in_fp32")
        if let said = translation.withdraw("grad_reduce_in_fp32") ?? stated, case .word(let word) = said.value {
            let isWide = ["true", "1"].contains(word.lowercased())
            if translation.isArgumentTrue("fp16") {
                translation.say("accumulate_allreduce_grads_in_fp32", "\(isWide)", at: said)
            } else {
                translation.say("grad_reduce_in_bf16", "\(!isWide)", at: said)
            }
        }
        passCourse(&translation)
        if translation.hasSection("peft.") {
            draft.leave("peft: adapters are not read; write the plan's lora by hand")
            translation.drop(["peft"])
        }
    }

    /// `trainer.plugins` is one MegatronMixedPrecision, a list with one, or a function that makes one.
    private static func passPrecision(_ translation: inout MegatronTranslation, _ collector: ProblemCollector) {
        for target in translation.names(endingIn: "._target_") where target.hasPrefix("trainer.plugins") {
            guard let setting = translation.peek(target), case .word(let path) = setting.value else { continue }
            let section = String(target.dropLast("_target_".count))
            let name = path.split(separator: ".").last.map(String.init) ?? ""
            if name != "MegatronMixedPrecision" {
                _ = translation.passNamedPrecision(name, at: setting)
                continue
            }
            if let precision = translation.take(section + "precision") {
                translation.passPrecision(precision, collector: collector)
            }
            for field in [
                "fp8", "fp8_recipe", "fp8_param_gather", "fp4", "fp4_param_gather", "first_last_layers_bf16",
                "num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16", "grad_reduce_in_fp32",
            ] {
                translation.pass(field, section + field)
            }
            translation.pass("fp8_param_gather", section + "fp8_params")
            // Defaults of MegatronMixedPrecision.
            BridgeImport.passDefaults(&translation, recipe: "delayed", ends: "0")
        }
        if let precision = translation.take("trainer.precision") {
            if translation.argument("bf16") == nil, translation.argument("fp16") == nil {
                translation.passPrecision(precision, collector: collector)
            }
        }
    }
}
