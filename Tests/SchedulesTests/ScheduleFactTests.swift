import Foundation
import Schedules
import Testing

/// Every fact that a schedule states of itself is what its lists show.
@Suite struct ScheduleFactTests {
    /// The legal shapes of the grid with their lists.
    private static func schedules(_ name: ScheduleName) throws -> [(shape: PipelineShape, schedule: Schedule)] {
        try ScheduleRuleTests.grid.filter { name.problem($0) == nil }.map { ($0, try name.schedule($0)) }
    }

    /// The order of `allCases` is the order in which schedules are printed and searched.
    @Test func namesAndTheirOrder() throws {
        let names = [
            "gpipe", "1f1b", "interleaved-1f1b", "looped-bfs", "zb-h1", "zb-h2", "interleaved-zb", "zbv", "v-half",
            "v-min",
            "dualpipe", "dualpipev", "chimera",
        ]
        #expect(ScheduleName.allCases.map(\.rawValue) == names)
        #expect(ScheduleName.allCases.map(\.index) == Array(names.indices))
        #expect(names.map(ScheduleName.init(rawValue:)) == ScheduleName.allCases)
        #expect(ScheduleName(rawValue: "1F1B") == nil)
        #expect(Set(ScheduleName.allCases).count == names.count)
        let json = try JSONEncoder().encode(ScheduleName.allCases)
        #expect(String(decoding: json, as: UTF8.self) == "[\(names.map { "\"\($0)\"" }.joined(separator: ","))]")
        #expect(try JSONDecoder().decode([ScheduleName].self, from: json) == ScheduleName.allCases)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([ScheduleName].self, from: Data(#"["2f2b"]"#.utf8))
        }
    }

    @Test(arguments: ScheduleName.allCases)
    func placement(_ name: ScheduleName) throws {
        var stagesARank: Set<Int> = []
        for (shape, schedule) in try Self.schedules(name) where shape.ranks > 1 {
            let placement = schedule.placement
            #expect(name.placement(shape) == placement)
            #expect(name.isFolded == (placement == .folded(ranks: shape.ranks)), "\(shape)")
            #expect(name.isBidirectional == (placement.reverseStageToRank != nil), "\(shape)")
            let stages = name.stages(ranks: shape.ranks, virtualStages: shape.virtualStages)
            #expect(stages == schedule.stages, "\(shape)")
            #expect(stages * name.copies == shape.ranks * shape.virtualStages, "\(shape)")
            for (rank, list) in schedule.actions.enumerated() where name.copies == 1 || shape.microbatches > 1 {
                #expect(Set(list.flatMap(\.parts).map(\.stage)).count == shape.virtualStages, "\(shape), rank \(rank)")
            }
            stagesARank.insert(shape.virtualStages)
        }
        if let fixed = name.fixedVirtualStages {
            #expect(stagesARank == [fixed])
        } else {
            #expect(stagesARank.count > 1)
        }
    }

    @Test(arguments: ScheduleName.allCases)
    func splitBackwards(_ name: ScheduleName) throws {
        let split = try Self.schedules(name).map { _, schedule in
            schedule.actions.joined().contains { $0.kind == .backwardInput || $0.kind == .backwardWeight }
        }
        #expect(split.contains(true) == name.splitsBackward)
        for (_, schedule) in try Self.schedules(name) where !name.splitsBackward { #expect(!schedule.splitsBackward) }
    }

    @Test(arguments: ScheduleName.allCases)
    func forwardsFirst(_ name: ScheduleName) throws {
        let isTurnedOnce = try Self.schedules(name).map { _, schedule in
            schedule.actions.allSatisfy { list in
                let parts = list.flatMap(\.parts)
                return !parts.drop { $0.kind == .forward }.contains { $0.kind == .forward }
            }
        }
        #expect(isTurnedOnce.allSatisfy(\.self) == name.forwardsFirst)
    }

    /// Forwards minus input gradients of the last stage, and forwards minus weight gradients, over every list.
    @Test(arguments: ScheduleName.allCases)
    func backlogOfTheLastStage(_ name: ScheduleName) throws {
        for (shape, schedule) in try Self.schedules(name) {
            var (pending, all) = (0, 0)
            for list in schedule.actions {
                var (forwards, inputs, weights) = (0, 0, 0)
                for part in list.flatMap(\.parts) where part.stage == schedule.stages - 1 {
                    switch part.kind {
                    case .forward: forwards += 1
                    case .backwardInput: inputs += 1
                    case .backwardWeight: weights += 1
                    case .backward, .fused: (inputs, weights) = (inputs + 1, weights + 1)
                    case .softmax, .outputGradient: break
                    }
                    pending = max(pending, forwards - inputs)
                    all = max(all, forwards - weights)
                }
            }
            let stated = name.headBacklog(shape)
            #expect(stated.pending + stated.deferred == all, "\(shape)")
            #expect(stated.pending == pending, "\(shape)")
        }
    }

    /// A shortened run holds on every rank what the whole run holds.
    @Test(arguments: ScheduleName.allCases)
    func shortRuns(_ name: ScheduleName) throws {
        for (shape, schedule) in try Self.schedules(name) {
            let short = name.shortened(shape)
            #expect(name.problem(short) == nil, "\(shape)")
            #expect(short.microbatches <= shape.microbatches)
            for release in ActivationRelease.allCases {
                #expect(
                    try name.schedule(short).peakActivations(release: release)
                        == schedule.peakActivations(release: release), "\(shape)")
            }
        }
    }

    /// A search leaves out layouts by it, so it must never be above the law.
    @Test(arguments: ScheduleName.allCases.filter(\.hasFullBubble))
    func fullBubbles(_ name: ScheduleName) throws {
        for shape in ScheduleRuleTests.grid where name.problem(shape) == nil {
            for (forward, backward) in [(1.0, 1.0), (1, 2), (1, 3), (2, 1)] {
                let whole = forward + backward
                let least =
                    Double(shape.microbatches) * whole + Double(shape.ranks - 1) * whole / Double(shape.virtualStages)
                let time = name.makespan(shape, times: UniformTimes(forward: forward, backward: backward))
                #expect(time >= least * (1 - 1e-12), "\(shape)")
            }
        }
    }

    /// A search bounds memory by it, so no rank may hold less.
    @Test(arguments: ScheduleName.allCases.filter(\.fillsFirst))
    func fillsFirst(_ name: ScheduleName) throws {
        for (shape, schedule) in try Self.schedules(name) {
            for (rank, actions) in schedule.actions.enumerated() {
                let first = actions.prefix { $0.kind == .forward }
                for stage in Set(actions.map(\.stage)) {
                    let held = first.count { $0.stage == stage }
                    #expect(held >= min(shape.microbatches, shape.ranks - rank), "\(shape) rank \(rank)")
                }
            }
        }
    }
}
