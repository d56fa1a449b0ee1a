internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Models
internal import Numbers
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

    /// - Returns: whether a signal stopped the run, whose state is saved.
    func run() throws -> Bool {
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
        // Every rank is told to stop, and mpirun ends every one.
        if !isFirst, settings.checkpoint != nil { TerminationSignals.listen(first: {}, last: {}) }
        let trainer: Trainer
        var board: TensorBoardLog?
        var start = 0
        do {
            let resumption = try resumption(recorder, plan, settings, text)
            trainer = try Trainer(
                plan: plan, layout: layout, settings: settings, world: world, text: text, fills: resumption == nil)
            if settings.checkpoint != nil {
                // Of all ranks together, and so asked by all.
                let bytes = try trainer.saver.totalBytes()
                try recorder?.checkRoom(bytes)
            }
            if let resumption {
                let outcome = try resumption.load(into: trainer)
                start = outcome.step
                if isFirst { note(resumption, outcome) }
            }
            try world.barrier()
            try recorder?.openRecords(from: start) {
                board = try options.tensorboard.map {
                    try TensorBoardLog(directory: $0, from: start, earlier: recorder?.earlierFiles ?? [])
                }
                return board?.path
            }
        } catch {
            recorder?.discard()
            throw error
        }
        for path in recorder?.abandoned ?? [] {
            StandardStreams.error("note: a checkpoint after step \(start) is set aside as \(path)\n")
        }
        trainer.injections = try injections()
        var records = recorder.map { Records(run: $0, board: board) }
        board = nil
        if isFirst, !options.quiet {
            for remark in plan.remarksOfARun(layout, settings) {
                StandardStreams.error("note: \(remark.text)\n")
            }
        }
        if isFirst, let shortage = world.sharedMemoryShortage {
            StandardStreams.error("note: \(shortage)\n")
        }
        var done = start
        do {
            var (isStopped, spoilt) = (false, -1)
            while true {
                do {
                    isStopped = try train(trainer, records, done: &done)
                    break
                } catch TrainingError.corrupted(let faults) where done > spoilt && settings.checkpoint != nil {
                    // The same step once more: the memory stays bad.
                    spoilt = done
                    done = try goBack(trainer, &records, faults)
                }
            }
            try recorder?.writeEnd(isStopped ? .interrupted : .finished, steps: done)
            return isStopped
        } catch {
            try? recorder?.writeEnd(.failed, steps: done)
            throw error
        }
    }

    /// Collective. The checkpoint that the run goes on from; nil: it begins.
    private func resumption(
        _ recorder: RunRecorder?, _ plan: Plan, _ settings: TrainSettings, _ text: TextData
    ) throws -> Resumption? {
        guard let path = options.resume(settings) else { return nil }
        let found = try Resumption(
            recorder?.candidates ?? [], plan: plan, settings: settings, text: text, isOverriding: options.overrides,
            world: world)
        if found == nil, isFirst, !options.quiet {
            let place = path.isEmpty ? recorder?.folder ?? "" : path
            StandardStreams.error("note: there is no checkpoint in \(place) yet: the run begins\n")
        }
        return found
    }

    /// What `--inject` asks for.
    private func injections() throws -> [Injection] {
        for injection in options.inject where injection.rank >= world.size {
            throw ValidationError(
                "--inject \(injection.text): there is no rank \(injection.rank), the ranks are 0 to \(world.size - 1)")
        }
        return options.inject
    }

    /// Collective. Goes back to the newest good checkpoint, because state has changed by itself that no replica has.
    /// - Returns: steps done before.
    private func goBack(_ trainer: Trainer, _ records: inout Records?, _ faults: [StateFault]) throws -> Int {
        guard
            let resumption = try Resumption(
                records?.run.ownCheckpoints ?? [], plan: trainer.plan, settings: trainer.settings, text: trainer.text,
                isOverriding: true, world: world)
        else { throw TrainingError.corrupted(faults) }
        let outcome = try resumption.load(into: trainer)
        let aside = try records?.run.goBack(to: outcome.step) ?? []
        if let directory = options.tensorboard, let path = records?.board?.path {
            records?.board = nil
            records?.board = try TensorBoardLog(directory: directory, from: outcome.step, earlier: [path])
        }
        guard isFirst else { return outcome.step }
        StandardStreams.error(
            "note: \(StateFault.words(of: faults)); going back to the checkpoint after step \(outcome.step), \(outcome.path)\n"
        )
        for remark in resumption.remarks.filter({ !$0.hasSuffix("(--override)") }) {
            StandardStreams.error("note: \(remark)\n")
        }
        for path in aside {
            StandardStreams.error("note: a checkpoint after step \(outcome.step) is set aside as \(path)\n")
        }
        return outcome.step
    }

    /// Says on standard error how the run goes on. What was passed over or overridden is said with `--quiet` too.
    private func note(_ resumption: Resumption, _ outcome: Resumption.Outcome) {
        for remark in resumption.remarks { StandardStreams.error("note: \(remark)\n") }
        guard !options.quiet else { return }
        StandardStreams.error(
            "going on after step \(outcome.step) from \(outcome.path): the fullest rank read \(outcome.mostBytes) bytes, "
                + "\(Figures.fixed(outcome.readOverShare, 2)) × its share, in \(Figures.fixed(outcome.seconds, 2)) s; "
                + "headers \(outcome.headerBytes) bytes\n")
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
        if let resume = options.resume { shared["resume"] = resume }
        if options.overrides { shared["override"] = "" }
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
                resume: options.resume(settings), name: plan.name,
                program: "trainyard-train " + ProgramVersion.text, identity: identity,
                processes: world.size), plan: plan, settings: settings)
    }

    /// - Returns: whether a signal stopped the run, whose state is saved.
    private func train(_ trainer: Trainer, _ records: Records?, done: inout Int) throws -> Bool {
        let start = done
        let (plan, settings) = (trainer.plan, trainer.settings)
        let progress = ProgressLine(
            trainer: trainer, steps: settings.steps, folder: records?.run.folder, enabled: isFirst && !options.quiet)
        progress.showRun()
        let flops = FLOPs(model: plan.model, sequences: plan.batch).required
        trainer.profile.isOn = options.profile
        var profiled = (steps: 0, seconds: 0.0)
        var saving = CheckpointSaving(plan, settings, start: start, recorder: records?.run, planPath: planPath)
        var (spikes, seconds, sound) = (LossSpikes(), 0.0, start)
        for step in min(start, settings.steps)..<settings.steps {
            trainer.isAskedToStop = TerminationSignals.isAsked
            let report: StepReport
            do {
                report = try trainer.step(step)
            } catch {
                progress.leaveLine()
                if case TrainingError.corrupted = error { try saving.complete(trainer) }
                if case TrainingError.diverged = error, let path = records?.run.checkpoint(until: sound) {
                    StandardStreams.error("note: the last good state is the checkpoint \(path)\n")
                }
                throw error
            }
            done = step + 1
            // Its loss was a number with the weights that it began with.
            if !report.isSkipped { sound = step }
            seconds += report.seconds
            if step == start, settings.steps > start + 1 {
                // The first step also warms up libraries and memory.
                trainer.profile.clear()
            } else {
                profiled = (profiled.steps + 1, profiled.seconds + report.seconds)
            }
            let usual = spikes.next(report.loss)
            try records?.run.log(report, modelFLOPs: flops, isSpike: usual != nil)
            try records?.board?.write(report)
            progress.show(report)
            progress.note(report, usual: usual)
            for saved in try saving.afterStep(report, trainer) { progress.show(saved) }
            progress.note(saving.healed)
            records?.run.note(
                RunManifest.Seconds(steps: seconds, saving: saving.seconds, checking: trainer.integrity.seconds))
            if trainer.stops, done < settings.steps {
                progress.leaveLine()
                if isFirst, !options.quiet {
                    StandardStreams.error("stopped after step \(done), which is saved; --resume goes on\n")
                }
                TerminationSignals.leave()
                return true
            }
        }
        progress.leaveLine()
        if start >= settings.steps, isFirst, !options.quiet {
            StandardStreams.error("note: all \(settings.steps) steps were done before\n")
        }
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
        if options.trace != nil || timelinePath != nil, start < settings.steps {
            guard let timeline = try trainer.gatherTimeline(name: plan.name + " (measured)") else { return false }
            if let path = options.trace {
                try OutputFile.write(timeline.chromeTrace(labels: trainer.layout.degreesInWords), to: path)
            }
            if let path = timelinePath {
                try OutputFile.write(String(decoding: JSONEncoder().encode(timeline), as: UTF8.self), to: path)
            }
            try records?.run.add([options.trace, timelinePath].compactMap(\.self))
        }
        return false
    }
}
