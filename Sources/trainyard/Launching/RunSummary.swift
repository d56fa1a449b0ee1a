internal import Costs
internal import Foundation
internal import Numbers
internal import Planner
internal import Plans
internal import Reports
internal import Schedules

/// A finished run compared with its prediction.
struct RunSummary {
    let plan: Plan
    let predicted: Estimate
    let predictedTimeline: Timeline
    let measuredTimeline: Timeline
    let steps: [StepMetrics]
    /// The load of other programs on this machine during the run.
    let load: MachineLoad?

    /// Reads the records a run left.
    init(plan: Plan, layout: Layout, metrics: String, timeline: String, load: MachineLoad?) throws {
        self.plan = plan
        self.load = load
        let iteration = try predictedIteration(plan: plan, layout: layout)
        predicted = iteration.estimate
        predictedTimeline = iteration.timeline
        let decoder = JSONDecoder()
        measuredTimeline = try decoder.decode(Timeline.self, from: Data(contentsOf: URL(fileURLWithPath: timeline)))
        steps = try StepMetrics.steps(of: String(contentsOf: URL(fileURLWithPath: metrics), encoding: .utf8))
    }

    /// Steps after the first, which also warms up libraries and memory.
    private var steady: ArraySlice<StepMetrics> { steps.count > 1 ? steps.dropFirst() : steps[...] }
    var measuredSeconds: Double { Self.median(steady.map(\.seconds)) }
    var measuredBubble: Double { Self.median(steady.map(\.bubble)) }

    /// The loss curve, then a table of predicted against measured figures.
    func text() -> String {
        let cluster = plan.cluster.name
        let memory = (steps.last?.peakBytes ?? []).map { Figures.fixed($0 / 0x1p20, 0) }.joined(separator: ", ")
        var lines = ["", "Loss, \(steps.count) steps", LossCurve.text(steps.map(\.loss)), ""]
        if let (step, validation) = steps.compactMap({ step in step.validation.map { (step.step, $0) } }).last {
            lines[lines.count - 1] =
                "validation after step \(step + 1): loss \(Figures.fixed(validation.loss, 4)), perplexity "
                + Figures.fixed(validation.perplexity, 2)
                + (validation.bitsPerByte.map { ", \(Figures.fixed($0, 3)) bits per byte" } ?? "")
            lines.append("")
        }
        lines.append("                      predicted   measured   predicted / measured")
        lines.append(
            row("step time", predicted.iteration.seconds, measuredSeconds, unit: "s", digits: 3))
        lines.append(
            row(
                "tokens a second", predicted.tokensPerSecond, predicted.iteration.tokens / measuredSeconds, unit: "",
                digits: 0))
        lines.append(
            row("pipeline bubble", 100 * predictedTimeline.bubbleFraction, 100 * measuredBubble, unit: "%", digits: 1))
        lines += ["", "One step, predicted above measured", timelines()]
        lines.append("predicted with cluster \(cluster); measured: medians of \(steady.count) steps")
        lines.append("peak memory by rank: \(memory) MiB")
        if let load, !load.isQuiet {
            lines.append("the machine was busy: \(load.words); what was measured is longer than on a quiet one")
        }
        let cores = ProcessInfo.processInfo.activeProcessorCount
        if plan.cluster.coreShare(plan.devices) < 1 {
            lines.append(
                "\(predicted.layout.devices) processes shared \(cores) cores; the prediction gives each its share of one"
            )
        } else if predicted.layout.devices > cores {
            lines.append(
                "\(predicted.layout.devices) processes shared \(cores) cores; the prediction gives each a core of its own"
            )
        }
        return lines.joined(separator: "\n")
    }

    private func timelines() -> String {
        TimelineText(width: 100).drawing(of: [predictedTimeline, measuredTimeline])
    }

    /// An SVG of the predicted above the measured timeline.
    func svg() -> String { TimelineSVG().drawing(of: [predictedTimeline, measuredTimeline]) }

    /// An SVG of the loss curve.
    func lossSVG() -> String {
        LossSVG.drawing(
            steps.map(\.loss),
            validation: steps.enumerated().compactMap { place, step in
                step.validation.map { (place, $0.loss) }
            }, title: "\(plan.name): loss")
    }

    private func row(_ name: String, _ predicted: Double, _ measured: Double, unit: String, digits: Int) -> String {
        func cell(_ value: Double) -> String {
            let text = Figures.fixed(value, digits) + (unit.isEmpty ? "" : " " + unit)
            return String(repeating: " ", count: max(0, 11 - text.count)) + text
        }
        let ratio = Figures.fixed(predicted / measured, 2)
        return "  " + name.padding(toLength: 18, withPad: " ", startingAt: 0) + cell(predicted) + cell(measured)
            + String(repeating: " ", count: max(0, 23 - ratio.count)) + ratio
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
