internal import Models
internal import Numbers
internal import Plans
internal import Reading
internal import Yams

/// Reads what stages of one kind have, and makes their jobs.
struct StageReading {
    let draft: StageDraft
    let context: StageContext
    /// Keys of plans: the stage's own, and those it takes from another stage and from the campaign.
    let keys: PlanKeys

    var reader: FieldReader { draft.reader }
    private var devices: Int { draft.devices ?? context.pool ?? 1 }

    /// The stage; nil after a report.
    func stage(after: [Int]) -> Stage? {
        guard draft.isKindKnown else { return nil }
        if let file = draft.file { return stage(file: file, after: after) }
        var (atOnce, labels): (Int?, HumanLabels?) = (nil, nil)
        var jobs: [StageJob]?
        switch draft.kind {
        case .scalingTrials:
            jobs = scalingTrials()
            atOnce = self.atOnce()
        case .trials:
            let variants = self.variants()
            atOnce = self.atOnce()
            let parts = training(keys)
            if let variants, let parts { jobs = [StageJob(count: variants, lanes: [parts])] }
        case .pretraining, .longContext: jobs = training(keys).map { [StageJob(lanes: [$0])] }
        case .fineTuning: jobs = trainingOnExamples(sequences: 1)
        case .rewardModel: jobs = trainingOnExamples(sequences: 2)
        case .dpo: jobs = preferenceOptimization()
        case .preferenceData: (jobs, labels) = preferenceData()
        case .ppo, .grpo: jobs = ReinforcementReading(stage: self).jobs()
        case .distillation: jobs = distillation()
        case .evaluation: jobs = evaluation()
        case .quantisation: jobs = calibration()
        }
        draft.reportUnknownKeys()
        guard let jobs else { return nil }
        return Stage(
            name: draft.name, kind: draft.kind, after: after,
            devices: jobs.allSatisfy(\.lanes.isEmpty) ? 0 : devices, jobs: jobs, atOnce: atOnce,
            repetition: draft.repetition, labels: labels, place: place)
    }

    private var place: PlanProblem {
        PlanProblem(
            .misfit, file: context.collector.file, line: reader.mark?.line, column: reader.mark?.column,
            field: "stages.\(draft.name)", rule: "")
    }

    /// The stage that a plan file states.
    private func stage(file: String, after: [Int]) -> Stage? {
        let variants = draft.kind == .trials ? variants() : 1
        let atOnce = draft.kind == .trials ? atOnce() : nil
        draft.reportUnknownKeys()
        guard let variants, let plan = context.plan(file: file, devices: draft.devices, stage: reader) else {
            return nil
        }
        let device = plan.cluster.deviceWords
        if let pool = context.device, device != pool {
            reader.report(
                "plan", value: "'\(file)'", rule: "is on \(device), and the campaign's cluster is of \(pool)",
                fix: "state cluster: \(context.clusterName) in the plan, or the plan's cluster as the campaign's; "
                    + "a pool has one kind of devices")
            return nil
        }
        if let pool = context.pool, plan.devices > pool {
            reader.report(
                "plan", value: Figures.grouped(plan.devices), rule: "plans more devices than the pool has",
                fix: "devices: \(Figures.grouped(pool)) at most, or a larger pool")
            return nil
        }
        guard plan.tokens != nil else {
            reader.report("plan", value: "'\(file)'", rule: "states no tokens", fix: "add tokens to it")
            return nil
        }
        return Stage(
            name: draft.name, kind: draft.kind, after: after, devices: plan.devices,
            jobs: [StageJob(count: variants, lanes: [[StagePart("training", .training(plan))]])], atOnce: atOnce,
            repetition: draft.repetition, place: place)
    }

    // MARK: - Numbers

    func atOnce() -> Int? { reader.count("atOnce", in: 1...Self.mostJobs) }

    func variants() -> Int? {
        let variants = reader.count("variants", in: 1...Self.mostJobs)
        reader.reportMissing("variants", fix: "how many are tried, e.g. variants: 300")
        return variants
    }

    /// A number that the kind needs; nil after a report.
    func amount(_ key: String, fix: String) -> Double? {
        let value = reader.number(key, .count, in: 1...1e15)
        reader.reportMissing(key, fix: fix)
        return value
    }

    /// A number of tokens of one text that the kind needs; nil after a report.
    func length(_ key: String, fix: String) -> Int? {
        let value = reader.count(key, in: Bounds.sequence)
        reader.reportMissing(key, fix: fix)
        return value
    }

    /// Jobs of a stage at most, which bounds the time of a schedule.
    static let mostJobs = 100_000

    // MARK: - Parts

    /// Training of the model that the keys state; nil after a report.
    func training(
        _ keys: PlanKeys, named name: String = "training", modelKey: String? = nil, devices: Int? = nil
    ) -> [StagePart]? {
        guard keys["tokens"] != nil || keys["samples"] != nil else {
            reader.reportMissing("tokens", fix: "tokens of the stage, e.g. tokens: 15T, here or for the whole campaign")
            return nil
        }
        return plan(keys, modelKey: modelKey, devices: devices).map { [StagePart(name, .training($0))] }
    }

    func plan(_ keys: PlanKeys, modelKey: String? = nil, devices: Int? = nil) -> Plan? {
        context.plan(
            keys, devices: devices ?? self.devices, stage: draft.name, own: Set(reader.keys), modelKey: modelKey,
            mark: reader.mark)
    }

    /// Requests to the model that the keys state, or to the one of another key of the stage; nil after a report.
    func serving(
        _ name: String, model: (key: String, node: Node)? = nil, requests: Double, prompt: Int, output: Int,
        devices: Int? = nil
    ) -> StagePart? {
        var served = PlanKeys()
        for key in ["model", "precision", "framework", "failures", "gridFactor"] { served[key] = keys[key] }
        if let model { served["model"] = model.node }
        return plan(served, modelKey: model?.key, devices: devices).map { plan in
            StagePart(
                name,
                .serving(ServedTokens(plan: plan, requests: requests, promptTokens: prompt, outputTokens: output)))
        }
    }

    // MARK: - Kinds

    private func scalingTrials() -> [StageJob]? {
        let sizes = reader.amounts("sizes", in: 1e6...1e15)
        reader.reportMissing("sizes", fix: "parameters of each model, e.g. sizes: [100M, 300M, 1B]")
        let tokens = reader.amounts("tokens", in: Bounds.tokens)
        let ratios = reader.amounts("tokensPerParameter", in: 0.01...1e6)
        if tokens == nil, ratios == nil {
            reader.reportMissing("tokens", fix: "e.g. tokens: [2B, 10B], or tokensPerParameter: 20")
        }
        guard let sizes, (tokens?.count ?? 0) + (ratios?.count ?? 0) > 0 else { return nil }
        if let wrong = sizes.first(where: { !Model.shapeableParameters.contains($0) }) {
            reader.report(
                "sizes", value: Figures.magnitude(wrong),
                rule: "a shape is chosen for 10 million to 20 trillion parameters")
            return nil
        }
        guard sizes.count * ((tokens?.count ?? 0) + (ratios?.count ?? 0)) <= Self.mostSearches else {
            reader.report("sizes", rule: "make more than \(Self.mostSearches) different runs", fix: "name fewer")
            return nil
        }
        var keys = keys
        keys["model"] = .mapping(Node.Mapping([(.scalar(Node.Scalar("params")), .scalar(Node.Scalar("100M")))]))
        keys["samples"] = nil
        keys.set("tokens", 1e9, at: nil)
        guard let base = plan(keys) else { return nil }
        return sizes.flatMap { size -> [StageJob] in
            var plan = base
            plan.remarks = []
            plan.model = Model.shaped(
                parameters: size, sequence: self.keys["sequence"] == nil ? nil : base.model.sequence)
            if base.wantedBatch != nil {
                let wanted = Model.defaultBatch(parameters: size, sequence: plan.model.sequence)
                plan.wantedBatch = wanted
                plan.batch = BatchChoice.batch(near: wanted, devices: plan.devices)
            }
            return ((tokens ?? []) + (ratios ?? []).map { $0 * size }).map { tokens in
                plan.tokens = tokens
                return StageJob(
                    label: "\(Figures.magnitude(size)) on \(Figures.magnitude(tokens))",
                    lanes: [[StagePart("training", .training(plan))]])
            }
        }
    }

    /// Different runs of a stage at most: each takes a search.
    private static let mostSearches = 400

    /// Training on examples, each of which has `sequences` texts.
    private func trainingOnExamples(sequences: Double) -> [StageJob]? {
        examples(sequences: sequences).flatMap { training($0.keys) }.map { [StageJob(lanes: [$0])] }
    }

    /// Keys with the tokens of all examples and epochs, and the texts that are read once; nil after a report.
    private func examples(sequences: Double) -> (keys: PlanKeys, texts: Double, length: Int)? {
        let epochs = reader.number("epochs", .plain, in: 0.01...1e4) ?? 1
        var keys = keys
        if draft.own["tokens"] != nil, !reader.contains("examples"), sequences == 1 { return (keys, 0, 1) }
        let number = amount("examples", fix: "how many, e.g. examples: 1M, of so many exampleTokens")
        let length = length("exampleTokens", fix: "tokens of an example's text, e.g. exampleTokens: 1200")
        guard let number, let length else { return nil }
        if draft.own["tokens"] != nil {
            reader.report("tokens", rule: "examples and exampleTokens say it", fix: "remove it or these")
            return nil
        }
        let texts = number * sequences
        keys.remove(["tokens", "samples"])
        keys.set("tokens", min(texts * Double(length) * epochs, Bounds.tokens.upperBound), at: reader.take("examples"))
        return (keys, texts, length)
    }

    private func preferenceOptimization() -> [StageJob]? {
        let hasReference = reader.flag("reference") ?? true
        guard let (keys, texts, length) = examples(sequences: 2), let policy = training(keys) else { return nil }
        guard hasReference else { return [StageJob(lanes: [policy])] }
        // The reference never changes, so its log-probabilities are computed once.
        guard let reference = serving("reference", requests: texts, prompt: length, output: 0) else { return nil }
        return [StageJob(lanes: [[reference] + policy])]
    }

    private func preferenceData() -> ([StageJob]?, HumanLabels?) {
        let labels = HumanLabels.read(reader)
        let isGenerated = reader.contains("outputTokens") || reader.contains("answers") || !reader.contains("labels")
        guard isGenerated else {
            reader.expect("prompts", "answers", "promptTokens", "outputTokens", "judge")
            return (labels.map { _ in [StageJob(lanes: [])] }, labels)
        }
        let prompts = amount("prompts", fix: "questions that are answered, e.g. prompts: 200K")
        let answers = reader.number("answers", .count, in: 1...1e6) ?? 2
        let prompt = length("promptTokens", fix: "tokens of a question, e.g. promptTokens: 300")
        let output = length("outputTokens", fix: "tokens of an answer, e.g. outputTokens: 800")
        let judge = reader.take("judge")
        guard let prompts, let prompt, let output,
            let generation = serving("answers", requests: prompts * answers, prompt: prompt, output: output)
        else { return (nil, labels) }
        guard let judge else { return ([StageJob(lanes: [[generation]])], labels) }
        guard
            let judged = serving(
                "judge", model: ("judge", judge), requests: prompts * answers, prompt: prompt + output, output: 0)
        else { return (nil, labels) }
        return ([StageJob(lanes: [[generation, judged]])], labels)
    }

    private func distillation() -> [StageJob]? {
        let teacher = reader.take("teacher")
        reader.reportMissing("teacher", fix: "the model that is learned from, e.g. teacher: llama3-70b")
        switch reader.choice("by", of: Teaching.self) ?? .logits {
        case .logits:
            reader.expect("examples", "exampleTokens", "promptTokens")
            guard let teacher, let student = training(keys), case .training(let plan)? = student.first?.work,
                let tokens = plan.tokens
            else { return nil }
            let length = plan.model.sequence
            guard
                let forward = serving(
                    "teacher", model: ("teacher", teacher), requests: tokens / Double(length), prompt: length, output: 0
                )
            else { return nil }
            return [StageJob(lanes: [[forward] + student])]
        case .text:
            let prompt = reader.count("promptTokens", in: Bounds.sequence) ?? 1
            guard let teacher, let (keys, texts, length) = examples(sequences: 1), let student = training(keys),
                texts > 0,
                let writing = serving(
                    "teacher", model: ("teacher", teacher), requests: texts, prompt: prompt, output: length)
            else { return nil }
            return [StageJob(lanes: [[writing] + student])]
        }
    }

    /// What a teacher gives its student.
    private enum Teaching: String, CaseIterable {
        /// The probabilities of the student's own tokens.
        case logits
        /// Texts that it writes.
        case text
    }

    private func evaluation() -> [StageJob]? {
        let prompts = amount("prompts", fix: "questions of all benchmarks, e.g. prompts: 50K")
        let prompt = length("promptTokens", fix: "tokens of a question, e.g. promptTokens: 800")
        let output = reader.count("outputTokens", in: 0...Bounds.sequence.upperBound) ?? 0
        let times = reader.number("times", .count, in: 1...1e6) ?? 1
        guard let prompts, let prompt,
            let part = serving("answers", requests: prompts * times, prompt: prompt, output: output)
        else { return nil }
        return [StageJob(lanes: [[part]])]
    }

    private func calibration() -> [StageJob]? {
        let examples = amount("examples", fix: "texts, e.g. examples: 512")
        let length = length("exampleTokens", fix: "tokens of a text, e.g. exampleTokens: 2048")
        guard let examples, let length,
            let part = serving("calibration", requests: examples, prompt: length, output: 0)
        else { return nil }
        return [StageJob(lanes: [[part]])]
    }
}

extension HumanLabels {
    static func read(_ stage: FieldReader) -> HumanLabels? {
        guard let map = stage.map("labels") else { return nil }
        let number = map.number("number", .count, in: 1...1e12)
        let price = map.number("price", .plain, in: 0...1e6)
        let perDay = map.number("perDay", .count, in: 1e-3...1e12)
        map.reportMissing("number", fix: "labels that people give, e.g. number: 100K")
        map.reportUnknownKeys()
        return number.map { HumanLabels(number: $0, price: price, perDay: perDay) }
    }
}
