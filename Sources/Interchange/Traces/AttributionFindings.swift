internal import Numbers
internal import Reading

/// What an attribution comes to, in sentences: the most important first.
extension Attribution {
    /// A rank counts as slow from this factor on: less is within what equal devices differ by.
    private static let slow = 1.05
    /// Times below this share of the step are not worth a sentence.
    private static let least = 0.01

    package var findings: [String] { [headline] + slowRanks + longest + waiting + slowGroups }

    /// Where the expected figures come from, in a word.
    package var expectedWord: String { origin == .price ? "priced" : "in the other trace" }

    private var headline: String {
        let step = stepNumber.map { "step \($0)" } ?? "the step"
        guard expected > 0 else { return "\(step) took \(Figures.seconds(measured))" }
        return "\(step) took \(Figures.seconds(measured)), \(Figures.seconds(expected)) \(expectedWord): \(comparison)"
    }

    private var comparison: String {
        if abs(difference) < 0.0005 * expected { return "as \(expectedWord)" }
        if measured > 2 * expected { return "\(Figures.fixed(measured / expected, 1)) times as long" }
        return "\(Figures.percent(abs(difference) / expected)) \(difference > 0 ? "longer" : "shorter")"
    }

    /// A difference of seconds with its sign.
    static func signed(_ seconds: Double) -> String {
        seconds < 0 ? "−" + Figures.seconds(-seconds) : "+" + Figures.seconds(seconds)
    }

    private func isWorthSaying(_ seconds: Double) -> Bool { seconds > Self.least * max(measured, 0) && seconds > 0 }

    /// The parts that most exceed and fall short of their price.
    private var longest: [String] {
        var lines: [String] = []
        let explained = ranks.reduce(0) { $0 + $1.cost }
        if let row = rows.max(by: { $0.difference < $1.difference }), isWorthSaying(row.difference) {
            let over = origin == .price ? "the price" : "the other trace"
            lines.append(
                explained > difference / 2 && explained > 0
                    // The cost is named above.
                    ? "on the median rank that shows in: \(words(row))"
                    : "longest over \(over): \(words(row)) (\(cost(row)))")
        }
        if let row = rows.min(by: { $0.difference < $1.difference }), isWorthSaying(-row.difference) {
            let isPart = difference < 0 && row.difference >= difference
            lines.append(
                "most below it: \(words(row)) (\(Self.signed(row.difference))"
                    + "\(isPart ? " of \(Self.signed(difference))" : ""))")
        }
        return lines
    }

    private func words(_ row: Row) -> String {
        "\(row.title), \(Figures.seconds(row.expected)) \(expectedWord), \(Figures.seconds(row.measured)) measured"
    }

    /// What a row that takes longer costs: no more than the step takes longer.
    private func cost(_ row: Row) -> String {
        let whole = Self.signed(row.difference)
        if row.difference <= difference * 1.005 { return "\(whole) of \(Self.signed(difference))" }
        let step = difference > 0 ? "the step takes \(Self.signed(difference))" : "the step takes no longer"
        return "\(whole); other parts take \(Figures.seconds(row.difference - difference)) less, so that \(step)"
    }

    // MARK: Slow ranks

    func isSlow(_ rank: RankFigures) -> Bool { rank.slowness >= Self.slow && isWorthSaying(rank.own) }

    private var computes: String { rows.contains { $0.title == "passes" } ? "takes" : "computes" }
    private var what: String { rows.contains { $0.title == "passes" } ? " for its passes" : "" }

    private var slowRanks: [String] {
        let slow = ranks.filter(isSlow)
        guard ranks.count > 1, !slow.isEmpty else { return slowStages }
        var lines: [String] = []
        var told: Set<Int> = []
        // A node all of whose ranks are slow is at fault, rather than they.
        let nodes = Set(ranks.compactMap(\.node))
        for node in nodes.sorted() where nodes.count > 1 {
            let own = ranks.filter { $0.node == node }
            guard own.count > 1, own.allSatisfy(isSlow) else { continue }
            told.formUnion(own.map(\.rank))
            let (least, most) = (own.map(\.slowness).min() ?? 1, own.map(\.slowness).max() ?? 1)
            lines.append(
                "node \(node) is slow: all \(own.count) traced ranks of it (\(Self.list(own.map(\.rank)))) compute "
                    + "\(Self.longer(least))\(Self.longer(least) == Self.longer(most) ? "" : " to \(Self.longer(most))") "
                    + "longer than the median of their stage; all others wait for it")
        }
        let rest = slow.filter { !told.contains($0.rank) }.sorted { $0.own > $1.own }
        for rank in rest.prefix(4) { lines.append(words(rank)) }
        if rest.count > 4 {
            lines.append("slow, too: ranks \(Self.list(rest.dropFirst(4).map(\.rank).sorted()))")
        }
        return lines + slowStages
    }

    private func words(_ rank: RankFigures) -> String {
        let place = name(rank)
        let than =
            rank.isComparedInStage
            ? "than the median of its stage"
            : "than the median rank, each against \(origin == .price ? "its price" : "the other trace")"
        return "\(place) \(computes) \(Self.longer(rank.slowness)) longer\(what) \(than) (\(costs(rank))): "
            + "\(waiters(rank)) for it"
    }

    /// The rank's own time, and how much of it lengthens the step.
    private func costs(_ rank: RankFigures) -> String {
        let rest = rank.own - rank.cost
        guard isWorthSaying(rest) else { return Self.signed(rank.cost) }
        let isOnly = ranks.count(where: isSlow) == 1
        let place = isOnly ? "in place of waiting" : "in place of waiting or beside other slow ranks"
        return isWorthSaying(rank.cost)
            ? "\(Self.signed(rank.own)) of its own, \(Figures.seconds(rest)) of that \(place), so that the step takes "
                + "\(Self.signed(rank.cost))"
            : "\(Self.signed(rank.own)) of its own, all of it \(place)"
    }

    /// The rank with its place: in a timeline its stage stands for it.
    private func name(_ rank: RankFigures) -> String {
        if isByStage { return "rank \(rank.stage) of the pipeline" }
        return "rank \(rank.rank)" + (rank.node.map { " (node \($0))" } ?? "")
    }

    /// Who waits for a slow rank.
    private func waiters(_ rank: RankFigures) -> String {
        if isByStage { return "the other stages wait" }
        let order: [StepParts] = [.tensor, .context, .expert, .data]
        let own = groups.keys.filter { $0.ranks.contains(rank.rank) && $0.ranks.count > 1 }
        for parts in order {
            if let group = own.first(where: { !$0.parts.isDisjoint(with: parts) }) {
                return "all ranks of its \(Self.noun(parts)) group (\(Self.list(group.ranks))) wait"
            }
        }
        return "all ranks that need its results wait"
    }

    private static func noun(_ parts: StepParts) -> String {
        switch parts {
        case .tensor: "tensor"
        case .context: "context"
        case .expert: "expert"
        default: "data-parallel"
        }
    }

    /// Stages that are slow as a whole, measured against their own price.
    private var slowStages: [String] {
        guard !isByStage else { return [] }
        let byStage = Dictionary(grouping: ranks.filter { $0.expectedComputing > 0 }, by: \.stage)
        guard byStage.count > 1 else { return [] }
        let ratios = byStage.mapValues { Statistics.lowerMedian($0.map { $0.computing / $0.expectedComputing }) }
        let usual = Statistics.lowerMedian(Array(ratios.values))
        guard usual > 0 else { return [] }
        return ratios.sorted { $0.key < $1.key }.filter { $0.value / usual >= Self.slow }.map { stage, ratio in
            "stage \(stage) computes \(Self.longer(ratio / usual)) longer than the median stage, each against what was "
                + "\(expectedWord): its blocks take longer than the others', or its devices are slow"
        }
    }

    /// A factor of 1.18 as `18 %`.
    private static func longer(_ factor: Double) -> String { Figures.fixed(100 * (factor - 1), 0) + " %" }

    /// Ranks in order, runs of neighbours as `4 to 7`.
    static func list(_ ranks: [Int]) -> String {
        var runs: [(first: Int, last: Int)] = []
        for rank in ranks.sorted() {
            if let last = runs.last, rank == last.last + 1 {
                runs[runs.count - 1].last = rank
            } else {
                runs.append((rank, rank))
            }
        }
        let words = runs.flatMap { run in
            run.last - run.first > 1 ? ["\(run.first) to \(run.last)"] : (run.first...run.last).map(String.init)
        }
        return words.count > 9
            ? words.prefix(8).joined(separator: ", ") + " … \(words[words.count - 1])" : words.joined(separator: ", ")
    }

    // MARK: Groups

    /// Groups of which at least two ranks were traced, with the shortest time of their ranks: the time without waiting.
    private var timedGroups: [(group: TracedGroup, ranks: [(rank: Int, seconds: Double)])] {
        groups.filter { group, times in
            group.parts.isDisjoint(with: .pipeline) && times.count > 1 && group.ranks.count > 1
        }.map { group, times in
            (
                group: group,
                ranks: times.map { (rank: $0.key, seconds: $0.value) }.sorted {
                    ($0.seconds, $0.rank) < ($1.seconds, $1.rank)
                }
            )
        }.sorted { $0.group.ranks.lexicographicallyPrecedes($1.group.ranks) }
    }

    /// Time in collectives that is waiting for the last rank to come: it finds all others there and takes the shortest time.
    private var waiting: [String] {
        var worst: [StepParts: (wait: Double, line: String)] = [:]
        for (group, ranks) in timedGroups {
            guard let last = ranks.first else { continue }
            let others = ranks.dropFirst().map(\.seconds)
            let typical = Statistics.median(others)
            let wait = typical - last.seconds
            guard isWorthSaying(wait), wait > 0.1 * typical, wait > worst[group.parts]?.wait ?? 0 else { continue }
            worst[group.parts] = (
                wait,
                "of \(Figures.seconds(typical)) in the \(group.parts.words) of ranks \(Self.list(group.ranks)), "
                    + "\(Figures.seconds(wait)) is waiting for rank \(last.rank), which comes last: its own kernels take "
                    + "\(Figures.seconds(last.seconds))"
            )
        }
        return worst.values.sorted { $0.wait > $1.wait }.map(\.line)
    }

    /// Groups whose communication is slow even without waiting.
    private var slowGroups: [String] {
        Dictionary(grouping: timedGroups, by: \.group.parts).sorted { $0.key.rawValue < $1.key.rawValue }.flatMap {
            parts, groups -> [String] in
            let times = groups.map { $0.ranks.first?.seconds ?? 0 }
            let usual = Statistics.lowerMedian(times)
            guard groups.count > 1, usual > 0 else { return [] }
            return zip(groups, times).filter { $0.1 / usual >= 1.2 && isWorthSaying($0.1 - usual) }.map { group, time in
                let nodes = Set(ranks.filter { group.group.ranks.contains($0.rank) }.compactMap(\.node)).sorted()
                let place = nodes.isEmpty ? "" : " (node\(nodes.count == 1 ? "" : "s") \(Self.list(nodes)))"
                return "the \(parts.words) of ranks \(Self.list(group.group.ranks))\(place) takes "
                    + "\(Self.longer(time / usual)) longer than that of the median group (\(Figures.seconds(time)) and "
                    + "\(Figures.seconds(usual)), without waiting): its network is slow"
            }
        }
    }
}
