internal import Foundation
internal import MPI
package import Plans

/// When and where a run saves its state, step by step. Every rank makes the same calls; rank 0 keeps the records.
package struct CheckpointSaving {
    private let plan: Plan
    private let settings: TrainSettings
    private let recorder: RunRecorder?
    private let planPath: String
    /// Whether a save that fails is skipped, and tried again when the next is due.
    private let skips: Bool
    private var pace: CheckpointPace
    /// What had changed by itself and was healed before the last save.
    package private(set) var healed: [StateFault] = []
    /// Seconds for which the run has waited for saves.
    package private(set) var seconds = 0.0

    /// - Parameters:
    ///   - start: steps done when the run begins or goes on.
    ///   - recorder: the run's records, on rank 0.
    ///   - skips: whether a save that fails is skipped and tried again later. The last one may not fail.
    package init(
        _ plan: Plan, _ settings: TrainSettings, start: Int, recorder: RunRecorder?, planPath: String, skips: Bool
    ) {
        self.plan = plan
        self.settings = settings
        self.recorder = recorder
        self.planPath = planPath
        self.skips = skips
        pace = CheckpointPace(plan, settings, start: start)
    }

    /// Why saves were skipped since this was last read; the same on every rank, but for what rank 0 alone writes.
    package private(set) var warnings: [String] = []

    /// - Returns: the warnings, which are not returned again.
    package mutating func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    /// Saves if it is time, or if the run is to stop, and completes a save that a thread has written.
    /// - Returns: the checkpoints that are complete now, on rank 0.
    package mutating func afterStep(_ report: StepReport, _ trainer: Trainer) throws -> [SavedCheckpoint] {
        healed = []
        guard settings.checkpoint != nil else { return [] }
        let began = MonotonicClock.seconds()
        defer { seconds += MonotonicClock.seconds() - began }
        let done = report.step + 1
        pace.stepped(report)
        var complete: [SavedCheckpoint] = []
        let isLast = trainer.stops || done == settings.steps
        let isDue = isLast || pace.isDue(after: done)
        // One copy of the state at a time: a save that is due waits for the one before.
        if trainer.saver.isPending, trainer.isWritten || isDue {
            complete += try skipping(skips, after: done) { try $0.finish(trainer, isLast: false) }
        }
        guard isDue else { return complete }
        pace.began(after: done)
        healed = try trainer.confirmState()
        complete += try skipping(skips && !isLast, after: done) { saving in
            try trainer.beginCheckpoint(
                at: saving.recorder?.checkpointPath(steps: done) ?? "",
                try saving.recorder.map { try saving.manifest($0, trainer, step: done) })
            return isLast || !trainer.saver.isAsynchronous ? try saving.finish(trainer, isLast: isLast) : []
        }
        return complete
    }

    /// Does a part of a save. All ranks agree on what fails in it, so that they skip it together.
    private mutating func skipping(
        _ skips: Bool, after done: Int, _ body: (inout CheckpointSaving) throws -> [SavedCheckpoint]
    ) throws -> [SavedCheckpoint] {
        do {
            return try body(&self)
        } catch TrainingError.saving(let words) where skips {
            let next = pace.skipped(after: done)
            warnings.append("\(words); this save is skipped, the next is due after step \(next)")
            return []
        }
    }

    private mutating func finish(_ trainer: Trainer, isLast: Bool) throws -> [SavedCheckpoint] {
        let saved = try trainer.saver.finish()
        if let saved {
            do {
                try recorder?.addCheckpoint(saved)
            } catch  where skips && !isLast {
                // The checkpoint is complete, and is found by its run's number.
                warnings.append("\(error); the checkpoint after step \(saved.step) is not in it yet")
            }
        }
        try pace.saved(saved, over: trainer.world)
        return saved.map { [$0] } ?? []
    }

    private func manifest(_ recorder: RunRecorder, _ trainer: Trainer, step: Int) throws -> CheckpointManifest {
        let text = trainer.corpus
        var manifest = CheckpointManifest(
            step: step, run: recorder.run, program: recorder.program, saved: Date(), plan: plan.name,
            planText: FileManager.default.contents(atPath: planPath).map { String(decoding: $0, as: UTF8.self) } ?? "",
            model: plan.model, precision: plan.precision, optimizer: plan.optimizer, batch: plan.batch,
            layout: trainer.layout, train: settings,
            data: CheckpointManifest.Position(
                sequences: text.sequences(before: step), bytes: text.tokens, digest: text.contentDigits),
            random: CheckpointManifest.RandomState(seed: settings.seed))
        manifest.tokenizerDigest = text.tokenizerDigits
        if trainer.skippedSteps > 0 { manifest.skipped = trainer.skippedSteps }
        return manifest
    }
}
