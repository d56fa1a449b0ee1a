internal import Models
internal import Numbers
internal import Plans
internal import Reading
internal import Yams

/// Reads a stage of reinforcement learning. Its actor answers; reference, reward and critic read the answers; actor and
/// critic train on them. All numbers are of the whole stage, so it does not matter into how many rounds it is cut.
struct ReinforcementReading {
    let stage: StageReading

    private var reader: FieldReader { stage.reader }
    private var kind: StageKind { stage.draft.kind }

    /// Lengths of sequences that are made up of a question and an answer are rounded up to this many tokens, which
    /// context and tensor degrees divide.
    private static let granule = 256

    func jobs() -> [StageJob]? {
        let prompts = stage.amount("prompts", fix: "questions of the whole stage, e.g. prompts: 100K")
        let answers = reader.number("answers", .count, in: 1...1e6) ?? (kind == .grpo ? 16 : 1)
        let prompt = stage.length("promptTokens", fix: "tokens of a question, e.g. promptTokens: 300")
        let output = stage.length("outputTokens", fix: "tokens of an answer, e.g. outputTokens: 1500")
        let epochs = reader.number("epochs", .plain, in: 0.01...1e4) ?? 1
        let hasReference = reader.flag("reference") ?? true
        let reward = reader.take("reward")
        let critic = kind == .ppo ? reader.take("critic") : nil
        let split = devices()
        if stage.draft.own["tokens"] != nil {
            reader.report("tokens", rule: "prompts and their tokens say it", fix: "remove it")
        }
        guard let prompts, let prompt, let output, let split else { return nil }
        let texts = prompts * answers
        let length = prompt + output
        func forward(_ name: String, _ key: String, _ model: Node?) -> StagePart? {
            stage.serving(
                name, model: model.map { (key, $0) }, requests: texts, prompt: length, output: 0,
                devices: split.training)
        }
        let generation = stage.serving(
            "answers", requests: texts, prompt: prompt, output: output, devices: split.generation)
        var forwards: [StagePart?] = hasReference ? [forward("reference", "reference", nil)] : []
        let isRule = reward.map { FieldReader.shown($0) == "'rule'" } ?? (kind == .grpo)
        if !isRule { forwards.append(forward("reward", "reward", reward)) }
        if kind == .ppo { forwards.append(forward("values", "critic", critic)) }

        var keys = stage.keys
        keys.remove(["tokens", "samples"])
        let tokens = min(texts * Double(length) * epochs, Bounds.tokens.upperBound)
        keys.set("tokens", tokens, at: reader.take("prompts"))
        if stage.draft.own["sequence"] == nil {
            keys.set("sequence", Double((length + Self.granule - 1) / Self.granule * Self.granule), at: nil)
        }
        var trained = [stage.training(keys, named: "actor", devices: split.training)]
        if kind == .ppo {
            if let critic {
                keys["model"] = critic
                keys.remove(["lora", "frozen", "quantized", "layout"])
            }
            trained.append(
                stage.training(
                    keys, named: "critic", modelKey: critic == nil ? nil : "critic", devices: split.training))
        }
        let parts = (forwards.map { $0.map { [$0] } } + trained).compactMap(\.self)
        guard let generation, parts.count == forwards.count + trained.count else { return nil }
        let learning = parts.flatMap(\.self)
        // Apart, the answers of the next round are generated beside the training on this one.
        return [StageJob(lanes: split.isApart ? [[generation], learning] : [[generation] + learning])]
    }

    /// Devices that generate and devices that train; nil after a report.
    private func devices() -> (generation: Int, training: Int, isApart: Bool)? {
        let all = stage.draft.devices ?? stage.context.pool ?? 1
        if reader.scalar("generation") != nil || reader.isList("generation") {
            let stated = reader.take("generation")
            reader.report(
                "generation", value: stated.map(FieldReader.shown) ?? "",
                rule: "must say how many of the stage's devices only generate",
                fix: "e.g. generation: {devices: \(max(1, all / 2))}, or remove it: then all devices do both in turn")
            return nil
        }
        guard let map = reader.map("generation") else { return reader.contains("generation") ? nil : (all, all, false) }
        let own = map.count("devices", in: Bounds.devices)
        map.reportMissing("devices", fix: "devices that only generate, e.g. devices: 64")
        map.reportUnknownKeys()
        guard let own else { return nil }
        guard own < all else {
            map.report(
                "devices", value: Figures.grouped(own),
                rule: "leaves nothing of the stage's \(Figures.devices(all)) to train on",
                fix: all > 1 ? "at most \(Figures.grouped(all - 1))" : "remove generation")
            return nil
        }
        return (own, all - own, true)
    }
}
