import Schedules
import Simulator
import Testing

/// A schedule of one's own: the members without a default, and no more. Every micro-batch goes all the way out and back
/// before the next one starts, in a V of two stages a rank.
private enum OneByOne: PipelineSchedule {
    static let name = "one-by-one"
    static let placement = StagePlacement.Kind.folded
    static let splitsBackward = true

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let (out, back) = (rank, 2 * shape.ranks - 1 - rank)
        return (0..<shape.microbatches).flatMap { microbatch in
            [(Action.Kind.forward, out), (.forward, back), (.backwardInput, back), (.backwardInput, out)].map {
                Action($0, stage: $1, microbatch: microbatch)
            } + [back, out].map { Action(.backwardWeight, stage: $0, microbatch: microbatch) }
        }
    }
}

/// The lists of a schedule by name under nothing but the members without a default.
private protocol BareCopy: PipelineSchedule {
    static var original: ScheduleName { get }
}

extension BareCopy {
    static var name: String { "bare \(original.rawValue)" }
    static var splitsBackward: Bool { original.splitsBackward }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        (try? original.schedule(shape).actions[rank]) ?? []
    }
}

private enum BareGPipe: BareCopy {
    static let original = ScheduleName.gpipe
    static let placement = StagePlacement.Kind.single
}

private enum BareLoopedBFS: BareCopy {
    static let original = ScheduleName.loopedBFS
    static let placement = StagePlacement.Kind.looped
}

private enum BareZeroBubble: BareCopy {
    static let original = ScheduleName.zeroBubbleH1
    static let placement = StagePlacement.Kind.single
}

private enum BareZeroBubbleV: BareCopy {
    static let original = ScheduleName.zeroBubbleV
    static let placement = StagePlacement.Kind.folded
}

private enum BareDualPipeV: BareCopy {
    static let original = ScheduleName.dualPipeV
    static let placement = StagePlacement.Kind.folded
}

private enum BareChimera: BareCopy {
    static let original = ScheduleName.chimera
    static let placement = StagePlacement.Kind.bidirectional
}

/// What a schedule leaves out is found from its lists.
@Suite struct OwnScheduleTests {
    private static let shapes = (1...4).flatMap { ranks in
        [1, 2, 5, 8].map { PipelineShape(ranks: ranks, virtualStages: 2, microbatches: $0) }
    }

    @Test func factsOfAScheduleOfOnesOwn() throws {
        #expect(OneByOne.aliases.isEmpty)
        #expect(OneByOne.makespanSource == .lists)
        #expect(!OneByOne.forwardsFirst && !OneByOne.hasFullBubble)
        for shape in Self.shapes {
            #expect(OneByOne.problem(shape) == nil)
            let schedule = try OneByOne.schedule(shape)
            try schedule.validate()
            #expect(schedule.name == "one-by-one")
            #expect(schedule.placement == .folded(ranks: shape.ranks))
            #expect(OneByOne.headBacklog(shape) == .oneAtATime)
            for rank in 0..<shape.ranks { #expect(OneByOne.peakActivations(rank: rank, shape) == 2) }
        }
    }

    @Test func rulesOfAScheduleOfOnesOwn() {
        func problem(_ ranks: Int, _ stages: Int, _ microbatches: Int, group: Int? = nil) -> String? {
            OneByOne.problem(
                PipelineShape(ranks: ranks, virtualStages: stages, microbatches: microbatches, groupSize: group))
        }
        #expect(problem(0, 2, 1) == "one-by-one needs at least 1 of ranks, not 0")
        #expect(problem(2, 3, 1) == "one-by-one runs exactly 2 stages a rank, not 3 virtual stages")
        #expect(problem(2, 2, 4, group: 2) == "one-by-one has no micro-batch groups; leave the group size out")
        #expect(throws: ScheduleProblem.self) {
            try OneByOne.schedule(PipelineShape(ranks: 1 << 10, virtualStages: 2, microbatches: 1 << 12))
        }
    }

    /// Priced as long as the simulator runs it, with times of any proportion and with transfers.
    @Test(arguments: [(1.0, 1.0, 1.0, 0.0), (1, 2, 1, 0), (1, 1.5, 0.5, 0.25), (3, 2, 4, 1)])
    func priceOfAScheduleOfOnesOwn(_ forward: Double, _ input: Double, _ weight: Double, _ transfer: Double) throws {
        let times = UniformTimes(
            forward: forward, backward: input + weight, backwardWeight: weight, transfer: transfer)
        for shape in Self.shapes {
            #expect(OneByOne.makespanIsExact(shape, times: times))
            let simulated = try Simulator.makespan(
                OneByOne.schedule(shape),
                costs: ClosedFormTests.costs(
                    shape, forward: forward, input: input, weight: weight, transfer: transfer))
            #expect(abs(OneByOne.iterationTime(shape, times: times) - simulated) <= 1e-12 * simulated, "\(shape)")
        }
    }

    @Test func defaultsOfEveryKindOfSchedule() {
        expectDefaultsToBeTheOriginals(BareGPipe.self)
        expectDefaultsToBeTheOriginals(BareLoopedBFS.self)
        expectDefaultsToBeTheOriginals(BareZeroBubble.self)
        expectDefaultsToBeTheOriginals(BareZeroBubbleV.self)
        expectDefaultsToBeTheOriginals(BareDualPipeV.self)
        expectDefaultsToBeTheOriginals(BareChimera.self)
    }

    private func expectDefaultsToBeTheOriginals(_ bare: (some BareCopy).Type) {
        let original = bare.original
        var count = 0
        for shape in ClosedFormTests.grid(original) {
            count += 1
            #expect(bare.problem(shape) == nil)
            #expect(bare.headBacklog(shape) == original.headBacklog(shape), "\(shape)")
            for rank in 0..<shape.ranks {
                #expect(
                    bare.peakActivations(rank: rank, shape) == original.peakActivations(rank: rank, shape), "\(shape)")
            }
            for times in [
                UniformTimes(forward: 1, backward: 2), UniformTimes(forward: 1, backward: 2.5, backwardWeight: 1),
            ] where original.makespanIsExact(shape, times: times) {
                let law = original.makespan(shape, times: times)
                #expect(abs(bare.iterationTime(shape, times: times) - law) <= 1e-12 * law, "\(shape)")
            }
        }
        #expect(count > 0)
    }

    /// Of a run of a quarter of a million micro-batches the beginning is timed.
    @Test func longRunsAreTimedByTheirBeginning() {
        let shape = PipelineShape(ranks: 4, microbatches: 1 << 18)
        let times = UniformTimes(forward: 1, backward: 2)
        #expect(BareGPipe.iterationTime(shape, times: times) == ScheduleName.gpipe.makespan(shape, times: times))
        #expect(!BareGPipe.makespanIsExact(shape, times: times))
    }

    /// A law is exact for some pipeline, an estimate claims none.
    @Test(arguments: ScheduleName.allCases)
    func lawsAndEstimates(_ name: ScheduleName) {
        // A schedule without a closed form is timed by its lists.
        guard name.makespanSource != .lists else { return }
        let isExact = ClosedFormTests.grid(name).contains {
            name.makespanIsExact($0, times: UniformTimes(forward: 1, backward: 2))
        }
        #expect(isExact == (name.makespanSource == .law))
    }
}
