package import ArgumentParser

/// Which checkpoint is looked at: the options of `trainyard checkpoint list` and `verify`, which pass them on to
/// `trainyard-train`.
package struct CheckpointOptions: ParsableArguments {
    @Argument(help: "A checkpoint (step-000200), a folder of checkpoints, or a run's folder.")
    package var path: String

    @Flag(help: "Print one JSON document.")
    package var json = false

    package init() {}

    package var arguments: [String] { [path] + (json ? ["--json"] : []) }
}

/// What of a checkpoint is written where: the options of `trainyard checkpoint convert`.
package struct CheckpointConversionOptions: ParsableArguments {
    @Argument(help: "A checkpoint, or a folder of which the newest is taken.")
    package var path: String

    @Option(help: ArgumentHelp("The file to write.", valueName: "weights.safetensors"))
    package var to: String

    @Flag(help: "Write the optimizer's moments too, as NAME.exp_avg and NAME.exp_avg_sq.")
    package var state = false

    @Flag(help: "Replace an existing file.")
    package var overwrite = false

    @Flag(help: "Print one JSON document.")
    package var json = false

    package init() {}

    package var arguments: [String] {
        [path, "--to", to] + (state ? ["--state"] : []) + (overwrite ? ["--overwrite"] : []) + (json ? ["--json"] : [])
    }
}
