internal import Foundation
internal import Numbers
internal import Plans
package import Reading
package import Schedules

/// A comparison of several schedules of one piece of work.
package struct ScheduleComparison {
    /// A schedule with its timeline.
    package struct Entry {
        package var schedule: Schedule
        package var timeline: Timeline
        /// Bytes of the fullest device; nil without a plan.
        package var memory: Double?
        package var stepTimes: StepTimesReport?

        package init(schedule: Schedule, timeline: Timeline, memory: Double? = nil, stepTimes: StepTimesReport? = nil) {
            self.schedule = schedule
            self.timeline = timeline
            self.memory = memory
            self.stepTimes = stepTimes
        }

        /// The largest number of activations that a rank holds, in units of a rank's whole share of the model, so that
        /// schedules with different numbers of stages can be compared.
        var activations: Double {
            let most = schedule.peakActivations(release: .backwardWeight).max() ?? 0
            return Double(most * schedule.ranks) / Double(max(1, schedule.stages))
        }
    }

    /// A schedule that has no action lists for the pipeline's shape, and the rule that says so.
    package struct Refusal: Encodable {
        package var schedule: String
        package var rule: String

        package init(schedule: String, rule: String) {
            self.schedule = schedule
            self.rule = rule
        }
    }

    private let entries: [Entry]
    private let refused: [Refusal]
    private let unit: TimelineUnit

    package init(_ entries: [Entry], refused: [Refusal], unit: TimelineUnit) {
        self.entries = entries
        self.refused = refused
        self.unit = unit
    }

    /// The timelines on one axis, the table, and the refused schedules with their rules.
    package func text(width: Int, rows: Int, isColoured: Bool) -> String {
        var parts: [String] = []
        if !entries.isEmpty {
            parts.append(
                TimelineText(width: width, rows: rows, isColoured: isColoured, unit: unit)
                    .drawing(of: entries.map(\.timeline)))
            parts.append(table())
        }
        if !refused.isEmpty {
            parts.append(refused.map { "\($0.schedule) is left out: \($0.rule)" }.joined(separator: "\n") + "\n")
        }
        return parts.joined(separator: "\n")
    }

    private func table() -> String {
        let axis = TimelineAxis(entries.map(\.timeline), unit: unit)
        let isStep = entries.contains { $0.timeline.duration > $0.timeline.makespan * (1 + 1e-9) }
        let hasMemory = entries.contains { $0.memory != nil }
        let hasRuns = entries.contains { $0.stepTimes != nil }
        var head = ["schedule", "v", "makespan", "to best", "bubble", "longest wait", "activations"]
        if isStep { head.append("step") }
        if hasMemory { head.append("memory") }
        if hasRuns { head += ["median", "p90"] }
        let least = entries.map(\.timeline.makespan).min() ?? 0
        let rows = entries.map { entry in
            let timeline = entry.timeline
            var row = [
                timeline.name, "\(entry.schedule.virtualStages)", axis.text(timeline.makespan),
                least > 0 ? Figures.fixed(timeline.makespan / least, 3) : Figures.none,
                Figures.percent(timeline.bubbleFraction),
                axis.text(timeline.bubbleSpan) + " (\(Figures.percent(spanShare(timeline))))",
                Figures.general(entry.activations, 4),
            ]
            if isStep { row.append(axis.text(timeline.duration)) }
            if hasMemory { row.append(entry.memory.map(Figures.memory) ?? Figures.none) }
            if hasRuns { row += [entry.stepTimes.map { axis.text($0.median) } ?? Figures.none] }
            if hasRuns { row += [entry.stepTimes.map { axis.text($0.p90) } ?? Figures.none] }
            return row
        }
        return
            (Table(head: head, rows: rows).lines(indent: "") + [
                "bubble: of all ranks' time · longest wait: of a rank between its first and last action, and its share "
                    + "of that time",
                "activations: most a rank holds, in its whole share of the model for one micro-batch",
            ]).joined(separator: "\n") + "\n"
    }

    /// The largest share of the time between a rank's first and last action in which it waits.
    private func spanShare(_ timeline: Timeline) -> Double {
        timeline.figures.map { $0.end > $0.start ? $0.bubbleSpan / ($0.end - $0.start) : 0 }.max() ?? 0
    }

    /// The JSON in one line: `{"comparison":[…],"refused":[…]}`.
    package func json(notes: [Remark]? = nil) throws -> String {
        struct Document: Encodable {
            var comparison: [TimelineReport]
            var refused: [Refusal]
            /// Remarks; left out without a plan.
            var notes: [Remark]?
        }
        let reports = entries.map { entry in
            var report = TimelineReport(entry.timeline, of: entry.schedule, unit: unit, stepTimes: entry.stepTimes)
            report.peakMemory = entry.memory
            return report
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(
            decoding: try encoder.encode(Document(comparison: reports, refused: refused, notes: notes)), as: UTF8.self)
    }
}
