package import Costs
internal import Foundation
package import Planner
internal import Plans
package import Reading
package import Schedules

/// The figures of a timeline as one JSON document; the spans themselves are in its trace.
package struct TimelineReport: Encodable {
    /// One rank of the pipeline.
    struct Rank: Encodable {
        var rank: Int
        var start: Double
        var end: Double
        var busy: Double
        var bubble: Double
        var peakActivations: Int
    }

    let schedule: String
    let ranks: Int
    let virtualStages: Int
    let microbatches: Int
    /// `seconds` or `steps`: what the times below are counted in.
    let unit: String
    let makespan: Double
    let duration: Double
    let bubbleFraction: Double
    let bubbleSpan: Double
    let exposedCommunicationShare: Double
    let byRank: [Rank]
    /// Over many runs with random delays; left out of the JSON unless there were any.
    let stepTimes: StepTimesReport?
    /// Bytes of the fullest device; left out of the JSON unless known.
    var peakMemory: Double?
    /// Left out of the JSON without a plan.
    var notes: [Remark]?
    /// The layout and the software of a plan, and what the layout was chosen from; left out of the JSON without one.
    let layout: EstimateReport.Layout?
    let framework: EstimateReport.Framework?
    let searched: SearchedSpace?

    /// - Parameter estimate: The step the timeline is of.
    package init(
        _ timeline: Timeline, of schedule: Schedule, unit: TimelineUnit, stepTimes: StepTimesReport? = nil,
        estimate: Estimate? = nil, searched: SearchedSpace? = nil, notes: [Remark]? = nil
    ) {
        self.notes = notes
        let step = estimate.map { EstimateReport($0) }
        layout = step?.layout
        framework = step?.framework
        self.searched = searched
        self.stepTimes = stepTimes
        self.schedule = schedule.name
        ranks = schedule.ranks
        virtualStages = schedule.virtualStages
        microbatches = schedule.microbatches
        self.unit = unit == .seconds ? "seconds" : "steps"
        makespan = timeline.makespan
        duration = timeline.duration
        bubbleFraction = timeline.bubbleFraction
        bubbleSpan = timeline.bubbleSpan
        exposedCommunicationShare = timeline.exposedCommunicationShare
        byRank = zip(timeline.figures, timeline.peakActivations(release: .backwardWeight)).enumerated().map {
            index, of in
            Rank(
                rank: index, start: of.0.start, end: of.0.end, busy: of.0.busy, bubble: of.0.bubbleSpan,
                peakActivations: of.1)
        }
    }

    /// One line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
