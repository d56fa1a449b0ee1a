import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Offload to the host, against published figures and DeepSpeed's own estimators.
@Suite struct OffloadTests: OffloadCases {
    /// Bytes of a parameter on a device and in the host memory of a node, of `estimate_zero2_model_states_mem_needs` and
    /// `estimate_zero3_model_states_mem_needs` of DeepSpeed 0.19.8 for 10⁹ parameters and `additional_buffer_factor` 1, run
    /// as they are: devices of a node, nodes, whether parameters are offloaded (nil: ZeRO-2), host, device.
    @Test(
        arguments: [
            (1, 1, nil, 16.0, 2.0), (2, 1, nil, 16, 2), (4, 1, nil, 16, 2), (1, 1, true, 18, 0), (1, 1, false, 16, 2),
            (8, 1, true, 18, 0), (8, 1, false, 16, 0.25), (8, 4, true, 4.5, 0), (8, 4, false, 4, 0.0625),
        ] as [(Int, Int, Bool?, Double, Double)])
    func deepSpeedsEstimators(
        devices: Int, nodes: Int, parameters: Bool?, host: Double, device: Double
    ) throws {
        let offload = Layout.Offload(optimizer: 1, gradients: true, parameters: parameters ?? false)
        for precision in [Precision.bf16, .fp16] {
            let layout = layout(
                data: devices * nodes, sharding: parameters == nil ? .gradients : .parameters, offload)
            let plan = plan(layout, precision: precision)
            let all = Double(plan.model.parameters().total)
            let memory = try memory(plan)
            let onDevice = memory.weights + memory.gradients + memory.optimizer
            #expect(abs(onDevice / all - device) <= 1e-9 * max(1, device))
            #expect(abs(memory.host * Double(devices) / all - host) <= 1e-9 * host)
        }
    }

    /// The largest models of one V100 (Ren et al. 2021, ZeRO-Offload, table 3 and section 6): 13 billion parameters, 65
    /// layers of 4096 with 4 sequences at a time, where PyTorch alone takes 1.4 billion.
    @Test(arguments: [
        (65, 4096, true, true), (78, 4096, true, false), (20, 2304, false, true), (24, 2816, false, false),
    ])
    func zeroOffloadsLargestModels(layers: Int, hidden: Int, isOffloaded: Bool, fits: Bool) throws {
        var cluster = TestCluster.a100()
        cluster.device.memoryBytes = 32 * 1024 * 1024 * 1024
        cluster.device.reservedBytes = 1e9
        // The host of a DGX-2.
        cluster.host = Host(memory: 1.5e12, bandwidth: 256e9, link: 16e9)
        var layout = layout(
            sharding: isOffloaded ? .gradients : .none, recompute: .full,
            isOffloaded ? Layout.Offload(optimizer: 1, gradients: true) : nil)
        layout.microbatch = 4
        let plan = plan(layout, layers: layers, hidden: hidden, precision: .fp16, cluster: cluster)
        #expect((try memory(plan).peak <= cluster.device.memoryBytes) == fits)
    }

    /// Seconds of CPU-Adam (table 4 there) on the host of a DGX-2: two Xeon of six channels of DDR4-2666, 256 GB/s. Without
    /// the bytes of copies, which that table leaves out.
    @Test(arguments: [(1e9, 0.22), (4e9, 1.03), (10e9, 2.57)])
    func secondsOfCPUAdam(parameters: Double, seconds: Double) throws {
        var cluster = TestCluster.a100()
        cluster.host = Host(memory: 1.5e12, bandwidth: 256e9, link: 16e9)
        let work = try work(
            plan(layout(Layout.Offload(optimizer: 1)), precision: .fp16, cluster: cluster))
        let step = try #require(HostStep(owned: parameters, work))
        #expect(step.copiedOut == 2 * parameters && step.copiedBack == 2 * parameters)
        let predicted = step.step * (step.moved - step.copiedOut - step.copiedBack) / step.moved
        #expect(abs(predicted / seconds - 1) < 0.2, "\(predicted) s, published \(seconds) s")
    }

    /// Gradients go and weights come back: 4 bytes of each 16-bit parameter and step (Ren et al. 2021, section 4.1).
    @Test func fourBytesOfAParameterTravel() throws {
        var layout = layout(sharding: .gradients, Layout.Offload(optimizer: 1, gradients: true))
        layout.gradients = .fp16
        var plan = plan(layout, precision: .fp16, microbatches: 1)
        // The gradient of a table that serves at both ends is handed over by each.
        plan.model.tiedEmbeddings = false
        let traffic = HostTraffic(try work(plan), rank: 0)
        let all = Double(plan.model.parameters().total)
        #expect(abs(traffic.toHost / all - 2) < 1e-9 && abs(traffic.fromHost / all - 2) < 1e-9)
    }

    @Test func aShareOfTheOptimizer() throws {
        let (none, half, all) = (
            try memory(plan(layout(nil))), try memory(plan(layout(Layout.Offload(optimizer: 0.5)))),
            try memory(plan(layout(Layout.Offload(optimizer: 1))))
        )
        #expect(abs(half.optimizer - none.optimizer / 2) < 1 && all.optimizer == 0)
        #expect(abs(half.host - all.host / 2) < 1 && none.host == 0)
        #expect(half.weights == none.weights && half.gradients == none.gradients)
    }

    /// Each limit of the step: the link where it is slow, the host where its memory is, the device where both are not.
    @Test func theSlowestPartCounts() throws {
        func optimizer(_ offload: Layout.Offload?, link: Double = 32e9, bandwidth: Double = 409.6e9) throws -> Double {
            var cluster = TestCluster.a100()
            cluster.host = Host(memory: 2e12, bandwidth: bandwidth, link: link)
            return IterationTime(try work(plan(layout(offload), cluster: cluster))).breakdown.optimizer
        }
        let all = Double(plan(layout(nil)).model.parameters().total)
        let host = Host(memory: 0, bandwidth: 0, link: 0)
        // fp32 gradients out, 16-bit weights back.
        let slow = try optimizer(Layout.Offload(optimizer: 1), link: 1e9)
        #expect(abs(slow / (4 * all / (1e9 * host.linkEfficiency)) - 1) < 0.02)
        // Gradient, moments and master weight, 16-bit weight, and the bytes of both copies.
        let busy = try optimizer(Layout.Offload(optimizer: 1), bandwidth: 40e9)
        #expect(abs(busy / ((4 + 24 + 2 + 4 + 2) * all / (40e9 * host.memoryEfficiency)) - 1) < 0.02)
        let one = try optimizer(Layout.Offload(optimizer: 1, overlap: false), link: 1e9, bandwidth: 40e9)
        #expect(abs(one / (6 * all / (1e9 * host.linkEfficiency) + busy) - 1) < 0.02)
        let (here, half) = (
            try optimizer(nil), try optimizer(Layout.Offload(optimizer: 0.5), link: 1e15, bandwidth: 1e16)
        )
        #expect(half < here && half > 0.5 * here)
    }

    /// With twice the devices of a node each has half of the host's memory bandwidth.
    @Test func devicesOfANodeShareItsHost() throws {
        func step(_ data: Int) throws -> Double {
            let work = try work(plan(layout(data: data, Layout.Offload(optimizer: 1))))
            return try #require(HostStep(owned: 1e9, work)).step
        }
        let (one, eight, sixteen) = (try step(1), try step(8), try step(16))
        #expect(abs(eight / one - 8) < 1e-9 && sixteen == eight)
    }

    // MARK: - Activations

    @Test func activationsAreHiddenUpToCompute() throws {
        func copies(link: Double, _ activations: Layout.Offload.Activations) throws -> (seconds: Double, plain: Double)
        {
            var cluster = TestCluster.a100()
            cluster.host = Host(memory: 2e12, bandwidth: 409.6e9, link: link)
            let time = IterationTime(
                try work(plan(layout(Layout.Offload(activations: activations)), cluster: cluster)))
            return (try #require(time.breakdown.hostComm), time.seconds)
        }
        #expect(try copies(link: 1e15, .all).seconds == 0)
        let slow = try copies(link: 1e9, .all)
        let sent = HostTraffic(try work(plan(layout(Layout.Offload(activations: .all)))), rank: 0)
        #expect(sent.toHost == sent.fromHost && sent.toHost > 0)
        let rate = 1e9 * Host(memory: 0, bandwidth: 0, link: 0).linkEfficiency
        // All of it but what compute hides.
        #expect(slow.seconds < 2 * sent.toHost / rate && slow.seconds > 2 * sent.toHost / rate - slow.plain / 2)
        // Of few blocks all is hidden behind the stage; of all as many as one after the other.
        #expect(try copies(link: 8e9, .first(1)).seconds == 0)
        let (every, each) = (try copies(link: 2e9, .first(24)).seconds, try copies(link: 2e9, .all).seconds)
        #expect(abs(every / each - 1) < 0.05)
    }

    @Test func twoBlocksStayOnTheDevice() throws {
        let none = try memory(plan(layout(nil)))
        let all = try memory(plan(layout(Layout.Offload(activations: .all))))
        let block = LayoutMemory(try work(plan(layout(nil)))).blockActivationBytes(rank: 0) / 24
        #expect(abs(none.activations - all.activations - 22 * block) <= 1e-9 * none.activations)
        #expect(abs(all.host - 24 * block) <= 1e-9 * all.host)
        // Of six blocks a stage.
        let some = try memory(plan(layout(Layout.Offload(activations: .first(6)))))
        #expect(abs(none.activations - some.activations - 4 * block) <= 1e-9 * none.activations)
        #expect(abs(some.host - 6 * block) <= 1e-9 * some.host)
        // Inputs of recomputed blocks.
        let inputs = try memory(plan(layout(recompute: .full, Layout.Offload(activations: .all))))
        #expect(abs(inputs.host - 24 * 1024 * 2048 * 2) < 1)
    }

    /// No more blocks are on the device than there are: one that is offloaded and held once stays as it was.
    @Test func oneBlockNeedsOneBuffer() throws {
        for recompute in [Layout.Recompute.none, .full] {
            let none = try memory(plan(layout(recompute: recompute, nil)))
            for (count, left) in [(1, 0.0), (2, 0), (3, 1)] {
                let some = try memory(
                    plan(layout(recompute: recompute, Layout.Offload(activations: .first(count)))))
                let block = some.host / Double(count)
                #expect(abs(none.activations - some.activations - left * block) <= 1e-9 * none.activations)
            }
        }
    }

    /// Blocks that are not offloaded are recomputed as before, beside the buffers of those that are.
    @Test func theOthersAreRecomputedBesideTheBuffers() throws {
        func memory(_ recompute: Layout.Recompute, _ offload: Layout.Offload?) throws -> RankMemory {
            var plan = plan(layout(recompute: recompute, offload), layers: 4)
            // The first block is narrow, the others have experts.
            plan.model.block.moe = Model.Mixture(experts: 8, topK: 2, ffn: 16_384, firstDense: 1)
            return try self.memory(plan)
        }
        let (none, one) = (try memory(.full, nil), try memory(.full, Layout.Offload(activations: .first(1))))
        #expect(one.host > 0 && abs(none.activations - one.activations) <= 1e-9 * none.activations)
    }

    // MARK: - Hosts

    /// Four stages of two devices, on nodes of eight, of four and of three.
    @Test func theFullestNode() throws {
        func fullest(node: Int) -> Double { HostMemory.fullestNode([1, 10, 100, 1000], stage: 2, sharers: node) }
        #expect(fullest(node: 8) == 2222 && fullest(node: 4) == 2200)
        // Nodes 0 0 1 | 1 2 2 | 3 3.
        #expect(fullest(node: 3) == 2000 && fullest(node: 1) == 1000)
    }

    @Test func aHostThatIsFullDoesNotFit() throws {
        for (memory, fits) in [(2e12, true), (20e9, false)] {
            var cluster = TestCluster.a100()
            cluster.host = Host(memory: memory, bandwidth: 409.6e9, link: 32e9)
            let layout = layout(data: 8, Layout.Offload(optimizer: 1))
            let answer = try estimate(plan: plan(layout, cluster: cluster), layout: layout)
            #expect(answer.fits == fits && answer.fitsHost == fits && answer.fitsDevice)
            #expect(abs(try #require(answer.hostMemory) - 8 * answer.memoryByRank[0].host) < 1)
        }
    }

    /// Two groups, each with its own hosts: the fuller one counts, though it has less in it.
    @Test func everyGroupHasItsHosts() throws {
        var (first, second) = (TestCluster.a100(), TestCluster.a100())
        first.host = Host(memory: 2e12, bandwidth: 409.6e9, link: 32e9)
        var layout = Layout(data: 8, pipeline: 2)
        layout.offload = Layout.Offload(optimizer: 1)
        func answer(_ host: Host?) throws -> Estimate {
            second.host = host
            let link = GroupLink(
                name: "between", bytesPerSecond: 25e9, latencySeconds: 1e-5, efficiency: 0.9, allReduceEfficiency: 0.9,
                inNetworkReduction: false)
            let cluster = Cluster(
                name: "two",
                groups: ClusterGroups(
                    [.init(cluster: first, nodes: 1), .init(cluster: second, nodes: 1)], between: link))
            var plan = plan(layout)
            (plan.cluster, plan.devices) = (cluster, 16)
            return try estimate(plan: plan, layout: layout)
        }
        let (fast, slow) = (
            try answer(first.host), try answer(Host(memory: 1e12, bandwidth: 40e9, link: 32e9))
        )
        // The step ends with the slower host, which steps its own half alone.
        #expect(slow.iteration.breakdown.optimizer > 5 * fast.iteration.breakdown.optimizer)
        #expect(slow.fullestHost?.capacity == 1e12 && fast.fullestHost?.capacity == 2e12 && slow.fits)
        #expect(try !answer(Host(memory: 20e9, bandwidth: 409.6e9, link: 32e9)).fitsHost)
        #expect(throws: CostError.self) { try answer(nil) }
    }

    @Test func nothingOffloadedNothingSaid() throws {
        let layout = layout(nil)
        let answer = try estimate(plan: plan(layout), layout: layout)
        #expect(answer.iteration.breakdown.hostComm == nil && answer.hostMemory == nil && answer.fitsHost)
    }

    @Test func withoutAHostNothingIsPriced() {
        let layout = layout(Layout.Offload(optimizer: 1))
        var plan = plan(layout)
        plan.cluster.host = nil
        #expect(throws: CostError.self) { try Pricer(plan: plan).work(layout) }
    }
}
