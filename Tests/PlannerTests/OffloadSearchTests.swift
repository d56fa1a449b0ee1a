import Costs
import Models
import Planner
import Plans
import TestSupport
import Testing

/// Searches of plans that offload.
@Suite struct OffloadSearchTests {
    private func plan(_ model: String, devices: Int, _ cluster: String = "h100-80g-sxm") throws -> Plan {
        Plan(
            name: "offload", model: try Model.read(model, library: Checkout.library), tokens: nil,
            cluster: try Cluster.read(cluster, library: Checkout.library), devices: devices, batch: 64,
            precision: .bf16, layout: nil, frameworks: try Frameworks.read(library: Checkout.library))
    }

    private func settings() -> SearchSettings {
        var settings = SearchSettings()
        settings.top = 3
        settings.explainsMisfit = false
        return settings
    }

    /// A single device shards nothing among others, and hands its shards to the host all the same.
    @Test func oneDeviceHandsItsShardsOver() throws {
        var plan = try plan("llama2-13b", devices: 1, "a100-80g-sxm")
        plan.frameworks.named = "deepspeed-2021"
        plan.offload = Layout.Offload(optimizer: 1, gradients: true, parameters: true)
        #expect(try search(plan: plan, settings: settings()).candidates.first?.layout.sharding == .parameters)
        (plan.offload, plan.offloadsIfNeeded) = (nil, true)
        #expect(try search(plan: plan, settings: settings()).candidates.first?.layout.offload?.optimizer == 1)
    }

    /// Strategies are compared with what the search of the same plan offloads.
    @Test func strategiesOffloadAsASearchDoes() throws {
        var plan = try plan("llama2-13b", devices: 2, "a100-80g-sxm")
        plan.offloadsIfNeeded = true
        let best = try #require(try search(plan: plan, settings: settings()).candidates.first)
        let auto = try #require(Strategy.all.first { $0.name == Strategy.auto })
        let row = try #require(try compare(plan: plan, strategies: [auto], settings: settings()).first)
        #expect(row.fits && row.estimate?.layout.offload == best.layout.offload)
        #expect(row.estimate?.iteration.seconds == best.iteration.seconds)
    }

    @Test func everyLayoutHasWhatThePlanSays() throws {
        var plan = try plan("llama3-8b", devices: 8)
        plan.frameworks.named = "torch-fsdp"
        for offload in [
            Layout.Offload(optimizer: 0.5), Layout.Offload(optimizer: 1, activations: .all),
            Layout.Offload(optimizer: 1, gradients: true, parameters: true),
            Layout.Offload(optimizer: 1, gradients: true),
        ] {
            plan.offload = offload
            let result = try search(plan: plan, settings: settings())
            #expect(!result.candidates.isEmpty)
            for candidate in result.candidates {
                #expect(candidate.layout.offload == offload && candidate.fitsHost)
                if offload.parameters { #expect(candidate.layout.sharding == .parameters) }
                if offload.gradients { #expect([.gradients, .parameters].contains(candidate.layout.sharding)) }
            }
        }
    }

    @Test func offloadOnlyWhereNothingFits() throws {
        var small = try plan("llama3-8b", devices: 8)
        let plain = try search(plan: small, settings: settings()).candidates
        small.offloadsIfNeeded = true
        #expect(try search(plan: small, settings: settings()).candidates == plain)
        var large = try plan("llama3-70b", devices: 8)
        // Of Megatron-Core's optimizer too little leaves the device.
        large.frameworks.named = "torch-fsdp"
        #expect(throws: PlannerError.self) { try search(plan: large, settings: settings()) }
        large.offloadsIfNeeded = true
        let found = try #require(try search(plan: large, settings: settings()).candidates.first)
        #expect(found.layout.offload?.optimizer == 1 && found.fits)
    }

    /// A search in vain says what would have to be offloaded, if the software can and something then fits.
    @Test func whatToOffloadIsSaid() throws {
        func said(_ change: (inout Plan) -> Void) throws -> NothingFits? {
            var plan = try plan("llama3-70b", devices: 8)
            plan.frameworks.named = "torch-fsdp"
            change(&plan)
            var settings = settings()
            settings.explainsMisfit = true
            do throws(PlannerError) { _ = try search(plan: plan, settings: settings) } catch {
                if case .nothingFits(let reason) = error { return reason }
            }
            return nil
        }
        let reason = try #require(try said { _ in })
        #expect(reason.offload == Layout.Offload(optimizer: 1, gradients: true, parameters: true))
        #expect(reason.description.contains("a layout fits with offload: {optimizer: true, parameters: true}"))
        #expect(try said { $0.cluster.host = nil }?.offload == nil)
        #expect(try said { $0.frameworks.named = "megatron-2021" }?.offload == nil)
        #expect(try #require(try said { $0.cluster.host?.memoryBytes = 1e9 }).offload == nil)
        #expect(try #require(try said { $0.offload = Layout.Offload(activations: .all) }).offload == nil)
    }

    /// Layouts whose state no host holds do not come first.
    @Test func hostsOfNodesAreFilledAtMost() throws {
        var plan = try plan("llama3-70b", devices: 16)
        plan.offload = Layout.Offload(optimizer: 1)
        plan.cluster.host?.memoryBytes = 700e9
        let found = try search(plan: plan, settings: settings()).candidates
        #expect(!found.isEmpty && found.allSatisfy { ($0.hostMemory ?? .infinity) <= 0.95 * 700e9 })
        plan.cluster.host?.memoryBytes = 1e9
        #expect {
            try search(plan: plan, settings: settings())
        } throws: { "\($0)".contains("host memory") }
    }
}
