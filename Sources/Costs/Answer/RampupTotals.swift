internal import Models
internal import Plans
internal import Schedules

/// The steps of a run with smaller batches at its start: with fewer micro-batches a pipeline waits for a larger share of
/// them.
package struct RampupTotals: Hashable, Sendable {
    package private(set) var steps = 0.0
    package private(set) var seconds = 0.0
    /// Tokens that these steps train on.
    package private(set) var tokens = 0.0

    /// Most batch sizes that are priced; the steps of others lie on straight lines between these.
    private static let mostPriced = 48

    /// nil: the batch is the plan's from the first step on.
    /// - Parameters:
    ///   - tokens: tokens of the whole run, which may end before the batch has grown.
    ///   - seconds: seconds of a step with the plan's batch.
    package init?(_ work: LayoutWork, tokens: Double, seconds: Double) {
        let plan = work.plan
        guard let rampup = plan.rampup else { return nil }
        let stages = rampup.stages(to: plan.batch)
        // What the simulator finds over the closed form holds for smaller batches too.
        let whole = IterationTime(work).seconds
        let scale = whole > 0 ? seconds / whole : 1
        let stride = max(1, (stages.count + Self.mostPriced - 1) / Self.mostPriced)
        var known: [(batch: Int, seconds: Double)] = []
        for index in Swift.stride(from: 0, to: stages.count, by: stride) {
            known.append((stages[index].batch, scale * Self.seconds(work, batch: stages[index].batch)))
        }
        known.append((plan.batch, seconds))
        var place = 0
        for stage in stages {
            while place + 2 < known.count, stage.batch >= known[place + 1].batch { place += 1 }
            let (low, high) = (known[place], known[place + 1])
            let share = Double(stage.batch - low.batch) / Double(max(1, high.batch - low.batch))
            let step = low.seconds + share * (high.seconds - low.seconds)
            let perStep = plan.tokensPerStep(batch: stage.batch)
            let perSequence = perStep / Double(stage.batch)
            let wanted = min(stage.samples * perSequence, max(0, tokens - self.tokens))
            guard wanted > 0 else { break }
            let count = (wanted / perStep).rounded(.up)
            steps += count
            self.seconds += count * step
            self.tokens += min(count * perStep, max(0, tokens - self.tokens))
        }
    }

    /// Seconds of a step with another batch on the layout of `work`, by closed form. A schedule that cannot run as few
    /// micro-batches waits for the next number that it can.
    private static func seconds(_ work: LayoutWork, batch: Int) -> Double {
        let layout = work.layout
        let slice = max(1, layout.data * layout.microbatch)
        let least = max(1, (batch + slice - 1) / slice)
        let count =
            (least..<least + 2 * layout.pipeline).first { layout.scheduleProblem(microbatches: $0) == nil } ?? work.m
        var shape = work.shape
        shape.microbatches = count
        return IterationTime(work.pricer.work(work, shape: shape)).seconds
    }
}
