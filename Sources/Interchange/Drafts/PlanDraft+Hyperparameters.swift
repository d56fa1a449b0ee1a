/// Settings of a run that change no price, from the names of tools whose files state each of them alone.
extension PlanDraft {
    /// Takes numbers, each from the first of its settings that the file has.
    mutating func takeHyperparameters(_ reader: SettingsReader, _ keys: [(key: String, names: [String])]) {
        for (key, names) in keys {
            let name = names.first(where: reader.has) ?? names[0]
            reader.know(names)
            if key == "seed" || key == "warmup" {
                guard let count = reader.count(name, in: 0...(key == "seed" ? Int(1) << 53 : 1_000_000_000)) else {
                    continue
                }
                set("hyperparameters.\(key)", .count(count), from: reader.place(name))
                continue
            }
            guard let value = reader.number(name, in: Self.range(key)) else { continue }
            set("hyperparameters.\(key)", .number(value), from: reader.place(name))
        }
    }

    private static func range(_ key: String) -> ClosedRange<Double> {
        switch key {
        case "learningRate", "minLearningRate": 0...1e3
        case "eps", "momentum": 0...1
        case "weightDecay": 0...100
        case "rotaryBase": 1...1e15
        default: 0...1e9
        }
    }

    /// Takes both betas from one list.
    mutating func takeBetas(_ reader: SettingsReader, _ name: String) {
        guard let words = reader.words(name) else { return }
        let betas = words.compactMap { Double($0) }
        guard words.count == 2, betas.count == 2, betas.allSatisfy({ (0...1).contains($0) }) else {
            return reader.fail(name, "must be two numbers such as [0.9, 0.95]")
        }
        set("hyperparameters.betas", .list(betas.map { "\($0)" }), from: reader.place(name))
    }

    /// Takes betas that are stated one by one; the tool's own stand for one that is not.
    mutating func takeBetas(_ reader: SettingsReader, _ first: String, _ second: String, defaults: (Double, Double)) {
        let a = reader.number(first, in: 0...1)
        let b = reader.number(second, in: 0...1)
        guard a != nil || b != nil else { return }
        set(
            "hyperparameters.betas", .list(["\(a ?? defaults.0)", "\(b ?? defaults.1)"]),
            from: reader.place(a == nil ? second : first))
        hold(reader.place(first), reader.place(second))
    }

    /// Takes the course of the learning rate, which is left out where a plan has none of its kind.
    /// - Parameter words: the tool's words and ours.
    mutating func takeSchedule(_ reader: SettingsReader, _ name: String, _ words: [String: String]) {
        guard let word = reader.word(name) else { return }
        if let schedule = words[word.lowercased()] {
            return set("hyperparameters.schedule", .word(schedule), from: reader.place(name))
        }
        leaveSchedule("\(reader.place(name)?.written ?? name) \(word.prefix(60))")
    }

    /// Notes a course of the learning rate that a plan has none of.
    mutating func leaveSchedule(_ written: String) {
        leave(
            "\(written): a plan's learning rate falls by cosine or linear, or stays constant; change it in exported files "
                + "by hand")
    }

    /// Notes a warm-up of which the file does not say how many steps it is.
    mutating func leaveWarmup(_ written: String) {
        leave("\(written): how many steps it is does not follow from the file; add it to exported files by hand")
    }

    /// Takes a warm-up that is a share of the run's steps.
    mutating func takeWarmup(_ reader: SettingsReader, share name: String, of steps: Int?) {
        guard let share = reader.number(name, in: 0...1) else { return }
        guard let steps, let count = Int(exactly: (share * Double(steps)).rounded()), count <= 1_000_000_000 else {
            return leaveWarmup(name)
        }
        set("hyperparameters.warmup", .count(count), from: reader.place(name))
    }

    /// Takes the smallest learning rate from a share of the largest.
    mutating func takeMinimum(_ reader: SettingsReader, share name: String, of rate: Double?) {
        guard let share = reader.number(name, in: 0...1) else { return }
        guard let rate else {
            return leave(
                "\(name): a share of a learning rate that the file does not state; add it to exported files by hand")
        }
        set("hyperparameters.minLearningRate", .number(share * rate), from: reader.place(name))
    }

    /// The largest learning rate so far.
    var learningRate: Double? {
        switch value(of: "hyperparameters.learningRate") {
        case .number(let rate): rate
        case .count(let rate): Double(rate)
        default: nil
        }
    }
}
