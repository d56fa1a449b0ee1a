package import ArgumentParser

/// The checkpoint, and the folder that its weights are written to: the options of `trainyard export-weights`, which passes them on, and of
/// `trainyard-train export-weights`.
package struct ExportWeightsOptions: ParsableArguments {
    /// Number format of the written weights.
    package enum Format: String, CaseIterable, ExpressibleByArgument, Sendable { case fp32, bf16 }

    @Argument(help: "A checkpoint, a run's folder (its newest is taken), or a .safetensors file of weights.")
    package var checkpoint: String

    @Option(help: ArgumentHelp("The folder to write.", valueName: "DIR"))
    package var to: String

    @Option(help: "Number format of the written weights: fp32, as they are, or bf16, rounded.")
    package var dtype = Format.fp32

    @Flag(help: "Replace an earlier export.")
    package var overwrite = false

    @Flag(help: "Print one JSON document.")
    package var json = false

    package init() {}

    package var arguments: [String] {
        [checkpoint, "--to", to, "--dtype", dtype.rawValue] + (overwrite ? ["--overwrite"] : [])
            + (json ? ["--json"] : [])
    }
}
