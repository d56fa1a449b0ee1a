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
    /// The processes of the job; from the choice of a layout on, those that train.
    private(set) var world: Communicator
    /// The run's progress, which another thread watches for stalls.
    private let progress = RunProgress()

    init(planPath: String, options: RunOptions, timelinePath: String?, world: Communicator) {
        (self.planPath, self.options, self.timelinePath, self.world) = (planPath, options, timelinePath, world)
    }

    var isFirst: Bool { world.rank == 0 }

    /// - Returns: whether a signal stopped the run, whose state is saved.
    mutating func run() throws -> Bool {
        StallWatch(
            program: "trainyard-train", rank: world.rank, progress: progress, limit: options.stallLimit,
            beats: ProcessInfo.processInfo.environment[LauncherBeat.variable] != nil
        ).start()
        defer { progress.enter(.over) }
        var sources = ReadFiles()
        var plan = try Plan.read(path: planPath, isRun: true, files: &sources)
        let stated = plan.layout
        if options.elastic { plan = try ElasticLayout.agree(on: plan, at: planPath, over: world) }
        guard var settings = plan.train else {
            throw TrainingError.unsupported(
                field: "train", value: "(missing)", reason: "\(planPath) has no train section; see plans/tiny-gpt.yaml")
        }
        guard let layout = plan.layout else {
            throw TrainingError.unsupported(
                field: "layout", value: "auto", reason: "a real run needs a layout map; `trainyard plan` finds one")
        }
        if let data = options.data { settings.train(on: data) }
        // Checkpoints name the tokenizer for those who use them elsewhere.
        if settings.tokenizer != "bytes" { settings.tokenizer = RunFolder.absolute(settings.tokenizer) }
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
        guard try joins(layout, insteadOf: stated) else { return false }
        try Trainer.check(plan: plan, layout: layout, processes: world.size)
        try checkInjections()
        let text = try Trainer.corpus(plan: plan, settings: settings, progress: progress)
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
                plan: plan, layout: layout, settings: settings, world: world, corpus: text, fills: resumption == nil)
            trainer.injections = options.inject
            try trainer.checkInjections()
            if settings.checkpoint != nil {
                // Of all ranks together, and so asked by all.
                let bytes = try trainer.saver.totalBytes()
                progress.holds(stateBytes: bytes)
                try checkRoom(bytes, recorder, goesOn: resumption != nil)
            }
            if let resumption {
                progress.enter(.loading)
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
            var spent = RunManifest.Seconds(steps: 0, saving: 0, checking: 0)
            while true {
                do {
                    isStopped = try train(trainer, records, done: &done, spent: &spent)
                    break
                } catch TrainingError.corrupted(let faults) where done > spoilt && settings.checkpoint != nil {
                    // A step that fails so a second time shows memory that stays bad.
                    spoilt = done
                    done = try goBack(trainer, &records, faults)
                }
            }
            try recorder?.writeEnd(isStopped ? .interrupted : .finished, steps: done)
            return isStopped
        } catch {
            try? recorder?.writeEnd(.failed, steps: done, cause: cause(error))
            throw error
        }
    }

    /// Refuses a disk without room for a checkpoint. A run that goes on and may skip saves is only warned.
    private func checkRoom(_ bytes: Int, _ recorder: RunRecorder?, goesOn: Bool) throws {
        guard let problem = recorder?.problemOfRoom(bytes) else { return }
        guard goesOn, options.skipsFailedSaves else { throw problem }
        StandardStreams.error("warning: \(problem)\n")
    }

    /// Collective. Whether this process is one of those that the layout takes; from here on `world` is these alone. The others
    /// wait at MPI's end.
    private mutating func joins(_ layout: Layout, insteadOf stated: Layout?) throws -> Bool {
        if isFirst, layout != stated {
            StandardStreams.error(
                "note: --elastic: the plan's layout takes \(stated?.devices ?? 0) processes and there are \(world.size); the run "
                    + "uses \(layout.devices) as \(layout.degreesInWords), \(layout.schedule.rawValue), sharding "
                    + "\(layout.sharding.rawValue)\n")
        }
        guard options.elastic, layout.devices < world.size else { return true }
        let isSurplus = world.rank >= layout.devices
        guard let team = try world.split(color: isSurplus ? 1 : 0, key: world.rank) else { return false }
        if isSurplus {
            // The ranks that train answer signals, and end the job.
            TerminationSignals.ignore()
            return false
        }
        world = team
        return true
    }

    /// Why a new start would fail again; nil: it might not.
    private func cause(_ error: any Error) -> RunManifest.Cause? {
        switch error {
        case TrainingError.diverged: .diverged
        case TrainingError.saving where options.skipsFailedSaves: .saving
        default: nil
        }
    }

    /// Collective. The checkpoint that the run goes on from; nil: it begins.
    private func resumption(
        _ recorder: RunRecorder?, _ plan: Plan, _ settings: TrainSettings, _ text: Corpus
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

    /// Refuses what `--inject` asks of ranks that are not there.
    private func checkInjections() throws {
        for injection in options.inject where injection.rank >= world.size && !options.elastic {
            throw ValidationError(
                "--inject \(injection.text): there is no rank \(injection.rank), the ranks are 0 to \(world.size - 1)")
        }
    }

    /// Says on standard error how the run goes on. What was passed over or overridden is said with `--quiet` too.
    private func note(_ resumption: Resumption, _ outcome: Resumption.Outcome) {
        for remark in resumption.remarks { StandardStreams.error("note: \(remark)\n") }
        guard !options.quiet else { return }
        StandardStreams.error(
            "going on after step \(outcome.step) from \(outcome.path): the fullest rank read \(Figures.size(outcome.mostBytes)), "
                + "\(Figures.fixed(outcome.readOverShare, 2)) × its share, in \(Figures.fixed(outcome.seconds, 2)) s; "
                + "headers \(Figures.size(outcome.headerBytes))\n")
    }

    /// The records that rank 0 writes during the run.
    struct Records {
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
        if options.skipsFailedSaves { shared["skip-failed-saves"] = "" }
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
    private func train(
        _ trainer: Trainer, _ records: Records?, done: inout Int, spent: inout RunManifest.Seconds
    ) throws -> Bool {
        let start = done
        let (plan, settings) = (trainer.plan, trainer.settings)
        let line = ProgressLine(
            trainer: trainer, steps: settings.steps, folder: records?.run.folder, enabled: isFirst && !options.quiet)
        line.showRun()
        let flops = FLOPs(model: plan.model, sequences: plan.batch).required
        trainer.profile.isOn = options.profile
        var profiled = (steps: 0, seconds: 0.0)
        var saving = CheckpointSaving(
            plan, settings, start: start, recorder: records?.run, planPath: planPath, skips: options.skipsFailedSaves)
        var (spikes, sound) = (LossSpikes(after: records?.run.losses(before: start) ?? []), start)
        trainer.recorder.progress = progress
        progress.goesOn(after: start)
        progress.enter(.training)
        defer { progress.enter(.ending) }
        for step in min(start, settings.steps)..<settings.steps {
            trainer.isAskedToStop = TerminationSignals.isAsked
            var report: StepReport
            do {
                report = try trainer.step(step)
            } catch {
                line.leaveLine()
                if case TrainingError.diverged = error, let path = records?.run.checkpoint(until: sound) {
                    StandardStreams.error("note: the last good state is the checkpoint \(path)\n")
                }
                throw error
            }
            done = step + 1
            if settings.validates(after: done) { report.validation = try trainer.validate() }
            // Its loss was a number with the weights that it began with.
            if !report.isSkipped { sound = step }
            spent.steps += report.seconds
            if step == start, settings.steps > start + 1 {
                // The first step also warms up libraries and memory.
                trainer.profile.clear()
            } else {
                profiled = (profiled.steps + 1, profiled.seconds + report.seconds)
            }
            let usual = spikes.next(report.loss)
            try records?.run.log(report, modelFLOPs: flops, isSpike: usual != nil)
            try records?.board?.write(report)
            line.show(report)
            line.note(report, usual: usual)
            progress.stepped(to: done, seconds: report.seconds)
            progress.enter(.saving)
            let waited = saving.seconds
            for saved in try saving.afterStep(report, trainer) { line.show(saved) }
            line.note(saving.healed)
            for warning in saving.takeWarnings() where isFirst {
                line.leaveLine()
                StandardStreams.error("warning: \(warning)\n")
            }
            progress.enter(.training)
            spent.saving += saving.seconds - waited
            spent.checking = trainer.integrity.seconds
            records?.run.note(spent)
            if trainer.stops, done < settings.steps {
                line.leaveLine()
                if isFirst, !options.quiet {
                    StandardStreams.error("stopped after step \(done), which is saved; --resume goes on\n")
                }
                TerminationSignals.leave()
                return true
            }
        }
        progress.enter(.ending)
        line.leaveLine()
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
