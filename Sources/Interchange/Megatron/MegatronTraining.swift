internal import Plans

/// Precision, optimizer and batch of a run of Megatron-LM.
extension MegatronReading {
    mutating func readTraining(into draft: inout PlanDraft) {
        let isBF16 = reader.flag("bf16") ?? false
        let isFP16 = reader.flag("fp16") ?? false
        if isBF16, isFP16 { reader.fail("fp16", "contradicts \(dialect.spelling("bf16"))", fix: "keep one of them") }
        readPrecision(word: isBF16 ? "bf16" : isFP16 ? "fp16" : "fp32", into: &draft)
        readOptimizer(into: &draft)
        let isReduced = reader.flag("grad_reduce_in_bf16") ?? false
        if isReduced {
            draft.set("layout.gradients", .word("bf16"), from: reader.place("grad_reduce_in_bf16"))
        } else if isFP16, reader.flag("accumulate_allreduce_grads_in_fp32") ?? false {
            draft.set("layout.gradients", .word("fp32"), from: reader.place("accumulate_allreduce_grads_in_fp32"))
        }
        reader.expect(["accumulate_allreduce_grads_in_fp32"])
        // `native` and `te` fuse the loss of logits that are in memory; `linear` keeps none.
        let fused = reader.flag("cross_entropy_loss_fusion") ?? false
        let way = reader.word("cross_entropy_fusion_impl")
        if way == "linear", fused {
            draft.set("loss", .word("fused"), from: reader.place("cross_entropy_fusion_impl"))
        } else if fused, let setting = reader.place("cross_entropy_loss_fusion") {
            let beside = reader.place("cross_entropy_fusion_impl").map { ", \($0.written)" } ?? ""
            draft.leave(
                "\(setting.written)\(beside): a plan's loss is fused with the head or not at all; add it to exported files by "
                    + "hand")
        }
    }

    private func readPrecision(word: String, into draft: inout PlanDraft) {
        let place = reader.place("bf16") ?? reader.place("fp16")
        let isFP4 = reader.word("fp4") != nil || reader.word("fp4_format") != nil
        let isFP8 = !isFP4 && (reader.word("fp8") != nil || reader.word("fp8_format") != nil)
        guard isFP4 || isFP8 else {
            draft.set("precision", .word(word), from: place)
            return
        }
        let recipe: String? =
            isFP4
            ? "nvfp4"
            : reader.has("fp8_recipe")
                ? reader.choice(
                    "fp8_recipe",
                    [
                        ("delayed", "delayed"), ("tensorwise", "tensorwise"), ("blockwise", "blockwise"),
                        ("mxfp8", "mxfp8"),
                    ]) : "delayed"
        guard let recipe else { return }
        draft.set(
            "precision.recipe", .word(recipe),
            from: reader.place("fp8_recipe") ?? reader.place("fp8") ?? reader.place("fp8_format") ?? reader.place("fp4")
        )
        for name in ["fp8_param_gather", "fp4_param_gather", "fp8_param", "fp4_param"] where reader.flag(name) ?? false
        {
            draft.set("precision.parameterGather", .flag(true), from: reader.place(name))
        }
        if reader.flag("activation_func_fp8_input_store") ?? false {
            draft.set(
                "precision.activationFuncFP8InputStore", .flag(true),
                from: reader.place("activation_func_fp8_input_store"))
        }
        let start = reader.count("num_layers_at_start_in_bf16", in: 0...10_000) ?? 1
        let end = reader.count("num_layers_at_end_in_bf16", in: 0...10_000) ?? 1
        if reader.flag("first_last_layers_bf16") ?? false {
            let place = reader.place("first_last_layers_bf16")
            if start > 0 { draft.set("precision.bf16LayersAtStart", .count(start), from: place) }
            if end > 0 { draft.set("precision.bf16LayersAtEnd", .count(end), from: place) }
        }
        draft.hold(reader.place("bf16"), reader.place("fp8"), reader.place("fp8_format"), reader.place("fp4"))
    }

    private func readOptimizer(into draft: inout PlanDraft) {
        let names = [
            ("adam", "adamw"), ("sgd", "sgd"), ("muon", "muon"), ("dist_muon", "muon"), ("lion", "lion"),
        ]
        let name: String = reader.has("optimizer") ? reader.choice("optimizer", names) ?? "adamw" : "adamw"
        if name != "adamw" { draft.set("optimizer.name", .word(name), from: reader.place("optimizer")) }
        if name == "sgd", let momentum = reader.number("sgd_momentum", in: 0...1), momentum == 0 {
            draft.set("optimizer.momentum", .flag(false), from: reader.place("sgd_momentum"))
        }
        if name == "muon" {
            if let mode = reader.word("muon_tp_mode") {
                draft.set("optimizer.tensorMode", .word(mode), from: reader.place("muon_tp_mode"))
            }
            if let steps = reader.count("muon_num_ns_steps", in: 1...100) {
                draft.set("optimizer.newtonSchulzSteps", .count(steps), from: reader.place("muon_num_ns_steps"))
            }
        }
        if reader.flag("use_precision_aware_optimizer") ?? false {
            for (key, names) in [
                ("firstMoment", ["exp_avg_dtype"]), ("secondMoment", ["exp_avg_sq_dtype"]),
                ("master", ["main_params_dtype"]),
            ] {
                for setting in names {
                    guard let format = reader.word(setting)?.replacing("torch.", with: "") else { continue }
                    let words = [
                        "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "uint8": "fp8", "fp8": "fp8",
                        "fp32": "fp32", "fp16": "fp16", "bf16": "bf16",
                    ]
                    guard let word = words[format] else {
                        reader.fail(setting, "is no format that is known here", fix: "fp32, fp16, bf16 or fp8")
                        continue
                    }
                    if word != "fp32" { draft.set("optimizer.\(key)", .word(word), from: reader.place(setting)) }
                }
            }
            // Of fp32 weights whose high halves are the bf16 weights only the low halves are kept; on a host, all of them.
            let isWhole = reader.word("main_params_dtype").map { !$0.contains("32") } ?? false
            if reader.flag("bf16") ?? false, !isWhole, !(reader.flag("optimizer_cpu_offload") ?? false) {
                draft.set(
                    "optimizer.master", .word("remainders"), from: reader.place("use_precision_aware_optimizer"))
            }
            if let format = reader.word("main_grads_dtype"), format.contains("bf16") || format.contains("bfloat16") {
                draft.set("layout.gradients", .word("bf16"), from: reader.place("main_grads_dtype"))
            }
        } else {
            reader.expect(["exp_avg_dtype", "exp_avg_sq_dtype", "main_params_dtype", "main_grads_dtype"])
        }
        if reader.flag("optimizer_cpu_offload") ?? false {
            let share = reader.number("optimizer_offload_fraction", in: 0...1) ?? 1
            draft.set(
                "layout.offload.optimizer", share == 1 ? .flag(true) : .number(share),
                from: reader.place("optimizer_cpu_offload"))
            let isHidden = reader.flag("overlap_cpu_optimizer_d2h_h2d") ?? false
            draft.set("layout.offload.overlap", .flag(isHidden), from: reader.place("overlap_cpu_optimizer_d2h_h2d"))
        }
    }

    mutating func readBatch(into draft: inout PlanDraft) {
        let micro = reader.count("micro_batch_size", in: 1...100_000_000)
        if micro == nil, !reader.has("micro_batch_size") {
            missing("micro_batch_size", "sequences of a micro-batch")
        }
        if let micro { draft.set("layout.microbatch", .count(micro), from: reader.place("micro_batch_size")) }
        var batch = reader.count("global_batch_size", in: 1...100_000_000)
        let schedule = readSchedule(into: &draft)
        if let schedule {
            batch = schedule.steps.last?.batch
        } else if let batch {
            draft.set("batch", .count(batch), from: reader.place("global_batch_size"))
        } else if !reader.has("step_batch_size_schedule"), let micro, let data = dataRanks {
            let (product, overflow) = micro.multipliedReportingOverflow(by: data)
            if !overflow {
                batch = product
                draft.infer(
                    "batch", .count(product),
                    because: "\(dialect.tool)'s default: one micro-batch on each data-parallel rank")
            }
        } else if !reader.has("global_batch_size"), !reader.has("step_batch_size_schedule") {
            missing("global_batch_size", "sequences of a step; or say --devices")
        }
        if let growth = reader.words("rampup_batch_size") {
            draft.set("rampupBatchSize", .list(growth), from: reader.place("rampup_batch_size"))
        }
        let steps = reader.count("train_iters", in: 1...Int(1e12))
        let samples = reader.count("train_samples", in: 1...Int(1e15))
        if steps != nil, samples != nil {
            reader.fail("train_samples", "contradicts \(dialect.spelling("train_iters"))", fix: "keep one of them")
        }
        if let steps, let batch, schedule == nil, reader.words("rampup_batch_size") == nil {
            draft.set(
                "tokens", .number(Double(steps) * Double(batch) * Double(sequence)), from: reader.place("train_iters"))
        } else if let samples {
            draft.set("tokens", .number(Double(samples) * Double(sequence)), from: reader.place("train_samples"))
        }
    }
    /// The batch, and its growth where that has equal steps.
    private func readSchedule(into draft: inout PlanDraft) -> BatchSchedule? {
        let name = "step_batch_size_schedule"
        guard let text = reader.words(name)?.joined(separator: " ") else { return nil }
        guard let schedule = BatchSchedule(text, sequence: sequence), let last = schedule.steps.last else {
            reader.fail(
                name, "is no schedule of batches", fix: "write TOKENS:BATCH pairs with growing tokens, the first from 0"
            )
            return nil
        }
        if reader.has("global_batch_size") {
            reader.fail("global_batch_size", "contradicts \(dialect.spelling(name))", fix: "keep one of them")
        }
        draft.set("batch", .count(last.batch), from: reader.place(name))
        if let growth = schedule.growth {
            draft.set(
                "rampupBatchSize", .list([growth.start, growth.increment, growth.samples].map(String.init)),
                from: reader.place(name))
        } else if schedule.steps.count > 1 {
            draft.leave(
                "\(dialect.spelling(name)): a plan's batch grows in equal steps; it has the last batch from the start")
        }
        return schedule
    }
}
