import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// The ways in which software copies, keeps and adds what is offloaded, against its code and published figures.
@Suite struct OffloadSoftwareTests: OffloadCases {
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
        let cast = gradients == .bf16 ? 6.0 + 6 : 6
        let (rate, bandwidth) = (cast * 1e9 / step.cast, plan.cluster.device.memoryBytesPerSecond)
        #expect(rate <= bandwidth && rate > 0.7 * bandwidth)
        #expect(try #require(HostStep(owned: 1e9, try work(other))).cast == 0)
        #expect(step.seconds(beside: 1) > 1 && step.seconds(beside: 1) >= 1 + step.cast)
    }

    /// Without the precision-aware optimizer fp32 main weights stay: of a parameter 8 bytes leave the device, not 12.
    @Test func mainWeightsMayStay() throws {
        for (keeps, left) in [(true, 8.0), (false, 12)] {
            func memory(_ offload: Layout.Offload?) throws -> RankMemory {
                try self.memory(
                    self.plan(layout(offload), framework: Self.software { $0.keepsOffloadedMaster = keeps }))
            }
            let all = Double(self.plan(layout(nil)).model.parameters().total)
            let (none, half, whole) = (
                try memory(nil), try memory(Layout.Offload(optimizer: 0.5)), try memory(Layout.Offload(optimizer: 1))
            )
            #expect(abs((none.optimizer - whole.optimizer) / all - left) < 1e-9)
            #expect(abs((none.optimizer - half.optimizer) / all - left / 2) < 1e-9)
            #expect(abs(whole.host / all - 16) < 1e-9 && whole.weights == none.weights)
        }
    }

    /// Qwen3-30B-A3B on 16 H100, tensor 2, pipeline 2, expert 4 (Megatron-Bridge, docs/training/cpu-offloading.md).
    private func bridge(
        _ offload: Layout.Offload?, _ change: (inout Framework) -> Void = { _ in }
    ) throws -> LayoutWork {
        var software = try #require(try Frameworks.read(library: Checkout.library).known["megatron-core"])
        change(&software)
        var layout = Layout(data: 4, tensor: 2, pipeline: 2, expert: 4, sharding: .optimizer, sequenceParallel: true)
        layout.layersPerStage = [24, 24]
        layout.offload = offload
        let plan = Plan(
            name: "bridge",
            model: Model(
                family: .llama, layers: 48, hidden: 2048, heads: 32, kvHeads: 4, headSize: 128, ffn: 6144,
                vocab: 151_936, sequence: 4096, moe: Model.Mixture(experts: 128, topK: 8, ffn: 768)),
            tokens: nil, cluster: try Cluster.read("h100-80g-sxm", library: Checkout.library), devices: 16, batch: 8,
            precision: .bf16, layout: layout, frameworks: Frameworks([software], named: software.name))
        return try Pricer(plan: plan).work(layout)
    }

    /// 3.8 GB less for each quarter of the optimizer, 15.3 GB for all.
    @Test(arguments: [(0.25, 3.8), (0.5, 7.7), (0.75, 11.5), (1, 15.3)])
    func publishedMemoryOfMegatronBridge(share: Double, gigabytes: Double) throws {
        func peak(_ offload: Layout.Offload?) throws -> Double { LayoutMemory(try bridge(offload)).peak }
        let freed = try (peak(nil) - peak(Layout.Offload(optimizer: share))) / 1e9
        #expect(abs(freed / gigabytes - 1) < 0.02, "\(freed) GB, published \(gigabytes) GB")
    }

    /// Milliseconds that the step grows by: shares on the host one after the other, and all of it with overlap. The host of
    /// the measurement is not stated; its memory and link are those of a DGX H100 here, and no constant is chosen by it.
    @Test(arguments: [
        (0.25, false, 875.0), (0.5, false, 1488), (0.75, false, 2191), (1, false, 3193), (1, true, 2881),
    ])
    func publishedStepsOfMegatronBridge(share: Double, overlap: Bool, growth: Double) throws {
        func seconds(_ offload: Layout.Offload?, _ change: (inout Framework) -> Void = { _ in }) throws -> Double {
            IterationTime(try bridge(offload, change)).seconds
        }
        let offload = Layout.Offload(optimizer: share, overlap: overlap)
        let none = try seconds(nil)
        let predicted = 1000 * (try seconds(offload) - none)
        // Of copies in the device's formats.
        let less = 1000 * (try seconds(offload) { $0.copiesFP32ToHost = false } - none)
        #expect(
            predicted >= less && predicted / growth > 0.6 && predicted / growth < 1.1, "\(predicted) of \(growth) ms")
        #expect(overlap || predicted > less)
    }

    /// DeepSpeed's devices add: what a buffer on the host has comes back and goes again, and the last sums go in fp32 as well
    /// (stage_1_and_2.py, `async_accumulate_grad_in_cpu_via_gpu`; stage3.py, `partition_grads`). Micro-batches, bytes of a
    /// parameter's gradients out and back.
    @Test(
        arguments: [
            (false, 1, 4, 0), (false, 4, 12, 6), (true, 1, 6, 2), (true, 4, 12, 8),
        ] as [(Bool, Int, Double, Double)])
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
}
