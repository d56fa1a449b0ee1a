import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Offload to the host, against published figures and DeepSpeed's own estimators.
@Suite struct OffloadTests {
    private static let plain = Framework(name: "test")
    /// Software with some way of its own.
    private static func software(_ change: (inout Framework) -> Void) -> Framework {
        var framework = plain
        change(&framework)
        return framework
    }

    private func plan(
        _ layout: Layout, layers: Int = 24, hidden: Int = 2048, precision: Precision = .bf16, microbatches: Int = 4,
        cluster: Cluster? = nil, optimizer: Optimizer = Optimizer(), framework: Framework = plain
    ) -> Plan {
        var cluster = cluster ?? TestCluster.a100()
        if cluster.host == nil { cluster.host = Host(memory: 2e12, bandwidth: 409.6e9, link: 32e9) }
        var plan = Plan(
            name: "offload",
            model: Model(
                family: .gpt, layers: layers, hidden: hidden, heads: hidden / 128, vocab: 51_200, sequence: 1024),
            tokens: nil, cluster: cluster, devices: layout.devices,
            batch: layout.data * layout.microbatch * microbatches, precision: precision, layout: layout,
            frameworks: Frameworks([framework], named: "test"))
        plan.optimizer = optimizer
        return plan
    }

    private func work(_ plan: Plan) throws -> LayoutWork { try Pricer(plan: plan).work(try #require(plan.layout)) }

    private func memory(_ plan: Plan) throws -> RankMemory { LayoutMemory(try work(plan)).rank(0) }

    private func layout(
        data: Int = 1, sharding: Layout.Sharding = .none, recompute: Layout.Recompute = .none,
        _ offload: Layout.Offload?
    ) -> Layout {
        var layout = Layout(data: data, recompute: recompute, sharding: sharding)
        layout.offload = offload
        return layout
    }

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

    // MARK: - Ways of software

    /// Megatron-Core's host has fp32 parameters, gradients and moments, 16 bytes, and fp32 goes both ways whatever the device
    /// has (hybrid_optimizer.py, `param_update_in_fp32`).
    @Test(arguments: [Precision.fp32, .bf16]) func copiesInFP32(_ gradients: Precision) throws {
        var layout = layout(Layout.Offload(optimizer: 1))
        layout.gradients = gradients
        let (plan, other) = (
            plan(layout, framework: Self.software { $0.copiesFP32ToHost = true }), plan(layout)
        )
        let step = try #require(HostStep(owned: 1e9, try work(plan)))
        #expect(step.copiedOut == 4e9 && step.copiedBack == 4e9)
        // Gradient, moments and weight, and the copies; no 16-bit weights are written there.
        #expect(step.moved == (4 + 24 + 4 + 4) * 1e9)
        // The device casts 16-bit gradients before, and weights behind.
        let rates = try work(plan).rates
        let cast = gradients == .bf16 ? 6.0 + 6 : 6
        #expect(abs(step.cast / rates.memory(cast * 1e9) - 1) < 1e-9)
        #expect(try #require(HostStep(owned: 1e9, try work(other))).cast == 0)
        #expect(step.seconds(beside: 1) > 1 && step.seconds(beside: 1) >= 1 + step.cast)
    }

    /// Without the precision-aware optimizer fp32 main weights stay: of a parameter 8 bytes leave the device, not 12.
    @Test func mainWeightsMayStay() throws {
        for (keeps, left) in [(true, 8.0), (false, 12)] {
            func memory(_ offload: Layout.Offload?) throws -> RankMemory {
                try self.memory(
                    plan(layout(offload), framework: Self.software { $0.keepsOffloadedMaster = keeps }))
            }
            let plan = plan(layout(nil))
            let all = Double(plan.model.parameters().total)
            let (none, half, whole) = (
                try memory(nil), try memory(Layout.Offload(optimizer: 0.5)), try memory(Layout.Offload(optimizer: 1))
            )
            #expect(abs((none.optimizer - whole.optimizer) / all - left) < 1e-9)
            #expect(abs((none.optimizer - half.optimizer) / all - left / 2) < 1e-9)
            #expect(abs(whole.host / all - 16) < 1e-9 && whole.weights == none.weights)
        }
    }

    /// Qwen3-30B-A3B on 16 H100, tensor 2, pipeline 2, expert 4 (Megatron-Bridge, docs/training/cpu-offloading.md): 3.8 GB less
    /// for each quarter of the optimizer, 15.3 GB for all.
    @Test(arguments: [(0.25, 3.8), (0.5, 7.7), (0.75, 11.5), (1, 15.3)])
    func publishedMemoryOfMegatronBridge(share: Double, gigabytes: Double) throws {
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "megatron-core"
        let model = Model(
            family: .llama, layers: 48, hidden: 2048, heads: 32, kvHeads: 4, headSize: 128, ffn: 6144, vocab: 151_936,
            sequence: 4096, moe: Model.Mixture(experts: 128, topK: 8, ffn: 768))
        func peak(_ offload: Layout.Offload?) throws -> Double {
            var layout = Layout(
                data: 4, tensor: 2, pipeline: 2, expert: 4, sharding: .optimizer, sequenceParallel: true)
            layout.expertTensor = 1
            layout.offload = offload
            let plan = Plan(
                name: "bridge", model: model, tokens: nil,
                cluster: try Cluster.read("h100-80g-sxm", library: Checkout.library), devices: 16, batch: 8,
                precision: .bf16, layout: layout, frameworks: frameworks)
            return LayoutMemory(try Pricer(plan: plan).work(layout)).peak
        }
        let freed = try (peak(nil) - peak(Layout.Offload(optimizer: share))) / 1e9
        #expect(abs(freed / gigabytes - 1) < 0.02, "\(freed) GB, published \(gigabytes) GB")
    }

    /// DeepSpeed's devices add: what a buffer on the host has comes back and goes again, and the last sums go in fp32 as well
    /// (stage_1_and_2.py, `async_accumulate_grad_in_cpu_via_gpu`; stage3.py, `partition_grads`). Micro-batches, bytes of a
    /// parameter's gradients out and back.
    @Test(arguments: [
        (false, 1, 4.0, 0.0), (false, 4, 4 * 2 + 4, 3 * 2), (true, 1, 2 + 4, 2), (true, 4, 4 * 2 + 4, 4 * 2),
    ])
    func deepSpeedAddsOnTheDevice(_ isWhole: Bool, _ microbatches: Int, _ out: Double, _ back: Double) throws {
        var layout = layout(
            data: 2, sharding: isWhole ? .parameters : .gradients, Layout.Offload(optimizer: 1, gradients: true))
        layout.gradients = .fp16
        func traffic(_ framework: Framework) throws -> (traffic: HostTraffic, memory: RankMemory, all: Double) {
            var plan = plan(layout, precision: .fp16, microbatches: microbatches, framework: framework)
            plan.model.tiedEmbeddings = false
            return (
                HostTraffic(try work(plan), rank: 0), try memory(plan), Double(plan.model.parameters().total) / 2
            )
        }
        let (device, onDevice, all) = try traffic(Self.software { $0.addsOffloadedGradients = true })
        let (host, onHost, _) = try traffic(Self.plain)
        #expect(abs(device.toHost / all - out) < 1e-9)
        #expect(abs((device.fromHost - host.fromHost) / all - back) < 1e-9)
        #expect(abs(host.toHost / all - Double(microbatches) * 2) < 1e-9)
        // The sums have a buffer beside the fp32 gradients.
        let buffer: Double = isWhole || microbatches > 1 ? 2 : 0
        #expect(abs((onDevice.host - onHost.host) / all - buffer) < 1e-9)
    }

    /// A host that adds moves the sum and the gradient for all micro-batches but the first; a device that adds leaves the
    /// copies.
    @Test func whoAddsTakesTheTime() throws {
        func seconds(_ microbatches: Int, adds: Bool, bandwidth: Double, link: Double) throws -> Double {
            var cluster = TestCluster.a100()
            cluster.host = Host(memory: 2e12, bandwidth: bandwidth, link: link)
            var layout = layout(data: 2, sharding: .gradients, Layout.Offload(optimizer: 1, gradients: true))
            layout.overlap.data = false
            let plan = plan(
                layout, microbatches: microbatches, cluster: cluster,
                framework: Self.software { $0.addsOffloadedGradients = adds })
            return try #require(IterationTime(try work(plan)).breakdown.hostComm)
        }
        // Of one micro-batch nothing is added: both hand four bytes over.
        let (one, same) = (
            try seconds(1, adds: false, bandwidth: 1e18, link: 1e9),
            try seconds(1, adds: true, bandwidth: 1e18, link: 1e9)
        )
        #expect(abs(one / same - 1) < 1e-9)
        // On a slow link the device's fp32 sums of a last micro-batch count, on slow memory the host's sums.
        #expect(
            try seconds(4, adds: true, bandwidth: 1e18, link: 1e9) > 1.2
                * seconds(4, adds: false, bandwidth: 1e18, link: 1e9))
        #expect(
            try seconds(4, adds: false, bandwidth: 1e9, link: 1e15) > 1.2
                * seconds(4, adds: true, bandwidth: 1e9, link: 1e15))
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
