internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output
internal import Plans
internal import Schedules
internal import Tensors
internal import Training

/// One rank's whole run: read the plan, train, leave the records.
struct TrainingRun {
    let planPath: String
    let options: RunOptions
    let world: Communicator

    private var isFirst: Bool { world.rank == 0 }

    func run() throws {
        let plan = try Plan.read(path: planPath, isRun: true)
        guard var settings = plan.train else {
            throw TrainingError.unsupported(
                field: "train", value: "(missing)", reason: "\(planPath) has no train section; see plans/tiny-gpt.yaml")
        }
        guard let layout = plan.layout else {
            throw TrainingError.unsupported(
                field: "layout", value: "auto", reason: "a real run needs a layout map; `trainyard plan` finds one")
        }
        if let data = options.data { settings.data = data }
        if let steps = options.steps {
            guard Bounds.steps.contains(steps.value) else {
                throw ValidationError("--steps: \(steps) is not a positive number of steps")
            }
            settings.steps = steps.value
        }
        settings.folder = (options.folder ?? settings.folder).map(RunFolder.absolute)
        if isFirst { try checkPaths(settings) }
        let identity = try RunIdentity(
            plan: plan, layout: layout, settings: settings, options: options.shared)
        try identity.agree(over: world)
        try Trainer.check(plan: plan, layout: layout, processes: world.size)
        let text = try Trainer.text(plan: plan, settings: settings)
        try identity.agree(on: text, over: world)
        guard plan.precision != .bf16 || BFloat16.isSupported else {
            throw TrainingError.unsupported(
                field: "precision", value: "bf16",
                reason: "this processor does not multiply bf16 numbers (it needs AVX512-BF16); use fp32")
        }
        // Everything that will be written is opened first, so that a run does not end on a full afternoon's loss.
        let files = try isFirst ? openFiles(plan, settings, identity: identity.digest(text: text)) : nil
        let trainer: Trainer
        do {
            trainer = try Trainer(plan: plan, layout: layout, settings: settings, world: world, text: text)
        } catch {
            files?.run.discard()
            throw error
        }
        if isFirst, !options.quiet {
            for remark in plan.remarksOfARun(layout, settings) {
                StandardStreams.error("note: \(remark.text)\n")
            }
        }
        if isFirst, let shortage = world.sharedMemoryShortage {
            StandardStreams.error("note: \(shortage)\n")
        }
        var done = 0
        do {
            try train(trainer, files, done: &done)
            try files?.run.end(.finished, steps: done)
        } catch {
            try? files?.run.end(.failed, steps: done)
            throw error
        }
    }

    /// What rank 0 writes while the run goes on.
    private struct Files {
        var run: RunRecorder
        var board: TensorBoardLog?
    }

    /// Refuses paths that cannot be written before anything else is done.
    private func checkPaths(_ settings: TrainSettings) throws {
        for path in [options.log, options.trace, options.timeline, options.save].compactMap({ $0 }) {
            // The run's own folder is made later.
            let above = URL(fileURLWithPath: path).deletingLastPathComponent().path
            if above != settings.folder { _ = try OutputFile(path) }
        }
    }

    private func openFiles(_ plan: Plan, _ settings: TrainSettings, identity: String) throws -> Files {
        let run = try RunRecorder(
            RunRecorder.Request(
                log: options.log, overwrites: options.overwrite, planPath: planPath,
                program: "trainyard-train " + TrainCommandLine.configuration.version,
                identity: identity, processes: world.size), plan: plan, settings: settings)
        do {
            let board = try options.tensorboard.map { try TensorBoardLog(directory: $0) }
            try run.own([board?.path, options.trace, options.timeline, options.save].compactMap(\.self))
            return Files(run: run, board: board)
        } catch {
            run.discard()
            throw error
        }
    }

    private func train(_ trainer: Trainer, _ files: Files?, done: inout Int) throws {
        let (plan, settings) = (trainer.plan, trainer.settings)
        let progress = ProgressLine(
            trainer: trainer, steps: settings.steps, folder: files?.run.folder, enabled: isFirst && !options.quiet)
        progress.begin()
        let flops = FLOPs(model: plan.model, sequences: plan.batch, vocabulary: plan.model.vocab).model
        trainer.profile.isOn = options.profile
        var profiled = (steps: 0, seconds: 0.0)
        for step in 0..<settings.steps {
            let report = try trainer.step(step)
            done = step + 1
            if step == 0, settings.steps > 1 {
                // The first step also warms up libraries and memory.
                trainer.profile.clear()
            } else {
                profiled = (profiled.steps + 1, profiled.seconds + report.seconds)
            }
            try files?.run.log(report, modelFLOPs: flops)
            try files?.board?.write(report)
            progress.show(report)
            if settings.savesCheckpoint(after: done) {
                let path = files?.run.checkpointPath(steps: done)
                let saved = try trainer.saveCheckpoint(to: path ?? "", step: done)
                if let saved, let path { try files?.run.add(saved, at: path, steps: done) }
            }
        }
        progress.end()
        if options.profile,
            let table = try trainer.profile.report(world, seconds: profiled.seconds, steps: profiled.steps)
        {
            try StandardStreams.output(table + "\n")
        }
        if let save = options.save { try trainer.saveWeights(to: save, step: settings.steps) }
        if options.trace != nil || options.timeline != nil {
            guard let timeline = try trainer.gatherTimeline(name: plan.name + " (measured)") else { return }
            if let path = options.trace { try OutputFile.write(timeline.chromeTrace(), to: path) }
            if let path = options.timeline {
                try OutputFile.write(String(decoding: JSONEncoder().encode(timeline), as: UTF8.self), to: path)
            }
        }
    }
}
