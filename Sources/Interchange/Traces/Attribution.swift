package import Reading

/// A measured step laid over what it was expected to take, part by part and rank by rank.
package struct Attribution: Sendable {
    /// The time that a step is expected to take, part by part.
    package struct Baseline: Sendable {
        /// Where the figures come from.
        package enum Origin: Sendable { case price, trace }

        package var origin: Origin
        package var seconds: Double
        /// Seconds by part on each pipeline rank.
        package var byStage: [[StepParts: Double]]
        /// Seconds by part of single ranks, where they are known.
        package var byRank: [Int: [StepParts: Double]] = [:]

        package init(priced byStage: [[StepPart: Double]], seconds: Double) {
            origin = .price
            self.seconds = seconds
            self.byStage = byStage.map { parts in
                Dictionary(uniqueKeysWithValues: parts.map { (StepParts($0), $1) })
            }
        }

        /// Another run's step.
        package init(_ run: TracedRun, step: Int?, stages: Int) throws(PlanProblems) {
            let chosen = try run.step(step)
            origin = .trace
            seconds = Statistics.median(chosen.steps.map(\.seconds))
            byRank = Dictionary(uniqueKeysWithValues: zip(run.ranks.map(\.rank), chosen.steps.map(\.parts)))
            byStage = (0..<stages).map { stage in
                let own = zip(run.ranks, chosen.steps).filter { $0.0.stage == stage }.map(\.1)
                let steps = own.isEmpty ? chosen.steps : own
                let all = Set(steps.flatMap(\.parts.keys))
                return Dictionary(
                    uniqueKeysWithValues: all.map { parts in
                        (parts, Statistics.median(steps.map { $0.parts[parts] ?? 0 }))
                    })
            }
        }

        func parts(of rank: TracedRank) -> [StepParts: Double] {
            byRank[rank.rank] ?? (byStage.indices.contains(rank.stage) ? byStage[rank.stage] : [:])
        }
    }

    /// A part of the step, or parts that cannot be told apart.
    package struct Row: Sendable {
        package var parts: StepParts
        package var title: String
        /// Medians over the traced ranks, in seconds.
        package var expected: Double
        package var measured: Double
        /// Communication beside compute, which takes no time of the step.
        package var hidden: Double
        package var slowestRank: Int
        package var slowestSeconds: Double

        package var difference: Double { measured - expected }
        package var ratio: Double? { expected > 0 ? measured / expected : nil }
    }

    /// What one rank did.
    package struct RankFigures: Sendable {
        package var rank: Int
        package var stage: Int
        package var node: Int?
        package var seconds: Double
        /// Seconds of the row that holds compute, and what they are expected to be.
        package var computing: Double
        package var expectedComputing: Double
        /// `computing` over its expectation, over that of the ranks that it is compared with.
        package var slowness: Double
        /// Number of the ranks that it is compared with, all of its own stage or not.
        package var isComparedInStage: Bool
        /// Seconds by which the step is longer because this rank is slow. What it takes longer in place of waiting costs nothing.
        package var cost = 0.0

        /// Seconds of its own that the rank takes longer than those it is compared with; negative where it takes less.
        package var own: Double { slowness > 0 ? computing * (1 - 1 / slowness) : 0 }
    }

    package var source: TracedRun.Source
    package var origin: Baseline.Origin
    /// Number of the step; nil where the trace holds one without a number.
    package var stepNumber: Int?
    /// Number of steps that it was chosen from.
    package var steps: Int
    package var expected: Double
    package var measured: Double
    package var rows: [Row]
    package var ranks: [RankFigures]
    package var expectedRanks: Int
    /// Seconds of compute by the kind of kernel, medians over the ranks, most first.
    package var kernels: [(kind: KernelKind, seconds: Double)]
    /// Seconds by group and rank.
    var groups: [TracedGroup: [Int: Double]]
    package var notes: [String]
    package var isByStage: Bool

    package var difference: Double { measured - expected }
}

extension Attribution {
    /// - Parameters:
    ///   - step: the step to look at; nil: the median one, without the first.
    ///   - devicesPerNode: nil where ranks have no nodes that are alike.
    package init(
        _ run: TracedRun, against baseline: Baseline, step: Int?, devicesPerNode: Int?
    ) throws(PlanProblems) {
        let chosen = try run.step(step)
        (source, origin, stepNumber, steps) = (run.source, baseline.origin, chosen.number, chosen.choices)
        (expected, measured) = (baseline.seconds, Statistics.median(chosen.steps.map(\.seconds)))
        (expectedRanks, notes, isByStage) = (run.expectedRanks, run.notes, run.isByStage)
        let expectations = run.ranks.map(baseline.parts)
        rows = Self.rows(run.ranks, chosen.steps, expectations)
        let computing = rows.first { $0.parts.contains(StepParts(.compute)) }?.parts ?? .computing
        ranks = Self.figures(
            run.ranks, chosen.steps, expectations, computing, devicesPerNode: run.isByStage ? nil : devicesPerNode)
        let all = Set(chosen.steps.flatMap(\.kernels.keys))
        kernels = all.map { kind in
            (kind: kind, seconds: Statistics.median(chosen.steps.map { $0.kernels[kind] ?? 0 }))
        }.sorted { ($1.seconds, $0.kind.rawValue) < ($0.seconds, $1.kind.rawValue) }
        groups = [:]
        for (rank, step) in zip(run.ranks, chosen.steps) {
            for (group, seconds) in step.groups { groups[group, default: [:]][rank.rank] = seconds }
        }
        share(costs: difference)
        let strange = chosen.steps.map { step in step.groups.reduce(0) { $1.key.parts == .outside ? $0 + $1.value : $0 }
        }
        if Statistics.median(strange) > 0.01 * measured {
            notes.append(
                "some communication is of no group that the plan's layout has, or of several stages: it counts as rest of the "
                    + "step")
        }
        if run.ranks.count < run.expectedRanks {
            notes.insert(
                "traces of \(Wording.count(run.ranks.count, "rank")) of \(run.expectedRanks): the others are not seen",
                at: 0)
        }
    }

    /// Gives each slow rank its part of what the step takes longer, in proportion to its own time. Together they never cost more:
    /// the rest of their time is in place of waiting, or at the same time as another slow rank's.
    private mutating func share(costs lengthening: Double) {
        let slow = ranks.indices.filter { isSlow(ranks[$0]) }
        let all = slow.reduce(0) { $0 + ranks[$1].own }
        let total = min(all, max(0, lengthening))
        guard all > 0 else { return }
        for index in slow { ranks[index].cost = total * ranks[index].own / all }
    }

    /// Seconds of those `parts` that lie inside `row`.
    private static func sum(_ parts: [StepParts: Double], in row: StepParts) -> Double {
        parts.reduce(0) { row.isSuperset(of: $1.key) ? $0 + $1.value : $0 }
    }

    private static func rows(
        _ ranks: [TracedRank], _ steps: [TracedStep], _ expectations: [[StepParts: Double]]
    ) -> [Row] {
        // Sets that have a part in common become one row.
        var sets: [StepParts] = []
        let found = steps.flatMap { Array($0.parts.keys) + Array($0.hidden.keys) }
        let expected = expectations.flatMap { $0.filter { $0.value > 0 }.keys }
        for parts in Set(found).union(expected) {
            let (touched, rest) = (
                sets.filter { !$0.isDisjoint(with: parts) }, sets.filter { $0.isDisjoint(with: parts) }
            )
            sets = rest + [touched.reduce(parts) { $0.union($1) }]
        }
        // Parts that nothing tells apart anyway.
        for whole in [StepParts.data, .pipeline, .other, .computing] {
            let parts = sets.filter { !$0.isDisjoint(with: whole) && whole.isSuperset(of: $0) }
            guard parts.count > 1 else { continue }
            sets = sets.filter { !parts.contains($0) } + [parts.reduce([]) { $0.union($1) }]
        }
        return sets.sorted { $0.rawValue.trailingZeroBitCount < $1.rawValue.trailingZeroBitCount }.map { set in
            let measured = steps.map { sum($0.parts, in: set) }
            let expected = expectations.map { sum($0, in: set) }
            let slowest = measured.indices.max { measured[$0] < measured[$1] } ?? 0
            let present = expectations.reduce(StepParts()) { all, parts in
                parts.reduce(all) { set.isSuperset(of: $1.key) && $1.value > 0 ? $0.union($1.key) : $0 }
            }
            let seen = steps.reduce(StepParts()) { all, step in
                step.parts.keys.reduce(all) { set.isSuperset(of: $1) ? $0.union($1) : $0 }
            }
            return Row(
                parts: set, title: title(set, priced: present.isEmpty ? seen : present),
                expected: Statistics.median(expected), measured: Statistics.median(measured),
                hidden: Statistics.median(steps.map { sum($0.hidden, in: set) }),
                slowestRank: ranks.indices.contains(slowest) ? ranks[slowest].rank : 0,
                slowestSeconds: measured.max() ?? 0)
        }
    }

    /// The row in words: those of its parts that the plan prices.
    private static func title(_ set: StepParts, priced: StepParts) -> String {
        let communication: StepParts = [.tensor, .context, .expert, StepParts(.shardedData)]
        if set.contains(StepParts(.compute)), !set.isDisjoint(with: communication) || set.contains(StepParts(.host)) {
            return "passes"
        }
        if StepParts.data.union(.outside).isSuperset(of: set), set.contains(.outside), !set.isDisjoint(with: .data) {
            return "reduction, gradient norm and rest"
        }
        if StepParts.pipeline.isSuperset(of: set) { return "pipeline waiting and messages" }
        if StepParts.data.isSuperset(of: set) { return "data-parallel communication" }
        if StepParts.other.isSuperset(of: set) { return "idle, host and rest" }
        return (priced.isEmpty ? set : set.intersection(priced)).words
    }

    private static func figures(
        _ ranks: [TracedRank], _ steps: [TracedStep], _ expectations: [[StepParts: Double]], _ row: StepParts,
        devicesPerNode: Int?
    ) -> [RankFigures] {
        let computing = steps.map { sum($0.parts, in: row) }
        let expected = expectations.map { sum($0, in: row) }
        let ratios = zip(computing, expected).map { $1 > 0 ? $0 / $1 : 0 }
        let all = Statistics.lowerMedian(ratios.filter { $0 > 0 })
        return ranks.indices.map { index in
            let peers = ranks.indices.filter { ranks[$0].stage == ranks[index].stage && ratios[$0] > 0 }.map {
                ratios[$0]
            }
            let usual = peers.count > 1 ? Statistics.lowerMedian(peers) : all
            return RankFigures(
                rank: ranks[index].rank, stage: ranks[index].stage,
                node: devicesPerNode.map { ranks[index].rank / max(1, $0) }, seconds: steps[index].seconds,
                computing: computing[index], expectedComputing: expected[index],
                slowness: usual > 0 && ratios[index] > 0 ? ratios[index] / usual : 1, isComparedInStage: peers.count > 1
            )
        }
    }
}

extension TracedRun {
    /// The step that is looked at, of every rank.
    func step(_ wanted: Int?) throws(PlanProblems) -> (number: Int?, choices: Int, steps: [TracedStep]) {
        let single = ranks.compactMap { $0.steps.first { $0.number == nil } }
        if single.count == ranks.count {
            guard wanted == nil else {
                throw Self.option("a timeline holds one step, which has no number", "leave it out")
            }
            return (nil, 1, single)
        }
        let numbers = stepNumbers
        guard !numbers.isEmpty else {
            throw PlanProblems([
                PlanProblem(
                    field: "", rule: "the traces have no step in common",
                    fix: "record the same steps on all ranks, with the same schedule of the profiler")
            ])
        }
        func steps(_ number: Int) -> [TracedStep] {
            ranks.compactMap { rank in rank.steps.first { $0.number == number } }
        }
        if let wanted {
            guard numbers.contains(wanted) else {
                let list =
                    numbers.count > 12
                    ? "\(numbers[0]) to \(numbers[numbers.count - 1])" : Wording.alternatives(numbers.map(String.init))
                throw Self.option("no such step in the traces of all ranks", "there is \(list)")
            }
            return (wanted, numbers.count, steps(wanted))
        }
        // The first step still warms up.
        let candidates = numbers.count > 1 ? Array(numbers.dropFirst()) : numbers
        let byTime = candidates.map { number in
            (number: number, seconds: Statistics.median(steps(number).map(\.seconds)))
        }
        .sorted { ($0.seconds, $0.number) < ($1.seconds, $1.number) }
        let median = byTime[(byTime.count - 1) / 2].number
        return (median, numbers.count, steps(median))
    }

    private static func option(_ rule: String, _ fix: String) -> PlanProblems {
        PlanProblems([PlanProblem(field: "--step", rule: rule, fix: fix)])
    }
}

/// Middle values.
enum Statistics {
    /// The middle value, the mean of both where there are two; 0 of none.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// The middle value, the lower of both where there are two: one slow rank of two is not half usual.
    static func lowerMedian(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2]
    }
}
