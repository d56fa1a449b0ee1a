import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Bytes one device sends in a step, counted by hand, beside the seconds that the same bytes take.
@Suite struct SentBytesTests {
    private let mla = Model.LatentAttention(
        queryRank: 1536, kvRank: 512, nopeSize: 128, ropeSize: 64, valueSize: 128)

    private func work(
        _ layout: Layout, mla: Model.LatentAttention? = nil, moe: Model.Mixture? = nil, tied: Bool = false,
        batch: Int = 8, _ change: (inout Framework) -> Void = { _ in }
    ) throws -> LayoutWork {
        let model = Model(
            family: .llama, layers: 8, hidden: 7168, heads: 128, kvHeads: 128, headSize: 56, ffn: 18432, vocab: 131072,
            sequence: 4096, tiedEmbeddings: tied, moe: moe, mla: mla)
        var framework = Framework(name: "test")
        change(&framework)
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.a100(), devices: layout.devices, batch: batch,
            precision: .bf16, layout: layout, frameworks: Frameworks([framework], named: "test"))
        return try Pricer(plan: plan).work(layout)
    }

    private func seconds(_ work: LayoutWork) -> (forward: Double, backward: Double) {
        (work.block.forward.tensor, work.block.backward.tensor)
    }

    private let waiting = Layout.Overlap(tensor: false)
    /// A ring of eight: 0.76 of 300 GB/s, seven steps of 3 µs.
    private func ring(_ width: Double) -> Double { 7 * 3e-6 + 2 * 4096 * width * 7 / 8 / 228e9 }

    /// DeepSeek-V3's widths: the ranks gather 1536 + 512 of latents and 64 of the rotary part, not 7168
    /// (Megatron-Core, `multi_latent_attention.py`: duplicated down-projections on s/t rows). Output, and the feed-forward
    /// network's two, have 7168.
    @Test func latentsAreGathered() throws {
        let layout = Layout(tensor: 8, sequenceParallel: true, overlap: waiting)
        let work = try work(layout, mla: mla) { $0.contention = 0 }
        let forward: Double = ring(1536) + ring(512) + ring(64) + 3 * ring(7168)
        #expect(abs(seconds(work).forward / forward - 1) < 1e-9)
        #expect(abs(seconds(work).backward / forward - 1) < 1e-9)
        // Eight blocks and micro-batches; latents and the network's input come a second time in the backward.
        let widths: Double = 2 * (2112 + 3 * 7168) + 2048 + 7168
        let ends: Double = 4 * 7168 * 2 * 4096 + 3 * 2 * 4 * 4096
        let blocks = 8 * widths * 2 * 4096
        #expect(Traffic(work, rank: 0).tensor == 8 * (blocks + ends) * 7 / 8)
    }

    /// Without a query latent the query is projected from hidden rows, which are gathered beside the keys' latents.
    @Test func aQueryWithoutLatentsGathersHiddenRows() throws {
        var plain = mla
        plain.queryRank = 0
        let layout = Layout(tensor: 8, sequenceParallel: true, overlap: waiting)
        let work = try work(layout, mla: plain) { $0.contention = 0 }
        let forward: Double = ring(512) + ring(64) + 4 * ring(7168)
        #expect(abs(seconds(work).forward / forward - 1) < 1e-9)
    }

    /// Without sequence parallelism the forward adds up two results of 7168, the backward the gradients of the latents and
    /// of the network's input.
    @Test func gradientsOfLatentsAreAddedUp() throws {
        let work = try work(Layout(tensor: 8, overlap: waiting), mla: mla)
        func sum(_ width: Double) -> Double { 2 * ring(width) }
        #expect(abs(seconds(work).forward / (2 * sum(7168)) - 1) < 1e-9)
        let backward = seconds(work).backward
        let most: Double = sum(1536) + sum(512) + sum(7168)
        let least: Double = sum(2048) + sum(7168)
        #expect(backward < 1.0001 * most)
        #expect(backward > 0.99 * least)
        let ends: Double = 2 * 2 * 7168 * 2 * 4096 + 3 * 2 * 4 * 4096
        let blocks: Double = 8 * 2 * (3 * 7168 + 2048) * 2 * 4096
        #expect(Traffic(work, rank: 0).tensor == 8 * (blocks + ends) * 7 / 8)
    }

    /// Four ranks share each expert: 4 · 2 · 4096/8 rows of 7168 are gathered before its products and their results
    /// scattered, forward and backward; each rank sends 3/4.
    @Test func rowsOfSharedExpertsTravel() throws {
        let moe = Model.Mixture(experts: 16, topK: 2, ffn: 2048, imbalance: 1.5)
        let work = try work(Layout(tensor: 8, expert: 2, expertTensor: 4, sequenceParallel: true), moe: moe)
        let rows = 2.0 * 4096 / 8 * 7168 * 2
        let exchanges: Double = 8 * 8 * 4 * rows / 2
        let pieces: Double = 8 * 8 * 4 * 4 * rows * 3 / 4
        #expect(Traffic(work, rank: 0).expert == exchanges + pieces)
        // The fullest rank's rows set the pace.
        let gather: Double = 3 * 3e-6 + 1.5 * 4 * rows * 3 / 4 / 228e9
        let pair = 3e-6 + 1.5 * rows / 2 / 228e9
        #expect(abs(work.block.forward.expert / (2 * gather + 2 * pair) - 1) < 1e-9)
    }

    /// Software that adds gradients up everywhere and gathers the weights sends 2 · 4 + 2 bytes of a parameter, one that
    /// scatters 4 + 2.
    @Test func aShardedOptimizerWithoutScattering() throws {
        func sent(_ scatters: Bool) throws -> (Double, [Double], Double) {
            let work = try work(Layout(data: 8, sharding: .optimizer)) { $0.scattersGradients = scatters }
            let traffic = Traffic(work, rank: 0)
            return (
                traffic.gradients + traffic.weights, NetworkTraffic.sent(work, rank: 0).map(\.bytes),
                work.parameters(rank: 0)
            )
        }
        let (whole, scattered) = (try sent(false), try sent(true))
        #expect(whole.0 == 10 * whole.2 * 7 / 8)
        #expect(scattered.0 == 6 * whole.2 * 7 / 8)
        #expect(whole.1[0] == whole.0)
    }

    /// Without sequence parallelism each tensor rank sends an eighth of a message and the next stage's gather it
    /// (Narayanan et al. 2021, section 4.1); with it each sends its own rows and nothing is gathered.
    @Test func messagesTravelInParts() throws {
        let message = 2.0 * 4096 * 7168
        let layout = Layout(tensor: 8, pipeline: 2)
        let work = try work(layout)
        #expect(work.scattersMessages)
        #expect(Traffic(work, rank: 0).pipeline == 8 * message / 8)
        #expect(NetworkTraffic.sent(work, rank: 0)[1].bytes == 8 * message / 8)
        let single = try self.work(Layout(pipeline: 2))
        #expect(Traffic(single, rank: 0).pipeline == 8 * message)
        // Of each block two all-reduces forward and two backward, of the embedding one, and eight gathered messages.
        let sums = Double(4 * work.rankLayers(0) + 1)
        let rank: Double = 8 * sums * 2 * message * 7 / 8 + 8 * message * 7 / 8
        #expect(Traffic(work, rank: 0).tensor == rank)
        var rows = layout
        rows.sequenceParallel = true
        #expect(try Traffic(self.work(rows), rank: 0).pipeline == 8 * message / 8)
    }

    /// The first and the last of three ranks add up a table of 131,072 × 7168 in fp32: each sends as much as it has.
    @Test func aTiedTableIsAddedUp() throws {
        func sent(tied: Bool, rank: Int) throws -> (Double, Double) {
            let work = try work(Layout(pipeline: 4), tied: tied)
            let traffic = Traffic(work, rank: rank)
            return (
                traffic.gradients + traffic.weights, NetworkTraffic.sent(work, rank: rank).map(\.bytes).reduce(0, +)
            )
        }
        let table = 4 * 131_072.0 * 7168
        for rank in 0..<4 {
            let more = rank == 0 || rank == 3 ? table : 0
            let (one, two) = (try sent(tied: true, rank: rank), try sent(tied: false, rank: rank))
            #expect(one.0 == more)
            #expect(two.0 == 0)
            #expect(one.1 - two.1 == more)
        }
    }

    /// Both copies of a two-way pipeline's stages are added up: 4 bytes of each rank's parameters, a half of them on each
    /// of two replicas.
    @Test func copiesOfATwoWayPipelineAreAddedUp() throws {
        let layout = Layout(data: 2, pipeline: 4, virtualStages: 2, schedule: .dualPipe, overlap: waiting)
        let work = try work(layout, batch: 16)
        for rank in 0..<4 {
            let held = work.parameters(rank: rank)
            let traffic = Traffic(work, rank: rank)
            let (replicas, copies): (Double, Double) = (2 * 4 * held / 2, 4 * held / 2)
            #expect(traffic.gradients + traffic.weights == replicas + copies)
        }
    }

    /// A micro-batch of a two-way pipeline passes one of a rank's two stages: half of its gradients are scattered after it.
    @Test func twoWayPipelinesScatterHalfAfterEachMicrobatch() throws {
        let layout = Layout(
            data: 2, pipeline: 4, virtualStages: 2, schedule: .dualPipe, sharding: .gradients,
            overlap: Layout.Overlap(data: false))
        let work = try work(layout, batch: 16)
        let traffic = Traffic(work, rank: 0)
        let held = work.parameters(rank: 0)
        let copies: Double = 4 * held / 2 / 2
        let scattered: Double = 8 * 4 * held / 2 / 2
        #expect(traffic.gradients == scattered + copies)
        #expect(traffic.weights == 2 * held / 2 + copies)
    }
}
