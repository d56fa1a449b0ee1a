import Foundation
import Models
import Plans
import Reading
import Schedules
import TestSupport
import Testing

/// `can:` of framework files, and how blocks are divided among stages.
@Suite struct FrameworkAbilitiesTests {
    typealias Abilities = Framework.Abilities

    private func read(_ text: String) throws -> Framework {
        let folder = try TemporaryFolder()
        return try Framework.read(path: folder.write(text, as: "can.yaml"), library: Checkout.library)
    }

    /// Megatron-Core's developer guide, its argument checks and torchtitan's configuration.
    @Test func shippedFilesSayWhatTheToolsSay() throws {
        let known = try Frameworks.read(library: Checkout.library).known
        let core = try #require(known["megatron-core"]).abilities
        #expect(core.schedules == [.oneForwardOneBackward, .interleaved])
        #expect(core.sharding(pipeline: 1) == Layout.Sharding.allCases)
        #expect(core.sharding(pipeline: 2) == [.none, .optimizer])
        #expect(core.stages == .ends && core.experts == .any)
        // MoELayer.forward raises ValueError in training with tensor parallelism alone.
        for (name, framework) in known {
            let isCore = name == "megatron-core" || framework.bases.contains { $0.name == "megatron-core" }
            #expect(framework.abilities.expertsNeedSequenceParallel == isCore)
        }
        let deepSeek = try #require(known["deepseek-2024"]).abilities
        #expect(deepSeek.schedules.contains(.dualPipe) && deepSeek.sharding(pipeline: 16) == [.none, .optimizer])
        #expect(try #require(known["torch-fsdp"]).abilities.sharding(pipeline: 4).contains(.parameters))
        // torchtitan: "we only support either etp = tp or etp = 1".
        #expect(try #require(known["torch-fsdp"]).abilities.experts == .tensor)
        for name in ["megatron-2021", "deepspeed-2021", "torch-ddp"] {
            // DeepSpeed's pipeline engine asserts a ZeRO stage below 2.
            #expect(try #require(known[name]).abilities.sharding(pipeline: 2) == [.none, .optimizer])
        }
        #expect(Set(try #require(known["trainyard"]).abilities.schedules) == Set(ScheduleName.allCases))
    }

    @Test func whatAFileDoesNotSayIsAllOrItsBases() throws {
        #expect(try read("name: plain\n").abilities == Abilities())
        let sharding = try read("can: {sharding: [none, optimizer]}\n").abilities
        #expect(sharding.sharding(pipeline: 4) == [.none, .optimizer])
        let derived = try read("name: mine\nextends: megatron-core\ncan: {schedules: [zbv]}\n").abilities
        #expect(derived.schedules == [.zeroBubbleV] && derived.stages == .ends)
        #expect(derived.sharding(pipeline: 2) == [.none, .optimizer])
    }

    @Test(arguments: [
        ("can: {schedule: [1f1b]}", "can.schedule: unknown key"), ("can: {schedules: [zbw]}", "can.schedules[0]"),
        ("can: {schedules: []}", "must name at least one"), ("can: {schedules: 1f1b}", "must be a list"),
        ("can: {sharding: [none, zero]}", "can.sharding[1]"), ("can: {sharding: []}", "none is a kind"),
        ("can: {stages: odd}", "must be even, ends or any"), ("can: {experts: yes}", "none, whole, tensor or any"),
        ("can: {context: [ring, ring]}", "is named twice"), ("can: {context: [rings]}", "ring, gather or heads"),
        ("can: {expertsNeedSequenceParallel: tensor}", "can.expertsNeedSequenceParallel"),
        ("can: {shardGroups: some}", "can.shardGroups"), ("can: all", "must be a map"),
    ])
    func everyMistakeIsNamed(_ text: String, _ said: String) {
        let error = #expect(throws: PlanProblems.self) { try read(text + "\n") }
        let lines = error?.problems.map(\.description) ?? []
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    private func model(_ layers: Int) -> Model {
        Model(family: .llama, layers: layers, hidden: 4096, heads: 32, ffn: 16384, vocab: 32_000, sequence: 4096)
    }

    /// By hand: Megatron-LM's get_num_layers_to_build.
    @Test(arguments: [
        ([4, 4, 4, 4], 4, true, true), ([3, 4, 4, 5], 4, false, true), ([4, 5, 4, 4], 4, false, false),
        ([1, 2], 2, false, true),
        // Two stages a rank: the embedding and the loss count as a layer each.
        ([1, 2, 2, 2, 2, 1], 3, false, true), ([2, 2, 2, 2, 2, 1], 3, false, true),
        // Ranks of 2, 6 and 4 layers, each spread evenly over its two stages.
        ([1, 3, 2, 1, 3, 2], 3, false, true), ([1, 3, 2, 2, 3, 2], 3, false, false),
        ([2, 2, 1, 2, 2, 2], 3, false, false),
    ])
    func divisionsAreJudged(_ sizes: [Int], _ ranks: Int, _ even: Bool, _ ends: Bool) {
        #expect(Abilities.Stages.even.allow(sizes, ranks: ranks) == even)
        #expect(Abilities.Stages.ends.allow(sizes, ranks: ranks) == ends)
        #expect(Abilities.Stages.any.allow(sizes, ranks: ranks))
    }

    /// Whatever the size, a division is one of its kind, holds all blocks, and for `ends` no other of the kind has a
    /// lighter heaviest rank (every one tried for small pipelines).
    @Test(arguments: [1, 2, 3, 4, 6], [1, 2, 3])
    func divisionsAreTheBestOfTheirKind(_ ranks: Int, _ stages: Int) throws {
        guard ranks > 1 || stages == 1 else { return }
        for layers in ranks * stages...40 {
            let model = model(layers)
            let layout = Layout(
                pipeline: ranks, virtualStages: stages, schedule: stages > 1 ? .interleaved : .oneForwardOneBackward)
            for kind in Abilities.Stages.allCases {
                guard let sizes = kind.split(layout, model: model) else {
                    #expect(kind != .any && layers % (ranks * stages) != 0)
                    continue
                }
                #expect(sizes.count == ranks * stages && sizes.reduce(0, +) == layers && sizes.allSatisfy { $0 > 0 })
                #expect(kind.allow(sizes, ranks: ranks))
                if kind == .even { #expect(Set(sizes).count == 1) }
                guard kind == .ends, stages == 1, ranks > 1 else { continue }
                func load(_ sizes: [Int]) -> Double {
                    sizes.indices.map { Double(sizes[$0]) + ($0 == ranks - 1 ? model.headInBlocks : 0) }.max() ?? 0
                }
                for inner in 1...layers {
                    for first in 1...layers {
                        let last = layers - first - (ranks - 2) * inner
                        guard last > 0, ranks > 2 || inner == 1 else { continue }
                        let other = [first] + [Int](repeating: inner, count: ranks - 2) + [last]
                        #expect(load(sizes) <= load(other) + 1e-9, "\(sizes) against \(other)")
                    }
                }
            }
        }
    }

    /// Equally heavy divisions: always the same one, whatever the process (the loads of [21, 20, 20, 20] and
    /// [21, 21, 21, 18] are alike where the head is light).
    @Test func equalDivisionsAreDecidedAlike() {
        let light = model(81)
        #expect(light.headInBlocks < 1)
        #expect(Abilities.Stages.ends.split(Layout(pipeline: 4), model: light) == [21, 20, 20, 20])
    }

    /// Llama 3 405B: one block less on the first and the last stage (Grattafiori et al. 2024, section 3.3.2).
    @Test func embeddingAndLossCountAsLayers() {
        let layout = Layout(pipeline: 16, virtualStages: 4, schedule: .interleaved)
        let sizes = Abilities.Stages.ends.split(layout, model: model(126))
        #expect(sizes == [1] + [Int](repeating: 2, count: 62) + [1])
    }

    @Test func expertsMayNeedSequenceParallelism() throws {
        var can = Abilities()
        let mixture = try Model.read("deepseek-v3", library: Checkout.library)
        for tensor in [1, 4] {
            for isSequenceParallel in [false, true] {
                let layout = Layout(data: 4, tensor: tensor, sequenceParallel: isSequenceParallel)
                can.expertsNeedSequenceParallel = true
                let said = can.obstacles(to: layout, model: mixture, name: "it")
                let isRefused = tensor > 1 && !isSequenceParallel
                #expect(said.isEmpty != isRefused)
                #expect(!isRefused || said[0].contains("tensor 4 unless sequenceParallel"))
                #expect(can.obstacles(to: layout, model: model(5), name: "it").isEmpty)
                can.expertsNeedSequenceParallel = false
                #expect(can.obstacles(to: layout, model: mixture, name: "it").isEmpty)
            }
        }
    }

    @Test func obstaclesAreNamed() {
        var can = Abilities()
        can.schedules = [.oneForwardOneBackward]
        can.shardingWithPipeline = [.none]
        can.shardGroups = false
        can.stages = .even
        can.experts = .whole
        can.context = [.heads]
        let layout = Layout(
            data: 8, tensor: 2, pipeline: 2, context: 3, expert: 2, expertTensor: 2, schedule: .zeroBubbleH1,
            sharding: .gradients, shardGroup: 4)
        let said = can.obstacles(to: layout, model: model(5), name: "it")
        for words in [
            "zb-h1", "gradients with a pipeline", "groups of 4", "5 layers over 2", "3 ranks", "cut experts by 2",
        ] {
            #expect(said.contains { $0.hasPrefix("it ") && $0.contains(words) }, "\(words): \(said)")
        }
        #expect(said.count == 6)
        #expect(Abilities().obstacles(to: layout, model: model(5), name: "it").isEmpty)
        // A context degree that divides the heads of a rank.
        #expect(
            can.allows(context: 4, tensor: 2, model: model(5)) && !can.allows(context: 3, tensor: 2, model: model(5)))
        can.context = []
        #expect(
            can.allows(context: 1, tensor: 2, model: model(5)) && !can.allows(context: 2, tensor: 2, model: model(5)))
    }
}
