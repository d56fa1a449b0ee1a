internal import ArgumentParser
internal import Foundation
internal import Output
internal import Plans
internal import Reports

/// A real run: calls mpirun with what the plan needs, and lays what was measured over what was predicted.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train the plan for real over MPI, then compare with the prediction.",
        discussion: """
            Finds mpirun, starts one process for every rank of the plan's layout and passes on what is needed (as root,
            more ranks than cores, a hostfile). The same by hand: mpirun -n P trainyard-train FILE.

              trainyard train plans/tiny-gpt.yaml
              trainyard train plans/tiny-gpt-4.yaml --steps 20 --log metrics.jsonl \\
                  --trace trace.json

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

    @Option(help: "Text to train on, instead of the plan's train.data.")
    var data: String?

    @Option(help: "Steps to train, instead of the plan's train.steps.")
    var steps: Count?

    @Option(help: ArgumentHelp("Keep the metrics, one JSON object a step.", valueName: "metrics.jsonl"))
    var log: String?

    @Option(help: ArgumentHelp("Write the last step's measured timeline for Perfetto.", valueName: "trace.json"))
    var trace: String?

    @Option(help: ArgumentHelp("Draw the predicted over the measured timeline.", valueName: "timeline.svg"))
    var svg: String?

    @Option(help: ArgumentHelp("Save the trained weights here as well.", valueName: "weights.safetensors"))
    var save: String?

    @Option(help: ArgumentHelp("Draw the loss curve.", valueName: "loss.svg"))
    var lossSvg: String?

    @Option(help: ArgumentHelp("Write TensorBoard event files into this directory.", valueName: "directory"))
    var tensorboard: String?

    @Flag(help: "Print where a step's time goes, by kernel and by communication.")
    var profile = false

    @Flag(help: "No progress line and no summary.")
    var quiet = false

    func validate() throws {
        try check("--processes", processes, in: Bounds.degree)
        try check("--steps", steps, in: Bounds.steps)
    }

    func run() throws {
        // The drawings are made here, at the end; what the ranks write is checked by the first of them.
        try OutputFile.check(svg, lossSvg)
        let plan = try Plan.read(path: plan)
        guard let layout = plan.layout else {
            throw Launcher.Failure(
                description: "\(self.plan): layout: auto is for pricing; a real run needs a layout map "
                    + "(`trainyard plan` finds one)")
        }
        guard plan.train != nil else {
            throw Launcher.Failure(
                description: "\(self.plan): there is no train section (data, steps, learningRate …); "
                    + "plans/tiny-gpt.yaml shows one")
        }
        let program = try Launcher.trainProgram()
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent(
            "trainyard-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        // What goes to a pipe or a device cannot be read again: the summary then has a copy of its own.
        let kept = try log.map { path throws(OutputError) in try OutputFile(path) }
        let isReadable = kept?.isRegular ?? false
        let metrics = isReadable ? log ?? "" : scratch.appendingPathComponent("metrics.jsonl").path
        let measured = scratch.appendingPathComponent("timeline.json").path

        var arguments = [self.plan, isReadable ? "--log" : "--metrics", metrics, "--timeline", measured]
        if let log, !isReadable { arguments += ["--log", log] }
        for (flag, value) in [
            ("--data", data), ("--steps", steps.map(\.description)), ("--trace", trace), ("--save", save),
            ("--tensorboard", tensorboard),
        ] {
            if let value { arguments += [flag, value] }
        }
        if quiet { arguments.append("--quiet") }
        if profile { arguments.append("--profile") }
        let command = try Launcher.mpirun(
            processes: processes?.value ?? layout.devices, hostfile: hostfile, program: program, arguments: arguments)
        // mpirun makes a pipe of every rank's output: what this terminal can do has to be told.
        let ended = try Launcher.run(command, environment: isatty(STDERR_FILENO) == 1 ? ["TRAINYARD_TTY": "1"] : [:])
        guard ended.code == 0 else { throw Self.failure(ended) }
        if quiet && svg == nil && lossSvg == nil { return }
        let summary = try RunSummary(plan: plan, layout: layout, metrics: metrics, timeline: measured)
        if !quiet { try print(summary.text()) }
        if let svg { try OutputFile.write(summary.svg(), to: svg) }
        if let lossSvg { try OutputFile.write(summary.lossSVG(), to: lossSvg) }
    }

    /// What a run that did not end well means. A rank that found bad input, or a layout that does not fit, has said so
    /// itself, with exit code 2 or 3.
    private static func failure(_ ending: Launcher.Ending) -> ExitCode {
        if [Failure.badInput, Failure.doesNotFit].contains(ending.code), !ending.wasInterrupted {
            return ExitCode(ending.code)
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
