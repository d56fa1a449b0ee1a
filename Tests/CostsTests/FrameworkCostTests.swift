import Costs
import Models
import Plans
import PricingSupport
import Testing

/// Effect of each constant of a framework on a step.
@Suite struct FrameworkCostTests {
    private func step(
        _ layout: Layout, devices: Int = 8, on cluster: Cluster = TestCluster.a100(),
        change: (inout Framework) -> Void = { _ in }
    ) throws
        -> Estimate
    {
        var framework = Framework(name: "test")
        change(&framework)
        let plan = Plan(
            name: "test", model: TestModel.llama70B, tokens: 1e12, cluster: cluster, devices: devices,
            batch: 64, precision: .bf16, layout: nil, frameworks: Frameworks([framework], named: "test"))
        return try estimate(plan: plan, layout: layout)
    }

    private let tensor = Layout(tensor: 8, sequenceParallel: true)

    @Test(arguments: [
        Framework.Constant.elementwise, .hostStep, .hostMicrobatch, .optimizer, .contention,
    ])
    func moreCostsMore(_ constant: Framework.Constant) throws {
        let free = try step(tensor).iteration.seconds
        let costly = try step(tensor) { $0[constant] = constant.isSeconds ? 0.5 : $0[constant] + 0.5 }.iteration.seconds
        #expect(costly > free)
    }

    /// The device waits for a slow host and not for a fast one; with blocking launches it always does.
    @Test func hostTimeHidesBehindTheDevice() throws {
        let free = try step(tensor).iteration.seconds
        #expect(try step(tensor) { $0.hostForward = 1e-6 }.iteration.seconds == free)
        #expect(try step(tensor) { $0.hostForward = 1 }.iteration.seconds > free + 80 * 64 * 0.9)
        let blocking = try step(tensor) {
            $0.hostForward = 1e-3
            $0.blockingLaunches = true
        }
        #expect(abs(blocking.iteration.seconds - free - 80 * 64 * 1e-3) < 0.01 * free)
    }

    /// Selective recomputation by operation keeps attention and makes half of the products again: half of the blocks' linear
    /// forward, of which 2·B·s FLOPs a weight. By core attention it adds three forwards of it (Korthikanti et al. 2022).
    @Test func hardwareFLOPsFollowWhatIsRecomputed() throws {
        let layout = Layout(tensor: 8, recompute: .selective, sequenceParallel: true)
        let byOperation = try step(layout) { $0.selectiveOperations = true }.iteration
        let model = TestModel.llama70B
        let weights = 80.0 * (8192 * 128 * (2 * 64 + 2 * 8) + 3 * 8192 * 28672)
        let tokens = 64.0 * 4096
        #expect(byOperation.hardwareFLOPs - byOperation.modelFLOPs == tokens * weights)
        let byAttention = try step(layout).iteration
        #expect(
            byAttention.hardwareFLOPs - byAttention.modelFLOPs
                == 3 * 4 * tokens * 80 * 4096 * Double(model.heads * model.headSize))
        // Their share of the products takes about that share of the time.
        let share = byOperation.breakdown.recompute / byOperation.breakdown.compute
        #expect(share > 0.1 && share < 0.25)
    }

    /// Hybrid sharding keeps gathers inside a node, where the network between nodes is slow, and pays with memory.
    @Test func shardGroupsTradeMemoryForTheNetwork() throws {
        let whole = Layout(data: 64, microbatch: 1, recompute: .full, sharding: .parameters)
        var hybrid = whole
        hybrid.shardGroup = 8
        var slow = TestCluster.a100()
        slow.networks[1].bytesPerSecond = 2e9
        let (far, near) = (
            try step(whole, devices: 64, on: slow) { $0.gathersHidden = 0 },
            try step(hybrid, devices: 64, on: slow) { $0.gathersHidden = 0 }
        )
        #expect(near.iteration.breakdown.dataComm < far.iteration.breakdown.dataComm)
        #expect(near.memoryByRank[0].optimizer > 7.9 * far.memoryByRank[0].optimizer)
    }

    @Test func memoryIsCountedByKind() throws {
        let estimate = try step(tensor) {
            $0.reservedBytes = 3e9
            $0.fragmentation = 0.1
        }
        #expect(abs(estimate.peakMemory(.device) - estimate.peakMemory(.reserved) - 3e9) < 1)
        #expect(estimate.peakMemory(.allocated) < estimate.peakMemory(.reserved))
        let twice = try step(tensor) {
            $0.reservedBytes = 3e9
            $0.fragmentation = 0.1
            $0.twoGradients = true
        }
        // 2 bytes a parameter beside the 4 that are there.
        #expect(abs(twice.memoryByRank[0].gradients / estimate.memoryByRank[0].gradients - 1.5) < 1e-12)
    }

    @Test func operationsKeptNeedLessThanEverythingAndMoreThanNothing() throws {
        func peak(_ recompute: Layout.Recompute, _ operations: Bool) throws -> Double {
            var layout = tensor
            layout.recompute = recompute
            return try step(layout) { $0.selectiveOperations = operations }.memoryByRank[0].activations
        }
        #expect(try peak(.selective, true) < peak(.none, false))
        #expect(try peak(.selective, true) > peak(.full, false))
    }

    /// 8-bit products read and write in 8 bits twice what no norm or activation hands them: a block's attention result
    /// forward; its gradient, those of queries, keys and values, and the second product's, backward.
    @Test func eightBitProductsNeedCasts() throws {
        func compute(_ precision: Precision) throws -> Double {
            var cluster = TestCluster.h100()
            // At the rate of 16 bits only the casts differ.
            cluster.device.peakFLOPs[.fp8] = cluster.device.peakFLOPs[.bf16]
            let plan = Plan(
                name: "test", model: TestModel.llama70B, tokens: nil, cluster: cluster, devices: 1, batch: 1,
                precision: precision, layout: nil)
            return try estimate(plan: plan, layout: Layout()).iteration.breakdown.compute
        }
        let model = TestModel.llama70B
        let core = model.coreAttention
        let widths = 3 * model.hidden + core.queries + core.keys + core.values
        let elements = Double(model.layers * model.sequence * widths)
        let device = TestCluster.h100().device
        let seconds = 4 * elements / (device.memoryBytesPerSecond * device.memoryEfficiency)
        #expect(abs((try compute(.fp8) - compute(.bf16)) / seconds - 1) < 0.01)
    }

    /// The fullest rank of experts sets the pace and holds most.
    @Test func imbalancedRoutingCostsTimeAndMemory() throws {
        func step(_ imbalance: Double) throws -> Estimate {
            var model = TestModel.llama70B
            model.moe = Model.Mixture(experts: 8, topK: 2, ffn: 14336, imbalance: imbalance)
            let plan = Plan(
                name: "test", model: model, tokens: 1e12, cluster: TestCluster.a100(), devices: 64, batch: 64,
                precision: .bf16, layout: nil)
            return try estimate(plan: plan, layout: Layout(data: 64, expert: 8, sharding: .optimizer))
        }
        let (even, skewed) = (try step(1), try step(1.5))
        #expect(skewed.iteration.breakdown.expertComm > 1.4 * even.iteration.breakdown.expertComm)
        #expect(skewed.iteration.seconds > 1.1 * even.iteration.seconds)
        #expect(skewed.memoryByRank[0].activations > even.memoryByRank[0].activations)
    }
}
