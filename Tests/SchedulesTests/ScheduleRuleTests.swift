import Schedules
import Testing

/// Which shapes a schedule takes, and what it says of the others.
@Suite struct ScheduleRuleTests {
    /// Every shape up to p = 5, v = 3, m = 13, with and without a group size.
    static let grid: [PipelineShape] = {
        var shapes: [PipelineShape] = []
        for p in 1...5 {
            for v in 1...3 {
                for m in 1...13 {
                    shapes.append(PipelineShape(ranks: p, virtualStages: v, microbatches: m))
                    for g in 1...m {
                        shapes.append(PipelineShape(ranks: p, virtualStages: v, microbatches: m, groupSize: g))
                    }
                }
            }
        }
        return shapes
    }()

    @Test(arguments: ScheduleName.allCases)
    func everyAcceptedShapeHasAValidList(_ name: ScheduleName) throws {
        var accepted = 0
        for shape in Self.grid where name.problem(shape) == nil {
            let schedule = try name.schedule(shape)
            try schedule.validate()
            #expect(schedule.name == name.rawValue)
            accepted += 1
        }
        #expect(accepted >= 8)
    }

    /// Mirrored ranks of a two-way pipeline do the same at the same time, but where one direction has more to do.
    @Test(arguments: ScheduleName.allCases)
    func mirroredRanksRunInStepWithEvenMicrobatches(_ name: ScheduleName) throws {
        for shape in Self.grid where name.problem(shape) == nil {
            let inStep = try name.schedule(shape).mirroredRanksRunInStep
            #expect(inStep == (!name.isBidirectional || shape.microbatches % 2 == 0), "\(shape)")
        }
    }

    @Test(arguments: ScheduleName.allCases)
    func everyRefusedShapeThrowsTheSameRule(_ name: ScheduleName) throws {
        for shape in Self.grid {
            guard let rule = name.problem(shape) else { continue }
            let problem = #expect(throws: ScheduleProblem.self) { try name.schedule(shape) }
            #expect(problem?.rule == rule)
            #expect(problem?.description.hasPrefix(name.rawValue) == true)
        }
    }

    @Test func interleavedTakesWhatTorchOrMegatronTake() {
        for shape in Self.grid {
            let (p, m) = (shape.ranks, shape.microbatches)
            let legal =
                if let g = shape.groupSize {
                    g >= min(p, m) && (m % g == 0 || m % g >= p)
                } else {
                    m % max(1, m / p) == 0
                }
            #expect((ScheduleName.interleaved.problem(shape) == nil) == legal, "\(shape)")
        }
    }

    @Test func aSuggestedGroupSizeWorks() throws {
        for shape in Self.grid {
            guard let rule = ScheduleName.interleaved.problem(shape), rule.contains("group size of") else { continue }
            let words = rule.split(separator: "group size of ").last?.split(separator: " ").first
            let groupSize: Int = try #require(words.flatMap { Int($0) })
            var suggested = shape
            suggested.groupSize = groupSize
            #expect(ScheduleName.interleaved.problem(suggested) == nil, "\(rule)")
        }
    }

    @Test func theRuleIsNamed() {
        #expect(
            ScheduleName.oneForwardOneBackward.problem(ranks: 4, virtualStages: 2, microbatches: 8)
                == "1f1b runs one stage a rank, not 2 virtual stages; interleaved-1f1b runs several")
        #expect(
            ScheduleName.interleaved.problem(ranks: 2, virtualStages: 2, microbatches: 5)
                == "interleaved-1f1b splits its micro-batches into ⌊microbatches / ranks⌋ = 2 equal groups, and 5 "
                + "micro-batches do not divide by 2: take a multiple of 2 such as 4 or 6, or a group size of 3")
        #expect(
            ScheduleName.gpipe.problem(ranks: 0, virtualStages: 1, microbatches: 8)
                == "gpipe needs at least 1 of ranks, not 0")
        #expect(
            ScheduleName.gpipe.problem(ranks: 2, virtualStages: 1, microbatches: -3)
                == "gpipe needs at least 1 of micro-batches, not -3")
    }

    @Test func hugeShapesAreRefusedNotBuilt() {
        #expect(ScheduleName.gpipe.problem(ranks: .max, virtualStages: 1, microbatches: 1) != nil)
        #expect(ScheduleName.interleaved.problem(ranks: 1 << 20, virtualStages: 1 << 20, microbatches: 1) != nil)
        #expect(ScheduleName.gpipe.problem(ranks: 1 << 20, virtualStages: 1, microbatches: 1 << 20) == nil)
        #expect(throws: ScheduleProblem.self) {
            try ScheduleName.gpipe.schedule(ranks: 1 << 20, virtualStages: 1, microbatches: 1 << 20)
        }
    }

    @Test(arguments: [
        (ScheduleName.zeroBubbleV, 4, 1, 8, "zbv runs exactly 2 stages a rank, not 1 virtual stage"),
        (.vHalf, 4, 3, 8, "v-half runs exactly 2 stages a rank, not 3 virtual stages"),
        (.zeroBubbleH1, 4, 2, 8, "zb-h1 runs one stage a rank, not 2 virtual stages"),
        (
            .dualPipeV, 4, 2, 7,
            "dualpipev needs at least as many micro-batches as stages (2 · ranks = 8), not 7"
        ),
        (.dualPipe, 4, 2, 6, "dualpipe needs at least 2 · ranks = 8 micro-batches, not 6"),
        (.dualPipe, 4, 2, 9, "dualpipe needs an even number of micro-batches, not 9: half go each way"),
        (.dualPipe, 3, 2, 8, "dualpipe needs an even number of ranks, not 3: its two directions meet in the middle"),
        (
            .chimera, 3, 2, 8,
            "chimera needs an even number of ranks, not 3: its two directions take turns in the slots"
        ),
        (
            .interleavedZeroBubble, 2, 2, 5,
            "interleaved-zb splits its micro-batches into ⌊microbatches / ranks⌋ = 2 equal groups, and 5 micro-batches "
                + "do not divide by 2: take a multiple of 2 such as 4 or 6, or a group size of 3"
        ),
    ])
    func theRuleOfASplitScheduleIsNamed(_ name: ScheduleName, _ p: Int, _ v: Int, _ m: Int, _ rule: String) {
        #expect(name.problem(ranks: p, virtualStages: v, microbatches: m) == rule)
    }

    @Test func groupsAreForInterleavedSchedulesOnly() {
        for name in ScheduleName.allCases where name != .interleaved && name != .interleavedZeroBubble {
            let shape = PipelineShape(
                ranks: 2, virtualStages: name.fixedVirtualStages ?? 2, microbatches: 8, groupSize: 2)
            #expect(name.problem(shape) == "\(name.rawValue) has no micro-batch groups; leave the group size out")
        }
    }

    /// A list too long to build is refused before it is built, split backwards counted.
    @Test func splitBackwardsCountTowardsTheLongestList() {
        let shape = PipelineShape(ranks: 1 << 11, microbatches: 3 << 10)
        #expect(2 * shape.ranks * shape.microbatches < ScheduleName.mostActions)
        #expect(throws: ScheduleProblem.self) { try ScheduleName.zeroBubbleH1.schedule(shape) }
    }

    /// Both directions of a bidirectional schedule: every stage on two ranks, half of the micro-batches each way.
    @Test func bidirectionalSchedulesHoldTwoCopies() throws {
        for name in [ScheduleName.dualPipe, .chimera] {
            let schedule = try name.schedule(ranks: 4, virtualStages: 2, microbatches: 8)
            #expect(schedule.stages == 4)
            #expect(schedule.placement.stageToRank == [0, 1, 2, 3])
            #expect(schedule.placement.reverseStageToRank == [3, 2, 1, 0])
            #expect(schedule.placement.split == 4)
        }
        // An odd micro-batch goes down.
        #expect(try ScheduleName.chimera.schedule(ranks: 4, virtualStages: 2, microbatches: 7).placement.split == 4)
    }
}
