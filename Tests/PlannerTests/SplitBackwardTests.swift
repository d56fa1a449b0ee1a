import Costs
import Plans
import Planner
import Schedules
import Testing

/// Prices of schedules with split backwards, folded and not.
@Suite struct SplitBackwardTests {
    /// GPT-3 175B on 64 A100, eight pipeline ranks of one stage, or two half-size ones.
    private static func layout(_ schedule: ScheduleName) -> Layout {
        Layout(
            data: 1, tensor: 8, pipeline: 8, virtualStages: schedule.fixedVirtualStages ?? 2, microbatch: 1,
            schedule: schedule, recompute: .full, sequenceParallel: true)
    }

    private static func plan() throws -> Plan {
        try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 64, batch: 64)
    }

    private static func price(_ schedule: ScheduleName) throws -> Estimate {
        try Planner.price(plan: plan(), layout: layout(schedule))
    }

    @Test(arguments: [
        ScheduleName.loopedBFS, .zeroBubbleH1, .zeroBubbleH2, .interleavedZeroBubble, .zeroBubbleV, .vHalf, .vMin,
        .dualPipeV,
    ])
    func theTimelineLastsAsLongAsTheStepIsPriced(_ name: ScheduleName) throws {
        let priced = try Self.price(name)
        let predicted = try predictedIteration(plan: Self.plan(), layout: Self.layout(name))
        #expect(abs(predicted.timeline.duration / priced.iteration.seconds - 1) < 1e-9)
        #expect(predicted.schedule.placement.stages == predicted.schedule.ranks * Self.layout(name).virtualStages)
    }

    @Test func splittingTheBackwardShortensTheBubble() throws {
        let plain = try Self.price(.oneForwardOneBackward).iteration
        for name in [ScheduleName.zeroBubbleH1, .zeroBubbleH2, .zeroBubbleV, .interleavedZeroBubble] {
            let split = try Self.price(name).iteration
            #expect(split.breakdown.pipelineBubble < plain.breakdown.pipelineBubble, "\(name)")
            #expect(abs(split.breakdown.compute / plain.breakdown.compute - 1) < 0.05, "\(name)")
        }
    }

    @Test func aFoldedPipelineHoldsBothEndsOnRankZero() throws {
        let plain = try Self.price(.oneForwardOneBackward).memoryByRank
        let folded = try Self.price(.zeroBubbleV).memoryByRank
        #expect(plain[0].weights < plain[1].weights * 1.2)
        #expect(plain[7].weights > plain[1].weights)
        #expect(folded[0].weights > folded[1].weights)
        #expect(folded[7].weights <= folded[6].weights * 1.2)
        let sum = { (ranks: [Estimate.RankMemory]) in ranks.reduce(0) { $0 + $1.weights } }
        // The head shares the embedding's table instead of a copy on the last rank: V·h/t parameters of two bytes.
        #expect(abs(sum(plain) - sum(folded) - 51200 * 12288 / 8 * 2) < 1)
    }

    @Test func controllableMemoryHoldsLess() throws {
        func activations(_ name: ScheduleName) throws -> Double {
            try Self.price(name).memoryByRank.map(\.activations).max() ?? 0
        }
        let (full, half, least) = try (activations(.zeroBubbleV), activations(.vHalf), activations(.vMin))
        #expect(least < half)
        #expect(half < full)
        #expect(try full < activations(.zeroBubbleH2))
    }

    /// Every stage on two ranks: twice the weights in all, and a reduction between the copies.
    @Test(arguments: [ScheduleName.dualPipe, .chimera])
    func twoCopiesAreHeldAndReduced(_ name: ScheduleName) throws {
        let (plain, both) = (try Self.price(.gpipe), try Self.price(name))
        let sum = { (estimate: Estimate) in estimate.memoryByRank.reduce(0) { $0 + $1.gradients } }
        #expect(abs(sum(both) / sum(plain) - 2) < 0.05)
        #expect(both.iteration.breakdown.dataComm > plain.iteration.breakdown.dataComm)
    }
}
