import Foundation
import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Disturbed steps laid over what they were expected to take: the disturbance must be named.
@Suite struct AttributionTests {
    /// Four data-parallel ranks, two a node, three steps of 1000 µs: 600 of compute, 200 of a reduction, 100 of the optimizer.
    /// A rank that computes longer delays the reduction of all.
    private func texts(
        compute: [Double], reduction: Double = 200, extraOfFirst: Double = 500
    ) -> [String] {
        compute.indices.map { rank in
            var trace = ProfilerText(rank: rank, world: compute.count)
            var now = 0.0
            for step in 1...3 {
                let start = now
                let own = compute[rank] + (step == 1 ? extraOfFirst : 0)
                let last = (compute.max() ?? 0) + (step == 1 ? extraOfFirst : 0)
                trace.kernel(KernelName.matmul, at: now, for: own)
                trace.collective(
                    "allreduce", KernelName.allReduce, ranks: Array(compute.indices), at: now + own,
                    for: last - own + reduction)
                now += last + reduction
                trace.kernel(KernelName.adam, at: now, for: 100)
                now += 200
                trace.step(step, at: start, for: now - start)
            }
            return trace.text
        }
    }

    private static let priced: [StepPart: Double] = [
        .compute: 500e-6, .recompute: 100e-6, .reduction: 200e-6, .optimizer: 100e-6, .outside: 100e-6,
    ]

    private func attribution(
        _ texts: [String], devicesPerNode: Int? = 2, step: Int? = nil, priced: [StepPart: Double] = priced
    ) throws -> Attribution {
        let run = try TraceReadingTests.read(texts, devices: texts.count, "{data: \(texts.count)}")
        let baseline = Attribution.Baseline(priced: [priced], seconds: priced.values.reduce(0, +))
        return try Attribution(run, against: baseline, step: step, devicesPerNode: devicesPerNode)
    }

    private func row(_ attribution: Attribution, _ part: StepPart) throws -> Attribution.Row {
        try #require(attribution.rows.first { $0.parts.contains(StepParts(part)) })
    }

    @Test func asPriced() throws {
        let found = try attribution(texts(compute: [600, 600, 600, 600]))
        #expect(found.stepNumber == 2 && found.steps == 3)
        #expect(abs(found.difference) < 1e-9)
        for row in found.rows { #expect(abs(row.difference) < 1e-9, "\(row)") }
        #expect(found.findings == ["step 2 took 1.00 ms, 1.00 ms priced: as priced"])
        #expect(
            found.rows.map(\.title) == [
                "compute and recompute", "data-parallel communication", "idle, host and rest", "optimizer",
            ])
    }

    @Test func aSlowRankIsNamed() throws {
        let found = try attribution(texts(compute: [600, 600, 600, 720]))
        #expect(abs(found.difference - 120e-6) < 1e-9)
        // The others wait in the reduction: that is where the median rank loses the time.
        #expect(abs(try row(found, .reduction).difference - 120e-6) < 1e-9)
        #expect(abs(try row(found, .compute).difference) < 1e-9)
        #expect(try row(found, .compute).slowestRank == 3)
        #expect(
            found.findings.contains(
                "rank 3 (node 1) computes 20 % longer than the median of its stage (+120 µs): all ranks of its "
                    + "data-parallel group (0 to 3) wait for it"), "\(found.findings)")
        #expect(
            found.findings.contains {
                $0.hasPrefix(
                    "of 320 µs in the data-parallel reduction of ranks 0 to 3, 120 µs is waiting for rank 3, which comes last"
                )
            }, "\(found.findings)")
    }

    @Test func aSlowNodeIsNamed() throws {
        let found = try attribution(texts(compute: [600, 600, 600, 600, 750, 750]))
        #expect(
            found.findings.contains {
                $0.hasPrefix("node 2 is slow: all 2 traced ranks of it (4, 5) compute 25 % longer")
            }, "\(found.findings)")
        #expect(!found.findings.contains { $0.hasPrefix("rank 4") })
    }

    @Test func aSlowNetworkIsNamed() throws {
        let found = try attribution(texts(compute: [600, 600, 600, 600], reduction: 500))
        #expect(found.findings.count == 2)
        #expect(
            found.findings.last
                == "longest over the price: data-parallel communication, 200 µs priced, 500 µs measured (+300 µs of +300 µs)"
        )
    }

    /// Tensor pairs 0-1, 2-3, 4-5; the sums of the last take 60 % longer.
    @Test func aSlowGroupIsNamed() throws {
        let texts = (0..<6).map { rank in
            var trace = ProfilerText(rank: rank, world: 6)
            trace.kernel(KernelName.matmul, at: 0, for: 600)
            let pair = [rank / 2 * 2, rank / 2 * 2 + 1]
            trace.collective("allreduce", KernelName.allReduce, ranks: pair, at: 600, for: rank >= 4 ? 160 : 100)
            trace.step(7, at: 0, for: 1000)
            return trace.text
        }
        let run = try TraceReadingTests.read(texts, devices: 6, "{tensor: 2, data: 3}")
        let baseline = Attribution.Baseline(
            priced: [[.compute: 600e-6, .tensor: 100e-6, .outside: 300e-6]], seconds: 1e-3)
        let found = try Attribution(run, against: baseline, step: nil, devicesPerNode: 2)
        #expect(
            found.findings.contains {
                $0.hasPrefix(
                    "the tensor-parallel communication of ranks 4, 5 (node 2) takes 60 % longer than that of the median group"
                )
            }, "\(found.findings)")
    }

    /// Of several steps the median is taken without the first; another one by its number.
    @Test func whichStep() throws {
        let all = texts(compute: [600, 600])
        #expect(try attribution(all, step: 1).measured > 1400e-6)
        #expect(try attribution(all).measured < 1100e-6)
        #expect(throws: PlanProblems.self) { try attribution(all, step: 9) }
        do {
            _ = try attribution(all, step: 9)
        } catch let problems as PlanProblems {
            #expect(problems.description == "--step: no such step in the traces of all ranks; there is 1, 2 or 3")
        }
    }

    /// A part that is priced and not measured, and one that is measured and not priced, have rows.
    @Test func partsOfOneSide() throws {
        var priced = Self.priced
        priced[.tensor] = 50e-6
        priced[.optimizer] = nil
        let found = try attribution(texts(compute: [600, 600]), priced: priced)
        #expect(try row(found, .tensor).measured == 0)
        #expect(try row(found, .optimizer).expected == 0 && (row(found, .optimizer)).ratio == nil)
    }

    @Test func oneRunAgainstAnother() throws {
        let slow = try TraceReadingTests.read(texts(compute: [600, 660]), devices: 2, "{data: 2}")
        let fast = try TraceReadingTests.read(texts(compute: [600, 600]), devices: 2, "{data: 2}")
        let found = try Attribution(
            slow, against: Attribution.Baseline(fast, step: nil, stages: 1), step: nil, devicesPerNode: nil)
        #expect(found.origin == .trace && abs(found.difference - 60e-6) < 1e-9)
        #expect(
            found.findings.contains { $0.hasPrefix("rank 1 computes 10 % longer than the median of its stage") },
            "\(found.findings)")
    }

    @Test func fewRanksOfMany() throws {
        let text = texts(compute: [600, 600])[0].replacing("\"world_size\": 2", with: "\"world_size\": 8")
        let run = try TraceReadingTests.read([text], devices: 8, "{data: 8}")
        let found = try Attribution(
            run, against: Attribution.Baseline(priced: [Self.priced], seconds: 1e-3), step: nil, devicesPerNode: 8)
        #expect(found.notes.first == "traces of 1 rank of 8: the others are not seen")
    }
}
