internal import Models
internal import Reading

/// Reads the `train:` section of a plan: the settings of a real run.
enum TrainReading {
    static func read(_ plan: FieldReader, library: Library) -> TrainSettings? {
        guard let reader = plan.map("train") else { return nil }
        let files = CorpusReading(library).files("data", of: reader)
        reader.reportMissing("data", fix: "a text file, e.g. data: plans/data/corpus.txt")
        let steps = reader.count("steps", in: Bounds.steps)
        reader.reportMissing("steps", fix: "e.g. steps: 200")
        var settings = TrainSettings(data: files?.first?.path ?? "", steps: steps ?? 1)
        if let files, reader.isList("data") { settings.corpus = files }
        CorpusReading(library).readRest(of: reader, into: &settings)
        settings.order = reader.choice("order", of: TrainSettings.Order.self) ?? settings.order
        let rate = reader.number("learningRate", .plain, in: .leastNonzeroMagnitude...1e3)
        settings.learningRate = rate ?? settings.learningRate
        let least = reader.number("minLearningRate", .plain, in: 0...1e3)
        settings.minLearningRate = least ?? settings.learningRate / 10
        if let least, least > settings.learningRate, rate != nil || !reader.contains("learningRate") {
            reader.report(
                "minLearningRate", value: "\(least)", rule: "must not exceed learningRate \(settings.learningRate)")
        }
        settings.warmup = reader.count("warmup", in: 0...Bounds.steps.upperBound) ?? settings.warmup
        settings.schedule =
            reader.choice("schedule", of: TrainSettings.LearningRateSchedule.self) ?? settings.schedule
        if let betas = reader.numbers("betas", in: 0...0.999_999_999) {
            if betas.count == 2 {
                settings.betas = betas
            } else {
                reader.report("betas", rule: "must be two numbers such as [0.9, 0.95]")
            }
        }
        settings.epsilon = reader.number("eps", .plain, in: .leastNonzeroMagnitude...1) ?? settings.epsilon
        settings.weightDecay = reader.number("weightDecay", .plain, in: 0...100) ?? settings.weightDecay
        settings.momentum = reader.number("momentum", .plain, in: 0...0.999_999_999)
        if reader.word(ifAmong: ["none", "off"], "clip") != nil {
            settings.clip = nil
        } else if let clip = reader.number("clip", .plain, in: 0...1e9) {
            settings.clip = clip == 0 ? nil : clip
        }
        settings.auxiliaryLoss = reader.number("auxiliaryLoss", .plain, in: 0...1e6) ?? settings.auxiliaryLoss
        if let seed = reader.count("seed", in: 0...Int(1) << 53) { settings.seed = UInt64(seed) }
        if let mup = reader.map("mup") {
            let width = mup.count("baseWidth", in: Bounds.hidden)
            mup.reportMissing("baseWidth", fix: "the hidden size that learningRate was tuned at, e.g. baseWidth: 256")
            mup.reportUnknownKeys()
            settings.mup = width.map { MaximalUpdate(baseWidth: $0) }
        }
        settings.initialWeights = reader.text("init").map { library.existing($0) ?? $0 }
        settings.checkpoint = checkpoint(reader)
        settings.folder = reader.text("folder")
        settings.resume = reader.choice("resume", of: TrainSettings.Resume.self) ?? settings.resume
        if reader.word(ifAmong: ["off"], "stateCheck") != nil {
            settings.stateCheck = 0
        } else if let check = reader.map("stateCheck") {
            settings.stateCheck = check.count("every", in: Bounds.steps)
            check.reportUnknownKeys()
        }
        settings.maxSkippedSteps = reader.count("maxSkippedSteps", in: 0...Bounds.steps.upperBound)
        reader.reportUnknownKeys()

        return files == nil || steps == nil ? nil : settings
    }

    private static func checkpoint(_ train: FieldReader) -> TrainSettings.Checkpoint? {
        guard let reader = train.map("checkpoint") else { return nil }
        let isAutomatic = reader.word(ifAmong: ["auto"], "every") != nil
        let every = isAutomatic ? nil : reader.count("every", in: Bounds.steps) ?? 100
        let path = reader.text("path")
        let keep = reader.count("keep", in: 1...1_000_000)
        let isAsynchronous = reader.flag("asynchronous")
        reader.reportUnknownKeys()
        return TrainSettings.Checkpoint(
            every: every, path: path, keep: keep ?? 2, isAsynchronous: isAsynchronous ?? false)
    }
}
