internal import ArgumentParser
internal import Foundation
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard train`: starts a real run under mpirun and compares the measurement with the prediction.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train the plan for real over MPI, then compare with the prediction.",
        discussion: """
            Finds mpirun, starts one process for every rank of the plan's layout and passes on what is needed (as root, \
            more ranks than cores, a hostfile). The same by hand: mpirun -n P trainyard-train FILE.

              trainyard train plans/tiny-gpt.yaml
              trainyard train plans/tiny-gpt-4.yaml --steps 20 --log metrics.jsonl \\
                  --trace trace.json

            With train.checkpoint in the plan a run saves its whole state. After Ctrl-C, SIGTERM or a crash it goes on:

              trainyard train plans/tiny-gpt.yaml --resume

            With --restarts it goes on by itself, from its newest good checkpoint: after a rank that was killed, fails, or \
            stops answering, also on another host. With --elastic it goes on with fewer processes where a host is gone:

              trainyard train plans/tiny-gpt.yaml --restarts 3
              trainyard train plan.yaml --hostfile hosts --restarts 3 --elastic

            The same numbers follow in the same layout, and the same but for rounding in any other: change the plan's \
            layout and resume. Exit code 75: stopped on a signal, saved, resumable.

            The prediction is as good as the plan's cluster: `trainyard calibrate` measures this machine first.
            """)

    @Argument(help: "The plan file; it needs a train section and a layout map.")
    var plan: String

    @Option(
        name: [.customShort("n"), .customLong("processes")],
        help:
            "Processes to start; the product of the plan's degrees, which is the default, or any other number with --elastic."
    )
    var processes: Count?

    @Option(help: "mpirun's hostfile, to run on several machines.")
    var hostfile: String?

    @Option(
        help: ArgumentHelp(
            "Start the run again after a failure, at most so many times; it goes on from its newest good checkpoint. Needs "
                + "train.checkpoint in the plan.", valueName: "times"))
    var restarts: Count = 0

    @OptionGroup var options: RunOptions

    @Option(help: ArgumentHelp("Draw the predicted over the measured timeline.", valueName: "timeline.svg"))
    var svg: String?

    @Option(help: ArgumentHelp("Draw the loss curve.", valueName: "loss.svg"))
    var lossSvg: String?

    func validate() throws {
        try check("--processes", processes, in: Bounds.degree)
        try check("--steps", options.steps, in: Bounds.steps)
        try check("--restarts", restarts, in: 0...1_000_000)
        if options.folder?.isEmpty == true { throw ValidationError("--folder: names no folder") }
    }

    func run() throws {
        // This process makes the drawings at the end; rank 0 checks the files that the ranks write.
        let drawings = [NamedPath("--svg", svg), NamedPath("--loss-svg", lossSvg)].compactMap(\.self)
        try OutputFile.check(drawings)
        var sources = ReadFiles()
        let plan = try PlanFile.read(plan, files: &sources)
        guard let layout = plan.layout else {
            throw Launcher.Failure(
                description: "\(self.plan): layout: auto is for pricing; a real run needs a layout map "
                    + "(`trainyard plan` finds one)")
        }
        guard let settings = plan.train else {
            throw Launcher.Failure(
                description: "\(self.plan): there is no train section (data, steps, learningRate …); "
                    + "plans/tiny-gpt.yaml shows one")
        }
        if restarts.value > 0, settings.checkpoint == nil {
            throw Launcher.Failure(
                description:
                    "\(self.plan): --restarts goes on from checkpoints, and the plan has no train.checkpoint; add "
                    + "checkpoint: {every: 100} to its train section")
        }
        try files(settings, drawings, name: plan.name, sources).all.check()
        // Rank 0 may run on another machine, so the paths that it writes to are made absolute here.
        let (records, isClaimed) = try RunFolder.take(
            options.folder ?? settings.folder, for: plan.name, overwrites: options.overwrite,
            resume: options.resume(settings))
        defer { if isClaimed { rmdir(records) } }
        let measured = records + "/" + RunFolder.timeline
        let before = ProcessorTimes.now()
        let outcome = try SupervisedRun(
            planPath: self.plan, layout: layout, settings: settings, options: options, records: records,
            timeline: measured, processes: processes?.value, hostfile: hostfile, restarts: restarts.value
        ).run()
        let (ended, began) = (outcome.ended, outcome.began)
        let load = MachineLoad(from: before, to: .now())
        guard ended.code == 0 else {
            // mpirun may have a code of its own for ranks that a signal has reached.
            if outcome.isResumable || ended.code == RunManifest.stopped
                || ended.wasInterrupted && RunEnding.isSaved(records, began: began)
            {
                throw ExitCode(RunManifest.stopped)
            }
            RunEnding.settle(records, began: began, wasInterrupted: ended.wasInterrupted)
            throw failure(outcome)
        }
        if options.quiet && svg == nil && lossSvg == nil { return }
        guard FileManager.default.fileExists(atPath: measured) else {
            if FileManager.default.fileExists(atPath: records + "/" + RunFolder.log) {
                return Console.note("the last start had no step left to train: there is no summary")
            }
            return Console.note(
                "the run's records lie in \(records) on the machine of rank 0; there is no summary here")
        }
        var trained = plan
        (trained.layout, trained.devices) = (outcome.layout, outcome.layout.devices)
        let summary = try RunSummary(
            plan: trained, layout: outcome.layout, metrics: records + "/" + RunFolder.log, timeline: measured,
            load: load)
        if !options.quiet { try print(summary.text()) }
        if let svg { try OutputFile.write(summary.svg(), to: svg) }
        if let lossSvg { try OutputFile.write(summary.lossSVG(), to: lossSvg) }
    }

    /// All files that the run reads and writes.
    private func files(
        _ settings: TrainSettings, _ drawings: [NamedPath], name: String, _ sources: ReadFiles
    ) -> RunFiles {
        let timeline = options.folder(settings, name: name).map { $0 + "/" + RunFolder.timeline }
        var files = options.files(
            plan: plan, name: name, sources: sources, settings: settings, timeline: timeline)
        files.hostfile = hostfile
        files.options += drawings
        return files
    }

    /// The exit code of a run that failed, after a line that says why. A rank that ended with code 2 or 3 (bad input,
    /// or a layout that does not fit) has printed the reason itself.
    private func failure(_ outcome: SupervisedRun.Outcome) -> ExitCode {
        let ending = outcome.ended
        if [Failure.badInput, Failure.doesNotFit].contains(ending.code), !ending.wasInterrupted {
            return ExitCode(ending.code)
        }
        let used =
            outcome.starts > 0
            ? "; after \(outcome.starts) of \(restarts) restart\(restarts.value == 1 ? "" : "s")" : ""
        if let silent = ending.signs.silentWords, !ending.wasInterrupted {
            Console.error("the run stopped before its end: " + silent + used)
            return ExitCode(Failure.failedWhileRunning)
        }
        if outcome.starts > 0, let words = ending.signs.words, !ending.wasInterrupted {
            Console.error("the run stopped before its end: " + words + used)
            return ExitCode(Failure.failedWhileRunning)
        }
        if let reason = ending.reason, !ending.wasInterrupted {
            let file = reason.isInput ? hostfile.map { "--hostfile \($0): " } ?? "" : ""
            Console.error(file + "mpirun: " + reason.text + used)
            return ExitCode(reason.isInput ? Failure.badInput : Failure.failedWhileRunning)
        }
        let reason = ending.wasInterrupted ? "interrupted" : SupervisedRun.words(ofCode: ending.code)
        Console.error("the run stopped before its end: \(reason)" + used)
        return ExitCode(Failure.failedWhileRunning)
    }
}
