import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

@Suite struct EstimateTests {
    private func plan(
        _ model: Model = TestModel.llama70B, devices: Int = 64, batch: Int = 256, precision: Precision = .bf16,
        cluster: Cluster = TestCluster.a100()
    ) -> Plan {
        Plan(
            name: "test", model: model, tokens: 1e12, cluster: cluster, devices: devices, batch: batch,
            precision: precision, layout: nil)
    }

    private static let layouts: [Layout] = [
        Layout(data: 64, recompute: .full, sharding: .parameters),
        Layout(data: 8, tensor: 8, sharding: .gradients, sequenceParallel: true),
        Layout(data: 2, tensor: 8, pipeline: 4, recompute: .selective, sharding: .optimizer, flashAttention: false),
        Layout(
            data: 1, tensor: 8, pipeline: 8, virtualStages: 5, schedule: .interleaved, sequenceParallel: true,
            overlap: .init(data: false, tensor: true, pipeline: false)),
        Layout(data: 4, tensor: 4, pipeline: 4, microbatch: 2, schedule: .gpipe, gradients: .bf16),
        Layout(data: 4, tensor: 2, pipeline: 4, context: 2, sharding: .optimizer),
    ]

    @Test(arguments: layouts)
    func partsSumToTheWhole(_ layout: Layout) throws {
        let estimate = try estimate(plan: plan(), layout: layout)
        let iteration = estimate.iteration
        let parts = iteration.breakdown
        #expect(abs(parts.sum / iteration.seconds - 1) < 1e-12)
        for part in [
            parts.compute, parts.recompute, parts.tensorComm, parts.pipelineBubble, parts.pipelineComm, parts.dataComm,
            parts.contextComm, parts.optimizer, parts.other,
        ] {
            #expect(part >= 0 && part.isFinite)
        }
        #expect((parts.recompute > 0) == (layout.recompute != .none))
        #expect((parts.tensorComm > 0) == (layout.tensor > 1))
        #expect((parts.pipelineBubble > 0) == (layout.pipeline > 1))
        #expect((0..<1).contains(iteration.bubbleFraction))
        #expect(estimate.mfu > 0.05 && estimate.mfu < 0.8)
        #expect(estimate.hfu >= estimate.mfu)
        #expect(estimate.memoryByRank.map(\.rank) == Array(0..<layout.pipeline))
        for rank in estimate.memoryByRank {
            #expect(min(rank.weights, rank.gradients, rank.optimizer, rank.activations, rank.other) > 0)
        }
        #expect(estimate.layout == layout && estimate.plan.layout == layout)
    }

    /// Every part of the breakdown and every part of memory is explained.
    @Test(arguments: layouts)
    func everythingIsExplained(_ layout: Layout) throws {
        let estimate = try estimate(plan: plan(), layout: layout).explained()
        let figures = Set(estimate.explanation.map(\.figure))
        let expected: Set<String> = [
            "parameters", "model FLOPs", "hardware FLOPs", "compute", "recompute", "tensorComm", "pipelineBubble",
            "pipelineComm", "dataComm", "contextComm", "optimizer", "other", "seconds", "MFU", "weights", "gradients",
            "optimizer state", "activations", "other memory", "steps", "goodput", "days", "GPU-hours", "cost", "energy",
        ]
        #expect(expected.isSubset(of: figures))
        #expect(estimate.explanation.allSatisfy { $0.value.isFinite && !$0.formula.isEmpty })
    }

    /// The formulas give the figures of the answer, whatever the software's constants are.
    @Test(arguments: [nil] + Framework.Constant.allCases.map(Optional.some))
    func formulasGiveTheFigures(_ constant: Framework.Constant?) throws {
        var framework = Framework(name: "test")
        if let constant { framework.change(constant) }
        for layout in Self.layouts {
            var plan = plan()
            plan.frameworks = Frameworks([framework], named: "test")
            let estimate = try estimate(plan: plan, layout: layout).explained()
            let (step, lines) = (estimate.iteration, estimate.explanation)
            for (figure, value) in [
                ("seconds", step.seconds), ("compute", step.breakdown.compute), ("recompute", step.breakdown.recompute),
                ("tensorComm", step.breakdown.tensorComm), ("pipelineBubble", step.breakdown.pipelineBubble),
                ("pipelineComm", step.breakdown.pipelineComm), ("dataComm", step.breakdown.dataComm),
                ("contextComm", step.breakdown.contextComm), ("optimizer", step.breakdown.optimizer),
                ("other", step.breakdown.other),
            ] {
                let line = try #require(lines.last { $0.figure == figure }, "\(figure)")
                #expect(abs(line.value - value) <= 1e-9 * step.seconds, "\(figure) of \(layout)")
            }
        }
    }

    @Test(arguments: [Layout.Sharding.optimizer, .gradients, .parameters])
    func moreDevicesNeverNeedMoreMemory(sharding: Layout.Sharding) throws {
        var last = Double.infinity
        for data in [1, 2, 4, 8, 16, 32] {
            let layout = Layout(data: data, tensor: 8, sharding: sharding)
            let peak = try estimate(plan: plan(devices: layout.devices), layout: layout).peakMemory
            if data > 1 { #expect(peak <= last) }
            last = data == 1 ? .infinity : peak
        }
    }

    @Test func recomputationTradesTimeForMemory() throws {
        func priced(_ recompute: Layout.Recompute) throws -> Estimate {
            let layout = Layout(tensor: 8, pipeline: 8, recompute: recompute, flashAttention: false)
            return try estimate(plan: plan(), layout: layout)
        }
        let (none, selective, full) = (try priced(.none), try priced(.selective), try priced(.full))
        #expect(none.peakMemory > selective.peakMemory && selective.peakMemory > full.peakMemory)
        #expect(none.iteration.seconds < selective.iteration.seconds)
        #expect(selective.iteration.seconds < full.iteration.seconds)
        #expect(none.iteration.modelFLOPs == full.iteration.modelFLOPs)
        #expect(none.iteration.hardwareFLOPs < full.iteration.hardwareFLOPs)
    }

    @Test func sequenceParallelismSavesActivationsAlone() throws {
        func rank(_ sequenceParallel: Bool) throws -> Estimate.RankMemory {
            let layout = Layout(data: 8, tensor: 8, sequenceParallel: sequenceParallel)
            return try estimate(plan: plan(), layout: layout).memoryByRank[0]
        }
        let (without, with) = (try rank(false), try rank(true))
        #expect(with.activations < without.activations)
        #expect(with.weights == without.weights && with.optimizer == without.optimizer)
    }

    /// Shares of the published figures of Korthikanti et al. 2022, table 5: MFU on A100-80G.
    @Test(arguments: [
        (48, 6144, 64, 1, 1, 4, 4, 0.415), (96, 12288, 96, 8, 3, 1, 64, 0.514), (105, 20480, 128, 35, 3, 1, 280, 0.560),
        (128, 25600, 160, 64, 1, 1, 512, 0.563),
    ])
    func tableFive(
        layers: Int, hidden: Int, heads: Int, pipeline: Int, virtual: Int, microbatch: Int, batch: Int, mfu: Double
    ) throws {
        let layout = Layout(
            tensor: 8, pipeline: pipeline, virtualStages: virtual, microbatch: microbatch,
            schedule: virtual > 1 ? .interleaved : .oneForwardOneBackward, recompute: .selective,
            sequenceParallel: true, flashAttention: false)
        let plan = Plan(
            name: "", model: TestModel.gpt(layers: layers, hidden: hidden, heads: heads), tokens: nil,
            cluster: TestCluster.a100(), devices: layout.devices, batch: batch, precision: .fp16, layout: layout)
        let predicted = try estimate(plan: plan, layout: layout).mfu
        #expect(abs(predicted / mfu - 1) < 0.2)
    }

    /// The stages that the simulator times add up to what is priced.
    @Test(arguments: layouts)
    func actionCostsAreThePricedTimes(_ layout: Layout) throws {
        let plan = plan()
        let work = try Pricer(plan: plan).work(layout)
        let costs = ActionCosts(work)
        #expect(costs.forward.count == layout.stages)
        for rank in 0..<layout.pipeline {
            var total = 0.0
            for stage in stride(from: rank, to: layout.stages, by: layout.pipeline) {
                total += costs.forward[stage] + costs.backward[stage]
                let halves = costs.backwardInput[stage] + costs.backwardWeight[stage]
                #expect(abs(halves / costs.backward[stage] - 1) < 1e-12)
            }
            #expect(abs(total / work.rank(rank).total - 1) < 1e-12)
        }
    }

    @Test func processesOfALaptopInFp32() throws {
        let layout = Layout(pipeline: 2, microbatch: 4)
        let plan = plan(TestModel.tiny, devices: 2, batch: 32, precision: .fp32, cluster: TestCluster.cores())
        let priced = try estimate(plan: plan, layout: layout)
        #expect(priced.fits)
        #expect(priced.mfu > 0.2 && priced.mfu < 0.9)
        #expect(priced.iteration.breakdown.optimizer > 0)
        // 16 bytes a parameter, no half-precision copy.
        let state = priced.memoryByRank.map { $0.weights + $0.gradients + $0.optimizer }.reduce(0, +)
        let copies = Double(plan.model.parameters().total + plan.model.vocab * plan.model.hidden)
        #expect(abs(state - 16 * copies) < 1)
        #expect(priced.run?.cost == nil && priced.run?.energyMWh == nil && priced.run?.goodput == 1)
    }

    /// Daly 2006, worked by hand for the reference: mean time between failures 11,135 s, restart 600 s.
    @Test(arguments: [(30.0, 797.5, 0.8797), (60, 1116.3, 0.8526), (120, 1555.7, 0.8152), (300, 2388.6, 0.7443)])
    func goodput(checkpoint: Double, interval: Double, share: Double) {
        let interruptions = Interruptions(between: 11135, checkpoint: checkpoint, restart: 600)
        #expect(abs(interruptions.interval - interval) < 0.06)
        #expect(abs(interruptions.goodput - share) < 5e-5)
    }

    @Test func runTotals() throws {
        let layout = Layout(data: 2, tensor: 8, pipeline: 4, sharding: .optimizer)
        let priced = try estimate(plan: plan(), layout: layout)
        let run = try #require(priced.run)
        #expect(run.steps == (1e12 / (256 * 4096)).rounded(.up))
        #expect(abs(run.days * 86400 * run.goodput / (run.steps * priced.iteration.seconds) - 1.06) < 1e-12)
        #expect(abs(run.gpuHours - run.days * 24 * 64) < 1e-6)
        #expect(try abs(#require(run.cost) - 2 * run.gpuHours) < 1e-6)
        #expect(run.lowDays < run.days && run.days < run.highDays)
        #expect(run.goodput > 0.9 && run.goodput < 1)
    }

    @Test func curves() {
        let curve = EfficiencyCurve(points: [.init(size: 1, share: 0.2), .init(size: 4, share: 0.6)])
        #expect(curve.share(of: 0.5) == 0.2)
        #expect(curve.share(of: 8) == 0.6)
        #expect(abs(curve.share(of: 2) - 0.4) < 1e-12)
    }
}
