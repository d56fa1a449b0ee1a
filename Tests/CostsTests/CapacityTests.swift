import Costs
import Models
import Plans
import PricingSupport
import TestSupport
import Testing

/// Experts that take only so many rows (Lepikhin et al. 2021, GShard; Fedus et al. 2022, Switch Transformer;
/// Megatron-Core, `moe_utils.py`: `get_capacity`, `apply_router_token_dropping`).
@Suite struct CapacityTests {
    private static let layout = Layout(data: 8, expert: 8)
    /// Forward of all experts: two of them for each row of 8 sequences, in 4 blocks, three matrices each.
    private let experts = Double(4 * 8 * 4096 * 2 * 2 * 3 * 1024 * 2048)

    private func plan(
        _ capacity: Double?, padded: Bool = false, imbalance: Double = 1, recompute: Layout.Recompute = .none,
        software: String = "megatron-2021"
    ) throws -> Plan {
        var moe = Model.Mixture(experts: 8, topK: 2, ffn: 2048, imbalance: imbalance)
        moe.capacityFactor = capacity
        moe.padToCapacity = padded
        let model = Model(
            family: .llama, layers: 4, hidden: 1024, heads: 8, ffn: 4096, vocab: 32000, sequence: 4096, moe: moe)
        var layout = Self.layout
        layout.recompute = recompute
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = software
        return Plan(
            name: "", model: model, tokens: nil, cluster: try Cluster.read("h100-80g-sxm", library: Checkout.library),
            devices: 8, batch: 8, precision: .bf16, layout: layout, frameworks: frameworks)
    }

    private func work(_ plan: Plan) throws -> LayoutWork { try Pricer(plan: plan).work(plan.layout ?? Self.layout) }
    private func work(_ capacity: Double?, padded: Bool = false, imbalance: Double = 1) throws -> LayoutWork {
        try work(plan(capacity, padded: padded, imbalance: imbalance))
    }

    private func kept(_ work: LayoutWork) -> Double { LayoutMemory(work).blockActivationBytes(rank: 0) }
    private func sent(_ work: LayoutWork) -> Double { Traffic(work, rank: 0).exchanges.reduce(0, +) }
    private func hardware(_ plan: Plan) throws -> (model: Double, hardware: Double) {
        let answer = try estimate(plan: plan, layout: plan.layout ?? Self.layout)
        return (answer.iteration.modelFLOPs, answer.iteration.hardwareFLOPs)
    }

    /// 4,096 rows, two experts each: 1,024 rows an expert, ⌈1.25 · 1,024⌉ = 1,280 with room.
    @Test func paddedExpertsWorkOnTheirWholeRoom() throws {
        let (plain, padded) = (try work(nil), try work(1.25, padded: true))
        #expect(sent(padded) == 1.25 * sent(plain))
        // Rows at experts, two inner tensors and the activation's result; the results of experts.
        let rows = 0.25 * 2 * 4096
        #expect(kept(padded) - kept(plain) == 4 * 2 * rows * (1024 + 3 * 2048 + 1024))
        let (before, after) = (try hardware(plan(nil)), try hardware(plan(1.25, padded: true)))
        #expect(before.model == after.model)
        #expect(after.hardware - before.hardware == 3 * 0.25 * experts)
        let again = try hardware(plan(1.25, padded: true, recompute: .full))
        #expect(try again.hardware - hardware(plan(nil, recompute: .full)).hardware == 4 * 0.25 * experts)
        #expect(padded.units.blocks[0].total > plain.units.blocks[0].total)
        // Whatever the router does, every expert has as many rows.
        #expect(try kept(work(1.25, padded: true, imbalance: 3)) == kept(padded))
        #expect(try work(1.25, padded: true, imbalance: 3).units == padded.units)
    }

    @Test func unpaddedExpertsDropWhatTheyHaveNoRoomFor() throws {
        let plain = try work(nil)
        // Balanced experts have room for all.
        #expect(try work(1.25).units == plain.units)
        #expect(try kept(work(1)) == kept(plain))
        #expect(try sent(work(0.5)) == 0.5 * sent(plain))
        let (whole, half) = (try hardware(plan(nil)), try hardware(plan(0.5)))
        #expect(half.model == whole.model)
        #expect(whole.hardware - half.hardware == 1.5 * experts)
        // The fullest rank takes no more than its room.
        #expect(try work(1.5, imbalance: 3).units == work(nil, imbalance: 1.5).units)
        #expect(try kept(work(2, imbalance: 1.5)) == kept(work(nil, imbalance: 1.5)))
    }

    /// Room is a whole number of rows, and a row comes to an expert once.
    @Test func roomIsWhole() {
        var moe = Model.Mixture(experts: 256, topK: 8, ffn: 64)
        moe.capacityFactor = 1.1
        // 512 rows: 16 an expert, 17.6 with room.
        #expect(moe.capacity(ofRows: 512) == 18.0 / 16)
        moe.capacityFactor = 100
        #expect(moe.capacity(ofRows: 512) == 512.0 / 16)
    }

    /// Static shapes need no count on the host, which a block of experts waits for otherwise.
    @Test func nothingGoesToTheHost() throws {
        func host(_ padded: Bool) throws -> Double {
            try work(plan(1, padded: padded, software: "megatron-core")).units.blocks[0].forward.host
        }
        #expect(try host(true) < host(false))
    }
}
