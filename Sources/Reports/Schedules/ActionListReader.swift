internal import Foundation
internal import Numbers
package import Schedules

/// The reason why a file is not a set of action lists.
package struct ActionListProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }
}

/// Reads the action lists of a file: the JSON of `trainyard schedule --json`, its `actions` alone, or the CSV of other
/// tools with one row a rank and one action a cell, where empty cells are pauses.
package struct ActionListReader {
    /// The largest file that is read, bytes.
    package static let mostBytes = 1 << 28

    /// The keys of a schedule's JSON; all but `actions` may be left out.
    private struct File: Decodable {
        var schedule: String?
        var ranks: Int?
        var virtualStages: Int?
        var microbatches: Int?
        var stageToRank: [Int]?
        var reverseStageToRank: [Int]?
        var split: Int?
        var vocabularyParallel: String?
        var actions: [[String]]
    }

    /// The schedule of a text. The simulator finds out whether its lists can run.
    /// - Parameter name: the schedule's name where the text states none.
    /// - Throws: the row and cell that is not an action, or another reason why the text cannot be read.
    package static func read(_ text: String, name: String) throws(ActionListProblem) -> Schedule {
        let start = text.first { !$0.isWhitespace }
        var file: File
        if start == "{" || start == "[" {
            file = try json(text)
        } else {
            file = File(actions: rows(text))
        }
        if file.actions.isEmpty { throw ActionListProblem("there is no list in it") }
        var lists: [[Action]] = []
        for (rank, cells) in file.actions.enumerated() {
            var list: [Action] = []
            list.reserveCapacity(cells.count)
            for (position, cell) in cells.enumerated() where !cell.isEmpty {
                guard let action = Action(cell) else {
                    throw ActionListProblem(
                        "rank \(rank), position \(position): \"\(cell)\" is no action; one is written 0F1, 0B1, 0I1, "
                            + "0W1 or (0F1;2B0)OVERLAP_F_B")
                }
                list.append(action)
            }
            lists.append(list)
        }
        return try schedule(lists, file, name: file.schedule ?? name)
    }

    private static func json(_ text: String) throws(ActionListProblem) -> File {
        let data = Data(text.utf8)
        let decoder = JSONDecoder()
        if let lists = try? decoder.decode([[String]].self, from: data) { return File(actions: lists) }
        do {
            return try decoder.decode(File.self, from: data)
        } catch DecodingError.keyNotFound(let key, _) {
            throw ActionListProblem("its JSON has no \"\(key.stringValue)\"")
        } catch DecodingError.typeMismatch(_, let context) {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            throw ActionListProblem("its JSON has something else than expected at \(path.joined(separator: "."))")
        } catch {
            throw ActionListProblem("it is not the JSON of `trainyard schedule --json`")
        }
    }

    private static func rows(_ text: String) -> [[String]] {
        var rows = text.split(whereSeparator: \.isNewline).map { line in
            line.split(separator: ",", omittingEmptySubsequences: false).map { cell in
                cell.trimmingCharacters(in: CharacterSet(charactersIn: " \t\""))
            }
        }
        while rows.last?.allSatisfy(\.isEmpty) == true { rows.removeLast() }
        return rows
    }

    private static func schedule(
        _ lists: [[Action]], _ file: File, name: String
    ) throws(ActionListProblem) -> Schedule {
        let parts = lists.lazy.joined().flatMap(\.parts)
        let most = parts.reduce((stage: 0, microbatch: 0)) {
            (max($0.stage, Int($1.stage)), max($0.microbatch, Int($1.microbatch)))
        }
        let ranks = file.ranks ?? lists.count
        if lists.count != ranks { throw ActionListProblem("it says \(ranks) ranks and holds \(lists.count) lists") }
        let actions = lists.reduce(0) { $0 + $1.count }
        // A stray large number in one cell must not allocate tables of its size.
        func check(stages: Int, microbatches: Int) throws(ActionListProblem) {
            let cells = Int.product(stages, microbatches) ?? .max
            guard microbatches >= 1, stages >= 1, cells <= 4 * actions + 1024 else {
                throw ActionListProblem(
                    "its \(actions) actions cannot be all of \(stages) stages × \(microbatches) micro-batches")
            }
        }
        let microbatches = file.microbatches ?? most.microbatch + 1
        try check(stages: file.stageToRank?.count ?? most.stage + 1, microbatches: microbatches)
        let placement: StagePlacement
        if let stageToRank = file.stageToRank {
            placement = StagePlacement(
                stageToRank: stageToRank, reverseStageToRank: file.reverseStageToRank, split: file.split ?? .max)
        } else {
            placement = Self.placement(lists, stages: most.stage + 1)
        }
        return Schedule(
            name: name, ranks: ranks, virtualStages: file.virtualStages ?? max(1, placement.stages / ranks),
            microbatches: microbatches, placement: placement, vocabulary: try vocabulary(lists, file), actions: lists)
    }

    /// The division of the vocabulary that the file states, which lists with S and T must.
    private static func vocabulary(
        _ lists: [[Action]], _ file: File
    ) throws(ActionListProblem) -> VocabularyParallel? {
        let words = VocabularyParallel.allCases.map(\.rawValue).joined(separator: " or ")
        guard let text = file.vocabularyParallel else {
            guard lists.joined().contains(where: { $0.kind.isOfVocabulary }) else { return nil }
            throw ActionListProblem(
                "its lists have S and T; JSON with \"vocabularyParallel\", \(words), says what waits for them")
        }
        guard let vocabulary = VocabularyParallel(rawValue: text) else {
            throw ActionListProblem("its vocabularyParallel is \"\(text)\"; it must be \(words)")
        }
        return vocabulary
    }

    /// The placement that the lists imply: every stage on the rank with most of its actions. There are two directions
    /// where every stage is on two ranks and one micro-batch separates their parts.
    private static func placement(_ lists: [[Action]], stages: Int) -> StagePlacement {
        struct Use {
            var count = 0
            var first = Int.max
            var last = -1
        }
        var uses = [[Int: Use]](repeating: [:], count: stages)
        for (rank, list) in lists.enumerated() {
            for part in list.lazy.flatMap(\.parts) {
                var use = uses[Int(part.stage)][rank] ?? Use()
                use.count += 1
                use.first = min(use.first, Int(part.microbatch))
                use.last = max(use.last, Int(part.microbatch))
                uses[Int(part.stage)][rank] = use
            }
        }
        if let both = directions(uses.map { $0.map { (rank: $0.key, first: $0.value.first, last: $0.value.last) } }) {
            return both
        }
        return StagePlacement(
            stageToRank: uses.map { ranks in
                ranks.max { ($0.value.count, -$0.key) < ($1.value.count, -$1.key) }?.key ?? 0
            })
    }

    private static func directions(_ uses: [[(rank: Int, first: Int, last: Int)]]) -> StagePlacement? {
        var (down, up): ([Int], [Int]) = ([], [])
        var split: Int?
        for ranks in uses {
            let sorted = ranks.sorted { $0.first < $1.first }
            guard sorted.count == 2, sorted[0].last < sorted[1].first, split ?? sorted[1].first == sorted[1].first
            else { return nil }
            split = sorted[1].first
            down.append(sorted[0].rank)
            up.append(sorted[1].rank)
        }
        return split.map { StagePlacement(stageToRank: down, reverseStageToRank: up, split: $0) }
    }
}

extension Schedule {
    /// The description of a broken rule, with the rank even where the action is in no list.
    package func words(_ violation: ScheduleViolation) -> String {
        guard case .missing(let stage, let microbatch, let what) = violation,
            (0..<stages).contains(stage), (0..<microbatches).contains(microbatch)
        else { return violation.description }
        let rank = placement.rank(stage: stage, microbatch: microbatch)
        let kinds: [String: Action.Kind] = [
            "no forward": .forward, "no backward": .backward, "no weight gradient": .backwardWeight, "no S": .softmax,
            "no T": .outputGradient,
        ]
        guard let kind = kinds[what] else { return "rank \(rank), \(violation)" }
        let action = Action(kind, stage: stage, microbatch: microbatch)
        let end = actions.indices.contains(rank) ? actions[rank].count : 0
        return "rank \(rank), none of positions 0 to \(max(0, end - 1)), \(action): missing (\(violation))"
    }
}
