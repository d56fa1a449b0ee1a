import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// What a split backward holds between its two halves, and what this runtime allocates.
@Suite struct SplitBackwardMemoryTests {
    /// Qi et al. 2023, table 1: a GPT block keeps M_B = sbh(34 + 5as/h) from its forward and M_W = 32sbh from its
    /// input-gradient half on.
    @Test func isWhatZeroBubbleStates() {
        let model = Model(family: .gpt, layers: 24, hidden: 2304, heads: 24, vocab: 50304, sequence: 1024)
        let block = block(model, recompute: .none, flash: false, dropout: true)
        let sbh = 1024.0 * 2304
        #expect(abs(block.kept / (sbh * (34 + 5 * 24 * 1024 / 2304)) - 1) < 1e-12)
        #expect(block.later == sbh * 32)
    }

    /// Recomputation does not change these bytes: the halves read all tensors.
    @Test(arguments: [Layout.Recompute.none, .selective, .full])
    func doesNotDependOnRecomputation(_ recompute: Layout.Recompute) {
        let model = MemoryCaseTests.llama(layers: 8)
        // Inputs and output gradients by hand: q k v, the attention's product, gate and input, the way down.
        let (h, f, kv) = (4096.0, 14336.0, 1024.0)
        let inputs = h + h + h + f
        let gradients = (h + 2 * kv) + h + 2 * f + h
        #expect(block(model, recompute: recompute).later == 2 * 1024 * (inputs + gradients))
    }

    /// ZB-H1 over two ranks, by hand: rank 1 runs F0 I0 F1 I1 W0 …, so after I1 it holds two micro-batches between their
    /// halves, where 1F1B holds one block's input.
    @Test func fullRecomputationIsHeldUntilTheWeights() throws {
        func bytes(_ schedule: ScheduleName) throws -> (work: LayoutWork, bytes: Double) {
            let layout = Layout(pipeline: 2, schedule: schedule, recompute: .full)
            let work = try MemoryCaseTests.work(
                MemoryCaseTests.llama(layers: 8), layout, framework: "megatron-core", batch: 8)
            return (work, LayoutMemory(work).blockActivationBytes(rank: 1))
        }
        let (plain, split) = (try bytes(.oneForwardOneBackward), try bytes(.zeroBubbleH1))
        let block = ActivationBytes(split.work)
        #expect(plain.bytes == 4 * block.kept)
        #expect(split.bytes == 4 * 2 * block.later)
        #expect(split.bytes > 10 * plain.bytes)
    }

    /// A network that is recomputed by itself exists once: between the halves its inputs and the gradients of its products'
    /// results lie where it was computed. Beyond them a backward holds the log-sum-exp of flash attention alone, 4 bytes a head.
    @Test func recomputedTensorsExistOnce() {
        let model = MemoryCaseTests.llama(layers: 8)
        let (split, whole) = (
            block(model, recompute: .selective, modules: .network),
            block(model, recompute: .selective, split: false, modules: .network)
        )
        let network = 2.0 * 1024 * 3 * 14336
        #expect(whole.recomputed == network)
        #expect(split.kept + whole.recomputed == split.later + 4 * 32 * 1024)
        #expect(split.recomputed == 4 * 32 * 1024)
        // A block's input is kept already while all of the block is computed again.
        let (all, again) = (block(model, recompute: .none, split: false), block(model, recompute: .full, split: false))
        #expect(again.kept == 2 * 1024 * 4096)
        #expect(again.kept + again.recomputed == all.kept)
    }

    private func block(
        _ model: Model, recompute: Layout.Recompute, flash: Bool = true, dropout: Bool = false,
        memory: Framework.Memory = Framework.Memory(), split: Bool = true, modules: RecomputeModules = []
    ) -> ActivationBytes {
        ActivationBytes(
            ModelParts(model).blocks[0], sequence: model.sequence, tokens: 1024, tensor: 1, sequenceParallel: false,
            recompute: recompute,
            flashAttention: flash, dropout: dropout, elementBytes: 2, splitsBackward: split, memory: memory,
            modules: modules)
    }

    /// By the runtime's own list (`Sources/Training/Activations/SavedBlock.swift`), in numbers a row: stream, queries, keys and
    /// values, attention, stream, feed-forward; with split backwards two norms, the activation and a gradient more. The
    /// log-sum-exp is one number a head.
    @Test func theRuntimeKeepsWhatItsCodeTakes() throws {
        let memory = try #require(MemoryCaseTests.frameworks?.known["trainyard"]).memory
        let model = Model(family: .gpt, layers: 8, hidden: 512, heads: 8, vocab: 256, sequence: 256)
        func kept(_ recompute: Layout.Recompute, split: Bool) -> ActivationBytes {
            var block = ActivationBytes(
                ModelParts(model).blocks[0], sequence: model.sequence, tokens: 1, tensor: 1, sequenceParallel: false,
                recompute: recompute,
                flashAttention: true, dropout: false, elementBytes: 4, splitsBackward: split, memory: memory)
            block.kept /= 4
            block.later /= 4
            return block
        }
        let (h, f) = (512.0, 2048.0)
        let whole = h + 3 * h + h + 8 + h + f
        #expect(kept(.none, split: false).kept == whole)
        #expect(kept(.selective, split: false).kept == whole - h - 8)
        #expect(kept(.full, split: false).kept == h)
        #expect(kept(.none, split: true).kept == whole + 2 * h + f + h)
        #expect(kept(.none, split: true).later == whole + 2 * h + f + h)
        #expect(kept(.full, split: true).kept == h)
        #expect(kept(.full, split: true).later == whole + 2 * h + f + h)
    }

    /// Of a table that is only looked up, the entries that bytes name have gradients and moments; a tied one is a product
    /// too, and sharded ones are kept in slices.
    @Test func aTextTouchesItsBytes() throws {
        func rank(_ vocab: Int, sharding: Layout.Sharding = .none, tied: Bool = false) throws -> Estimate.RankMemory {
            let model = Model(
                family: .llama, layers: 4, hidden: 256, heads: 4, ffn: 512, vocab: vocab, sequence: 64,
                tiedEmbeddings: tied)
            return try LayoutMemory(
                MemoryCaseTests.work(
                    model, Layout(data: 2, sharding: sharding), framework: "trainyard", batch: 8, precision: .fp32
                )
            ).rank(0)
        }
        let (small, large) = (try rank(256), try rank(8192))
        let table = 4.0 * 256 * (8192 - 256)
        #expect(large.weights - small.weights == 2 * table)
        #expect(large.gradients - small.gradients == table)
        #expect(large.optimizer - small.optimizer == 2 * table)
        #expect(try rank(8192, tied: true).gradients - rank(256, tied: true).gradients == table)
        #expect(try rank(8192, sharding: .gradients).gradients - rank(256, sharding: .gradients).gradients == table)
    }

    /// Weights, gradients, moments and activations are fp32 whatever the precision.
    @Test func theRuntimeStoresFP32() throws {
        func rank(_ precision: Precision) throws -> Estimate.RankMemory {
            try LayoutMemory(
                MemoryCaseTests.work(
                    MemoryCaseTests.llama(layers: 4), Layout(), framework: "trainyard", batch: 8, precision: precision
                )
            ).rank(0)
        }
        let (half, full) = (try rank(.bf16), try rank(.fp32))
        #expect(half == full)
    }
}
