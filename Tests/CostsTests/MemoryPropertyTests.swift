import Costs
import Models
import Numbers
import Plans
import PricingSupport
import Schedules
import Testing

/// What holds for memory whatever the plan.
@Suite struct MemoryPropertyTests {
    struct Case {
        var model: Model
        var layout: Layout
        var batch: Int
        var precision: Precision
        var framework: String
    }

    static let frameworks = ["megatron-core", "megatron-2021", "torch-fsdp", "torch-ddp", "deepseek-2024"]

    /// A legal plan; nil where the draw breaks a rule.
    private func draw(_ random: inout SplitMix64) -> Case? {
        func pick<T>(_ from: [T]) -> T { from[Int.random(in: 0..<from.count, using: &random)] }
        let layers = pick([1, 2, 4, 6, 8, 12, 16])
        let hidden = pick([512, 1024, 4096])
        var model = Model(
            family: pick([.gpt, .llama]), layers: layers, hidden: hidden, heads: 16, kvHeads: pick([16, 8, 4]),
            ffn: hidden * pick([1, 4, 8]), vocab: pick([1000, 32000, 128_256]), sequence: pick([256, 2048]))
        if pick([true, false, false]) {
            model.moe = .init(
                experts: pick([4, 8, 64]), topK: pick([1, 2, 4]), ffn: hidden * pick([1, 2]), shared: pick([0, 1]),
                firstDense: pick([0, 0, 1]), every: pick([1, 1, 2]))
        }
        if pick([true, false, false, false]) {
            model.mla = .init(queryRank: pick([0, 256]), kvRank: 128, nopeSize: 64, ropeSize: 32, valueSize: 64)
        }
        let tensor = pick([1, 1, 2, 4])
        let schedule = pick(ScheduleName.allCases)
        let pipeline = pick([1, 2, 4])
        let layout = Layout(
            data: pick([1, 2, 8, 16]), tensor: tensor, pipeline: pipeline,
            virtualStages: pipeline == 1 ? 1 : schedule.fixedVirtualStages ?? pick([2, 3]), context: pick([1, 1, 2]),
            expert: model.moe == nil ? 1 : pick([1, 2, 4]), expertTensor: model.moe == nil ? 1 : pick([1, tensor]),
            microbatch: pick([1, 2]), schedule: pipeline == 1 ? .oneForwardOneBackward : schedule,
            recompute: pick(Layout.Recompute.allCases), sequenceParallel: tensor > 1 && pick([true, false]),
            flashAttention: pick([true, true, false]), gradients: pick([nil, nil, .bf16, .fp8]))
        let drawn = Case(
            model: model, layout: layout, batch: layout.data * layout.microbatch * pick([4, 8, 16]),
            precision: pick([.bf16, .fp16, .fp32, .fp8]), framework: pick(Self.frameworks))
        let broken = layout.problems(for: model, batch: drawn.batch, devices: layout.devices)
        return broken.isEmpty ? drawn : nil
    }

    private func work(_ drawn: Case) throws -> LayoutWork {
        try MemoryCaseTests.work(
            drawn.model, drawn.layout, framework: drawn.framework, batch: drawn.batch, precision: drawn.precision)
    }

    private func cases(_ count: Int, seed: UInt64) -> [Case] {
        var random = SplitMix64(seed: seed)
        var found: [Case] = []
        while found.count < count { if let drawn = draw(&random) { found.append(drawn) } }
        return found
    }

    /// Sharding more never takes more memory, on any rank: of the fullest layer's buffers no more is held than of what is
    /// not sharded.
    @Test func shardingMoreNeverTakesMore() throws {
        for drawn in cases(400, seed: 1) {
            var last: [Double]?
            for sharding in [Layout.Sharding.none, .optimizer, .gradients, .parameters] {
                var next = drawn
                next.layout.sharding = sharding
                let work = try work(next)
                let peaks = (0..<drawn.layout.pipeline).map { LayoutMemory(work).rank($0).peak }
                if let last {
                    for (more, less) in zip(peaks, last) { #expect(more <= less * (1 + 1e-12), "\(sharding) \(drawn)") }
                }
                last = peaks
            }
        }
    }

    /// Widths that belong to no part of the model change nothing: not which layouts are legal, not the split, not memory,
    /// not time.
    @Test func unusedWidthsChangeNothing() throws {
        var changed = 0
        for drawn in cases(400, seed: 2) {
            var other = drawn
            if drawn.model.denseLayers == 0 { other.model.ffn = drawn.model.ffn * 3 + 1 }
            if drawn.model.mla != nil { (other.model.kvHeads, other.model.headSize) = (3, 777) }
            if drawn.model.moe?.shared == 0 { other.model.moe?.sharedFfn = 12345 }
            if drawn.model.moe != nil, drawn.model.mixtureLayers == 0 { other.model.moe?.ffn = 7 }
            guard other.model != drawn.model else { continue }
            changed += 1
            let (layout, devices) = (drawn.layout, drawn.layout.devices)
            #expect(layout.problems(for: other.model, batch: drawn.batch, devices: devices).isEmpty, "\(other)")
            #expect(other.model.parameters().total == drawn.model.parameters().total)
            let (one, two) = (try work(drawn), try work(other))
            #expect(one.layers == two.layers)
            #expect(LayoutMemory(one).peak == LayoutMemory(two).peak, "\(drawn)")
            #expect(IterationTime(one).seconds == IterationTime(two).seconds, "\(drawn)")
            for rank in 0..<layout.pipeline {
                #expect(LayoutMemory(one).rank(rank) == LayoutMemory(two).rank(rank))
                #expect(NetworkTraffic.sent(one, rank: rank) == NetworkTraffic.sent(two, rank: rank))
            }
        }
        #expect(changed > 100)
    }

    /// Recomputing more keeps less for the backward.
    @Test func recomputingMoreKeepsLess() throws {
        for drawn in cases(200, seed: 3) {
            var last = [Double](repeating: .infinity, count: drawn.layout.pipeline)
            for recompute in [Layout.Recompute.none, .selective, .full] {
                var next = drawn
                next.layout.recompute = recompute
                let work = try work(next)
                let kept = (0..<drawn.layout.pipeline).map { LayoutMemory(work).blockActivationBytes(rank: $0) }
                for (more, less) in zip(kept, last) { #expect(more <= less * (1 + 1e-12), "\(recompute) \(drawn)") }
                last = kept
            }
        }
    }
}
