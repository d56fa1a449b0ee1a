import Schedules
import Simulator
import Testing

/// The laws a schedule states about itself hold for the lists it makes.
@Suite struct ClosedFormTests {
    /// p ≤ 6, v ≤ 4, m ≤ 13, with every legal group size of the interleaved schedule.
    static func grid(_ name: ScheduleName) -> [PipelineShape] {
        var shapes: [PipelineShape] = []
        for p in 1...6 {
            for v in 1...4 {
                for m in [1, 2, 3, 4, 5, 7, 8, 10, 12, 13] {
                    for g in [nil] + (1...m).map(Optional.init) {
                        let shape = PipelineShape(ranks: p, virtualStages: v, microbatches: m, groupSize: g)
                        if name.problem(shape) == nil { shapes.append(shape) }
                    }
                }
            }
        }
        return shapes
    }

    static func costs(
        _ shape: PipelineShape, bidirectional: Bool = false, forward: Double, input: Double, weight: Double,
        transfer: Double
    ) -> ActionCosts {
        // A micro-batch meets a rank once a stage; of the two of a bidirectional schedule, in one only.
        let share = bidirectional ? 1 : shape.virtualStages
        func each(_ time: Double) -> [Double] {
            [Double](repeating: time / Double(share), count: shape.ranks * share)
        }
        return ActionCosts(
            forward: each(forward), backwardInput: each(input), backwardWeight: each(weight), transfer: transfer)
    }

    @Test(arguments: ScheduleName.allCases)
    func peaks(_ name: ScheduleName) throws {
        for shape in Self.grid(name) {
            let simulated = try name.schedule(shape).peakActivations(release: .backwardWeight)
            let stated = (0..<shape.ranks).map { name.peakActivations(rank: $0, shape) }
            #expect(simulated == stated, "\(shape)")
        }
    }

    @Test(
        arguments: ScheduleName.allCases, [(1200.0, 1200.0, 1200.0), (1200.0, 1440.0, 960.0), (1200.0, 2400.0, 1200.0)])
    func makespans(_ name: ScheduleName, _ times: (Double, Double, Double)) throws {
        for shape in Self.grid(name) {
            let schedule = try name.schedule(shape)
            for transfer in [0, 12.0, 120] {
                let uniform = UniformTimes(
                    forward: times.0, backward: times.1 + times.2, backwardWeight: times.2, transfer: transfer)
                guard name.makespanIsExact(shape, times: uniform) else { continue }
                let simulated = try Simulator.makespan(
                    schedule,
                    costs: Self.costs(
                        shape, bidirectional: name.isBidirectional, forward: times.0, input: times.1, weight: times.2,
                        transfer: transfer))
                #expect(
                    abs(simulated - name.makespan(shape, times: uniform)) <= 1e-9 * simulated,
                    "\(shape) transfer \(transfer)")
            }
        }
    }

    /// Without groups the laws hold as long as a transfer takes no longer than a forward.
    @Test(arguments: [ScheduleName.gpipe, .oneForwardOneBackward])
    func makespansWithSlowTransfers(_ name: ScheduleName) throws {
        for shape in Self.grid(name) {
            let simulated = try Simulator.makespan(
                name.schedule(shape),
                costs: Self.costs(shape, forward: 1200, input: 1440, weight: 960, transfer: 1200))
            let times = UniformTimes(forward: 1200, backward: 2400, transfer: 1200)
            #expect(simulated == name.makespan(shape, times: times), "\(shape)")
        }
    }
}
