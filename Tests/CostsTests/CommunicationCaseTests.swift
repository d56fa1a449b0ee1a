import Costs
import Foundation
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Bytes over each network, counted by hand for layouts that nodes of eight do not divide, for ranks that hold unlike
/// amounts, and for copies of experts.
@Suite struct CommunicationCaseTests {
    private func plan(
        _ model: Model, _ cluster: String, _ devices: Int, batch: Int, _ layout: Layout,
        precision: Precision = .bf16, framework: String = "megatron-core"
    ) throws -> Plan {
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = framework
        return Plan(
            name: "", model: model, tokens: nil, cluster: try Cluster.read(cluster, library: Checkout.library),
            devices: devices, batch: batch, precision: precision, layout: layout, frameworks: frameworks)
    }

    private func work(_ plan: Plan) throws -> LayoutWork {
        try Pricer(plan: plan).work(try #require(plan.layout))
    }

    private let wide = Model(
        family: .llama, layers: 8, hidden: 6144, heads: 48, kvHeads: 48, ffn: 16128, vocab: 49152, sequence: 4096,
        tiedEmbeddings: false)
    private let serial = Layout.Overlap(data: false)
    /// H100: one 400 Gb/s card a device at 0.88, NVLink at 0.74 of 450 GB/s; latencies of both.
    private let card = 44e9
    private let link = 333e9
    private let far = 10e-6
    private let near = 3.3e-6

    /// 12 ranks are 8 on one node and 4 on the next: the ring leaves the second by four cards.
    @Test func twelveReplicas() throws {
        let layout = Layout(data: 12, overlap: serial)
        let work = try work(try plan(wide, "h100-80g-sxm", 12, batch: 12, layout))
        let bytes = 4 * Double(wide.parameters().total)
        let ring = 2 * (10 * near + 2 * far - far) + 2 * bytes * 11 / 12 / (4 * card)
        #expect(abs(DataParallelTime(work).exposed / ring - 1) < 1e-9)
        #expect(abs(DataParallelTime(work).exposed - 0.175) < 0.001)
        // Two of twelve hops leave a node.
        let sent = NetworkTraffic.sent(work, rank: 0).map(\.bytes)
        #expect(abs(sent[1] / sent[0] - 2.0 / 10) < 1e-12)
    }

    /// Of groups of six the second has two ranks on the first node and four on the next: two cards.
    @Test func tensorGroupsOfSix() throws {
        let layout = Layout(data: 4, tensor: 6)
        let work = try work(try plan(wide, "h100-80g-sxm", 24, batch: 4, layout))
        let bytes = 2.0 * 4096 * 6144
        let software = try Frameworks.read(library: Checkout.library).known
        let efficiency = try #require(software[Frameworks.megatron]).tensorEfficiency
        let ring = 2 * (4 * near + 2 * far - far) + 2 * bytes * 5 / 6 / (2 * card) / efficiency
        // Four all-reduces a block, one each of embedding and head; the loss's three small ones on top.
        let tensor = IterationTime(work).breakdown.tensorComm
        #expect(tensor > 34 * ring)
        #expect(tensor < 34 * ring + 3 * 1e-4)
        let sent = NetworkTraffic.sent(work, rank: 0)
        // {0…5} and {18…23} stay on a node; of each of the others two hops of six leave.
        let groups = Placement(RankGroups(size: 6, stride: 1, devices: 24), cluster: try cluster("h100-80g-sxm"))
        #expect(abs(groups.levels[1].ringShare - 2.0 / 6 / 2) < 1e-12)
        #expect(sent[1].bytes > 0)
    }

    /// Ranks 0 and 7 of a pipeline on one node talk over NVLink: 0.75 of 300 GB/s, two ranks, S there and back.
    @Test func endsOfAPipelineInOneNode() throws {
        let model = Model(family: .gpt, layers: 16, hidden: 4096, heads: 32, vocab: 50304, sequence: 2048)
        func exposed(_ schedule: ScheduleName, stages: Int) throws -> (seconds: Double, parameters: Double) {
            let layout = Layout(
                pipeline: 8, virtualStages: stages, schedule: schedule, overlap: serial)
            let work = try work(try plan(model, "a100-80g-sxm", 8, batch: 32, layout))
            return (DataParallelTime(work).exposed, work.parameters(rank: 0))
        }
        let copies = try exposed(.dualPipe, stages: 2)
        #expect(abs(copies.seconds - (4 * copies.parameters / 225e9 + 2 * 6e-6)) < 1e-9)
        #expect(abs(copies.seconds - 0.0181) < 0.0002)
        let tied = try exposed(.oneForwardOneBackward, stages: 1)
        #expect(abs(tied.seconds - (4 * 50304 * 4096 / 225e9 + 2 * 6e-6)) < 1e-9)
    }

    /// The first stage is dense, the second holds all experts: 8 copies of them, each on a node of its own.
    @Test func everyRankReducesItsOwn() throws {
        let model = Model(
            family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096,
            moe: Model.Mixture(experts: 64, topK: 2, ffn: 4096, firstDense: 16))
        var layout = Layout(
            data: 64, pipeline: 2, expert: 8, sharding: .optimizer, overlap: serial, layersPerStage: [16, 16])
        let work = try work(try plan(model, "h100-80g-sxm", 128, batch: 512, layout))
        let experts = 16.0 * 64 * 3 * 4096 * 4096 / 8
        #expect(work.expertParameters(rank: 1) == experts)
        let dense = 6 * work.denseParameters(rank: 1) * 63 / 64 / link + 2 * (56 * near + 8 * far - far)
        let routed = 6 * experts * 7 / 8 / card + 2 * 7 * far
        #expect(abs(DataParallelTime(work).exposed / (dense + routed) - 1) < 1e-9)
        // ZeRO-2 scatters them after each of eight micro-batches.
        layout.sharding = .gradients
        let scattered = try self.work(try plan(model, "h100-80g-sxm", 128, batch: 512, layout))
        #expect(DataParallelTime(scattered).exposed > 8 * 4 * experts * 7 / 8 / card)
    }

    /// DeepSeek-V3 with expert degree 1 and ZeRO-2: stages behind the first hold 23·10⁹ parameters, scattered after each
    /// of 60 micro-batches: 92 GB over min(160, 8 · 44) GB/s, 0.57 s each time, of which a backward hides a part.
    @Test func scatteredGradientsOfExperts() throws {
        let layout = Layout(
            data: 64, pipeline: 32, microbatch: 4, schedule: .oneForwardOneBackward, recompute: .full,
            sharding: .gradients)
        let model = try Model.read("deepseek-v3", library: Checkout.library)
        let work = try work(
            try plan(model, "h800-80g-sxm", 2048, batch: 15360, layout, precision: .fp8))
        let held = (0..<32).map { work.parameters(rank: $0) }.max() ?? 0
        #expect(held > 22e9)
        let scatter = 4 * held * 63 / 64 / 160e9
        let most = (0..<32).map { work.rank($0).backward.total }.max() ?? 0
        #expect(DataParallelTime(work).exposed > 60 * (scatter - most))
        #expect(DataParallelTime(work).exposed < 60 * scatter * 1.01)
        #expect(IterationTime(work).seconds > 45)
    }

    /// Copies of experts in a two-way pipeline: DeepSeek-V3 on 2,048 H800 with 128 replicas of everything else, two of
    /// each expert.
    @Test func copiesOfExperts() throws {
        let layout = Layout(
            data: 128, pipeline: 16, virtualStages: 2, expert: 64, schedule: .dualPipe, recompute: .full,
            sharding: .optimizer, overlap: Layout.Overlap(data: false, expert: true))
        let model = try Model.read("deepseek-v3", library: Checkout.library)
        let work = try work(
            try plan(
                model, "h800-80g-sxm", 2048, batch: 15360, layout, precision: .fp8, framework: "deepseek-2024"))
        var (reduced, copies) = (0.0, 0.0)
        for rank in 0..<16 {
            let (dense, experts) = (work.denseParameters(rank: rank), work.expertParameters(rank: rank))
            let shared = 6 * dense * 127 / 128 / 160e9 + 2 * (112 * near + 16 * far - far)
            reduced = max(reduced, shared + 6 * experts / 2 / card + 2 * far)
            copies = max(copies, 4 * (dense / 128 + experts / 2) / card + 2 * far)
        }
        #expect(abs(DataParallelTime(work).exposed / (reduced + copies) - 1) < 1e-9)
        #expect(copies > 0.064)
    }

    /// max(40·10⁶, 10⁶ · data · context) parameters (Megatron-LM, megatron/training/training.py), all of them without
    /// overlap (megatron/core/distributed/distributed_data_parallel.py).
    @Test func buckets() throws {
        let known = try Frameworks.read(library: Checkout.library).known
        for name in ["megatron-core", "megatron-core-graphs", "deepseek-2024"] {
            let software = try #require(known[name])
            #expect(software.bucket(replicas: 8) == 40e6)
            #expect(software.bucket(replicas: 2048) == 2.048e9)
            #expect(software.oneBucketWithoutOverlap)
        }
        // PyTorch's and DeepSpeed's are of one size.
        #expect(known["megatron-2021"]?.bucket(replicas: 2048) == 12.5e6)
        #expect(known["torch-ddp"]?.bucket(replicas: 2048) == 256e6)

        let layout = Layout(
            data: 2048, tensor: 4, pipeline: 2, schedule: .oneForwardOneBackward, recompute: .full,
            sharding: .optimizer)
        let model = try Model.read("llama2-70b", library: Checkout.library)
        let plan = try plan(model, "h100-80g-sxm", 16384, batch: 16384, layout)
        let work = try work(plan)
        // Five buckets scattered and gathered, behind compute but for the last and the first: between those two and all
        // of it, 2,048 ranks on 1,024 nodes.
        let held = work.parameters(rank: 0)
        let (latency, seconds) = (1024 * near + 1024 * far - far, 6 * held * 2047 / 2048 / (4 * card))
        #expect((held / 2.048e9).rounded(.up) == 5)
        #expect(DataParallelTime(work).exposed < 10 * latency + seconds)
        #expect(DataParallelTime(work).exposed > 2 * latency + seconds / 5)
        #expect((5.9...6.3).contains(IterationTime(work).seconds))
    }

    /// Full recomputation passes keys and values round the ring again: forward, again, and twice as much backward.
    @Test func recomputedContext() throws {
        func sent(_ recompute: Layout.Recompute, _ layers: Int? = nil) throws -> Double {
            let layout = Layout(data: 2, context: 4, recompute: recompute, recomputeLayers: layers)
            return try Traffic(work(try plan(wide, "h100-80g-sxm", 8, batch: 4, layout)), rank: 0).context
        }
        #expect(abs(try sent(.full) / sent(.none) - 4.0 / 3) < 1e-12)
        #expect(abs(try sent(.full, 4) / sent(.none) - 3.5 / 3) < 1e-12)
    }

    /// A ring exchange behind attention costs the software's `contention` of its time.
    @Test func hiddenContextIsNotFree() throws {
        let layout = Layout(data: 2, context: 4)
        let work = try work(try plan(wide, "h100-80g-sxm", 8, batch: 4, layout))
        let exchange = near + 2.0 * 1024 * 2 * 6144 / link
        // 8 blocks, three exchanges forward and three of twice the time backward.
        let all = 8 * 3 * 3 * exchange
        let seconds = work.rank(0).forward.context + work.rank(0).backward.context
        #expect(seconds > 0.127 * all * (1 - 1e-9))
        #expect(seconds < all)
    }

    /// A job takes 64 of the 72 devices of a rack where that makes all racks alike; a group of experts is then on one.
    @Test func racksShareAJobEvenly() throws {
        let model = Model(
            family: .llama, layers: 8, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096,
            moe: Model.Mixture(experts: 64, topK: 2, ffn: 4096))
        // By itself a group from device 64 on lies on two racks.
        let even = Placement(RankGroups(size: 64, stride: 1, devices: 256), cluster: try cluster("gb200-nvl72"))
        #expect(even.levels[1].mostReached == 56)
        let many = try self.work(
            try plan(model, "gb200-nvl72", 256, batch: 256, Layout(data: 256, expert: 64, sharding: .parameters)))
        let alone = try self.work(
            try plan(model, "gb200-nvl72", 64, batch: 64, Layout(data: 64, expert: 64, sharding: .parameters)))
        #expect(many.rank(0).forward.expert == alone.rank(0).forward.expert)
    }

    private func cluster(_ name: String) throws -> Cluster { try Cluster.read(name, library: Checkout.library) }
}
