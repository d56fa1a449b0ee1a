internal import Numbers
internal import Plans

/// The learning rate and its course, the optimizer's constants and the base of rotary positions.
extension MegatronReading {
    func readHyperparameters(into draft: inout PlanDraft) {
        draft.takeHyperparameters(reader, [("learningRate", ["lr"]), ("minLearningRate", ["min_lr"])])
        draft.takeBetas(reader, "adam_beta1", "adam_beta2", defaults: (0.9, 0.999))
        draft.takeHyperparameters(
            reader, [("eps", ["adam_eps"]), ("weightDecay", ["weight_decay"]), ("clip", ["clip_grad"])])
        if reader.word("optimizer") == "sgd" { draft.takeHyperparameters(reader, [("momentum", ["sgd_momentum"])]) }
        if reader.word("optimizer")?.hasSuffix("muon") ?? false {
            draft.takeHyperparameters(reader, [("momentum", ["muon_momentum"])])
        }
        draft.takeHyperparameters(reader, [("seed", ["seed"])])
        readCourse(into: &draft)
        if isRotary {
            draft.takeHyperparameters(reader, [("rotaryBase", ["rotary_base"])])
            if !reader.has("rotary_base"), dialect.tool == "Megatron-LM" {
                draft.infer("hyperparameters.rotaryBase", .count(10_000), because: "Megatron-LM's default")
            }
        } else {
            reader.expect(["rotary_base"])
        }
        if draft.learningRate != nil, dialect.tool == "Megatron-LM" { takeDefaults(into: &draft) }
    }

    /// Defaults of Megatron-LM's arguments, of which other tools have others.
    private func takeDefaults(into draft: inout PlanDraft) {
        var words: [String] = []
        func take(_ key: String, _ value: PlanDraft.Value, _ flag: String, if isOpen: Bool = true) {
            guard isOpen, !draft.has("hyperparameters.\(key)") else { return }
            draft.set("hyperparameters.\(key)", value, from: nil)
            words.append("\(key) \(value.yaml) (\(flag))")
        }
        take("minLearningRate", .number(0), "--min-lr")
        take("schedule", .word("linear"), "--lr-decay-style", if: !reader.has("lr_decay_style"))
        let warms = ["lr_warmup_iters", "lr_warmup_samples", "lr_warmup_fraction"].contains(where: reader.has)
        take("warmup", .count(0), "--lr-warmup-iters", if: !warms)
        let usesBetas = !reader.has("optimizer") || ["adam", "lion"].contains(reader.word("optimizer"))
        take("betas", .list(["0.9", "0.999"]), "--adam-beta1, --adam-beta2", if: usesBetas)
        take("weightDecay", .number(0.01), "--weight-decay")
        take("clip", .number(1), "--clip-grad")
        guard !words.isEmpty else { return }
        draft.note("hyperparameters \(words.joined(separator: ", ")): Megatron-LM's defaults")
    }

    private func readCourse(into draft: inout PlanDraft) {
        if let style = reader.word("lr_decay_style") {
            if Hyperparameters.Schedule(rawValue: style) != nil {
                draft.set("hyperparameters.schedule", .word(style), from: reader.place("lr_decay_style"))
            } else {
                let written = reader.place("lr_decay_style")?.written ?? dialect.spelling("lr_decay_style")
                draft.leaveSchedule("\(written) \(style)")
            }
        }
        let length = reader.count("train_iters", in: 1...Int(1e12))
        let samples = reader.count("train_samples", in: 1...Int(1e15))
        let steps = reader.count("lr_decay_iters", in: 1...Int(1e12))
        let ends = reader.count("lr_decay_samples", in: 1...Int(1e15))
        for (name, stated, whole) in [("lr_decay_iters", steps, length), ("lr_decay_samples", ends, samples)] {
            guard let stated, let setting = reader.place(name) else { continue }
            if stated == whole {
                draft.hold(setting)
            } else {
                draft.leave(
                    "\(setting.written) \(Figures.grouped(stated)): a plan's learning rate falls over the whole run; change "
                        + "it in exported files by hand")
            }
        }
        readWarmup(decay: steps ?? length, samples: ends ?? samples, into: &draft)
    }

    private var hasGrowth: Bool { reader.has("rampup_batch_size") || reader.has("step_batch_size_schedule") }

    /// The batches of the run. nil: the plan does not have those of the file.
    private func schedule(to batch: Int, in draft: PlanDraft) -> BatchSchedule? {
        guard hasGrowth else { return BatchSchedule("0:\(batch)", sequence: 1) }
        if let text = reader.words("step_batch_size_schedule")?.joined(separator: " ") {
            let schedule = BatchSchedule(text, sequence: sequence)
            return schedule?.growth != nil || schedule?.steps.count == 1 ? schedule : nil
        }
        guard case .list(let words)? = draft.value(of: "rampupBatchSize") else { return nil }
        let numbers = words.compactMap { Int($0) }
        guard numbers.count == 3, numbers.count == words.count else { return nil }
        let (start, increment, samples) = (numbers[0], numbers[1], numbers[2])
        guard start > 0, start <= batch, increment > 0, samples >= 0, samples <= Int(1e15),
            (batch - start) / increment < BatchSchedule.most
        else { return nil }
        return BatchSchedule(BatchRampup(start: start, increment: increment, samples: samples), to: batch)
    }

    /// The warm-up in steps, in sequences, or as a share of the steps over which the learning rate falls.
    private func readWarmup(decay: Int?, samples: Int?, into draft: inout PlanDraft) {
        let steps = reader.count("lr_warmup_iters", in: 0...1_000_000_000)
        let sequences = reader.count("lr_warmup_samples", in: 0...Int(1e15))
        let share = reader.number("lr_warmup_fraction", in: 0...1)
        let stated = [
            ("lr_warmup_iters", Double(steps ?? 0)), ("lr_warmup_samples", Double(sequences ?? 0)),
            ("lr_warmup_fraction", share ?? 0),
        ].filter { $0.1 > 0 }.map(\.0)
        if stated.count > 1 {
            reader.fail(
                stated[1], "contradicts \(reader.place(stated[0])?.written ?? dialect.spelling(stated[0]))",
                fix: "keep one of them")
            return
        }
        draft.hold(
            reader.place("lr_warmup_iters"), reader.place("lr_warmup_samples"), reader.place("lr_warmup_fraction"))
        func set(_ value: Int, _ name: String) {
            draft.set("hyperparameters.warmup", .count(value), from: reader.place(name))
        }
        func leave(_ name: String) { draft.leaveWarmup(reader.place(name)?.written ?? name) }
        guard let name = stated.first else {
            if steps != nil { set(0, "lr_warmup_iters") }
            return
        }
        var batch: Int?
        if case .count(let count)? = draft.value(of: "batch") { batch = count }
        if name == "lr_warmup_iters" { return set(steps ?? 0, name) }
        if name == "lr_warmup_samples" {
            guard let batch, batch > 0, let sequences, let schedule = schedule(to: batch, in: draft),
                let count = schedule.steps(until: sequences), count <= 1_000_000_000
            else { return leave(name) }
            set(count, name)
            if schedule.sequences(of: count) != sequences {
                draft.note(
                    "hyperparameters.warmup \(count): \(Figures.grouped(sequences)) sequences are no whole number of steps"
                )
            }
            return
        }
        if decay == nil, let batch, batch > 0, hasGrowth {
            guard let samples, let share, let ends = Int(exactly: (share * Double(samples)).rounded()),
                let count = schedule(to: batch, in: draft)?.steps(until: ends), count <= 1_000_000_000
            else { return leave(name) }
            set(count, name)
            draft.note("hyperparameters.warmup \(count): \(share) of \(Figures.grouped(samples)) sequences")
            return
        }
        let whole = decay ?? batch.flatMap { batch in batch > 0 ? samples.map { $0 / batch } : nil }
        guard let whole, let share, let count = Int(exactly: (share * Double(whole)).rounded()), count <= 1_000_000_000
        else { return leave(name) }
        set(count, name)
        draft.note("hyperparameters.warmup \(count): \(share) of \(Figures.grouped(whole)) steps")
    }
}
