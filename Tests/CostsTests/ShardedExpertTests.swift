import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Routed experts are held, gathered and reduced like other parameters, over the ranks that hold the same ones; what the
/// last stage of a split backward still holds; widths of latent attention.
@Suite struct ShardedExpertTests {
    private func work(
        experts: Int = 8, layout: Layout, precision: Precision = .bf16, mla: Model.LatentAttention? = nil,
        _ change: (inout Framework) -> Void = { _ in }
    ) throws -> LayoutWork {
        let moe = experts > 0 ? Model.Mixture(experts: experts, topK: 2, ffn: 2048) : nil
        let model = Model(
            family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096,
            moe: moe, mla: mla)
        var framework = Framework(name: "test")
        framework.fragmentation = 0
        change(&framework)
        var frameworks = Frameworks([framework])
        frameworks.named = "test"
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.a100(), devices: layout.devices, batch: 64,
            precision: precision, layout: layout, frameworks: frameworks)
        return try Pricer(plan: plan).work(layout)
    }

    /// Two gathers and a scatter of a block: w, w and 4 bytes of every parameter, 63/64 of it over the slowest link.
    @Test func fullyShardedExpertsAreGathered() throws {
        let overlap = Layout.Overlap(data: false)
        let layout = Layout(data: 64, sharding: .parameters, overlap: overlap)
        func seconds(_ experts: Int) throws -> Double {
            try IterationTime(work(experts: experts, layout: layout)).breakdown.dataComm
        }
        let more = try seconds(64) - seconds(8)
        let parameters = 32.0 * 56 * 3 * 4096 * 2048
        // A ring over eight nodes of eight: 228 GB/s inside, 170 GB/s between nodes.
        let ring = (2.0 + 2 + 4) * parameters * 63 / 64 / (8 * 21.25e9)
        #expect(abs(more / ring - 1) < 0.01)
        let buffers = try LayoutMemory(work(experts: 64, layout: layout)).rank(0).other
        let fewer = try LayoutMemory(work(experts: 8, layout: layout)).rank(0).other
        // A router is 1/6,144 of the experts it chooses among.
        #expect(abs((buffers - fewer) / ((2 * 2 + 4) * parameters / 32) - 1) < 2e-4)
    }

    /// Hybrid sharding holds a whole set in every group, of experts too.
    @Test func aShardGroupHoldsAllExperts() throws {
        func weights(_ group: Int?) throws -> Double {
            try LayoutMemory(
                work(
                    experts: 64, layout: Layout(data: 64, sharding: .parameters, shardGroup: group)
                )
            ).rank(0).weights
        }
        #expect(abs(try weights(8) / weights(nil) - 8) < 1e-9)
        // Experts spread over more ranks than a group has are held once in it.
        let spread = try work(
            experts: 64, layout: Layout(data: 64, expert: 16, sharding: .parameters, shardGroup: 8))
        let alone = try work(experts: 64, layout: Layout(data: 64, expert: 16))
        let routed = alone.expertParameters(rank: 0)
        #expect(LayoutMemory(spread).rank(0).weights > 2 * routed)
        #expect(LayoutMemory(spread).rank(0).weights < 2 * routed + LayoutMemory(alone).rank(0).weights / 4)
    }

    /// The reductions of experts and of everything else hide behind one backward and one forward, not behind two.
    @Test func reductionsHideOnce() throws {
        func lost(_ overlap: Bool) throws -> (seconds: Double, compute: Double) {
            let layout = Layout(data: 128, sharding: .optimizer, overlap: Layout.Overlap(data: overlap))
            let model = Model(
                family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000,
                sequence: 128, moe: Model.Mixture(experts: 8, topK: 2, ffn: 14336))
            let plan = Plan(
                name: "", model: model, tokens: nil, cluster: TestCluster.a100(), devices: 128, batch: 128,
                precision: .bf16, layout: layout)
            let work = try Pricer(plan: plan).work(layout)
            return (DataParallelTime(work).exposed, work.rank(0).total)
        }
        let (shown, hidden) = (try lost(false), try lost(true))
        #expect(hidden.seconds >= shown.seconds - shown.compute - 1e-12)
        #expect(hidden.seconds < shown.seconds)
    }

    /// Every rank but those with the same experts sends nothing for them; those send a ring's share of each half.
    @Test func gradientsOfExpertsTravel() throws {
        let (few, many) = (
            try work(experts: 8, layout: Layout(data: 64, sharding: .optimizer)),
            try work(experts: 64, layout: Layout(data: 64, sharding: .optimizer))
        )
        func bytes(_ work: LayoutWork) -> Double { NetworkTraffic.sent(work, rank: 0).map(\.bytes).reduce(0, +) }
        let more = many.expertParameters(rank: 0) - few.expertParameters(rank: 0)
        let routers = many.denseParameters(rank: 0) - few.denseParameters(rank: 0)
        #expect(abs((bytes(many) - bytes(few)) / ((4 + 2) * (more + routers) * 63 / 64) - 1) < 1e-9)
        let alone = try work(experts: 64, layout: Layout(data: 64, expert: 64, sharding: .optimizer))
        #expect(Traffic(alone, rank: 0).expertGradients == 0)
    }

    /// zb-h1 holds p micro-batches on the last stage till their weight gradients: p − 1 of them as 2-byte gradients of
    /// the logits.
    @Test func aSplitBackwardHoldsGradientsOfLogits() throws {
        func other(_ schedule: ScheduleName) throws -> Double {
            try LayoutMemory(work(experts: 0, layout: Layout(data: 2, pipeline: 4, schedule: schedule))).rank(3).other
        }
        let logits = 4096.0 * 32000
        #expect(abs((try other(.zeroBubbleH1) - other(.oneForwardOneBackward)) / (3 * 2 * logits) - 1) < 1e-9)
        #expect(abs((try other(.zeroBubbleH2) - other(.oneForwardOneBackward)) / (7 * 2 * logits) - 1) < 1e-9)
    }

    /// Latent attention hands on expanded keys and values, 192 and 128 wide a head (DeepSeek-V3's).
    @Test func latentAttentionHasItsOwnWidths() throws {
        let mla = Model.LatentAttention(queryRank: 1536, kvRank: 512, nopeSize: 128, ropeSize: 64, valueSize: 128)
        let layout = Layout(data: 2, context: 4)
        let sent = try Traffic(work(experts: 0, layout: layout, mla: mla), rank: 0).context
        #expect(sent == 32 * 32 * 3 * 3 * 2 * 1024 * Double(32 * (192 + 128)))
    }
}
