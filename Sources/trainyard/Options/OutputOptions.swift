internal import ArgumentParser
internal import Options
internal import Output
internal import Plans
internal import Reading

/// The options for how an answer is printed.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Show the arithmetic: formula, inputs and source of every figure.")
    var explain = false

    @Option(help: "Columns of the output. (default: the terminal's, else 100)")
    var width: Count?

    @Option(help: ArgumentHelp("Write the plan with the layout of the answer.", valueName: "plan.yaml"))
    var writePlan: String?

    @OptionGroup var price: PriceOption

    func validate() throws { try check("--width", width, in: 60...1000) }

    /// Columns that lines must fit in; nil: any number.
    var lineWidth: Int? { (width?.value ?? Console.width).map { max(60, $0) } }

    /// The files that are written.
    var files: [NamedPath] { [NamedPath("--write-plan", writePlan)].compactMap(\.self) }

    var columns: Int { width?.value ?? max(60, Console.width ?? 100) }
}
