import Costs
import Models
import Plans
import PricingSupport
import Reading
import TestSupport
import Testing

/// Fewer heads of keys and values than tensor ranks, as in StarCoder (Li et al. 2023: multi-query attention under tensor 4).
///
/// Megatron-Core (`transformer/attention.py`, `num_query_groups < world_size`): every rank projects 1/t of the columns of
/// queries, keys and values, the ranks gather all columns, and each attends with its queries and one head of keys. The
/// gradients of the columns are scattered.
@Suite struct KeyHeadTests {
    /// StarCoder: 40 blocks, 48 heads of 128 and one of keys, a table of 49,152 entries.
    static let starCoder = Model(
        family: .gpt, layers: 40, hidden: 6144, heads: 48, kvHeads: 1, ffn: 24576, vocab: 49152, sequence: 8192)

    private func plan(_ layout: Layout, _ model: Model = starCoder) throws -> Plan {
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "megatron-core"
        return Plan(
            name: "", model: model, tokens: nil, cluster: try Cluster.read("a100-80g-sxm", library: Checkout.library),
            devices: layout.devices, batch: layout.data, precision: .bf16, layout: layout, frameworks: frameworks)
    }

    /// The paper's own count: 15.5·10⁹.
    @Test func starCoderHasItsParameters() {
        #expect(abs(Double(Self.starCoder.parameters().total) / 15.5e9 - 1) < 0.01)
    }

    @Test func ranksBeyondTheHeadsShareThem() throws {
        let layout = Layout(tensor: 4, sequenceParallel: true)
        #expect(layout.problems(for: Self.starCoder, batch: 1, devices: 4).isEmpty)
        let work = try Pricer(plan: plan(layout)).work(layout)
        // A quarter of every matrix and of the biases of their outputs, also of keys and values.
        let (h, f) = (6144, 24576)
        let matrices = h * h + 2 * h * 128 + h * h + 2 * h * f
        let cut = matrices + (h + 2 * 128) + f
        let whole = 4 * h + 2 * h
        let tables = 49152 * h / 4 + 8192 * h + 2 * h
        #expect(work.denseParameters(rank: 0) == Double(40 * (cut / 4 + whole) + tables))

        // Norms and their inputs by rows; a quarter of queries, result and inner tensors; a whole head of keys and one of
        // values; the sums of the softmax.
        let rows = 8192
        let numbers = rows * (4 * h / 4 + h / 4 + 2 * 128 + h / 4 + 2 * f / 4)
        let kept = LayoutMemory(work).blockActivationBytes(rank: 0)
        #expect(kept == Double(40 * (2 * numbers + 4 * rows * 12)))

        // The halves gather and scatter rows, four times in each pass and twice more for weights' gradients; attention
        // gathers columns and scatters their gradients. Embedding and head do so twice each, and the loss adds up three
        // numbers in fp32.
        let columns = h + 2 * 128
        let tensors = 40 * (10 * h + 2 * columns) + 4 * h
        #expect(Traffic(work, rank: 0).tensor == Double(rows * (2 * tensors + 3 * 2 * 4)) * 3 / 4)
    }

    /// A ring passes the head on that each rank has: as many numbers with four ranks as with one.
    @Test func everyRankPassesItsHeadOn() throws {
        func context(tensor: Int) throws -> Double {
            let layout = Layout(tensor: tensor, context: 2)
            return try Traffic(Pricer(plan: plan(layout)).work(layout), rank: 0).context
        }
        #expect(try context(tensor: 4) == context(tensor: 1))
        #expect(try context(tensor: 1) == Double(40 * 3 * 4096 * 2 * 2 * 128))
    }

    /// Models with a head for every rank are as before: no columns are gathered.
    @Test func enoughHeadsGatherNothing() throws {
        var model = Self.starCoder
        model.kvHeads = 4
        let layout = Layout(tensor: 4)
        let sent = try Traffic(Pricer(plan: plan(layout, model)).work(layout), rank: 0).tensor
        // An all-reduce sends twice what a gathering does.
        #expect(sent == Double(8192 * (2 * (40 * 8 + 4) * 6144 + 3 * 2 * 4)) * 3 / 4)
    }

    @Test func rulesSayWhatDoesNotDivide() {
        var model = Self.starCoder
        func rules(_ tensor: Int) -> [String] {
            Layout(tensor: tensor).problems(for: model, batch: 1, devices: tensor).map(\.description)
        }
        #expect(rules(8) == [])
        model.kvHeads = 3
        #expect(rules(2).contains { $0.contains("must divide model.kvHeads 3, or be a multiple of it (found 2)") })
        #expect(rules(6) == [])
        model.block.qkNorm = .whole
        #expect(rules(6).contains { $0.contains("the norms of all keys are cut with their heads") })
    }
}
