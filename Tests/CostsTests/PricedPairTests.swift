import Costs
import Models
import Plans
import PricingSupport
import Reading
import TestSupport
import Testing

/// Choices that are priced together: what one of them takes, beside another.
@Suite struct PricedPairTests {
    /// Eight blocks of a Llama with h 4,096, f 14,336, 32 heads of 128 and 8 of keys, or another plan's model.
    private func plan(_ lines: String, layout: String = "{}", model: String? = nil, cluster: String = "b200-sxm") throws
        -> Plan
    {
        let llama =
            "{family: llama, layers: 8, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096}"
        return try Plan.read(
            text: """
                model: \(model ?? llama)
                cluster: \(cluster)
                batch: 64
                framework: megatron-core
                layout: \(layout)
                \(lines)
                """, path: "plan.yaml", library: Checkout.library)
    }

    private func work(
        _ lines: String, layout: String = "{}", model: String? = nil, cluster: String = "b200-sxm"
    ) throws -> LayoutWork {
        let plan = try plan(lines, layout: layout, model: model, cluster: cluster)
        return try Pricer(plan: plan).work(try #require(plan.layout))
    }

    private func memory(_ lines: String, layout: String = "{}", model: String? = nil) throws -> RankMemory {
        LayoutMemory(try work(lines, layout: layout, model: model)).rank(0)
    }

    private func kept(_ lines: String, layout: String = "{}") throws -> Double {
        LayoutMemory(try work(lines, layout: layout)).blockActivationBytes(rank: 0)
    }

    private static let lora = "lora: {rank: 16}"
    /// Bytes that the allocator takes for a byte of a buffer (`fragmentation` of megatron-core).
    private static let loss = 1.05
    private static func recipe(_ recipe: String) -> String { "precision: {recipe: \(recipe)}" }
    /// Weights of the blocks' products: queries and results h · h, keys and values h · h/4 each, three h · f.
    private static let weights = 8.0 * (2.5 * 4096 * 4096 + 3 * 4096 * 14336)

    // MARK: - Adapters

    /// Frozen weights have copies in 8 bits (one for both directions on Blackwell with one factor, two with block-wise
    /// ones), adapters none. Adapters read 16 bits, so that nothing is kept in 8 (Megatron-Bridge, lora_layers.py).
    private static let copies: [(String, Double)] = [
        ("tensorwise", 1), ("delayed", 1), ("blockwise", 2 + 8.0 / 16384), ("mxfp8", 2 + 2.0 / 32),
    ]
    @Test(arguments: copies)
    func adaptersInEightBits(_ scaling: String, _ copies: Double) throws {
        let both = "\(Self.lora)\n\(Self.recipe(scaling))"
        let (low, high) = (try memory(both), try memory("\(Self.lora)\nprecision: bf16"))
        #expect(abs(low.weights - high.weights - copies * Self.weights) < 1)
        #expect(try kept(both) == kept(Self.lora))
        let compute = try [both, Self.lora].map { IterationTime(try work($0)).breakdown.compute }
        #expect(compute[0] < compute[1])
    }

    /// Frozen attention reads back no input, so that only those of the networks are kept in 8 bits: h and f numbers a row.
    @Test func frozenPartsInEightBits() throws {
        let frozen = "frozen: [attention]"
        let saved = try kept(frozen) - kept("\(frozen)\n\(Self.recipe("mxfp8"))")
        let right: Double = 8 * 4096 * (2 - 33.0 / 32) * (4096 + 14336)
        #expect(abs(saved - right) < 1)
    }

    @Test(arguments: [
        ("quantized: nf4\nlora: {rank: 16}\nprecision: {recipe: mxfp8}", "quantized"),
        ("lora: {rank: 16}\nprecision: {recipe: mxfp8, parameterGather: true}", "precision.parameterGather"),
    ])
    func refusedBesideAdapters(_ lines: String, _ field: String) {
        let problems = #expect(throws: PlanProblems.self) { try plan(lines) }
        #expect(problems?.problems.map(\.field) == [field])
    }

    /// Adapters of all seven products of eight blocks: 16 numbers for each of their inputs and results.
    private static let adapters = 8.0 * 16 * Double(4 * 4096 + 2 * (4096 + 1024) + 3 * (4096 + 14336))

    /// Muon keeps an fp32 moment and fp32 weights of the adapters' matrices, and nothing of frozen ones; Adafactor a number
    /// for each of their rows and columns.
    @Test func adaptersUnderMatrixOptimizers() throws {
        #expect(Self.adapters == 10_485_760)
        func optimizer(_ name: String) throws -> Double { try memory("\(Self.lora)\noptimizer: \(name)").optimizer }
        #expect(try optimizer("adamw") == 12 * Self.adapters)
        #expect(try optimizer("muon") == 8 * Self.adapters)
        let sides = 8.0 * Double(4 * 4096 + 2 * (4096 + 1024) + 3 * (4096 + 14336) + 14 * 16)
        #expect(try optimizer("adafactor") == 4 * Self.adapters + 4 * sides)
        func step(_ lines: String) throws -> Double { IterationTime(try work(lines)).breakdown.optimizer }
        let (ofAdapters, ofAll) = (try step("\(Self.lora)\noptimizer: muon"), try step("optimizer: muon"))
        #expect(ofAdapters < ofAll / 10)
        #expect(try step("\(Self.lora)\noptimizer: adamw") < ofAdapters)
    }

    /// Frozen attention leaves Muon the matrices of the networks.
    @Test func frozenPartsUnderMuon() throws {
        func optimizer(_ lines: String) throws -> Double { try memory("\(lines)\noptimizer: muon").optimizer }
        let attention = 8.0 * 2.5 * 4096 * 4096
        #expect(try optimizer("name: whole") - optimizer("frozen: [attention]") == 8 * attention)
    }

    /// A frozen table has no gradient that all chunks add to: 2 bytes for each of its 32,000 · 4,096 numbers, padded.
    @Test func aFrozenTableInChunks() throws {
        func more(_ lines: String) throws -> Double {
            try memory("\(lines)\nloss: {chunks: 8}").other - memory("\(lines)\nloss: standard").other
        }
        let table = try more("name: whole") - more(Self.lora)
        #expect(abs(table - Self.loss * 2 * 32000 * 4096) < 1)
        // It takes neither the gradient's products nor their sums.
        let times = try ["name: whole", Self.lora].map { try work("\($0)\nloss: {chunks: 8}").units.head.total }
        #expect(times[1] < 0.75 * times[0])
        let fused = try work("\(Self.lora)\nloss: fused").units.head
        let standard = try work("\(Self.lora)\nloss: standard").units.head
        #expect(fused.backward.recompute > 0 && fused.backward.compute < standard.backward.compute)
    }

    /// Networks that run again free inputs and results of their activation (3f numbers in 16 bits) and the 16 numbers of a
    /// row of each of their three adapters, whose products run again too.
    @Test func adaptersInModules() throws {
        let layout = "{recompute: selective, recomputeModules: [mlp]}"
        let freed = try kept(Self.lora) - kept(Self.lora, layout: layout)
        let numbers: Double = 3 * 14336 + 3 * 16
        #expect(abs(freed - 8 * 4096 * 2 * numbers) < 1)
        let plan = try plan(Self.lora, layout: layout)
        let answer = try estimate(plan: plan, layout: try #require(plan.layout)).iteration
        let weights: Double = 3 * 4096 * 14336 + 3 * 16 * (4096 + 14336)
        let again = 2.0 * 64 * 4096 * 8 * weights
        #expect(abs(answer.hardwareFLOPs - answer.modelFLOPs - again) < 1e-9 * again)
    }

    /// Adapters are no part of what ranks of experts exchange.
    @Test(arguments: ["deepep", "hybridep", "allgather"]) func adaptersOfExperts(_ dispatcher: String) throws {
        func exchanges(_ lines: String) throws -> [Double] {
            let work = try work(
                lines, layout: "{data: 64, expert: 64, dispatcher: \(dispatcher)}", model: "deepseek-v3",
                cluster: "h800-80g-sxm")
            let traffic = Traffic(work, rank: 0)
            return traffic.exchanges + [traffic.expertGathers]
        }
        let whole = try exchanges("name: whole")
        #expect(try exchanges(Self.lora) == whole && whole.contains { $0 > 0 })
    }

    // MARK: - Multi-token prediction

    private static let predicting =
        "{family: llama, layers: 8, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096, mtp: {layers: 2}}"

    /// Three losses: each keeps its own 4 bytes of a row, or its own gradient of the table; the logits of one chunk exist at
    /// once. A fused loss computes its logits again.
    @Test func severalLosses() throws {
        let fused = try work("loss: fused", model: Self.predicting)
        #expect(LayoutMemory(fused).logitBytes(rank: 0) == 3 * 4 * 4096)
        let plan = try plan("loss: fused", model: Self.predicting)
        let answer = try estimate(plan: plan, layout: try #require(plan.layout)).iteration
        let logits: Double = 2 * 64 * 4096 * 32000 * 4096
        #expect(answer.hardwareFLOPs - answer.modelFLOPs == 3 * logits)
        func other(_ loss: String, _ model: String? = nil) throws -> Double {
            try memory("loss: \(loss)", model: model).other
        }
        // Bytes of a chunk's copies are those of one loss, with modules and without.
        let chunk = try other("{chunks: 1}") - other("{chunks: 2}")
        let ofSeveral = try other("{chunks: 1}", Self.predicting) - other("{chunks: 2}", Self.predicting)
        #expect(abs(ofSeveral - chunk) < 1e-3 * chunk)
        let tables = try other("{chunks: 8}", Self.predicting) - other("{chunks: 8}")
        let two: Double = 2 * 2 * 32000 * 4096
        #expect(tables >= Self.loss * two && tables < 1.2 * two)
    }

    /// Modules see the keys of their documents alone, as blocks do.
    @Test func modulesOfPackedDocuments() throws {
        let packing = "packing: {documents: 1024}"
        func flops(_ lines: String, _ model: String?) throws -> Double {
            let plan = try plan(lines, model: model)
            return try estimate(plan: plan, layout: try #require(plan.layout)).iteration.modelFLOPs
        }
        // Half of 1,024 keys rather than of 4,096, for 10 blocks instead of 8: 12 · B · s · h each by the convention.
        let less = try [nil, Self.predicting].map { try flops("name: whole", $0) - flops(packing, $0) }
        #expect(abs(less[1] / less[0] - 10.0 / 8) < 1e-9)
        let right: Double = 12 * 64 * 4096 * (4096 - 1024) * 8 * 4096
        #expect(abs(less[0] - right) < 1e-6 * right)
    }

    // MARK: - Exchanges among context ranks

    /// Packed documents travel as whole sequences do, by every exchange (Transformer Engine, test_attention_with_cp.py: `thd`).
    @Test(arguments: ["gather", "heads", "headsAndRing, contextHeads: 2"]) func packedExchanges(_ exchange: String)
        throws
    {
        let layout = "{context: 4, contextExchange: \(exchange)}"
        let (packed, whole) = (
            try work("packing: {documents: 1024}", layout: layout), try work("name: whole", layout: layout)
        )
        let sent = [packed, whole].map { work in
            let traffic = Traffic(work, rank: 0)
            return traffic.context + traffic.headExchanges.reduce(0, +)
        }
        #expect(sent[0] == sent[1] && sent[0] > 0)
        #expect(packed.units.blocks[0].forward.compute < whole.units.blocks[0].forward.compute)
        let kept = [packed, whole].map { LayoutMemory($0).blockActivationBytes(rank: 0) }
        #expect(kept[0] == kept[1])
    }

    /// HunyuanVideo, 8 ranks of a sequence that exchange its 24 heads: each block's queries, keys, values and results of the
    /// rank's rows, 3,072 numbers each in 16 bits, leave it but for an eighth, forward and backward.
    @Test func headsOfVideos() throws {
        func sent(_ exchange: String) throws -> (bytes: Double, sequence: Int) {
            let plan = try plan(
                "precision: bf16", layout: "{context: 8, contextExchange: \(exchange)}", model: "hunyuan-video-13b",
                cluster: "h100-80g-sxm")
            let traffic = Traffic(try Pricer(plan: plan).work(try #require(plan.layout)), rank: 0)
            return (traffic.context + traffic.headExchanges.reduce(0, +), plan.model.sequence)
        }
        let (bytes, sequence) = try sent("heads")
        let rows = Double(sequence) / 8
        let passes: Double = 64 * 60
        #expect(abs(bytes - passes * 2 * 4 * 2 * rows * 3072 * 7 / 8) < 1e-9 * bytes)
        // A ring passes keys and values on seven times, and three times as many numbers in all.
        let ring = try sent("ring").bytes
        #expect(abs(ring - passes * 3 * 2 * 2 * rows * 3072 * 7) < 1e-9 * ring)
    }

    // MARK: - Blocks in bf16

    /// Megatron-Core divides 32 blocks evenly over four stages, eight each, though the last has the head too: the rule on blocks
    /// in bf16 looks at that division.
    @Test func theDivisionThatIsPricedHoldsTheBlocks() throws {
        func plan(_ end: Int) throws -> Plan {
            try Plan.read(
                text: """
                    model: llama3-8b
                    cluster: h100-80g-sxm
                    devices: 32
                    batch: 128
                    framework: megatron-core
                    precision: {recipe: tensorwise, bf16LayersAtEnd: \(end)}
                    layout: {pipeline: 4, sharding: optimizer}

                    """, path: "plan.yaml", library: Checkout.library)
        }
        let open = StagePartition(Layout(data: 8, pipeline: 4), model: try plan(1).model).sizes
        #expect(open.last ?? 8 < 8)
        #expect(try plan(8).layout.map { StagePartition($0, model: try plan(8).model).sizes } == [8, 8, 8, 8])
        let problems = #expect(throws: PlanProblems.self) { try plan(9) }
        #expect(problems?.description.contains("the last stage, which holds 8") == true)
    }

    /// Blocks 0, 6 and 7 of eight in bf16. Of these a layout may recompute some, which keep their input alone.
    private static let recomputed: [(String, Double, Double, Double, Double)] = [
        ("recomputeLayers: 2", 1, 0, 2, 1), ("recomputeLayers: 7", 1, 1, 1, 1), ("recomputeEvery: 2", 0, 1, 1, 1),
        ("recomputeMethod: uniform, recomputeLayers: 2", 1, 2, 0, 2),
    ]
    @Test(arguments: recomputed)
    func someBlocksRecomputed(
        _ keys: String, _ first: Double, _ recomputed: Double, _ plain: Double, _ atOnce: Double
    ) throws {
        let layout = "{recompute: full, \(keys)}"
        let ends = "precision: {recipe: tensorwise, bf16LayersAtStart: 1, bf16LayersAtEnd: 2}"
        let (some, none) = (try work(ends, layout: layout), try work(Self.recipe("tensorwise"), layout: layout))
        let high = try work("precision: bf16", layout: layout)
        func more(_ blocks: KeyPath<BlockUnits, [UnitTimes]>) -> Double {
            high.units[keyPath: blocks][0].total - none.units[keyPath: blocks][0].total
        }
        let (again, once) = (more(\.blocks), more(\.plainBlocks))
        #expect(again > 0 && once > 0)
        let start = some.units.embedding.total - none.units.embedding.total
        let ofStart = first * again + (1 - first) * once
        #expect(abs(start - ofStart) < 1e-9 * again)
        let end = some.units.head.total - none.units.head.total
        let ofEnd = recomputed * again + plain * once
        #expect(abs(end - ofEnd) < 1e-9 * again)
        // 2h + f numbers of a row of each that is not recomputed, and of those that a backward recomputes at once.
        let kept = [some, none].map { LayoutMemory($0).rank(0).activations }
        let numbers: Double = 4096 * (2 * 4096 + 14336)
        #expect(abs(kept[0] - kept[1] - (1 - first + plain + atOnce) * numbers) < 1)
    }
}
