package import Schedules

/// A schedule as text and as JSON, whose keys docs/json.md lists.
package struct ScheduleReport {
    private let schedule: Schedule

    package init(_ schedule: Schedule) { self.schedule = schedule }

    /// The JSON in one line: `{"schedule","ranks","virtualStages","microbatches","stageToRank","actions"}`; with two
    /// directions also `reverseStageToRank` and `split`, with a divided vocabulary `vocabularyParallel`.
    package var json: String {
        // The names of schedules and actions hold no character that JSON escapes.
        let lists = schedule.actions.map { list in
            "[" + list.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        }
        return "{\"schedule\":\"\(schedule.name)\",\"ranks\":\(schedule.ranks),"
            + "\"virtualStages\":\(schedule.virtualStages),\"microbatches\":\(schedule.microbatches),"
            + "\"stageToRank\":[\(schedule.placement.stageToRank.map(String.init).joined(separator: ","))],\(reverse)\(vocabulary)"
            + "\"actions\":[\(lists.joined(separator: ","))]}"
    }

    /// The keys of the second direction of a bidirectional schedule; empty for other schedules.
    private var reverse: String {
        guard let stageToRank = schedule.placement.reverseStageToRank else { return "" }
        return "\"reverseStageToRank\":[\(stageToRank.map(String.init).joined(separator: ","))],"
            + "\"split\":\(schedule.placement.split),"
    }

    private var vocabulary: String {
        schedule.vocabulary.map { "\"vocabularyParallel\":\"\($0.rawValue)\"," } ?? ""
    }

    /// The text, one line a rank: its stages, its peak of held activations, its actions in order.
    package var text: String {
        let peaks = schedule.peakActivations(release: .backwardWeight)
        var stages = [[String]](repeating: [], count: schedule.ranks)
        for (stage, rank) in schedule.placement.stageToRank.enumerated() { stages[rank].append("\(stage)") }
        var lines = [
            "\(schedule.title): "
                + "\(Self.count(schedule.ranks, "rank")), "
                + "\(Self.count(schedule.virtualStages, "stage")) a rank, "
                + "\(Self.count(schedule.microbatches, "micro-batch", plural: "micro-batches")), "
                + "\(Self.count(schedule.actions.lazy.map(\.count).reduce(0, +), "action"))"
        ]
        for (rank, list) in schedule.actions.enumerated() {
            lines.append(
                "rank \(rank) (stage \(stages[rank].joined(separator: ",")), holds at most \(peaks[rank])): "
                    + list.map(\.description).joined(separator: " "))
        }
        return lines.joined(separator: "\n")
    }

    private static func count(_ number: Int, _ singular: String, plural: String? = nil) -> String {
        "\(number) \(number == 1 ? singular : plural ?? singular + "s")"
    }
}
