import Foundation
import Schedules
import Testing

/// 1F1B with a vocabulary that all ranks divide.
@Suite struct VocabularyTests {
    /// Lists of `forward_backward_pipelining_with_vocab_parallel` (github.com/sail-sg/VocabularyParallelism), executed rank by
    /// rank with records in place of its passes.
    private struct Golden: Decodable {
        var vocabulary: VocabularyParallel
        var ranks: Int
        var microbatches: Int
        var lists: [String]
    }

    private static func goldens() throws -> [Golden] {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let data = try Data(contentsOf: tests.appending(path: "Goldens/vocabulary_schedules.json"))
        return try JSONDecoder().decode([Golden].self, from: data)
    }

    private static func schedule(
        _ vocabulary: VocabularyParallel, ranks: Int, microbatches: Int
    ) throws -> Schedule {
        try ScheduleName.oneForwardOneBackward.schedule(
            PipelineShape(ranks: ranks, microbatches: microbatches, vocabulary: vocabulary))
    }

    @Test func listsOfTheAuthors() throws {
        let goldens = try Self.goldens()
        #expect(goldens.count == 18)
        for golden in goldens {
            let schedule = try Self.schedule(
                golden.vocabulary, ranks: golden.ranks, microbatches: golden.microbatches)
            let lists = schedule.actions.map { $0.map(\.description).joined(separator: " ") }
            #expect(lists == golden.lists, "\(golden.vocabulary) \(golden.ranks) × \(golden.microbatches)")
        }
    }

    /// Legal for any shape, also with fewer micro-batches than ranks, for which the authors' code has no lists. A rank holds
    /// one activation more for each barrier: p+2 and p+1 on the first, as in table 2 of the paper.
    @Test(arguments: VocabularyParallel.allCases)
    func everyShapeIsValid(_ vocabulary: VocabularyParallel) throws {
        for ranks in 2...11 {
            for microbatches in 1...26 {
                let shape = PipelineShape(ranks: ranks, microbatches: microbatches, vocabulary: vocabulary)
                #expect(ScheduleName.oneForwardOneBackward.problem(shape) == nil)
                let schedule = try ScheduleName.oneForwardOneBackward.schedule(shape)
                try schedule.validate()
                let held = schedule.peakActivations(release: .backwardWeight)
                for rank in 0..<ranks {
                    let list = schedule.actions[rank]
                    #expect(list.count == 4 * microbatches)
                    #expect(held[rank] == ScheduleName.oneForwardOneBackward.peakActivations(rank: rank, shape))
                    #expect(held[rank] == min(microbatches, ranks - rank + vocabulary.barriers))
                    // No rank holds the softmax of two micro-batches.
                    var softmaxes = 0
                    for action in list where action.kind.isOfVocabulary {
                        softmaxes += action.kind == .softmax ? 1 : -1
                        #expect((0...1).contains(softmaxes))
                    }
                }
            }
        }
    }

    @Test func ordersThatCannotRun() throws {
        let whole = try Self.schedule(.twoBarriers, ranks: 2, microbatches: 3)
        func broken(_ change: (inout Schedule) throws -> Void) rethrows -> String? {
            var schedule = whole
            try change(&schedule)
            do { try schedule.validate() } catch { return error.description }
            return nil
        }
        func index(_ name: String, _ rank: Int) throws -> Int {
            try #require(whole.actions[rank].firstIndex { $0.description == name })
        }
        #expect(broken { _ in } == nil)
        #expect(
            try broken { $0.actions[1].remove(at: try index("1S2", 1)) } == "rank 1, position 9, 1T2: comes before 1S2"
        )
        #expect(
            try broken { $0.actions[0].remove(at: try index("0T1", 0)) } == "stage 0, micro-batch 1: no T")
        #expect(
            broken { $0.actions[0].append(Action(.softmax, stage: 0, microbatch: 0)) }?.hasSuffix("done twice") == true)
        #expect(
            broken { $0.actions[0][4] = Action(.softmax, stage: 1, microbatch: 0) }?.contains("lives on rank 1") == true
        )
        #expect(broken { $0.vocabulary = nil }?.contains("there is no such stage or micro-batch") == true)
        // A rank that runs its first S at the end holds up all others.
        let late = broken {
            let list = $0.actions[0].filter { !$0.kind.isOfVocabulary }
            $0.actions[0] = list + $0.actions[0].filter(\.kind.isOfVocabulary)
        }
        #expect(late?.hasPrefix("deadlock: ") == true)
        #expect(late?.contains("waits for") == true)
        // With one barrier the last backward waits for S alone, with two for T.
        let swapped = try broken {
            let (backward, gradient) = (try index("1B0", 1), try index("1T0", 1))
            $0.actions[1].swapAt(backward, gradient)
        }
        #expect(swapped?.hasPrefix("deadlock: ") == true)
        #expect(
            try broken {
                $0.vocabulary = .oneBarrier
                let (backward, gradient) = (try index("1B0", 1), try index("1T0", 1))
                $0.actions[1].swapAt(backward, gradient)
            } == nil)
        var odd = try ScheduleName.vHalf.schedule(ranks: 2, virtualStages: 2, microbatches: 2)
        odd.vocabulary = .oneBarrier
        #expect(throws: ScheduleViolation.self) { try odd.validate() }
    }

    @Test func otherSchedulesHaveNone() {
        for name in ScheduleName.allCases where !name.dividesVocabulary {
            let shape = PipelineShape(
                ranks: 4, virtualStages: name.fixedVirtualStages ?? 1, microbatches: 8, vocabulary: .oneBarrier)
            #expect(name.problem(shape)?.contains("has no lists with vocab-2") == true, "\(name)")
        }
        #expect(ScheduleName.allCases.filter(\.dividesVocabulary) == [.oneForwardOneBackward])
        let alone = PipelineShape(ranks: 1, microbatches: 8, vocabulary: .twoBarriers)
        #expect(
            ScheduleName.oneForwardOneBackward.problem(alone)
                == "vocab-1 needs at least 2 ranks to divide the vocabulary")
    }

    @Test func namesOfActions() {
        for (text, kind) in [("3S12", Action.Kind.softmax), ("3T12", .outputGradient)] {
            let action = Action(kind, stage: 3, microbatch: 12)
            #expect(action.description == text)
            #expect(Action(text) == action)
        }
        #expect(Action("(0S1;1B0)OVERLAP_F_B") == nil)
    }

    /// Exchanges are no messages: the transfers are those of 1F1B.
    @Test func transfersAreThoseOfTheStages() throws {
        let schedule = try Self.schedule(.oneBarrier, ranks: 3, microbatches: 4)
        for (list, transfers) in zip(schedule.actions, schedule.transfers.perRank) {
            for (action, transfer) in zip(list, transfers) where action.kind.isOfVocabulary {
                #expect(transfer == ActionTransfers())
            }
            #expect(transfers.count { $0.send?.kind == .activation } == (list[0].stage < 2 ? 4 : 0))
        }
    }
}
