package import ArgumentParser
internal import Output
package import Plans
package import Reading

/// Changes to a plan's `train` section, and the places of a run's records: the options of
/// `trainyard train`, which passes them on, and of `trainyard-train`.
package struct RunOptions: ParsableArguments {
    @Option(help: "Text or file of tokens to train on, instead of the plan's train.data.")
    package var data: String?

    @Option(help: "Steps to train, instead of the plan's train.steps.")
    package var steps: Count?

    @Option(
        help: ArgumentHelp(
            "The run's own folder, instead of the plan's train.folder or runs/NAME.", valueName: "directory"))
    package var folder: String?

    @Flag(help: "Replace the run that lies in the folder, and an existing log or checkpoint of the same name.")
    package var overwrite = false

    @Option(
        defaultAsFlag: "",
        help: ArgumentHelp(
            "Go on from the newest good checkpoint of the run, or from this run or checkpoint, saved in any layout. "
                + "Where there is none yet, the run begins. Name the plan first: train FILE --resume.",
            valueName: "path"))
    package var resume: String? = nil

    @Flag(
        name: .customLong("override"),
        help: "With --resume: take this plan's batch, seed, length and rates where the checkpoint's are others.")
    package var overrides = false

    @Flag(
        help: ArgumentHelp(
            "Run in as many processes as there are, or as many of them as a layout can use, where these are not the layout's: "
                + "the same batches in the same order, in the fastest layout that fits."))
    package var elastic = false

    @Option(
        help: ArgumentHelp(
            "End the job when a rank gets no further for so long: another was stopped, hangs or is gone. Ten times the "
                + "median step and at least 60 if left out, ten minutes at the start and around checkpoints; 0: never.",
            valueName: "seconds"))
    package var stallLimit: Double?

    @Flag(
        name: .customLong("skip-failed-saves"),
        help:
            "Where a checkpoint cannot be written (the disk is full), warn, go on and save at the next due step. The last save must not fail."
    )
    package var skipsFailedSaves = false

    @Option(
        help: ArgumentHelp(
            "Write the metrics, one JSON object a step, to this file too.", valueName: "metrics.jsonl"))
    package var log: String?

    @Option(help: ArgumentHelp("Write the last step's measured timeline for Perfetto.", valueName: "trace.json"))
    package var trace: String?

    @Option(help: ArgumentHelp("Save the trained weights here as well.", valueName: "weights.safetensors"))
    package var save: String?

    @Option(help: ArgumentHelp("Write TensorBoard event files into this directory.", valueName: "directory"))
    package var tensorboard: String?

    @Flag(help: "Print where a step's time goes, by kernel and by communication.")
    package var profile = false

    @Option(
        help: ArgumentHelp(
            "For drills, again and again: in a step (from 0) turn a bit of a rank's weights or moments (flip), kill, stop or "
                + "fail it, let it sleep (slow, seconds=), or make its gradients no numbers (nan). flip also takes tensor=, "
                + "element=, bit= and seed=.",
            valueName: "flip,step=7,rank=1"), transform: { try Injection($0) })
    package var inject: [Injection] = []

    @Flag(help: "No progress line and no summary.")
    package var quiet = false

    package init() {}

    package func validate() throws {
        if let stallLimit, !(stallLimit == 0 || (1...1e6).contains(stallLimit)) {
            throw ValidationError("--stall-limit: \(stallLimit) is no limit: from 1 to 1000000 seconds, or 0 for none")
        }
    }

    /// The arguments that make a rank run with these options.
    ///
    /// Ranks may run in another working directory, so that paths they write to are made absolute.
    /// - Parameter folder: the run's folder as the launcher has taken it.
    package func arguments(folder: String) -> [String] {
        var arguments = ["--folder", folder]
        if overwrite { arguments.append("--overwrite") }
        for (option, value) in [
            ("--data", data), ("--steps", steps.map(\.description)), ("--log", log.map(RunFolder.absolute)),
            ("--trace", trace.map(RunFolder.absolute)), ("--save", save.map(RunFolder.absolute)),
            ("--tensorboard", tensorboard.map(RunFolder.absolute)), ("--stall-limit", stallLimit.map { "\($0)" }),
        ] {
            if let value { arguments += [option, value] }
        }
        if let resume { arguments += ["--resume"] + (resume.isEmpty ? [] : [RunFolder.absolute(resume)]) }
        if overrides { arguments.append("--override") }
        for injection in inject { arguments += ["--inject", injection.text] }
        if elastic { arguments.append("--elastic") }
        if skipsFailedSaves { arguments.append("--skip-failed-saves") }
        if quiet { arguments.append("--quiet") }
        if profile { arguments.append("--profile") }
        return arguments
    }

    /// A command line's words behind the program's name, with `--resume=PATH` as two words: the parser drops a value that is
    /// joined to an option whose value may be left out if another option follows.
    package static func separated(_ arguments: [String]) -> [String] {
        arguments.dropFirst().flatMap { word in
            word.hasPrefix("--resume=") ? ["--resume", String(word.dropFirst("--resume=".count))] : [word]
        }
    }

    /// What the run goes on from; empty: its own folder. nil: it begins.
    package func resume(_ settings: TrainSettings) -> String? {
        resume ?? (settings.resume == .auto && !overwrite ? "" : nil)
    }

    /// The run's folder as these options and the plan name it; nil where it is still to be chosen, and new.
    /// - Parameter name: the plan's, after which a folder is called that nobody names.
    package func folder(_ settings: TrainSettings, name: String) -> String? {
        (folder ?? settings.folder).map(RunFolder.absolute) ?? (overwrite ? RunFolder.preferred(for: name) : nil)
    }

    /// The files the run reads and writes.
    /// - Parameters:
    ///   - plan: the plan file, called `name` inside.
    ///   - sources: the plan file and all that was read with it.
    ///   - settings: those of the plan file.
    ///   - timeline: where the last step's timeline goes; nil: nowhere.
    package func files(
        plan: String, name: String, sources: ReadFiles, settings: TrainSettings, timeline: String?
    ) -> RunFiles {
        var files = RunFiles(plan: plan, sources: sources, settings: settings)
        if let data {
            files.settings.train(on: data)
            files.namesData = true
        }
        files.folder = folder(settings, name: name)
        files.options = [
            NamedPath("--log", log), NamedPath("--trace", trace), NamedPath("--save", save),
            NamedPath("the last step's timeline", timeline),
        ].compactMap(\.self)
        files.tensorboard = tensorboard
        return files
    }
}
