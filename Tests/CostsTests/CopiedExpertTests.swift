import Costs
import Models
import Plans
import Reading
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Experts that several ranks hold where nothing else has copies: tensor · data · context over expert · expertTensor of
/// each (Megatron-Core's expert-data-parallel group), with one data-parallel rank.
///
/// 16 blocks of 8 experts of three 2048 × 5632 matrices: 4.43·10⁹ parameters, all on each of 8 H100 (NVLink: 0.74 of
/// 450 GB/s, 3.3 µs; all-reduces by switches at 0.636).
@Suite struct CopiedExpertTests {
    private static let model = Model(
        family: .llama, layers: 16, hidden: 2048, heads: 16, ffn: 5632, vocab: 32000, sequence: 4096,
        moe: Model.Mixture(experts: 8, topK: 2, ffn: 5632))
    private let experts = 16.0 * 8 * 3 * 2048 * 5632
    private let link = 333e9
    private let near = 3.3e-6

    private func work(
        _ sharding: Layout.Sharding, overlap: Bool = false, batch: Int = 16,
        _ change: (inout Layout) -> Void = { _ in }
    ) throws -> LayoutWork {
        var layout = Layout(
            tensor: 8, sharding: sharding, sequenceParallel: true, overlap: Layout.Overlap(data: overlap))
        change(&layout)
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "megatron-core"
        let plan = Plan(
            name: "", model: Self.model, tokens: nil,
            cluster: try Cluster.read("h100-80g-sxm", library: Checkout.library),
            devices: layout.devices, batch: batch, precision: .bf16, layout: layout, frameworks: frameworks)
        return try Pricer(plan: plan).work(layout)
    }

    @Test func theirGradientsAreAddedUp() throws {
        // The switches read S and S/8 of the sum: (n + 1)/n.
        let seconds = 2 * near + 4 * experts * 9 / 8 / (0.636 * 450e9)
        let work = try work(.none)
        #expect(abs(DataParallelTime(work).exposed / seconds - 1) < 1e-9)
        #expect(abs(DataParallelTime(work).exposed - 0.0696) < 1e-4)
        let sent = Traffic(work, rank: 0)
        #expect(sent.expertGradients == 4 * experts * 7 / 8)
        #expect(sent.gradients == 0)
        // Nothing else has a copy, and a model without experts nothing at all.
        #expect(try DataParallelTime(self.work(.none) { $0.expert = 8 }).exposed == 0)
        let hidden = try DataParallelTime(self.work(.none, overlap: true)).exposed
        #expect(hidden > 0)
        #expect(hidden < seconds)
    }

    /// A sharded optimizer's are scattered and its weights gathered: 4 and 2 bytes, 7/8 of them.
    @Test func theirOptimizerIsSharedOutAtACost() throws {
        let (whole, sharded) = (try work(.none), try work(.optimizer))
        #expect(LayoutMemory(whole).rank(0).optimizer - LayoutMemory(sharded).rank(0).optimizer == 12 * experts * 7 / 8)
        let seconds = 6 * experts * 7 / 8 / link + 2 * 7 * near
        #expect(abs(DataParallelTime(sharded).exposed / seconds - 1) < 1e-9)
    }

    /// After each of 16 micro-batches, and the weights once.
    @Test func theirGradientsAreScatteredAfterEveryMicrobatch() throws {
        let work = try work(.gradients)
        let seconds = (16 * 4 + 2) * experts * 7 / 8 / link + 17 * 7 * near
        #expect(abs(DataParallelTime(work).exposed / seconds - 1) < 1e-9)
        // The gradients of one block's experts exist whole beside the shards.
        let layer = 4 * 8.0 * 3 * 2048 * 5632
        let more = LayoutMemory(work).rank(0).other - (try LayoutMemory(self.work(.optimizer)).rank(0).other)
        #expect(abs(more / (1.05 * layer) - 1) < 1e-9)
    }

    /// Two gathers and a scatter of every block and micro-batch, 2, 2 and 4 bytes, none of which anything hides.
    @Test func theirWeightsAreGathered() throws {
        let work = try work(.parameters)
        let parts = IterationTime(work).breakdown
        // Of each block and micro-batch three rings, one collective each.
        let seconds = 16 * (8 * experts * 7 / 8 / link + 16 * 3 * 7 * near)
        #expect(abs(parts.dataComm / seconds - 1) < 1e-9)
        #expect(LayoutMemory(work).rank(0).weights < 0.2 * LayoutMemory(try self.work(.none)).rank(0).weights)
        let sent = Traffic(work, rank: 0)
        #expect(sent.expertWeights == 16 * 2 * 2 * experts * 7 / 8)
        #expect(sent.weights == 0)
    }

    /// Two data-parallel ranks add up everything else, and sixteen the experts.
    @Test func everyClassHasItsOwnCopies() throws {
        let work = try work(.none, batch: 32) { $0.data = 2 }
        let sent = Traffic(work, rank: 0)
        #expect(sent.expertGradients == 4 * experts * 15 / 16)
        #expect(sent.gradients == 4 * work.denseParameters(rank: 0) / 2)
    }

    @Test func whatShardingSharesOutIsSaid() throws {
        let cluster = try Cluster.read("h100-80g-sxm", library: Checkout.library)
        func said(_ model: Model, expert: Int = 1) -> [String] {
            Layout(tensor: 8, expert: expert, sharding: .optimizer).warnings(cluster: cluster, model: model, batch: 8)
                .map(\.text)
        }
        #expect(said(Self.model).count == 1)
        #expect(said(Self.model)[0].contains("nothing but the 8 copies of each expert"))
        #expect(said(Self.model, expert: 8)[0].contains("does nothing with one data-parallel rank"))
        var dense = Self.model
        dense.moe = nil
        #expect(said(dense)[0].contains("does nothing with one data-parallel rank"))
    }
}
