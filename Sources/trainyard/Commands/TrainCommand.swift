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

            The same numbers follow in the same layout, and the same but for rounding in any other: change the plan's \
            layout and resume. Exit code 75: stopped on a signal, saved, resumable.

            The prediction is as good as the plan's cluster: `trainyard calibrate` measures this machine first.
            """)

    @Argument(help: "The plan file; it needs a train section and a layout map.")
    var plan: String

    @Option(
        name: [.customShort("n"), .customLong("processes")],
        help: "Processes to start; the product of the plan's degrees, which is the default.")
    var processes: Count?

    @Option(help: "mpirun's hostfile, to run on several machines.")
    var hostfile: String?

    @OptionGroup var options: RunOptions

    @Option(help: ArgumentHelp("Draw the predicted over the measured timeline.", valueName: "timeline.svg"))
    var svg: String?

    @Option(help: ArgumentHelp("Draw the loss curve.", valueName: "loss.svg"))
    var lossSvg: String?

    func validate() throws {
        try check("--processes", processes, in: Bounds.degree)
        try check("--steps", options.steps, in: Bounds.steps)
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
        let program = try Launcher.trainProgram()
        try files(settings, drawings, name: plan.name, sources).all.check()
        // Rank 0 may run on another machine, so the paths that it writes to are made absolute here.
        let (records, isClaimed) = try RunFolder.take(
            options.folder ?? settings.folder, for: plan.name, overwrites: options.overwrite,
            resume: options.resume(settings))
        defer { if isClaimed { rmdir(records) } }
        let measured = records + "/" + RunFolder.timeline
        let arguments = [self.plan, "--timeline", measured] + options.arguments(folder: records)
        let saves = settings.checkpoint != nil
        let command = try Launcher.mpirun(
            processes: processes?.value ?? layout.devices, hostfile: hostfile, program: program,
            arguments: arguments)
        // The ranks write into mpirun's pipes: an environment variable tells them that standard error is a terminal.
        let (before, began) = (ProcessorTimes.now(), Date())
        let ended = try Launcher.run(
            command, environment: isatty(STDERR_FILENO) == 1 ? ["TRAINYARD_TTY": "1"] : [:],
            launcherWords: true, saves: saves)
        let load = MachineLoad(from: before, to: .now())
        guard ended.code == 0 else {
            // mpirun may have a code of its own for ranks that a signal has reached.
            if ended.code == RunManifest.stopped || ended.wasInterrupted && RunEnding.isSaved(records, began: began) {
                throw ExitCode(RunManifest.stopped)
            }
            RunEnding.settle(records, began: began, wasInterrupted: ended.wasInterrupted)
            throw failure(ended)
        }
        if options.quiet && svg == nil && lossSvg == nil { return }
        guard FileManager.default.fileExists(atPath: measured) else {
            return Console.note(
                "the run's records lie in \(records) on the machine of rank 0; there is no summary here")
        }
        let summary = try RunSummary(
            plan: plan, layout: layout, metrics: records + "/" + RunFolder.log, timeline: measured,
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
    private func failure(_ ending: Launcher.Ending) -> ExitCode {
        if [Failure.badInput, Failure.doesNotFit].contains(ending.code), !ending.wasInterrupted {
            return ExitCode(ending.code)
        }
        if let reason = ending.reason, !ending.wasInterrupted {
            let file = reason.isInput ? hostfile.map { "--hostfile \($0): " } ?? "" : ""
            Console.error(file + "mpirun: " + reason.text)
            return ExitCode(reason.isInput ? Failure.badInput : Failure.failedWhileRunning)
        }
        let reason =
            ending.wasInterrupted
            ? "interrupted"
            : ending.code > 128
                ? "signal \(ending.code - 128) ended a rank or mpirun" : "a rank failed (exit code \(ending.code))"
        Console.error("the run stopped before its end: \(reason)")
        return ExitCode(Failure.failedWhileRunning)
    }
}
