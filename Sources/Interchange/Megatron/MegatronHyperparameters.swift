internal import Numbers
internal import Plans

/// The learning rate and its course, the optimizer's constants and the base of rotary positions.
extension MegatronReading {
    func readHyperparameters(into draft: inout PlanDraft) {
        let rate = take("learningRate", "lr", in: 0...1e3, into: &draft)
        let least = take("minLearningRate", "min_lr", in: 0...1e3, into: &draft)
        let first = reader.number("adam_beta1", in: 0...1)
        let second = reader.number("adam_beta2", in: 0...1)
        if first != nil || second != nil {
            // Megatron-LM's defaults stand for the one that is not stated.
            draft.set(
                "hyperparameters.betas", .list(["\(first ?? 0.9)", "\(second ?? 0.999)"]),
                from: reader.place(first == nil ? "adam_beta2" : "adam_beta1"))
            draft.hold(reader.place("adam_beta2"))
        }
        _ = take("epsilon", "adam_eps", in: 0...1, into: &draft)
        let decay = take("weightDecay", "weight_decay", in: 0...100, into: &draft)
        let clip = take("clip", "clip_grad", in: 0...1e9, into: &draft)
        if reader.word("optimizer") == "sgd" { _ = take("momentum", "sgd_momentum", in: 0...1, into: &draft) }
        if reader.word("optimizer")?.hasSuffix("muon") ?? false {
            _ = take("momentum", "muon_momentum", in: 0...1, into: &draft)
        }
        if let seed = reader.count("seed", in: 0...Int(1) << 53) {
            draft.set("hyperparameters.seed", .count(seed), from: reader.place("seed"))
        }
        readCourse(into: &draft)
        if isRotary {
            let base = take("rotaryBase", "rotary_base", in: 1...1e15, into: &draft)
            if base == nil, !reader.has("rotary_base"), dialect.tool == "Megatron-LM" {
                draft.infer("hyperparameters.rotaryBase", .count(10_000), because: "Megatron-LM's default")
            }
        } else {
            reader.expect(["rotary_base"])
        }
        guard rate != nil, dialect.tool == "Megatron-LM" else { return }
        takeDefaults(least: least, decay: decay, clip: clip, isAdam: first == nil && second == nil, into: &draft)
    }

    private func take(
        _ key: String, _ name: String, in range: ClosedRange<Double>, into draft: inout PlanDraft
    ) -> Double? {
        guard let value = reader.number(name, in: range) else { return nil }
        let own = key == "epsilon" ? "eps" : key
        draft.set("hyperparameters.\(own)", .number(value), from: reader.place(name))
        return value
    }

    /// Defaults of Megatron-LM's arguments, of which other tools have others.
    private func takeDefaults(
        least: Double?, decay: Double?, clip: Double?, isAdam: Bool, into draft: inout PlanDraft
    ) {
        var words: [String] = []
        func take(_ key: String, _ value: PlanDraft.Value, _ flag: String, if isOpen: Bool) {
            guard isOpen, !draft.has("hyperparameters.\(key)") else { return }
            draft.set("hyperparameters.\(key)", value, from: nil)
            words.append("\(key) \(value.yaml) (\(flag))")
        }
        take("minLearningRate", .number(0), "--min-lr", if: least == nil)
        take("schedule", .word("linear"), "--lr-decay-style", if: !reader.has("lr_decay_style"))
        let warms = ["lr_warmup_iters", "lr_warmup_samples", "lr_warmup_fraction"].contains(where: reader.has)
        take("warmup", .count(0), "--lr-warmup-iters", if: !warms)
        let usesBetas = !reader.has("optimizer") || ["adam", "lion"].contains(reader.word("optimizer"))
        take("betas", .list(["0.9", "0.999"]), "--adam-beta1, --adam-beta2", if: isAdam && usesBetas)
        take("weightDecay", .number(0.01), "--weight-decay", if: decay == nil)
        take("clip", .number(1), "--clip-grad", if: clip == nil)
        guard !words.isEmpty else { return }
        draft.note("hyperparameters \(words.joined(separator: ", ")): Megatron-LM's defaults")
    }

    private func readCourse(into draft: inout PlanDraft) {
        if let style = reader.word("lr_decay_style") {
            if Hyperparameters.Schedule(rawValue: style) != nil {
                draft.set("hyperparameters.schedule", .word(style), from: reader.place("lr_decay_style"))
            } else {
                let written = reader.place("lr_decay_style")?.written ?? dialect.spelling("lr_decay_style")
                draft.leave(
                    "\(written) \(style): a plan's learning rate falls by cosine or linear, or stays constant; change it "
                        + "in exported files by hand")
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
        func leave(_ name: String) {
            draft.leave(
                "\(reader.place(name)?.written ?? name): how many steps it is does not follow from the file; add it to "
                    + "exported files by hand")
        }
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
