package import Costs
internal import Foundation
package import Planner
internal import Plans
package import Reading
package import Schedules

/// The figures of a timeline as one JSON document. The spans are in the timeline's trace.
package struct TimelineReport: Encodable {
    /// The figures of one rank of the pipeline.
    struct Rank: Encodable {
        var rank: Int
        var start: Double
        var end: Double
        var busy: Double
        var bubble: Double
        var peakActivations: Int
        /// What the rank runs on; absent where all ranks run on devices of one kind.
        var group: String?
    }

    let schedule: String
    let ranks: Int
    let virtualStages: Int
    let microbatches: Int
    /// The unit of the times below: `seconds` or `steps`.
    let unit: String
    let makespan: Double
    let duration: Double
    let bubbleFraction: Double
    let bubbleSpan: Double
    let exposedCommunicationShare: Double
    let byRank: [Rank]
    /// Statistics over many runs with random delays; absent without such runs.
    let stepTimes: StepTimesReport?
    /// Bytes of the fullest device; absent unless known.
    var peakMemory: Double?
    /// Remarks; absent without a plan.
    var notes: [Remark]?
    /// The plan's layout, its software and the layouts that a search tried; absent without a plan.
    let layout: EstimateReport.Layout?
    let framework: EstimateReport.Framework?
    let searched: SearchedSpace?

    /// - Parameter estimate: the step that the timeline shows.
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
                peakActivations: of.1, group: timeline.places?[index])
        }
    }

    /// The JSON in one line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
