import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// A backward in two parts where the host is slow, and the bytes of sharded states over a whole step, counted by hand.
@Suite struct SplitStepTests {
    private static let model = Model(
        family: .llama, layers: 4, hidden: 1024, heads: 8, ffn: 4096, vocab: 32000, sequence: 128)

    private func work(
        _ layout: Layout, devices: Int, batch: Int, on cluster: Cluster = TestCluster.a100(),
        _ change: (inout Framework) -> Void = { _ in }
    ) throws -> LayoutWork {
        var framework = Framework(name: "test")
        change(&framework)
        return try Pricer(
            plan: Plan(
                name: "", model: Self.model, tokens: nil, cluster: cluster, devices: devices, batch: batch,
                precision: .bf16, layout: layout, frameworks: Frameworks([framework], named: "test"))
        ).work(layout)
    }

    private let split = Layout(pipeline: 2, schedule: .zeroBubbleH1, flashAttention: true)

    /// A dense llama block: four products, each with a kernel for its weights and one for its inputs; attention, two norms,
    /// two residuals, rotary embedding and activation. Four launches of fifteen are weight gradients'.
    @Test func theHostLaunchesBothParts() throws {
        let block = try work(split, devices: 2, batch: 4) { $0.hostBackward = 1 }.block
        #expect(abs(block.backward.total - 1) < 1e-12)
        #expect(abs(block.weightGradient - 4.0 / 15) < 1e-12)
        let free = try work(split, devices: 2, batch: 4).block
        let blocking = try work(split, devices: 2, batch: 4) {
            $0.hostBackward = 1
            $0.blockingLaunches = true
        }.block
        #expect(abs(blocking.weightGradient - free.weightGradient - 4.0 / 15) < 1e-12)
        #expect(abs(blocking.backward.total - free.backward.total - 1) < 1e-12)
    }

    /// Whatever the host takes, a device of twice the peak ends neither part nor both later.
    @Test(arguments: [0, 1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3]) func aFasterDeviceIsNeverLater(host: Double) throws {
        var fast = TestCluster.a100()
        fast.device.peakFLOPs = fast.device.peakFLOPs.mapValues { $0 * 2 }
        let (now, then) = (
            try work(split, devices: 2, batch: 4) { $0.hostBackward = host }.block,
            try work(split, devices: 2, batch: 4, on: fast) { $0.hostBackward = host }.block
        )
        #expect(then.backward.total <= now.backward.total + 1e-15)
        #expect(then.backward.total - then.weightGradient <= now.backward.total - now.weightGradient + 1e-15)
    }

    /// Three micro-batches, four replicas: sharded gradients are scattered three times, sharded parameters gathered six
    /// times, but a table that is only looked up three times; in groups of two a half of each is added up over the other
    /// group.
    @Test func shardsTravelForEveryMicrobatch() throws {
        func sent(_ sharding: Layout.Sharding, group: Int? = nil) throws -> (traffic: Traffic, network: Double, Double)
        {
            let layout = Layout(data: 4, sharding: sharding, shardGroup: group)
            let work = try work(layout, devices: 4, batch: 12)
            return (Traffic(work, rank: 0), NetworkTraffic.sent(work, rank: 0)[0].bytes, work.parameters(rank: 0))
        }
        let table = 32000.0 * 1024
        func expect(
            _ sharding: Layout.Sharding, group: Int? = nil, gradients: Double, weights: Double, less: Double = 0
        ) throws {
            let (traffic, network, held) = try sent(sharding, group: group)
            let gathered = weights * held - less * table
            #expect(abs(traffic.gradients / (gradients * held) - 1) < 1e-12)
            #expect(abs(traffic.weights / gathered - 1) < 1e-12)
            #expect(abs(network / (gradients * held + gathered) - 1) < 1e-12)
        }
        // Gradients of 4 bytes, weights of 2; three quarters leave.
        try expect(.none, gradients: 3, weights: 3)
        try expect(.optimizer, gradients: 3, weights: 1.5)
        try expect(.gradients, gradients: 3 * 3, weights: 1.5)
        try expect(.parameters, gradients: 3 * 3, weights: 6 * 1.5, less: 3 * 1.5)
        try expect(.parameters, group: 2, gradients: 3 * (2 + 1), weights: 6 * 1 + 3 * 1, less: 3 * 1)
    }
}
