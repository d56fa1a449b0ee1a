internal import Foundation
internal import Models
internal import Numbers
internal import Plans

/// Whether a run can go on from a checkpoint.
struct ResumeRules {
    let plan: Plan
    let settings: TrainSettings
    let text: Corpus

    /// Values that must be the checkpoint's: another model, precision or optimizer.
    /// - Throws: `CheckpointProblem.other`, which names both values.
    func check(_ checkpoint: CheckpointManifest, path: String) throws(CheckpointProblem) {
        let fix = "go on with the plan it was made with, or start another run (--folder)"
        func compare(_ name: String, _ theirs: some Encodable, _ ours: some Encodable) throws(CheckpointProblem) {
            guard let (field, their, our) = Self.differences(name, theirs, ours).first else { return }
            throw .other(path: path, field: field, theirs: their, ours: our, fix: fix)
        }
        try compare("model", Self.shape(checkpoint.model), Self.shape(plan.model))
        try compare("precision", checkpoint.precision, plan.precision)
        try compare("optimizer", checkpoint.optimizer, plan.optimizer)
    }

    /// The model without its name, and without its length where no tensor depends on it.
    private static func shape(_ model: Model) -> Model {
        var model = model.withStatedComputation
        model.name = nil
        if model.positions == nil { model.sequence = 1 }
        // A table as long as a sequence need not be stated.
        if model.positionEntries == model.sequence { model.positionEntries = nil }
        return model
    }

    /// Values that are not the checkpoint's and that the numbers of the run depend on, each as `batch: 8, now 16`.
    func changes(since checkpoint: CheckpointManifest) -> [String] {
        var pairs: [(name: String, theirs: String, ours: String)] = []
        func compare(_ name: String, _ theirs: some Encodable, _ ours: some Encodable) {
            pairs += Self.differences(name, theirs, ours)
        }
        compare("batch", checkpoint.batch, plan.batch)
        compare("model.sequence", checkpoint.model.sequence, plan.model.sequence)
        compare("train", numbers(checkpoint.train), numbers(settings))
        let position = checkpoint.data
        if let their = checkpoint.tokenizerDigest, let our = text.tokenizerDigits, their != our {
            pairs.append(("train.tokenizer", "one with digest \(their)", our))
        } else if position.digest != text.contentDigits {
            let unit = text.holdsBytes ? "bytes" : "tokens"
            pairs.append(("train.data", "a text of \(position.bytes) \(unit)", "another of \(text.tokens) \(unit)"))
        }
        // Only the share of a validation is compared.
        pairs.removeAll { $0.name == "train.validation.every" || $0.name == "train.validation.batches" }
        return pairs.map { "\($0.name): \($0.theirs), now \($0.ours)" }
    }

    /// The settings that numbers depend on.
    private func numbers(_ settings: TrainSettings) -> TrainSettings {
        var numbers = settings
        numbers.forgetPaths()
        // The tokenizers' digests are compared.
        numbers.tokenizer = ""
        // Of a validation only what it takes away from the text matters.
        numbers.validation = settings.validation?.share.map {
            TrainSettings.Validation(share: $0, every: 0, batches: 0)
        }
        // Documents that are joined end nowhere.
        if numbers.documents == .joined { numbers.documents = nil }
        numbers.folder = nil
        numbers.checkpoint = nil
        numbers.initialWeights = nil
        numbers.resume = .never
        (numbers.stateCheck, numbers.maxSkippedSteps) = (nil, nil)
        // The rate of a constant schedule does not depend on the run's length.
        if settings.schedule == .constant {
            numbers.steps = 0
            numbers.minLearningRate = 0
        }
        return numbers
    }

    /// The parts of two values that differ.
    private static func differences(
        _ name: String, _ theirs: some Encodable, _ ours: some Encodable
    ) -> [(name: String, theirs: String, ours: String)] {
        let (their, our) = (FlatValues.parts(name, theirs), FlatValues.parts(name, ours))
        let found = Set(their.keys).union(our.keys).sorted().filter { their[$0] != our[$0] }.map { key in
            // The keys of blocks stand in the model's own map of a plan.
            let field = key.replacing("model.block.", with: "model.").replacing("train.corpus[", with: "train.data[")
            return (name: field, theirs: their[key] ?? "not set", ours: our[key] ?? "not set")
        }
        // What follows from others comes last.
        return found.filter { !FlatValues.derived.contains($0.name) }
            + found.filter { FlatValues.derived.contains($0.name) }
    }

    /// Sequences of the plan's length that stand for those that were trained on.
    func sequences(of checkpoint: CheckpointManifest) -> Int {
        let (theirs, ours) = (checkpoint.model.sequence, plan.model.sequence)
        guard theirs != ours, ours > 0 else { return checkpoint.data.sequences }
        return Int(saturating: Double(checkpoint.data.sequences) * Double(theirs) / Double(ours))
    }
}
