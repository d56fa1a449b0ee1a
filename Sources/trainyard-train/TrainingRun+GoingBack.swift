internal import MPI
internal import Options
internal import Output
internal import Plans
internal import Training

extension TrainingRun {
    /// Collective. Goes back to the newest good checkpoint, because state has changed by itself that no replica has.
    /// - Returns: steps done before.
    func goBack(_ trainer: Trainer, _ records: inout Records?, _ faults: [StateFault]) throws -> Int {
        do {
            if let saved = try trainer.saver.finish() { try records?.run.addCheckpoint(saved) }
        } catch TrainingError.saving(let words) where options.skipsFailedSaves {
            if isFirst { StandardStreams.error("warning: \(words); this save is skipped\n") }
        }
        guard
            let resumption = try Resumption(
                records?.run.ownCheckpoints ?? [], plan: trainer.plan, settings: trainer.settings, text: trainer.corpus,
                isOverriding: true, world: world)
        else { throw TrainingError.corrupted(faults) }
        let outcome = try resumption.load(into: trainer)
        let aside = try records?.run.goBack(to: outcome.step) ?? []
        if let directory = options.tensorboard, let path = records?.board?.path {
            records?.board = nil
            records?.board = try TensorBoardLog(
                directory: directory, from: outcome.step, earlier: [RunFolder.absolute(path)])
        }
        guard isFirst else { return outcome.step }
        StandardStreams.error(
            "note: \(StateFault.words(of: faults)); going back to the checkpoint after step \(outcome.step), \(outcome.path)\n"
        )
        for remark in resumption.passed {
            StandardStreams.error("note: \(remark)\n")
        }
        for path in aside {
            StandardStreams.error("note: a checkpoint after step \(outcome.step) is set aside as \(path)\n")
        }
        return outcome.step
    }
}
