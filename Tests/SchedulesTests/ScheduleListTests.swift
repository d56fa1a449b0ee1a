import Schedules
import Testing

/// The lists equal those of PyTorch, Megatron-LM, DeepSpeed, torchgpipe, Zero Bubble and DualPipe, action for action.
@Suite struct ScheduleListTests {
    static func goldens(_ prefixes: String...) -> [GoldenSchedule] {
        GoldenSchedule.all.filter { golden in prefixes.contains { golden.id.hasPrefix($0) } }
    }

    @Test func theGoldenFileIsWhole() {
        #expect(GoldenSchedule.all.count == 83)
        #expect(Self.goldens("torch/GPipe").count == 6)
        #expect(Self.goldens("torch/1F1B", "deepspeed/TrainSchedule").count == 6)
        #expect(Self.goldens("torch/Interleaved1F1B").count == 12)
        #expect(Self.goldens("megatron/Interleaved1F1B").count == 3)
        #expect(Self.goldens("torchgpipe").count == 1)
    }

    @Test(arguments: goldens("torch/GPipe"))
    func gpipe(_ golden: GoldenSchedule) throws {
        try expectEqual(
            ScheduleName.gpipe.schedule(ranks: golden.p, virtualStages: golden.v, microbatches: golden.m), golden)
    }

    @Test(arguments: goldens("torchgpipe"))
    func gpipeWithTheLatestForwardFirst(_ golden: GoldenSchedule) throws {
        let shape = PipelineShape(ranks: golden.p, microbatches: golden.m)
        #expect(ListsOfOtherTools.torchgpipe(shape).map { $0.map(\.description) } == golden.ranks)
    }

    @Test(arguments: goldens("torch/1F1B", "deepspeed/TrainSchedule"))
    func oneForwardOneBackward(_ golden: GoldenSchedule) throws {
        try expectEqual(
            ScheduleName.oneForwardOneBackward.schedule(
                ranks: golden.p, virtualStages: golden.v, microbatches: golden.m), golden)
    }

    @Test(arguments: goldens("torch/Interleaved1F1B"))
    func interleavedAsInTorch(_ golden: GoldenSchedule) throws {
        try expectEqual(
            ScheduleName.interleaved.schedule(ranks: golden.p, virtualStages: golden.v, microbatches: golden.m), golden)
    }

    @Test(arguments: goldens("megatron/Interleaved1F1B"))
    func interleavedAsInMegatron(_ golden: GoldenSchedule) throws {
        let groupSize = try #require(golden.id.split(separator: "g").last.flatMap { Int($0) })
        try expectEqual(
            ScheduleName.interleaved.schedule(
                ranks: golden.p, virtualStages: golden.v, microbatches: golden.m, groupSize: groupSize), golden)
    }

    @Test func theOtherGoldensAreThere() {
        #expect(Self.goldens("torch/LoopedBFS").count == 12)
        #expect(Self.goldens("torch/InterleavedZeroBubble").count == 12)
        #expect(Self.goldens("torch/ZBVZeroBubble", "zb/ZBV-handcrafted").count == 8)
        #expect(Self.goldens("zb/ZB1P", "zb/ZB2P", "zb/ILP").count == 6)
        #expect(Self.goldens("zb/ZBH1-quickstart").count == 2)
        #expect(Self.goldens("torch/DualPipeV", "deepseek/DualPipeV").count == 4)
        #expect(Self.goldens("deepseek/DualPipe/", "chimera").count == 3)
    }

    /// Schedules whose list needs nothing but the shape.
    @Test(
        arguments: [
            ("torch/LoopedBFS", ScheduleName.loopedBFS), ("torch/InterleavedZeroBubble", .interleavedZeroBubble),
            ("torch/ZBVZeroBubble", .zeroBubbleV), ("zb/ZBV-handcrafted", .zeroBubbleV),
            ("zb/ZB1P", .zeroBubbleH1), ("zb/ZB2P", .zeroBubbleH2), ("zb/ILP/p2m4/mem2", .zeroBubbleH1),
            ("zb/ILP/p2m4/mem4", .zeroBubbleH2), ("torch/DualPipeV", .dualPipeV), ("deepseek/DualPipeV", .dualPipeV),
            ("deepseek/DualPipe/", .dualPipe), ("chimera", .chimera),
            ("zb/V-half", .vHalf), ("zb/V-min", .vMin),
        ])
    func theListIsThePeers(_ prefix: String, _ name: ScheduleName) throws {
        for golden in Self.goldens(prefix) {
            try expectEqual(
                name.schedule(ranks: golden.p, virtualStages: golden.v, microbatches: golden.m), golden)
        }
    }

    @Test(arguments: goldens("zb/ZBH1-quickstart"))
    func handMadeZeroBubble(_ golden: GoldenSchedule) throws {
        let shape = PipelineShape(ranks: golden.p, microbatches: golden.m)
        #expect(ListsOfOtherTools.zeroBubbleQuickStart(shape).map { $0.map(\.description) } == golden.ranks)
    }

    @Test(arguments: goldens("zb/ZBV/"))
    func automaticZeroBubbleV(_ golden: GoldenSchedule) throws {
        let shape = PipelineShape(ranks: golden.p, virtualStages: 2, microbatches: golden.m)
        #expect(ListsOfOtherTools.automaticZeroBubbleV(shape).map { $0.map(\.description) } == golden.ranks)
    }

    private func expectEqual(_ schedule: Schedule, _ golden: GoldenSchedule) throws {
        #expect(schedule.actions.map { $0.map(\.description) } == golden.ranks, "\(golden.id)")
        #expect(try schedule.placement == golden.schedule.placement, "\(golden.id)")
    }
}
