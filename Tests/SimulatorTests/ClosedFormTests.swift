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

    /// Where a law is called an upper value it is one: DualPipe with unequal times, ZB2P with enough micro-batches,
    /// Chimera with a smaller last unit.
    @Test(arguments: [ScheduleName.dualPipe, .dualPipeV, .zeroBubbleH2, .chimera])
    func upperValues(_ name: ScheduleName) throws {
        for shape in Self.grid(name) where name != .zeroBubbleH2 || shape.microbatches >= shape.ranks {
            let schedule = try name.schedule(shape)
            for (forward, input, weight) in [(1200.0, 1440.0, 960.0), (1200.0, 2400.0, 1200.0)] {
                let simulated = try Simulator.makespan(
                    schedule,
                    costs: Self.costs(
                        shape, bidirectional: name.isBidirectional, forward: forward, input: input, weight: weight,
                        transfer: 0))
                let stated = name.makespan(
                    shape, times: UniformTimes(forward: forward, backward: input + weight, backwardWeight: weight))
                #expect(simulated <= stated + 1e-6, "\(shape)")
            }
        }
    }

    /// Zero bubble: no rank of ZB2P or ZB-V idles between its first and last action when all three times are equal; with
    /// longer input and shorter weight gradients ZB-V's idles (p−1)(T_I−T_W).
    @Test(arguments: [ScheduleName.zeroBubbleH2, .zeroBubbleV])
    func idleTimeWithinARank(_ name: ScheduleName) throws {
        for p in 1...6 {
            for m in [2 * p - 1, 2 * p, 4 * p] {
                let shape = PipelineShape(
                    ranks: p, virtualStages: name.fixedVirtualStages ?? 1, microbatches: m)
                let schedule = try name.schedule(shape)
                func span(_ input: Double, _ weight: Double) throws -> Double {
                    try Simulator.simulate(
                        schedule,
                        costs: Self.costs(shape, forward: 1200, input: input, weight: weight, transfer: 0)
                    ).bubbleSpan
                }
                #expect(try abs(span(1200, 1200)) < 1e-6, "\(shape)")
                if name == .zeroBubbleV {
                    #expect(try abs(span(1440, 960) - Double(p - 1) * 480) < 1e-6, "\(shape)")
                }
            }
        }
    }

    /// What is held if an activation can be dropped with its input gradient: min(mv, (v−1)p + p − r) for interleaved
    /// ZB1P, p − r for ZB1P with m ≥ 2p, no more than 2p−1 for ZB2P.
    @Test func peaksAtTheInputGradient() throws {
        for shape in Self.grid(.interleavedZeroBubble) where shape.microbatches % shape.ranks == 0 {
            guard shape.groupSize == nil else { continue }
            let (p, v, m) = (shape.ranks, shape.virtualStages, shape.microbatches)
            let peaks = try ScheduleName.interleavedZeroBubble.schedule(shape)
                .peakActivations(release: .backwardInput)
            #expect(peaks == (0..<p).map { min(m * v, (v - 1) * p + p - $0) }, "\(shape)")
        }
        for shape in Self.grid(.zeroBubbleH1) {
            let peaks = try ScheduleName.zeroBubbleH1.schedule(shape).peakActivations(release: .backwardInput)
            if shape.microbatches >= 2 * shape.ranks {
                #expect(peaks == (0..<shape.ranks).map { shape.ranks - $0 }, "\(shape)")
            }
            let twice = try ScheduleName.zeroBubbleH2.schedule(shape).peakActivations(release: .backwardInput)
            #expect(twice.allSatisfy { $0 <= 2 * shape.ranks - 1 }, "\(shape)")
        }
    }
}
