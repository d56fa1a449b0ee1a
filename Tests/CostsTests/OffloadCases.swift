import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Small plans that offload, on a cluster whose hosts are known.
protocol OffloadCases {}

extension OffloadCases {
    static var plain: Framework { Framework(name: "test") }
    /// Software with some way of its own.
    static func software(_ change: (inout Framework) -> Void) -> Framework {
        var framework = plain
        change(&framework)
        return framework
    }

    func plan(
        _ layout: Layout, layers: Int = 24, hidden: Int = 2048, precision: Precision = .bf16, microbatches: Int = 4,
        cluster: Cluster? = nil, optimizer: Optimizer = Optimizer(), framework: Framework = Framework(name: "test")
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

    func work(_ plan: Plan) throws -> LayoutWork { try Pricer(plan: plan).work(try #require(plan.layout)) }

    func memory(_ plan: Plan) throws -> RankMemory { LayoutMemory(try work(plan)).rank(0) }

    func layout(
        data: Int = 1, sharding: Layout.Sharding = .none, recompute: Layout.Recompute = .none,
        _ offload: Layout.Offload?
    ) -> Layout {
        var layout = Layout(data: data, recompute: recompute, sharding: sharding)
        layout.offload = offload
        return layout
    }
}
