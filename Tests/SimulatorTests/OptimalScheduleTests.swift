import Schedules
import Simulator
import Testing

/// The schedules a search finds.
@Suite struct OptimalScheduleTests {
    private func costs(_ stages: Int, _ times: (Double, Double, Double), transfer: Double = 0) -> ActionCosts {
        func each(_ time: Double) -> [Double] { [Double](repeating: time, count: stages) }
        return ActionCosts(
            forward: each(times.0), backwardInput: each(times.1), backwardWeight: each(times.2), transfer: transfer)
    }

    private func placements(_ ranks: Int) -> [StagePlacement] {
        [.looped(ranks: ranks, virtualStages: 1), .looped(ranks: ranks, virtualStages: 2), .folded(ranks: ranks)]
    }

    /// Every named schedule of the placement that keeps to the limit.
    private func known(_ placement: StagePlacement, ranks: Int, microbatches: Int) -> [Schedule] {
        ScheduleName.allCases.compactMap { name in
            try? name.schedule(
                ranks: ranks, virtualStages: placement.stages / ranks, microbatches: microbatches)
        }.filter { $0.placement == placement }
    }

    @Test(
        arguments: [2, 3, 4],
        [(1.0, 1.0, 1.0), (1.0, 1.5, 0.75), (1.0, 2.0, 1.0)])
    func isNeverSlowerThanAKnownOneThatFits(_ ranks: Int, _ times: (Double, Double, Double)) throws {
        for microbatches in [1, 3, ranks, 2 * ranks] {
            for placement in placements(ranks) {
                for limit in [ranks, 2 * ranks, 4 * ranks] {
                    let costs = costs(placement.stages, times, transfer: 0.1)
                    let known = known(placement, ranks: ranks, microbatches: microbatches)
                    let instance = SchedulingInstance(
                        placement: placement, microbatches: microbatches, costs: costs, memoryLimit: limit)
                    let least = try known.filter {
                        ($0.peakActivations(release: .backwardWeight).max() ?? 0) <= limit
                    }.map { try Simulator.makespan($0, costs: costs) }.min()
                    let found = try Simulator.optimal(instance, known: known, effort: 200_000)
                    guard let found else {
                        #expect(least == nil)
                        continue
                    }
                    try found.schedule.validate()
                    #expect(found.makespan <= least ?? .infinity)
                    #expect(try Simulator.makespan(found.schedule, costs: costs) == found.makespan)
                    #expect(found.makespan >= found.lowerBound * (1 - 1e-12))
                    #expect(found.schedule.peakActivations(release: .backwardWeight).allSatisfy { $0 <= limit })
                }
            }
        }
    }

    /// With twice the memory of 1F1B and equal times only the way of the first activation is lost
    /// (Qi et al. 2023: zero bubble), and folded with the memory of 1F1B half of it.
    @Test(arguments: [(4, 12), (8, 24)])
    func findsTheZeroBubbleByItself(_ ranks: Int, _ microbatches: Int) throws {
        let plain = try Simulator.optimal(
            SchedulingInstance(
                placement: .looped(ranks: ranks, virtualStages: 1), microbatches: microbatches,
                costs: costs(ranks, (1, 1, 1)), memoryLimit: 2 * ranks))
        #expect(plain?.makespan == Double(3 * microbatches + ranks - 1))
        #expect(plain?.isProven == true)
        let folded = try Simulator.optimal(
            SchedulingInstance(
                placement: .folded(ranks: ranks), microbatches: microbatches,
                costs: costs(2 * ranks, (0.5, 0.5, 0.5)), memoryLimit: 2 * ranks))
        // Or one whole action's time more where there are many ranks.
        let least = Double(3 * microbatches) + Double(ranks - 1) / 2
        #expect(folded.map { $0.makespan >= least && $0.makespan <= least + (ranks > 4 ? 1 : 0) } == true)
    }

    /// One activation a rank: micro-batches pass one by one, so the answer is a sum.
    @Test func aLimitOfOnePassesMicrobatchesOneByOne() throws {
        let found = try #require(
            try Simulator.optimal(
                SchedulingInstance(
                    placement: .looped(ranks: 2, virtualStages: 1), microbatches: 3, costs: costs(2, (1, 1, 1)),
                    memoryLimit: 1)))
        // F on both, I on both; the second rank's W hides behind the first's I and W.
        #expect(found.makespan == 15)
        #expect(found.isProven)
    }

    @Test func aLimitBelowAnyScheduleHasNoAnswer() throws {
        let found = try Simulator.optimal(
            SchedulingInstance(
                placement: .folded(ranks: 2), microbatches: 2, costs: costs(4, (1, 1, 1)), memoryLimit: 1))
        #expect(found == nil)
    }

    /// Small ones are searched to the end: exhausting every order gives the same as the search that stops at the bound.
    @Test func smallOnesAreProven() throws {
        var uneven = costs(3, (1, 1.25, 0.75))
        uneven.forward[1] = 2
        uneven.backwardInput[2] = 1.75
        uneven.backward = zip(uneven.backwardInput, uneven.backwardWeight).map(+)
        for limit in 1...3 {
            let found = try #require(
                try Simulator.optimal(
                    SchedulingInstance(
                        placement: .looped(ranks: 3, virtualStages: 1), microbatches: 3, costs: uneven,
                        memoryLimit: limit)))
            #expect(found.isProven, "limit \(limit)")
        }
    }

    @Test func aCostThatIsNoTimeIsRefused() throws {
        #expect(throws: SimulationProblem.self) {
            try Simulator.optimal(
                SchedulingInstance(
                    placement: .looped(ranks: 2, virtualStages: 1), microbatches: 2, costs: costs(2, (1, .nan, 1))))
        }
    }
}
