import Costs
import Foundation
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Memory of layouts whose parts can be counted by hand, and what the software's own code keeps.
@Suite struct MemoryCaseTests {
    static let gib = 0x1p30
    static let frameworks = try? Frameworks.read(library: Checkout.library)

    static func work(
        _ model: Model, _ layout: Layout, framework: String, batch: Int = 256, precision: Precision = .bf16
    ) throws -> LayoutWork {
        var frameworks = try #require(Self.frameworks)
        frameworks.named = framework
        return try work(model, layout, frameworks: frameworks, batch: batch, precision: precision)
    }

    static func work(
        _ model: Model, _ layout: Layout, frameworks: Frameworks, batch: Int, precision: Precision = .bf16
    ) throws -> LayoutWork {
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.h100(), devices: layout.devices, batch: batch,
            precision: precision, layout: layout, frameworks: frameworks)
        return try Pricer(plan: plan).work(layout)
    }

    static func llama(
        layers: Int, ffn: Int = 14336, sequence: Int = 4096, moe: Model.Mixture? = nil,
        mla: Model.LatentAttention? = nil
    ) -> Model {
        Model(
            family: .llama, layers: layers, hidden: 4096, heads: 32, kvHeads: 8, ffn: ffn, vocab: 32000,
            sequence: sequence, moe: moe, mla: mla)
    }

    static let deepSeekV3 = Model(
        family: .llama, layers: 8, hidden: 7168, heads: 128, headSize: 128, ffn: 18432, vocab: 129_280,
        sequence: 4096, moe: .init(experts: 64, topK: 8, ffn: 2048, shared: 1, sharedFfn: 2048),
        mla: .init(queryRank: 1536, kvRank: 512, nopeSize: 128, ropeSize: 64, valueSize: 128))

    /// A block's gradients exist whole before they are scattered (DeepSpeed: `reduce_bucket_size` and the block's `.grad`;
    /// PyTorch's SHARD_GRAD_OP: one unit): 64 experts of 3 · 4096 · 4096 here, 12 GiB in fp32.
    @Test(arguments: [(Precision?.none, 4.0), (.bf16, 2), (.fp8, 1)])
    func shardedGradientsExistWholeForOneBlock(_ gradients: Precision?, _ bytes: Double) throws {
        let model = Self.llama(layers: 4, moe: .init(experts: 64, topK: 2, ffn: 4096))
        func memory(_ sharding: Layout.Sharding) throws -> Estimate.RankMemory {
            try LayoutMemory(
                Self.work(
                    model, Layout(data: 64, sharding: sharding, gradients: gradients), framework: "megatron-core"
                )
            ).rank(0)
        }
        let (one, two, three) = (try memory(.optimizer), try memory(.gradients), try memory(.parameters))
        let attention = 2 * 4096 * 4096 + 2 * 4096 * 1024
        let block = Double(64 * 3 * 4096 * 4096 + attention + 4096 * 64 + 2 * 4096)
        #expect(abs((two.other - one.other) / (1.05 * bytes * block) - 1) < 1e-9)
        // Beside it fully sharded parameters gather two blocks of half-precision weights.
        #expect(abs((three.other - two.other) / (1.05 * 2 * 2 * block) - 1) < 1e-9)
        #expect(three.peak <= two.peak && two.peak <= one.peak)
    }

    /// Gradients of a unit are never more than a rank that shards none of them holds.
    @Test func aRankOfOneBlockGainsLittleFromShardingGradients() throws {
        let model = Self.llama(layers: 4)
        func memory(_ sharding: Layout.Sharding) throws -> [Double] {
            let work = try Self.work(
                model, Layout(data: 2, pipeline: 4, sharding: sharding), framework: "megatron-core", batch: 64)
            return (0..<4).map { LayoutMemory(work).rank($0).peak }
        }
        let (one, two, three) = (try memory(.optimizer), try memory(.gradients), try memory(.parameters))
        for rank in 0..<4 { #expect(three[rank] <= two[rank] * (1 + 1e-12) && two[rank] <= one[rank] * (1 + 1e-12)) }
    }

    /// Megatron-Core gathers the rows of all ranks that share an expert after its all-to-all (`token_dispatcher.py`): 8 times
    /// 2,048 rows of 4,096 here in place of 2,048, a block.
    @Test(arguments: ["megatron-core", "deepseek-2024"])
    func everyRankOfACutExpertHoldsAllRows(_ framework: String) throws {
        let model = Self.llama(layers: 32, moe: .init(experts: 8, topK: 2, ffn: 14336))
        func activations(_ pieces: Int) throws -> Double {
            try LayoutMemory(
                Self.work(
                    model,
                    Layout(
                        data: 8, tensor: 8, expert: 8, expertTensor: pieces, microbatch: 2, sharding: .optimizer,
                        sequenceParallel: true), framework: framework
                )
            ).rank(0).activations
        }
        let rows = 2 * 2 * 4096 / 8.0
        for pieces in [2, 4, 8] {
            // The experts' own tensors are as many rows longer as they are narrower.
            let more = 32 * 2 * Double(pieces - 1) * rows * 4096
            #expect(abs((try activations(pieces) - activations(1)) / more - 1) < 1e-9, "\(pieces)")
        }
        if framework == "megatron-core" { #expect(abs(try activations(8) / Self.gib - 10.9) < 0.05) }
    }

    /// Sequence parallelism scatters latents and their norms' results (Megatron-Core, `multi_latent_attention.py`): of
    /// 2 · 1536 + 2 · 512 + 64 numbers a row, a rank of 8 keeps an eighth.
    @Test func latentsAreScattered() throws {
        func activations(_ sequenceParallel: Bool) throws -> Double {
            try LayoutMemory(
                Self.work(
                    Self.deepSeekV3,
                    Layout(
                        data: 8, tensor: 8, expert: 64, microbatch: 1, sharding: .optimizer,
                        sequenceParallel: sequenceParallel), framework: "megatron-core"
                )
            ).rank(0).activations
        }
        let latents = 2.0 * (2 * 1536 + 2 * 512 + 64)
        // Norms and the inputs of column-parallel layers likewise, and the final norm's and the head's inputs.
        let inputs = 8 * (4 * 2 * 7168 + latents) + 4 * 7168
        let more = try activations(false) - activations(true)
        #expect(abs(more / (4096 * inputs * 7 / 8) - 1) < 1e-9)
        #expect(abs(try activations(true) / Self.gib - 1.75) < 0.01)
    }

    /// Full recomputation makes one block again, and the largest of those it may be: a dense one of 28,672 is larger than one
    /// expert of 2,048.
    @Test func theLargestRecomputedBlockCounts() throws {
        let model = Self.llama(
            layers: 16, ffn: 28672, sequence: 8192, moe: .init(experts: 16, topK: 1, ffn: 2048, every: 2))
        func activations(_ recompute: Layout.Recompute, _ layers: Int? = nil, pipeline: Int = 1) throws -> [Double] {
            let work = try Self.work(
                model,
                Layout(
                    data: 16, pipeline: pipeline, expert: 16, microbatch: 2, recompute: recompute, sharding: .optimizer,
                    recomputeLayers: layers), framework: "megatron-core", batch: 256)
            return (0..<pipeline).map { LayoutMemory(work).rank($0).activations }
        }
        let tokens = 2.0 * 8192
        // 8h of norms and inputs, (a + 2g)d + ad of the attention, 3f, each 2 bytes, and 4 bytes a head.
        let attention = 8 * 4096 + 2 * (6144 + 4096) + 4 * 32
        let dense = tokens * Double(attention + 2 * 3 * 28672)
        let expert = tokens * Double(attention + 2 * (4096 + 3 * 2048) + 8 * 16)
        let inputs = tokens * 2 * 4096
        let all = try activations(.full)[0]
        let byHand: Double = 17 * inputs + dense
        #expect(abs(all / byHand - 1) < 1e-9)
        #expect(abs(all / Self.gib - 5.56) < 0.01)
        // Runs of four keep one input each, and are computed again as a whole.
        let plain = Self.llama(layers: 16, ffn: 28672, sequence: 8192)
        let layout = Layout(data: 16, microbatch: 2, recompute: .full, sharding: .optimizer)
        var runs = layout
        runs.recomputed = .runs(4)
        let together = try Self.work(plain, runs, framework: "megatron-core", batch: 256)
        #expect(abs(LayoutMemory(together).rank(0).activations / (5 * inputs + 4 * dense) - 1) < 1e-9)
        #expect(together.rank(0) == (try Self.work(plain, layout, framework: "megatron-core", batch: 256)).rank(0))
        // The first block of each pair is dense: of one recomputed block, that one; of the stages' 8, 7 keep everything.
        let some = try activations(.full, 1, pipeline: 2)
        let half: Double = 4 * expert + 4 * dense + 2 * inputs
        #expect(abs(some[1] / half - 1) < 1e-9)
    }

    /// PyTorch's FSDP keeps the fp32 weights, their fp32 gradients and two moments, each a shard: 16/D bytes. Other software
    /// keeps a half-precision copy beside them, and so does PyTorch where parameters are not sharded.
    @Test func stateOfFullyShardedParameters() throws {
        let model = TestModel.llama70B
        func bytes(
            _ framework: String, _ precision: Precision, _ sharding: Layout.Sharding, _ gradients: Precision? = nil
        ) throws -> Double {
            let work = try Self.work(
                model, Layout(data: 64, recompute: .full, sharding: sharding, gradients: gradients),
                framework: framework, precision: precision)
            let memory = LayoutMemory(work).rank(0)
            return 64 * (memory.weights + memory.gradients + memory.optimizer) / work.parameters(rank: 0)
        }
        for precision in [Precision.bf16, .fp8, .fp16, .fp32] {
            #expect(abs(try bytes("torch-fsdp", precision, .parameters) - 16) < 1e-9, "\(precision)")
        }
        #expect(abs(try bytes("torch-fsdp", .bf16, .parameters, .bf16) - 14) < 1e-9)
        #expect(abs(try bytes("megatron-core", .bf16, .parameters) - 18) < 1e-9)
        #expect(abs(try bytes("torch-fsdp", .bf16, .none) - 64 * 18) < 1e-6)
        #expect(abs(try bytes("torch-fsdp", .bf16, .optimizer) - (64 * 6 + 12)) < 1e-6)
        let memory = try LayoutMemory(
            Self.work(model, Layout(data: 64, sharding: .parameters), framework: "torch-fsdp")
        ).rank(
            0)
        #expect(abs((memory.weights + memory.gradients + memory.optimizer) / Self.gib - 16.06) < 0.01)
        // The optimizer step writes no half-precision copy.
        let step = try Self.work(model, Layout(data: 64, sharding: .parameters), framework: "torch-fsdp")
        let other = try Self.work(model, Layout(data: 64, sharding: .parameters), framework: "megatron-core")
        #expect(OptimizerTime(step).seconds < OptimizerTime(other).seconds)
    }

    /// Peng et al. 2023 (FP8-LM): 8-bit gradients are one byte.
    @Test(arguments: [(Precision.fp32, 4.0), (.bf16, 2), (.fp16, 2), (.fp8, 1)])
    func bytesOfAGradient(_ format: Precision, _ bytes: Double) throws {
        let state = StateBytes(precision: .fp8, gradients: format)
        #expect(state.gradient == bytes && state.keptGradient == bytes && state.weight == 2 && state.optimizer == 12)
    }

    /// Since Megatron-Core 0.12.1 the router's weights multiply inside the experts (`moe/experts.py`, `permuted_probs`): of a
    /// routed row its input and three tensors of the expert are kept, not its result. 8 rows of 7,168 a token here.
    @Test func resultsOfExpertsAreKeptWhereTheyAreWeighted() throws {
        func activations(
            _ framework: String, _ recompute: Layout.Recompute = .none, keeps: Bool = false
        ) throws -> Double {
            var frameworks = try #require(Self.frameworks)
            frameworks.named = framework
            if keeps { frameworks.known[framework]?.keepsCombinedRows = true }
            return try LayoutMemory(
                Self.work(
                    Self.deepSeekV3, Layout(data: 64, expert: 64, recompute: recompute, sharding: .optimizer),
                    frameworks: frameworks, batch: 64
                )
            ).rank(0).activations
        }
        let current = try activations("megatron-core")
        // DeepEP's combine takes no weights and adds results up on their way: a token's rank gets one row (its README,
        // combine_forward), so weights multiply where the experts are.
        #expect(try activations("deepseek-2024") == current)
        let weighted = try activations("megatron-core", keeps: true)
        #expect(abs(current / Self.gib - 14.0) < 0.05 && abs(weighted / Self.gib - 17.5) < 0.05)
        let results = 4096.0 * 8 * 2 * 7168
        #expect(abs((weighted - current) / (8 * results) - 1) < 1e-9)
        // Of recomputed blocks one exists at a time.
        let again = try activations("megatron-core", .full, keeps: true) - activations("megatron-core", .full)
        #expect(abs(again / results - 1) < 1e-9)
    }

    /// An RMS norm in eager PyTorch keeps an fp32 copy of its rows in place of them and the normalised rows, 4 + 2 − 2 bytes a
    /// number (Hugging Face, `LlamaRMSNorm`); a block has two. Sequence parallelism cuts these rows over the tensor ranks.
    @Test(arguments: [
        (Layout(data: 8), 4096.0, Precision.bf16, 4.0), (Layout(data: 4, tensor: 2), 4096, .bf16, 4),
        (Layout(data: 4, tensor: 2, sequenceParallel: true), 2048, .bf16, 4),
        // Rows in fp32 need no copy.
        (Layout(data: 8), 4096, .fp32, 4),
    ])
    func eagerNormsKeepTheirSteps(_ layout: Layout, _ rows: Double, _ precision: Precision, _ bytes: Double) throws {
        func kept(_ framework: String, _ model: Model) throws -> Double {
            let work = try Self.work(model, layout, framework: framework, batch: 8, precision: precision)
            return LayoutMemory(work).blockActivationBytes(rank: 0)
        }
        let model = Self.llama(layers: 2)
        let more = try kept("torch-ddp", model) - kept("llm-foundry", model)
        #expect(abs(more / (2 * 2 * rows * 4096 * bytes) - 1) < 1e-9)
        // torch.nn.LayerNorm is one kernel, which reads half precision.
        var gpt = model
        gpt.norm = .layerNorm
        #expect(try kept("torch-ddp", gpt) == kept("llm-foundry", gpt))
        // A compiler fuses the steps.
        gpt.mlp = .gelu
        var plain = model
        plain.mlp = .gelu
        #expect(try kept("torchtitan", plain) == kept("llm-foundry", plain))
    }

    /// `silu(gate) * up` in eager PyTorch keeps the result of silu, two bytes for each number of the network's size (Hugging
    /// Face, `LlamaMLP`). A network without a gate, one kernel, and a compiler keep nothing more. Tensor ranks cut it.
    @Test(arguments: [
        (Layout(data: 8), 1.0), (Layout(data: 4, tensor: 2), 2.0),
        (Layout(data: 4, tensor: 2, sequenceParallel: true), 2.0),
    ])
    func eagerGatesKeepTheirActivation(_ layout: Layout, _ tensor: Double) throws {
        func kept(_ framework: String, _ model: Model) throws -> Double {
            let work = try Self.work(model, layout, framework: framework, batch: 8)
            return LayoutMemory(work).blockActivationBytes(rank: 0)
        }
        let model = Self.llama(layers: 2)
        let more = try kept("llm-foundry", model) - kept("torchtitan", model)
        #expect(abs(more / (2 * 4096 * Double(model.ffn) / tensor * 2) - 1) < 1e-9)
        var plain = model
        plain.mlp = .gelu
        #expect(try kept("llm-foundry", plain) == kept("torchtitan", plain))
    }

    /// Aleph Alpha's code looks up four rows of a head's sines and cosines for every row: 2·4·T·d bytes. With sequence parallelism
    /// its norms gather their results, of which a block keeps two whole: 2·2·T·h·(1 − 1/t) bytes more. With several samples a
    /// micro-batch, the result of flash attention is there twice (Aleph-Alpha/scaling, rotary.py, rms_norm.py, attention.py).
    @Test func gatheredRowsAreKept() throws {
        func kept(_ framework: String, _ layout: Layout) throws -> Double {
            let work = try Self.work(Self.llama(layers: 2), layout, framework: framework, batch: 8)
            return LayoutMemory(work).blockActivationBytes(rank: 0)
        }
        func more(_ layout: Layout) throws -> Double { try kept("aleph-alpha", layout) - kept("llm-foundry", layout) }
        let rotary = 2 * 2 * 4 * 4096 * 128.0
        #expect(try more(Layout(data: 4, tensor: 2)) == rotary)
        let gathered = try more(Layout(data: 4, tensor: 2, sequenceParallel: true)) - rotary
        #expect(abs(gathered / (2 * 2 * 2 * 4096 * 4096 * 0.5) - 1) < 1e-9)
        let copied = try more(Layout(data: 4, tensor: 2, microbatch: 2)) - 2 * rotary
        #expect(abs(copied / (2 * 2 * 2 * 4096 * 4096 / 2) - 1) < 1e-9)
    }

    /// With full recomputation a block keeps its input in half precision, and the steps of one block's norms exist at a time.
    @Test func recomputedEagerNorms() throws {
        func activations(_ framework: String) throws -> Double {
            let work = try Self.work(
                Self.llama(layers: 4), Layout(data: 8, recompute: .full), framework: framework, batch: 8)
            return LayoutMemory(work).rank(0).activations
        }
        // Of one block: two fp32 copies and two rows before their scale, in place of the input of the second norm; the input
        // of the first is kept. Of the final norm: a copy and its rows in place of its input. The code without these norms looks
        // up sines and cosines for every row.
        let numbers = 4096.0 * 4096
        let more = try activations("torch-ddp") - activations("aleph-alpha") + 2 * 4 * 4096 * 128
        #expect(abs(more / (numbers * (2 * (4 + 2) - 2 + (4 + 2 - 2))) - 1) < 1e-9)
    }

    /// llm.c on four A100 of 40 GB (a public report): 35,975 MiB without a sharded optimizer, 22,601 MiB with it.
    @Test func aPublicReport() throws {
        let model = Model(family: .gpt, layers: 48, hidden: 1600, heads: 25, vocab: 50304, sequence: 1024)
        for (sharding, mebibytes) in [(Layout.Sharding.none, 35_975.0), (.optimizer, 22_601)] {
            var frameworks = try #require(Self.frameworks)
            frameworks.named = "torch-ddp"
            var cluster = TestCluster.a100()
            cluster.device.reservedBytes = 2 * Self.gib
            let layout = Layout(data: 4, microbatch: 4, sharding: sharding, gradients: .bf16)
            let plan = Plan(
                name: "", model: model, tokens: nil, cluster: cluster, devices: 4, batch: 16, precision: .bf16,
                layout: layout, frameworks: frameworks)
            let peak = try estimate(plan: plan, layout: layout).peakMemory
            #expect(abs(peak / 0x1p20 / mebibytes - 1) < 0.1, "\(sharding)")
        }
    }
}
