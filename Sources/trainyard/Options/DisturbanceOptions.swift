internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Reports
internal import Schedules
internal import Simulator

/// The options for slow ranks and random delays.
struct DisturbanceOptions: ParsableArguments {
    @Option(help: "Random delays: standard deviation of every action's and message's time, such as 5%. (default: none)")
    var jitter: String?

    @Option(help: "Runs with random delays, whose spread is printed. (default: 100)")
    var runs: Count?

    @Option(help: "Seed of the random delays: the same one gives the same runs. (default: 1)")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "A rank of the pipeline, which stands for all devices of its stages, and how much longer it takes; may be given again.",
            valueName: "rank=factor"))
    var slowRank: [String] = []

    var isDisturbed: Bool { jitter != nil || !slowRank.isEmpty }

    func validate() throws {
        try check("--runs", runs, in: 1...1_000_000)
    }

    /// The disturbance that the options describe.
    /// - Throws: the exit code of bad input for an illegal value.
    func disturbance() throws -> Disturbance {
        var slow: [Int: Double] = [:]
        for text in slowRank {
            let parts = text.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, let rank = Int(parts[0]), let factor = Double(parts[1]) else {
                throw Failure.input("--slow-rank is \(text); it takes a rank and a factor such as 2=1.3")
            }
            guard slow[rank] == nil else { throw Failure.input("--slow-rank names rank \(rank) twice") }
            guard factor > 0, factor <= 1e6 else {
                throw Failure.input("--slow-rank \(text): the factor must be above 0 and at most 1e6")
            }
            slow[rank] = factor
        }
        var share = 0.0
        if let jitter {
            guard let value = try? Quantity.parse(jitter, as: .share), (0...10).contains(value) else {
                throw Failure.input("--jitter is \(jitter); it takes a share such as 5% or 0.05, up to 1000%")
            }
            share = value
        }
        for (name, isGiven) in [("--runs", runs != nil), ("--seed", seed != nil)] where isGiven && jitter == nil {
            throw Failure.input("\(name) is for random delays: give --jitter too")
        }
        return Disturbance(slowRanks: slow, jitter: share, seed: seed ?? 1)
    }

    /// Statistics of the step's time over the runs; nil without a disturbance. Slow ranks alone need one run.
    func report(
        _ schedule: Schedule, costs: ActionCosts, tail: StepTail?, outside: Double, undisturbed: Double
    ) throws -> StepTimesReport? {
        guard isDisturbed else { return nil }
        let disturbance = try disturbance()
        let runs = jitter == nil ? 1 : runs?.value ?? 100
        let times = try Simulator.stepTimes(schedule, costs: costs, tail: tail, disturbance: disturbance, runs: runs)
        return StepTimesReport(
            runs: runs, jitter: disturbance.jitter, seed: disturbance.seed, undisturbed: undisturbed + outside,
            minimum: times.minimum + outside, median: times.median + outside, p90: times.quantile(0.9) + outside,
            maximum: times.maximum + outside, mean: times.mean + outside)
    }
}
