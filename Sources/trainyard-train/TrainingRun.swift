internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Models
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Schedules
internal import Tensors
internal import Training
internal import Version

/// The whole run of one rank: reads the plan, trains, writes the records.
struct TrainingRun {
    let planPath: String
    let options: RunOptions
    /// The file that the last step's timeline is written to as Trainyard's own JSON; nil: none.
    let timelinePath: String?
    let world: Communicator

    private var isFirst: Bool { world.rank == 0 }

    func run() throws {
        var sources = ReadFiles()
        let plan = try Plan.read(path: planPath, isRun: true, files: &sources)
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
        let files = options.files(
            plan: planPath, name: plan.name, sources: sources, settings: settings, timeline: timelinePath)
        if isFirst { try checkPaths(files) }
        let identity = try RunIdentity(
            plan: plan, layout: layout, settings: settings, options: shared)
        try identity.agree(over: world)
        try Trainer.check(plan: plan, layout: layout, processes: world.size)
        let text = try Trainer.text(plan: plan, settings: settings)
        try identity.agree(on: text, over: world)
        guard plan.precision != .bf16 || BFloat16.isSupported else {
            throw TrainingError.unsupported(
                field: "precision", value: "bf16",
                reason: "this processor does not multiply bf16 numbers (it needs AVX512-BF16); use fp32")
        }
        // Output files are checked before training, so that no finished run is lost. The files of an older run stay
        // until all ranks are ready.
        let recorder = try isFirst ? recorder(plan, settings, files, identity: identity.digest(text: text)) : nil
        let trainer: Trainer
        var board: TensorBoardLog?
        do {
            trainer = try Trainer(plan: plan, layout: layout, settings: settings, world: world, text: text)
            try world.barrier()
            try recorder?.openRecords {
                board = try options.tensorboard.map { try TensorBoardLog(directory: $0) }
                return board?.path
            }
        } catch {
            recorder?.discard()
            throw error
        }
        let records = recorder.map { Records(run: $0, board: board) }
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
            try train(trainer, records, done: &done)
            try recorder?.writeEnd(.finished, steps: done)
        } catch {
            try? recorder?.writeEnd(.failed, steps: done)
            throw error
        }
    }

    /// The records that rank 0 writes during the run.
    private struct Records {
        var run: RunRecorder
        var board: TensorBoardLog?
    }

    /// The options that all ranks act on, by name; they must be equal on all ranks.
    private var shared: [String: String] {
        var shared: [String: String] = [:]
        if options.save != nil { shared["save"] = "" }
        if options.trace != nil || timelinePath != nil { shared["trace"] = "" }
        if options.profile { shared["profile"] = "" }
        return shared
    }

    /// Refuses output paths that cannot be written or that are one another, before anything else is done.
    private func checkPaths(_ files: RunFiles) throws {
        for path in files.options.map(\.path) {
            // The run's own folder need not exist yet.
            let above = URL(fileURLWithPath: path).deletingLastPathComponent().path
            if above != files.folder || FileManager.default.fileExists(atPath: path) { _ = try OutputFile(path) }
        }
        try files.all.check()
    }

    private func recorder(
        _ plan: Plan, _ settings: TrainSettings, _ files: RunFiles, identity: String
    ) throws -> RunRecorder {
        try RunRecorder(
            RunRecorder.Request(
                files: files, log: options.log, overwrites: options.overwrite,
                program: "trainyard-train " + ProgramVersion.text, identity: identity,
                processes: world.size), plan: plan, settings: settings)
    }

    private func train(_ trainer: Trainer, _ records: Records?, done: inout Int) throws {
        let (plan, settings) = (trainer.plan, trainer.settings)
        let progress = ProgressLine(
            trainer: trainer, steps: settings.steps, folder: records?.run.folder, enabled: isFirst && !options.quiet)
        progress.showRun()
        let flops = FLOPs(model: plan.model, sequences: plan.batch).required
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
            try records?.run.log(report, modelFLOPs: flops)
            try records?.board?.write(report)
            progress.show(report)
            if settings.savesCheckpoint(after: done) {
                let path = records?.run.checkpointPath(steps: done)
                let saved = try trainer.saveCheckpoint(to: path ?? "", step: done)
                if let saved, let path { try records?.run.addCheckpoint(saved, at: path, steps: done) }
            }
        }
        progress.leaveLine()
        if options.profile,
            let table = try trainer.profile.report(world, seconds: profiled.seconds, steps: profiled.steps)
        {
            try StandardStreams.output(table + "\n")
        }
        if let save = options.save {
            try trainer.saveWeights(to: save, step: settings.steps)
            try records?.run.add([save])
            if plan.model.tuning?.lora != nil {
                let folder = AdapterFile.folder(beside: save)
                try trainer.saveAdapter(to: folder, step: settings.steps)
                try records?.run.add(AdapterFile.names.map { folder + "/" + $0 })
            }
        }
        if options.trace != nil || timelinePath != nil {
            guard let timeline = try trainer.gatherTimeline(name: plan.name + " (measured)") else { return }
            if let path = options.trace {
                try OutputFile.write(timeline.chromeTrace(labels: trainer.layout.degreesInWords), to: path)
            }
            if let path = timelinePath {
                try OutputFile.write(String(decoding: JSONEncoder().encode(timeline), as: UTF8.self), to: path)
            }
            try records?.run.add([options.trace, timelinePath].compactMap(\.self))
        }
    }
}
