internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Schedules
internal import Simulator

/// The options for the size and costs of a pipeline that no plan describes.
struct BarePipelineOptions: ParsableArguments {
    @Option(help: "Pipeline ranks. (default: 4)")
    var ranks: Count?

    @Option(help: "Micro-batches that pass one stage of a rank before the next (interleaved-1f1b). (default: chosen)")
    var groupSize: Count?

    @Option(help: "Divide the vocabulary over the ranks, with passes S and T (1f1b): vocab-1 or vocab-2.")
    var vocabularyParallel: VocabularyParallel?

    @Option(
        help: """
            Forward of a rank's whole share of the model for one micro-batch; or one time a stage, such as 1,1,1.5. \
            (default: 1)
            """)
    var forward: TimeList?

    @Option(help: "Its input gradient. (default: 1)")
    var backwardInput: TimeList?

    @Option(help: "Its weight gradient. (default: 1)")
    var backwardWeight: TimeList?

    @Option(help: "Both gradients where a schedule does not split them. (default: their sum)")
    var backward: TimeList?

    @Option(help: "Time of a fused forward and backward as a share of their sum. (default: 1)")
    var fusedShare: Double?

    @Option(help: "S, a rank's part of the logits and their softmax. (default: 0.5)")
    var softmax: Double?

    @Option(help: "T, gradients of a rank's part of the output layer. (default: 0.5)")
    var outputGradient: Double?

    @Option(help: "One exchange among all ranks: before S, after it, and with vocab-1 after T. (default: 0)")
    var exchange: Double?

    @Option(help: "One transfer between two ranks. (default: 0)")
    var transfer: Double?

    @Option(
        help: """
            How transfers travel: asynchronous, link (one at a time between two ranks) or blocking (the sender waits). \
            (default: asynchronous)
            """)
    var transferMode: ActionCosts.TransferMode?

    @Option(help: "Summing a rank's gradients over its data-parallel copies. (default: 0)")
    var reduction: Double?

    @Flag(help: "Each stage's reduction runs beside the compute that is left.")
    var overlapReduction = false

    @Option(help: "The optimizer of a rank. (default: 0)")
    var optimizer: Double?

    /// The longest time of one action: sums over whole lists stay finite and exact enough.
    private static let longest = 1e15

    /// The options the user wrote.
    var given: [String] {
        let all: [(String, Bool)] = [
            ("--ranks", ranks != nil), ("--group-size", groupSize != nil),
            ("--vocabulary-parallel", vocabularyParallel != nil), ("--softmax", softmax != nil),
            ("--output-gradient", outputGradient != nil), ("--exchange", exchange != nil),
            ("--forward", forward != nil),
            ("--backward-input", backwardInput != nil), ("--backward-weight", backwardWeight != nil),
            ("--backward", backward != nil), ("--fused-share", fusedShare != nil), ("--transfer", transfer != nil),
            ("--transfer-mode", transferMode != nil), ("--reduction", reduction != nil),
            ("--overlap-reduction", overlapReduction), ("--optimizer", optimizer != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    /// The costs of a schedule with `stages` stages.
    /// - Throws: the option whose value is not a time.
    func actionCosts(stages: Int, ranks: Int) throws(BareCostProblem) -> ActionCosts {
        func times(_ name: String, _ given: TimeList?) throws(BareCostProblem) -> [Double] {
            let times = (given ?? TimeList(values: [1])).values
            for time in times where !(time > 0 && time <= Self.longest) {
                throw BareCostProblem("--\(name) is \(time); an action takes a time above 0 and up to 1e15")
            }
            if times.count == 1 {
                return [Double](repeating: times[0] * Double(ranks) / Double(stages), count: stages)
            }
            guard times.count == stages else {
                throw BareCostProblem("--\(name) gives \(times.count) times, the schedule has \(stages) stages")
            }
            return times
        }
        for (name, time) in [("softmax", softmax), ("output-gradient", outputGradient), ("exchange", exchange)] {
            let least = name == "exchange" ? 0 : Double.leastNonzeroMagnitude
            guard let time, !(least...Self.longest).contains(time) else { continue }
            throw BareCostProblem(
                "--\(name) is \(time); it takes a time \(least > 0 ? "above 0 and up" : "from 0") to 1e15")
        }
        let exchange = exchange ?? 0
        let transfer = transfer ?? 0
        guard (0...Self.longest).contains(transfer) else {
            throw BareCostProblem("--transfer is \(transfer); a transfer takes a time from 0 to 1e15")
        }
        let share = fusedShare ?? 1
        guard share > 0, share <= 1000 else {
            throw BareCostProblem("--fused-share is \(share); it takes a share above 0 and up to 1000")
        }
        return ActionCosts(
            forward: try times("forward", forward), backwardInput: try times("backward-input", backwardInput),
            backwardWeight: try times("backward-weight", backwardWeight),
            backward: backward == nil ? nil : try times("backward", backward), transfer: transfer,
            transferMode: transferMode ?? .asynchronous, fusedShare: share,
            vocabulary: ActionCosts.Vocabulary(
                softmax: softmax ?? 0.5, gradient: outputGradient ?? 0.5, broadcast: exchange, firstBarrier: exchange,
                secondBarrier: exchange))
    }

    /// The reductions and optimizer steps that follow the pipeline; nil where there are none.
    /// - Throws: the option whose value is not a time.
    func tail(stages: Int, ranks: Int) throws(BareCostProblem) -> StepTail? {
        for (name, time) in [("reduction", reduction), ("optimizer", optimizer)] {
            if let time, !(0...Self.longest).contains(time) {
                throw BareCostProblem("--\(name) is \(time); it takes a time from 0 to 1e15")
            }
        }
        guard reduction ?? 0 > 0 || optimizer ?? 0 > 0 else { return nil }
        return StepTail(
            reduction: [Double](repeating: (reduction ?? 0) * Double(ranks) / Double(stages), count: stages),
            overlapsReduction: overlapReduction, optimizer: [Double](repeating: optimizer ?? 0, count: ranks))
    }
}

/// An option whose value is not a time.
struct BareCostProblem: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// Numbers with commas between them.
struct TimeList: ExpressibleByArgument {
    var values: [Double]

    init(values: [Double]) { self.values = values }

    init?(argument: String) {
        let words = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = words.compactMap { Double($0) }
        if values.count != words.count { return nil }
    }
}

extension ActionCosts.TransferMode: ExpressibleByArgument {}
