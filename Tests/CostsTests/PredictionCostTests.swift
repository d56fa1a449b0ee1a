import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Multi-token prediction on the last stage of a pipeline (Megatron-Core, `multi_token_prediction.py`).
@Suite struct PredictionCostTests {
    private static let model = Model(
        family: .llama, layers: 8, hidden: 1024, heads: 8, ffn: 4096, vocab: 32768, sequence: 2048)

    private func work(_ layout: Layout, modules: Int) throws -> LayoutWork {
        var model = Self.model
        if modules > 0 { model.mtp = Model.MultiTokenPrediction(layers: modules) }
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "megatron-core"
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: try Cluster.read("h100-80g-sxm", library: Checkout.library),
            devices: layout.devices, batch: 4 * layout.data, precision: .bf16, layout: layout, frameworks: frameworks)
        return try Pricer(plan: plan).work(layout)
    }

    private static let stages = Layout(pipeline: 4, layersPerStage: [2, 2, 2, 2])
    private let block = 4 * 1024 * 1024 + 3 * 1024 * 4096 + 2 * 1024
    private let extra = 2 * 1024 * 1024 + 3 * 1024
    private let table = 32768 * 1024

    /// The last rank holds the modules and a copy of the table of tokens, and shares its gradient with the first rank.
    @Test func theLastRankHoldsThem() throws {
        let (plain, with) = (try work(Self.stages, modules: 0), try work(Self.stages, modules: 2))
        for rank in 0..<3 { #expect(with.denseParameters(rank: rank) == plain.denseParameters(rank: rank)) }
        let added = with.denseParameters(rank: 3) - plain.denseParameters(rank: 3)
        #expect(added == Double(2 * (block + extra) + table))
        let paired = try #require(Traffic(with, rank: 3).paired)
        #expect(paired.with == 0 && paired.dense == Double(4 * table))
        #expect(Traffic(plain, rank: 3).paired == nil)
        #expect(DataParallelTime(with).exposed > DataParallelTime(plain).exposed)
    }

    /// A rank with both ends, as of DualPipe, has the table once.
    @Test func oneRankHoldsOneTable() throws {
        let layout = Layout(
            pipeline: 4, virtualStages: 2, schedule: .zeroBubbleV, layersPerStage: [Int](repeating: 1, count: 8))
        let (plain, with) = (try work(layout, modules: 0), try work(layout, modules: 1))
        #expect(with.denseParameters(rank: 0) - plain.denseParameters(rank: 0) == Double(block + extra))
    }

    /// A module keeps what its block keeps, the inputs of three norms, the joined rows and the head's input, and has logits
    /// of its own; recomputed, the two rows that enter it.
    @Test func theyKeepTheirRows() throws {
        func kept(_ modules: Int, _ recompute: Layout.Recompute) throws -> (
            blocks: Double, head: Double, logits: Double
        ) {
            var layout = Self.stages
            layout.recompute = recompute
            let memory = LayoutMemory(try work(layout, modules: modules))
            return (
                memory.blockActivationBytes(rank: 3), memory.headInputBytes(rank: 3), memory.logitBytes(rank: 3)
            )
        }
        let row = 2.0 * 2048 * 1024
        let (plain, with) = (try kept(0, .none), try kept(1, .none))
        // Two blocks keep as much as the plain last stage does.
        #expect(with.blocks - plain.blocks == plain.blocks / 2 + 5 * row)
        #expect(with.head - plain.head == row)
        #expect(with.logits == 2 * plain.logits)
        let (again, both) = (try kept(0, .full), try kept(1, .full))
        #expect(again.blocks == 2 * row)
        #expect(both.blocks == 4 * row)
    }

    /// More work on the last stage: a balanced division gives it fewer blocks.
    @Test func stagesAreBalanced() throws {
        var model = Self.model
        model.layers = 32
        let layout = Layout(pipeline: 4)
        let plain = StagePartition(layout, model: model).sizes
        model.mtp = Model.MultiTokenPrediction(layers: 2)
        let with = StagePartition(layout, model: model).sizes
        #expect(with[3] <= plain[3] - 2)
        #expect(with.reduce(0, +) == 32)
    }

    @Test func theLastStageTakesLonger() throws {
        let (plain, with) = (try work(Self.stages, modules: 0), try work(Self.stages, modules: 1))
        for stage in 0..<3 { #expect(with.stage(stage).total == plain.stage(stage).total) }
        // A block, a head and a little more.
        let least = plain.units.blocks[0].total + plain.units.head.total
        let added = with.stage(3).total - plain.stage(3).total
        #expect(added > least && added < 1.5 * least, "\(added) \(least)")
    }

    /// A module weighs its block, its projection and a product with the head more, all on the last stage.
    @Test func headWeighsItsModules() {
        var model = Model(family: .llama, layers: 8, hidden: 64, heads: 4, ffn: 128, vocab: 256, sequence: 64)
        let block = Double(4 * 64 * 64 + 3 * 64 * 128)
        let core = 2.0 * 32 * 64
        let plain = model.headInBlocks
        #expect(plain == 64 * 256 / (block + core))
        model.mtp = Model.MultiTokenPrediction(layers: 2)
        let module = block + core + 2 * 64 * 64
        #expect(abs(model.headInBlocks - (3 * 64 * 256 + 2 * module) / (block + core)) < 1e-12)
    }
}
