internal import ArgumentParser
internal import Numbers
internal import Options
internal import Reading
internal import ScalingLaws

/// The options of a fit of a scaling law.
struct FitOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Fit a law to these runs: tables (parameters, tokens, loss), folders of runs or their logs.",
            valueName: "runs.csv"))
    var fit: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "The loss of so many parameters after so many tokens; may be given again.", valueName: "1Bx20B"))
    var predict: [String] = []

    @Flag(help: "Take one exponent for parameters and tokens, so that fewer runs do.")
    var tieExponents = false

    @Option(help: "Unit of a table's losses: nats or bits.")
    var lossUnit: LossTable.Unit?

    @Option(help: "Bootstraps behind the intervals. (default: \(FitSettings().resamples))")
    var resamples: Count?

    @Option(help: "Share of the bootstraps inside an interval. (default: \(FitSettings().confidence))")
    var confidence: Double?

    @Option(help: "Seed of the bootstraps: the same one gives the same digits. (default: \(FitSettings().seed))")
    var seed: Count?

    func validate() throws {
        try check("--resamples", resamples, in: 20...100_000)
        try check("--seed", seed, in: 0...Int.max)
        guard confidence.map({ $0 > 0 && $0 < 1 }) ?? true else {
            throw ValidationError("--confidence takes a share between 0 and 1, not \(confidence ?? 0)")
        }
    }

    var settings: FitSettings {
        var settings = FitSettings()
        settings.tiesExponents = tieExponents
        if let resamples { settings.resamples = resamples.value }
        if let confidence { settings.confidence = confidence }
        if let seed { settings.seed = seed.value }
        return settings
    }

    /// An option of fits that is given; nil: there is none.
    var fitOnly: String? {
        [
            ("--tie-exponents", tieExponents), ("--loss-unit", lossUnit != nil), ("--resamples", resamples != nil),
            ("--confidence", confidence != nil), ("--seed", seed != nil),
        ].first(where: \.1)?.0
    }

    /// The sizes and tokens of `--predict`.
    func asked() throws -> [Allocation] {
        try predict.map { text in
            let parts = text.split { "x×X*".contains($0) }.map { try? Quantity.parse(String($0), as: .count) }
            guard parts.count == 2, let parameters = parts[0], let tokens = parts[1],
                (1...Self.most).contains(parameters), (1...Self.most).contains(tokens)
            else {
                throw Failure.input(
                    "--predict: '\(text)' is not parameters x tokens such as 1Bx20B, each from 1 to 1e18")
            }
            return Allocation(parameters: parameters, tokens: tokens)
        }
    }

    private static let most = 1e18
}

extension LossTable.Unit: ExpressibleByArgument {}
