internal import Foundation
internal import MPI
package import Plans

/// When and where a run saves its state, step by step. Every rank makes the same calls; rank 0 keeps the records.
package struct CheckpointSaving {
    private let plan: Plan
    private let settings: TrainSettings
    private let recorder: RunRecorder?
    private let planPath: String
    private var pace: CheckpointPace
    /// What had changed by itself and was healed before the last save.
    package private(set) var healed: [StateFault] = []
    /// Seconds for which the run has waited for saves.
    package private(set) var seconds = 0.0

    /// - Parameters:
    ///   - start: steps done when the run begins or goes on.
    ///   - recorder: the run's records, on rank 0.
    package init(_ plan: Plan, _ settings: TrainSettings, start: Int, recorder: RunRecorder?, planPath: String) {
        self.plan = plan
        self.settings = settings
        self.recorder = recorder
        self.planPath = planPath
        pace = CheckpointPace(plan, settings, start: start)
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
        if trainer.saver.isPending, trainer.isWritten || isDue { complete += try finish(trainer) }
        guard isDue else { return complete }
        pace.began(after: done)
        healed = try trainer.confirmState()
        try trainer.beginCheckpoint(
            at: recorder?.checkpointPath(steps: done) ?? "", try recorder.map { try manifest($0, trainer, step: done) })
        if isLast || !trainer.saver.isAsynchronous { complete += try finish(trainer) }
        return complete
    }

    /// Collective. Completes a save that is under way, because the run goes back to a checkpoint.
    package mutating func complete(_ trainer: Trainer) throws { _ = try finish(trainer) }

    private mutating func finish(_ trainer: Trainer) throws -> [SavedCheckpoint] {
        let saved = try trainer.saver.finish()
        if let saved { try recorder?.addCheckpoint(saved) }
        try pace.saved(saved, over: trainer.world)
        return saved.map { [$0] } ?? []
    }

    private func manifest(_ recorder: RunRecorder, _ trainer: Trainer, step: Int) throws -> CheckpointManifest {
        let text = trainer.text
        var manifest = CheckpointManifest(
            step: step, run: recorder.run, program: recorder.program, saved: Date(), plan: plan.name,
            planText: FileManager.default.contents(atPath: planPath).map { String(decoding: $0, as: UTF8.self) } ?? "",
            model: plan.model, precision: plan.precision, optimizer: plan.optimizer, batch: plan.batch,
            layout: trainer.layout, train: settings,
            data: CheckpointManifest.Position(
                sequences: text.sequences(before: step), bytes: text.tokens, digest: text.contentDigits),
            random: CheckpointManifest.RandomState(seed: settings.seed))
        if trainer.skippedSteps > 0 { manifest.skipped = trainer.skippedSteps }
        return manifest
    }
}
