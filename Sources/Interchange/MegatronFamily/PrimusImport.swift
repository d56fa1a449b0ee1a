package import Reading

/// Reads an experiment of AMD's Primus whose trainer is Megatron-LM.
///
/// The file names a model file and overrides its settings and those of the trainer; both bear the names of Megatron-LM's arguments
/// (primus/configs/modules/megatron/trainer_base.yaml and primus/configs/models/megatron at fd1eeabbad15).
package enum PrimusImport {
    /// Settings of the trainer that say nothing of a plan.
    private static let silent = [
        "wandb_project", "wandb_exp_name", "stderr_sink_level", "log_avg_skip_iterations", "log_avg_reset_interval",
        "eod_mask_loss", "mock_data", "train_data_path", "valid_data_path", "test_data_path", "auto_continue_train",
        "finetune", "no_load_optim", "no_load_rng", "no_save_optim", "no_save_rng", "disable_last_saving",
        "ckpt_format",
        "save_interval", "norm_epsilon", "gradient_accumulation_fusion", "init_method_std", "num_workers",
        "moe_router_force_load_balancing", "disable_wandb", "disable_tensorboard", "tensorboard_dir", "profile",
        "use_pytorch_profiler", "profile_step_start", "profile_step_end", "disable_mlflow",
        "create_attention_mask_in_dataloader",
    ]

    private static let sections = [
        "work_group", "user_name", "exp_name", "workspace", "platform", "modules.pre_trainer.framework",
        "modules.pre_trainer.config", "modules.pre_trainer.model", "modules.pre_trainer.overrides",
        "modules.post_trainer.framework", "modules.post_trainer.config", "modules.post_trainer.model",
        "modules.post_trainer.overrides", "modules.sft_trainer", "modules.platform",
    ]

    /// Trainers of Primus whose files hold no arguments of Megatron-LM.
    private static func isOther(_ framework: String) -> Bool { !["megatron", "megatron_lm"].contains(framework) }

    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        let settings = Interpolation.resolve(try TreeSettings.read(text: text, name: name))
        MegatronTranslation.reportMisspeltRoots(settings, known: sections, request: request, collector)
        let table = try ShapeTable.read("primus", library)
        guard
            let module = settings.lazy.compactMap({ Self.module($0.name) }).first(where: { $0 != "platform" })
        else {
            throw PlanProblems([
                PlanProblem(file: name, field: "modules", rule: "is missing", fix: "name a module such as pre_trainer")
            ])
        }
        let section = "modules.\(module)."
        var translation = MegatronTranslation(settings)
        if let framework = translation.take(section + "framework"), case .word(let word) = framework.value,
            isOther(word)
        {
            collector.report(
                framework.written, line: framework.line, column: framework.column, value: "'\(word)'",
                rule: "is not read here, since its settings are none of Megatron-LM",
                fix: "import that tool's own configuration")
        }
        var draft = PlanDraft()
        var shape = try shape(&translation, section, table, library, collector, &draft)
        guard collector.isEmpty else { throw collector.all }
        let overrides = section + "overrides."
        let stated = Set(
            settings.filter { $0.name.hasPrefix(overrides) }.map { String($0.name.dropFirst(overrides.count)) })
        // What the experiment overrides with null is taken away.
        shape.removeAll { stated.contains($0.name) || ($0.name == "mtp_num_layers" && $0.value == .word("0")) }
        passSchedule(&translation, overrides, &draft)
        if translation.word(overrides + "mtp_num_layers") == "0" { translation.drop([overrides + "mtp_num_layers"]) }
        for setting in settings
        where setting.earlier == nil && setting.name.hasPrefix(overrides) && translation.isUnused(setting.name) {
            let own = String(setting.name.dropFirst(overrides.count))
            translation.pass(own, setting.name)
        }
        for setting in shape { translation.say(setting.name, setting.value, at: setting) }
        // The trainer's own default, of which Megatron-LM has another.
        if let place = settings.first(where: { $0.name == section + "config" })
            ?? settings.first(where: { $0.name.hasPrefix(section) })
        {
            if !translation.isArgumentTrue("fp16") { translation.say("bf16", "true", at: place) }
            // pre_trainer.yaml and sft_trainer.yaml of primus/configs/modules/megatron, which extend trainer_base.yaml.
            if let config = translation.word(section + "config"), !config.hasSuffix("trainer_base.yaml") {
                translation.say("use_distributed_optimizer", "true", at: place)
            }
            translation.say("micro_batch_size", "2", at: place)
            translation.say("global_batch_size", "128", at: place)
        }
        if translation.isArgumentTrue("use_turbo_deepep"), translation.isArgumentTrue("enable_primus_turbo"),
            let turbo = translation.withdraw("use_turbo_deepep")
        {
            _ = translation.withdraw("moe_token_dispatcher_type")
            translation.say("moe_token_dispatcher_type", "flex", at: turbo)
            translation.say("moe_flex_dispatcher_backend", "deepep", at: turbo)
        }
        translation.drop(["work_group", "user_name", "exp_name", "workspace", "platform", section + "config"])
        let reader = SettingsReader(translation.all, collector: collector)
        reportOtherBlocks(reader)
        reader.know(silent + shape.map(\.name))
        MegatronImport.read(
            reader, devices: nil, dialect: MegatronDialect(spelled: [:], tool: "Primus"), request: request, into: &draft
        )
        if request.cluster == nil {
            let device = ["mi355x", "mi350x", "mi325x", "mi300x"].first { name.lowercased().contains($0) } ?? "mi300x"
            draft.infer(
                "cluster", .word(device),
                because: "Primus runs on AMD's devices, of which the file names none; say which with --cluster")
        }
        MegatronTranslation.expectIdle(
            reader, try MegatronTable.read(library).destinations, stated: stated, request: request)
        return try draft.finished(
            reader, request: request, source: "an experiment of Primus", framework: "megatron-core", library: library,
            fates: translation.fates(reader))
    }

    private static func module(_ path: String) -> String? {
        let parts = path.split(separator: ".", maxSplits: 2)
        return parts.count == 3 && parts[0] == "modules" ? String(parts[1]) : nil
    }

    /// Settings of the model file, from the table or from a file beside the experiment.
    private static func shape(
        _ translation: inout MegatronTranslation, _ section: String, _ table: ShapeTable, _ library: Library,
        _ collector: ProblemCollector, _ draft: inout PlanDraft
    ) throws(PlanProblems) -> [Setting] {
        guard let model = translation.take(section + "model"), case .word(let word) = model.value else {
            collector.adopt(
                PlanProblem(
                    file: collector.file, field: section + "model", rule: "is missing",
                    fix: "name a model file such as llama3.1_8B.yaml"))
            return []
        }
        let stem = Library.stem(word.split(separator: "/").last.map(String.init) ?? word)
        if let path = library.existing(word) {
            draft.note("the shape is that of \(word) beside the file")
            let own = try TreeSettings.read(text: try YAMLFile.text(path: path), name: path)
            for setting in own where setting.earlier != nil {
                collector.report(
                    setting.written, in: path, line: setting.line, column: setting.column, rule: setting.ruleOfRepeat,
                    fix: Setting.fixOfRepeat)
            }
            let bases = own.filter { $0.name == "extends" || $0.name == "includes" }.flatMap { setting -> [Setting] in
                guard case .list(let names) = setting.value else { return [] }
                return names.flatMap { table.settings(Library.stem($0), section: "", at: model) }
            }
            let written = own.filter { $0.earlier == nil && $0.name != "extends" && $0.name != "includes" }.map {
                setting in
                Setting(
                    name: setting.name, written: model.written, value: setting.value, line: model.line,
                    column: model.column)
            }
            return written + bases.filter { base in !written.contains { $0.name == base.name } }
        }
        guard table.shapes[stem] != nil else {
            collector.report(
                model.written, line: model.line, column: model.column, value: "'\(word)'",
                rule: "is no model file of Primus that is known here",
                fix: Wording.didYouMean(stem, among: table.shapes.keys.sorted()).isEmpty
                    ? "put the model file beside this one"
                    : Wording.didYouMean(stem, among: table.shapes.keys.sorted()))
            return []
        }
        draft.note("the shape is that of \(stem) in the \(table.source)")
        return table.settings(stem, section: "", at: model)
    }

    /// Schedules of Primus' own pipelines, primus/configs/modules/megatron/{primus_pipeline,zero_bubble}.yaml.
    private static func passSchedule(
        _ translation: inout MegatronTranslation, _ section: String, _ draft: inout PlanDraft
    ) {
        let names = [
            "zero-bubble": "zb-h1", "zbv-formatted": "zbv", "v-half": "v-half", "v-min": "v-min",
        ]
        if translation.isTrue(section + "patch_primus_pipeline"),
            let algorithm = translation.take(section + "pp_algorithm"), case .word(let word) = algorithm.value
        {
            if let schedule = names[word] {
                draft.set("layout.schedule", .word(schedule), from: algorithm)
            } else if word.hasPrefix("zero-bubble") {
                draft.leave("pp_algorithm \(word): the schedule is found at run time; the plan has 1f1b")
            }
        } else if translation.isTrue(section + "patch_zero_bubble") {
            let place = translation.take(section + "zero_bubble_v_schedule", section + "patch_zero_bubble")
            let isFolded = translation.isTrue(section + "zero_bubble_v_schedule")
            draft.set("layout.schedule", .word(isFolded ? "zbv" : "zb-h1"), from: place)
        }
        translation.drop([
            section + "patch_primus_pipeline", section + "pp_algorithm", section + "patch_zero_bubble",
            section + "zero_bubble_v_schedule", section + "enable_zero_bubble",
        ])
    }

    /// Blocks that the names of Megatron-LM's arguments do not say.
    private static func reportOtherBlocks(_ reader: SettingsReader) {
        for name in [
            "lfm_layer_types", "is_hybrid_model", "experimental_attention_variant", "compress_ratios",
            "csa_compress_ratios", "linear_attention_freq", "attention_output_gate", "attn_res_block_size",
        ] where reader.setting(name) != nil {
            reader.fail(
                name, "describes blocks of other kinds, which this import does not read",
                fix: "write the plan's model by hand")
        }
        if reader.word("model_type") ?? "gpt" == "mamba" {
            reader.fail(
                "model_type", "names blocks that this import does not read", fix: "write the plan's model by hand")
        }
    }
}
