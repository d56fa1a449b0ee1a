internal import Foundation
internal import Models
package import Reading

/// Reads TrainingArguments of transformers, or a model's configuration, as a plan.
package enum TransformersImport {
    static func looks(_ keys: Set<String>) -> Bool {
        isConfiguration(keys) || keys.contains("per_device_train_batch_size")
            || keys.contains("output_dir")
                && keys.contains { $0.hasPrefix("learning_rate") || $0.hasPrefix("fsdp") || $0 == "bf16" }
    }

    private static func isConfiguration(_ keys: Set<String>) -> Bool { keys.contains("model_type") }

    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        var draft = PlanDraft()
        let all = try TreeSettings.read(text: text, name: name)
        let collector = ProblemCollector(file: name)
        if isConfiguration(Set(all.map(\.name))) {
            // The model's own reader takes the file; only its place is known here.
            let read: Set = ["model_type", "rope_theta", "rope_parameters.rope_theta"]
            let reader = SettingsReader(
                all.filter { $0.earlier == nil && read.contains($0.name) }, collector: collector)
            draft.takeHyperparameters(reader, [("rotaryBase", ["rope_theta", "rope_parameters.rope_theta"])])
            reportUnknown(reader, hasOwnCode: all.contains { $0.name.hasPrefix("auto_map") }, library)
            draft.set("model.hf", .word(name), from: reader.place("model_type"))
            draft.set("layout", .word("auto"), from: nil)
            draft.leaveSequenceOpen(
                "a model's configuration does not state that of a run",
                longest: ImportRequest.longest(name, library: library))
            if request.devices == nil { reader.missing("devices", "a model's configuration names none; say --devices") }
            return try draft.finished(
                reader, request: request, source: "a model's configuration of transformers", framework: nil,
                library: library)
        }
        let reader = draft.reader(
            ofFileWithoutModel: all, tool: "TrainingArguments", request: request, collector: collector,
            library: library)
        let reading = TransformersReading(
            reader: reader, devices: request.devices, library: library, hasTokens: request.tokens != nil)
        let framework = reading.read(into: &draft)
        reader.know(TransformersReading.silent)
        if !request.ignoresUnknown { reader.reportMisspelt() }
        return try draft.finished(
            reader, request: request, source: "TrainingArguments of transformers", framework: framework,
            library: library)
    }
}

extension TransformersImport {
    /// Reports a type of model that transformers does not have.
    /// - Parameter hasOwnCode: whether the configuration names code of its own, which may bring the type.
    private static func reportUnknown(_ reader: SettingsReader, hasOwnCode: Bool, _ library: Library) {
        guard let type = reader.word("model_type"), !hasOwnCode, let table = try? TypeFactsTable(library: library)
        else { return }
        let known = table.types
        guard !known.contains(type) else { return }
        let nearest = Spelling.nearest(to: type, among: known.sorted())
        reader.fail(
            "model_type", "is no type of model of transformers",
            fix: nearest.map { "did you mean '\($0)'?" } ?? "correct it, or write the plan's model by hand")
    }
}

/// The reading of one file of TrainingArguments.
struct TransformersReading {
    let reader: SettingsReader
    let devices: Int?
    let library: Library
    /// Whether the user says how long the run is.
    let hasTokens: Bool

    static let silent = [
        "output_dir", "learning_rate", "lr_scheduler_type", "warmup_steps", "warmup_ratio", "weight_decay",
        "adam_beta1",
        "adam_beta2", "adam_epsilon", "max_grad_norm", "save_strategy", "save_steps", "save_total_limit", "seed",
        "logging_steps", "logging_strategy", "report_to", "eval_strategy", "eval_steps", "num_train_epochs", "run_name",
        "per_device_eval_batch_size", "dataloader_num_workers", "remove_unused_columns", "do_train", "do_eval",
        "lr_scheduler_kwargs", "gradient_checkpointing_kwargs", "activation_checkpointing_kwargs", "ddp_timeout",
        "tf32",
    ]

    /// Reads the arguments.
    /// - Returns: the software that they start.
    func read(into draft: inout PlanDraft) -> String {
        let isHalf = reader.flag("bf16") ?? false
        let is16 = reader.flag("fp16") ?? false
        if isHalf, is16 { reader.fail("fp16", "contradicts bf16", fix: "keep one of them") }
        draft.set(
            "precision", .word(isHalf ? "bf16" : is16 ? "fp16" : "fp32"), from: reader.place(isHalf ? "bf16" : "fp16"))
        readOptimizer(into: &draft)
        readBatch(into: &draft)
        readHyperparameters(into: &draft)
        let framework = readSharding(into: &draft)
        if is16, framework != "deepspeed" {
            draft.infer(
                "layout.gradients", .word("fp32"),
                because: "the Trainer keeps weights and gradients in fp32 under autocast")
        } else if isHalf, framework == "deepspeed", !draft.has("layout.gradients") {
            draft.infer(
                "layout.gradients", .word("bf16"), because: "DeepSpeed accumulates gradients in the model's format")
        }
        let key = reader.has("activation_checkpointing") ? "activation_checkpointing" : "gradient_checkpointing"
        reader.expect(["activation_checkpointing", "gradient_checkpointing"])
        if reader.flag(key) ?? false {
            draft.set("layout.recompute", .word("full"), from: reader.place(key))
            if let every = reader.count("activation_checkpointing_kwargs.every_n_layers", in: 1...10_000), every > 1 {
                draft.set(
                    "layout.recomputeEvery", .count(every),
                    from: reader.place("activation_checkpointing_kwargs.every_n_layers"))
            }
        }
        if reader.flag("use_liger_kernel") ?? false {
            draft.set("loss", .word("chunked"), from: reader.place("use_liger_kernel"))
        }
        if reader.hasSection("parallelism_config") {
            draft.leave("parallelism_config: an object of the training script, which a file cannot hold")
        }
        return framework
    }

    private func readHyperparameters(into draft: inout PlanDraft) {
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", ["learning_rate"]), ("weightDecay", ["weight_decay"]), ("eps", ["adam_epsilon"]),
                ("clip", ["max_grad_norm"]), ("seed", ["seed"]),
            ])
        draft.takeBetas(reader, "adam_beta1", "adam_beta2", defaults: (0.9, 0.999))
        readCourse(into: &draft)
        let steps =
            reader.has("max_steps") ? reader.count("max_steps", in: -1...Int(1e12)).flatMap { $0 > 0 ? $0 : nil } : nil
        // Steps count before a share of them; of today's release a number below 1 is such a share.
        let stated = reader.has("warmup_steps") ? reader.number("warmup_steps", in: 0...1e9) : nil
        if let stated, stated >= 1 || stated == 0 {
            draft.takeHyperparameters(reader, [("warmup", ["warmup_steps"])])
        } else if stated != nil {
            draft.takeWarmup(reader, share: "warmup_steps", of: steps)
        }
        if stated ?? 0 == 0, reader.has("warmup_ratio") { draft.takeWarmup(reader, share: "warmup_ratio", of: steps) }
    }

    /// The course of the learning rate, and the rate at which it ends.
    private func readCourse(into draft: inout PlanDraft) {
        var words = [
            "linear": "linear", "cosine": "cosine", "constant": "constant", "constant_with_warmup": "constant",
            "cosine_with_min_lr": "cosine",
        ]
        let section = "lr_scheduler_kwargs."
        let kind = reader.word("lr_scheduler_type")?.lowercased()
        if kind == "polynomial" {
            let power = reader.has(section + "power") ? reader.number(section + "power", in: 0...1e3) : 1
            if power == 1 {
                words["polynomial"] = "linear"
                draft.hold(reader.place(section + "power"))
                if reader.has(section + "lr_end") {
                    draft.takeHyperparameters(reader, [("minLearningRate", [section + "lr_end"])])
                } else {
                    draft.infer("hyperparameters.minLearningRate", .number(1e-7), because: "lr_end of transformers")
                }
            }
        } else if kind == "cosine_with_min_lr" {
            if reader.has(section + "min_lr") {
                draft.takeHyperparameters(reader, [("minLearningRate", [section + "min_lr"])])
            } else {
                draft.takeMinimum(reader, share: section + "min_lr_rate", of: draft.learningRate)
            }
        }
        draft.takeSchedule(reader, "lr_scheduler_type", words)
    }

    private func readOptimizer(into draft: inout PlanDraft) {
        guard let word = reader.word("optim") else { return }
        let place = reader.place("optim")
        let plain = word.replacing("paged_", with: "")
        let names = [
            ("adamw", "adamw"), ("lion", "lion"), ("adafactor", "adafactor"), ("sgd", "sgd"), ("muon", "muon"),
        ]
        guard let name = names.first(where: { plain.hasPrefix($0.0) })?.1 else {
            reader.fail(
                "optim", "is no optimizer that a plan has",
                fix: "adamw_torch_fused, adamw_bnb_8bit, lion_32bit, adafactor or sgd")
            return
        }
        if name != "adamw" { draft.set("optimizer.name", .word(name), from: place) }
        if plain.contains("8bit") { draft.set("optimizer.moments", .word("8bit"), from: place) }
        if plain != word { draft.leave("\(word): a plan does not page the optimizer's state") }
        if plain == "sgd" { draft.set("optimizer.momentum", .flag(false), from: place) }
    }

    private func readBatch(into draft: inout PlanDraft) {
        let micro = reader.count("per_device_train_batch_size", in: 1...100_000_000) ?? 8
        if reader.has("per_device_train_batch_size") {
            draft.set("layout.microbatch", .count(micro), from: reader.place("per_device_train_batch_size"))
        } else {
            draft.infer("layout.microbatch", .count(8), because: "transformers' default of per_device_train_batch_size")
        }
        let steps = reader.count("gradient_accumulation_steps", in: 1...100_000_000) ?? 1
        if devices == nil {
            draft.note("layout.data: 1, since the file does not say how many devices there are; say it with --devices")
        }
        draft.set("layout.data", .count(devices ?? 1), from: nil)
        let (slice, overflow) = micro.multipliedReportingOverflow(by: devices ?? 1)
        let (batch, overflows) = slice.multipliedReportingOverflow(by: steps)
        guard !overflow, !overflows else {
            reader.fail("per_device_train_batch_size", "makes a batch beyond 64 bits")
            return
        }
        draft.set(
            "batch", .count(batch),
            from: reader.place("gradient_accumulation_steps") ?? reader.place("per_device_train_batch_size"))
        guard let count = reader.word("max_steps"), count != "-1", !hasTokens else { return }
        // Its tokens follow from the model's sequences, which are read with the plan.
        if let steps = reader.count("max_steps"), steps.multipliedReportingOverflow(by: batch).overflow == false {
            draft.set("samples", .count(steps * batch), from: reader.place("max_steps"))
        }
    }

    private func readSharding(into draft: inout PlanDraft) -> String {
        if let setting = reader.setting("deepspeed") {
            readDeepspeed(setting, into: &draft)
            return "deepspeed"
        }
        if reader.hasSection("deepspeed") {
            DeepspeedReading(reader: reader, prefix: "deepspeed.").readZero(into: &draft)
            for name in ["train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"] {
                reader.expect(["deepspeed.\(name)"])
            }
            return "deepspeed"
        }
        let words = (reader.words("fsdp") ?? []).flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
        let isOn = words.contains { $0.lowercased() != "false" && !$0.isEmpty }
        reader.expect(fsdpKeys.silent)
        guard isOn else {
            reader.expect(fsdpKeys.read)
            draft.set("layout.sharding", .word("none"), from: reader.place("fsdp"))
            return "torch-ddp"
        }
        readFSDP(words, into: &draft)
        return "torch-fsdp"
    }

    private var fsdpKeys: (read: [String], silent: [String]) {
        let read = ["reshard_after_forward", "cpu_offload", "offload_params", "activation_checkpointing"]
        let silent = [
            "version", "transformer_layer_cls_to_wrap", "auto_wrap_policy", "state_dict_type",
            "cpu_ram_efficient_loading",
            "min_num_params", "xla", "sync_module_states", "use_orig_params", "forward_prefetch", "backward_prefetch",
            "limit_all_gathers",
        ]
        func both(_ names: [String]) -> [String] { names.flatMap { ["fsdp_config.\($0)", "fsdp_config.fsdp_\($0)"] } }
        return (both(read), both(silent))
    }

    private func readFSDP(_ words: [String], into draft: inout PlanDraft) {
        func name(_ key: String) -> String {
            reader.has("fsdp_config.fsdp_\(key)") ? "fsdp_config.fsdp_\(key)" : "fsdp_config.\(key)"
        }
        let known = [
            "full_shard", "shard_grad_op", "hybrid_shard", "hybrid_shard_zero2", "no_shard", "offload", "auto_wrap",
            "true",
        ]
        if let unknown = words.first(where: { !known.contains($0.lowercased()) }) {
            reader.fail(
                "fsdp", "has no word '\(unknown.prefix(40))'", fix: Wording.didYouMean(unknown, among: known))
            return
        }
        let isOld = words.contains("shard_grad_op") || words.contains("hybrid_shard_zero2")
        let frees = reader.flag(name("reshard_after_forward")) ?? !isOld
        if words.contains("no_shard") {
            draft.set("layout.sharding", .word("none"), from: reader.place("fsdp"))
        } else {
            draft.set(
                "layout.sharding", .word(frees ? "parameters" : "gradients"),
                from: reader.place(name("reshard_after_forward")) ?? reader.place("fsdp"))
        }
        if words.contains(where: { $0.hasPrefix("hybrid_shard") }) {
            draft.leave(
                "hybrid_shard: shards lie within a node, and the file does not say how many devices a node has; "
                    + "add layout.shardGroup")
        }
        let offloads =
            reader.flag(name("cpu_offload")) ?? reader.flag(name("offload_params")) ?? words.contains("offload")
        if offloads {
            for key in ["optimizer", "gradients", "parameters"] {
                draft.set(
                    "layout.offload.\(key)", .flag(true),
                    from: reader.place(name("cpu_offload")) ?? reader.place("fsdp"))
            }
        }
        if reader.flag(name("activation_checkpointing")) ?? false {
            draft.set("layout.recompute", .word("full"), from: reader.place(name("activation_checkpointing")))
        }
    }

    /// `deepspeed: FILE`, beside this file or in the working directory.
    private func readDeepspeed(_ setting: Setting, into draft: inout PlanDraft) {
        guard let path = reader.word("deepspeed") else { return }
        guard let file = library.existing(path) else {
            reader.fail("deepspeed", "no such file", fix: "put it beside this file")
            return
        }
        do throws(PlanProblems) {
            let settings = try TreeSettings.read(text: try YAMLFile.text(path: file), name: path)
            // Its problems stand in that file; what it sets comes from the key that names it.
            let collector = ProblemCollector(file: path)
            var scratch = PlanDraft()
            let other = SettingsReader(settings, collector: collector, leavesAuto: true)
            readOther(other, into: &scratch)
            draft.leaveUndecided(other)
            collector.problems.forEach(reader.collector.adopt)
            let moved = settings.filter { $0.earlier == nil && $0.value != .word("auto") }.map {
                Setting(
                    name: $0.name, written: "deepspeed (\($0.written))", value: $0.value, line: setting.line,
                    column: setting.column)
            }
            let again = SettingsReader(moved, collector: ProblemCollector(file: path))
            readOther(again, into: &draft)
            let unread = again.ignored.map { setting in "\(path) \(setting.name)" }
            if !unread.isEmpty {
                draft.leave(
                    "\(unread.joined(separator: ", ")): a plan cannot say them, or the file that names them says them too"
                )
            }
        } catch {
            error.problems.forEach(reader.collector.adopt)
        }
    }
    private func readOther(_ other: SettingsReader, into draft: inout PlanDraft) {
        DeepspeedReading(reader: other, prefix: "").readZero(into: &draft)
        let gradients: String? = other.choice(
            "data_types.grad_accum_dtype", [("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp16")])
        if let gradients {
            draft.set("layout.gradients", .word(gradients), from: other.place("data_types.grad_accum_dtype"))
        }
    }
}
