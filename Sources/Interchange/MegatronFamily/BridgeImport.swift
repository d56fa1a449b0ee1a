package import Reading

/// Reads a configuration of Megatron-Bridge, the YAML of its `ConfigContainer`, as a plan.
///
/// Fields are those of Megatron-Bridge 0.4 (src/megatron/bridge/training/config.py at 067f987df03b), which prints them at the
/// start of a run and keeps them as `run_config.yaml` beside checkpoints.
package enum BridgeImport {
    static let dialect = MegatronDialect(
        spelled: [
            "num_layers": "model.num_layers", "hidden_size": "model.hidden_size",
            "num_attention_heads": "model.num_attention_heads", "seq_length": "model.seq_length",
            "vocab_size": "model.vocab_size", "micro_batch_size": "train.micro_batch_size",
            "global_batch_size": "train.global_batch_size", "bf16": "mixed_precision.bf16",
            "train_iters": "train.train_iters",
            "num_virtual_stages_per_pipeline_rank": "model.virtual_pipeline_model_parallel_size",
            "pipeline_model_parallel_size": "model.pipeline_model_parallel_size",
            "distribute_saved_activations": "model.distribute_saved_activations",
        ], tool: "Megatron-Bridge")

    /// Fields of ConfigContainer.
    private static let sections = [
        "model", "train", "optimizer", "ddp", "scheduler", "dataset", "logger", "tokenizer", "checkpoint", "dist", "ft",
        "straggler", "nvrx_straggler", "profiling", "peft", "comm_overlap", "mixed_precision", "rng", "tensor_inspect",
        "inprocess_restart", "validation", "rerun_state_machine", "env_vars", "optimizer_config_override_provider",
        "_target_",
    ]

    /// Sections that say nothing of a plan.
    private static let silent = [
        "checkpoint", "logger", "rng", "rerun_state_machine", "profiling", "ft", "straggler", "nvrx_straggler",
        "tensor_inspect", "inprocess_restart", "validation", "env_vars", "optimizer_config_override_provider",
        "model.generation_config", "model.init_method", "model.output_layer_init_method", "model.embedding_init_method",
        "model.transformer_layer_spec", "model.timers", "optimizer.timers", "train.exit_signal", "dataset.split_matrix",
        "model.finalize_model_grads_func", "model.grad_scale_func", "model.grad_sync_func", "model.no_sync_func",
        "model.param_sync_func", "dataset.tokenizer",
    ]

    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        let destinations = try MegatronTable.read(library).destinations
        let settings = try TreeSettings.read(text: text, name: name)
        MegatronTranslation.reportMisspeltRoots(settings, known: sections, request: request, collector)
        var translation = MegatronTranslation(settings)
        translation.pass("seed", "rng.seed")
        translation.drop(silent)
        var draft = PlanDraft()
        if translation.peek("model.num_layers") == nil, translation.word("model._target_") == nil {
            collector.adopt(
                PlanProblem(
                    file: name, field: "model", rule: "overrides a recipe, which is Python and is not read here",
                    fix: "give the whole configuration, which a run prints and keeps as run_config.yaml"))
            throw collector.all
        }
        passPrecision(&translation, collector: collector)
        // Releases after 0.1 refuse two lengths; in those before, the model's only bounds those of the data.
        for name in ["dataset.sequence_length", "dataset.seq_length"] {
            guard let data = translation.word(name), let model = translation.word("model.seq_length"), data != model
            else { continue }
            draft.note(
                "model.sequence \(data): that of \(name); model.seq_length \(model) is another, which today's Megatron-Bridge refuses"
            )
        }
        translation.pass("seq_length", "dataset.sequence_length", "dataset.seq_length", "model.seq_length")
        translation.pass("vocab_size", "model.vocab_size", "tokenizer.vocab_size")
        translation.passModel("model.", destinations, collector: collector)
        if let overlap = translation.take("comm_overlap.tp_comm_overlap") {
            translation.say("tp_comm_overlap", overlap.value, at: overlap)
        }
        for section in [
            "comm_overlap.", "ddp.", "train.", "optimizer.", "dataset.", "tokenizer.", "scheduler.", "dist.",
        ] {
            translation.passSection(section, destinations)
        }
        passGradients(&translation)
        if let adapter = translation.word("peft._target_") {
            draft.leave("peft: adapters of \(adapter) are not read; write the plan's lora by hand")
            translation.drop(["peft"])
        }
        translation.drop(["dataset", "tokenizer", "scheduler", "dist"])
        let reader = SettingsReader(translation.all, collector: collector)
        MegatronImport.read(reader, devices: nil, dialect: dialect, request: request, into: &draft)
        MegatronTranslation.expectIdle(reader, destinations, request: request)
        reader.isWhole = true
        return try draft.finished(
            reader, request: request, source: "a configuration of Megatron-Bridge", framework: "megatron-bridge",
            library: library, fates: translation.fates(reader))
    }

    /// `mixed_precision` is a map, or the name of a recipe, and overrides the sections of the model and of the optimizer.
    private static func passPrecision(_ translation: inout MegatronTranslation, collector: ProblemCollector) {
        if let name = translation.take("mixed_precision"), case .word(let word) = name.value {
            if !translation.passNamedPrecision(word, at: name) {
                collector.report(
                    name.written, line: name.line, column: name.column, value: "'\(word)'",
                    rule: "is no precision that is known here",
                    fix: "bf16_mixed, bf16_with_fp8_current_scaling_mixed, bf16_with_mxfp8_mixed, or a map")
            }
            return
        }
        for field in [
            "bf16", "fp16", "fp8", "fp8_recipe", "fp8_param_gather", "fp4", "fp4_param_gather",
            "first_last_layers_bf16",
            "num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16", "grad_reduce_in_fp32",
        ] {
            translation.pass(field, "mixed_precision.\(field)")
        }
        translation.drop(["mixed_precision"])
        // Defaults of MixedPrecisionConfig, src/megatron/bridge/training/mixed_precision.py.
        passDefaults(&translation, recipe: "tensorwise", ends: "0")
        translation.pass("fp8", "model.fp8")
        translation.pass("fp8_recipe", "model.fp8_recipe")
    }

    /// What a low precision is where the file does not say it.
    static func passDefaults(_ translation: inout MegatronTranslation, recipe: String, ends: String) {
        if let format = translation.argument("fp8") { translation.say("fp8_recipe", recipe, at: format) }
        if let keeps = translation.argument("first_last_layers_bf16") {
            translation.say("num_layers_at_start_in_bf16", ends, at: keeps)
            translation.say("num_layers_at_end_in_bf16", ends, at: keeps)
        }
    }

    /// The tools ask whether gradients are reduced in fp32, Megatron-LM whether they are not.
    static func passGradients(_ translation: inout MegatronTranslation) {
        let stated = translation.take("ddp.grad_reduce_in_fp32")
        guard let said = translation.withdraw("grad_reduce_in_fp32") ?? stated, case .word(let word) = said.value else {
            return
        }
        let isWide = ["true", "1"].contains(word.lowercased())
        let isHalf = translation.isArgumentTrue("fp16")
        if isHalf {
            translation.say("accumulate_allreduce_grads_in_fp32", "\(isWide)", at: said)
        } else {
            translation.say("grad_reduce_in_bf16", "\(!isWide)", at: said)
        }
    }
}
