import Costs
import Models
import Planner
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// The search's prices, put together from shared terms, against every layout priced by itself.
@Suite struct QuickPriceTests {
    static let mixture = Model(
        family: .llama, layers: 27, hidden: 2048, heads: 16, ffn: 10944, vocab: 102_400, sequence: 4096,
        tiedEmbeddings: false,
        moe: Model.Mixture(experts: 64, topK: 6, ffn: 1408, shared: 2, firstDense: 1),
        mla: Model.LatentAttention(queryRank: 0, kvRank: 512, nopeSize: 128, ropeSize: 64, valueSize: 128))

    enum Case: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case dense, unfused, tied, blocking, mixture, processes, everyConstant, ends, modules

        var testDescription: String { rawValue }
    }

    private func question(_ row: Case) throws -> (Plan, SearchSpace) {
        var space = SearchSpace()
        space.schedules = ScheduleName.allCases
        space.anySoftware = true
        space.virtualStages.most = 5
        space.microbatch.most = 4
        func plan(_ model: Model, _ cluster: String, _ devices: Int, _ batch: Int, _ precision: Precision) throws
            -> Plan
        {
            var plan = try Shipped.plan(model, on: cluster, devices: devices, batch: batch, precision: precision)
            plan.frameworks = try Frameworks.read(library: Checkout.library)
            return plan
        }
        switch row {
        case .dense: return (try plan(Shipped.llama8B, "h100-80g-sxm", 64, 128, .fp8), space)
        case .unfused:
            space.base.flashAttention = false
            return (try plan(Shipped.gpt175B, "a100-80g-sxm", 64, 64, .fp16), space)
        case .tied:
            var model = Shipped.gpt175B
            model.layers = 13
            space.base.gradients = .bf16
            return (try plan(model, "a100-80g-sxm", 24, 48, .bf16), space)
        case .blocking:
            space.base.overlap = Layout.Overlap(data: false, tensor: true, pipeline: false)
            return (try plan(Shipped.llama8B, "a100-80g-sxm", 32, 96, .bf16), space)
        case .mixture: return (try plan(Self.mixture, "h800-80g-sxm", 32, 64, .bf16), space)
        case .everyConstant:
            // Software in which no constant is what leaves it out of a sum.
            var plan = try plan(Self.mixture, "h800-80g-sxm", 32, 64, .bf16)
            var framework = Framework(name: "test")
            for constant in Framework.Constant.allCases { framework.change(constant) }
            plan.frameworks = Frameworks([framework], named: "test")
            return (plan, space)
        case .ends:
            // The plan's own stages count the embedding and the loss, so that such stages are tried too.
            var model = Shipped.gpt175B
            model.layers = 6
            var plan = try plan(model, "a100-80g-sxm", 32, 48, .bf16)
            plan.layout = Layout(
                data: 4, pipeline: 8, layersPerStage: [0, 1, 1, 1, 1, 1, 1, 0])
            return (plan, space)
        case .modules:
            space.base.recomputeModules = [.norms, .mixture, .latentProjections]
            return (try plan(Self.mixture, "h800-80g-sxm", 32, 64, .bf16), space)
        case .processes: return (try plan(Shipped.tiny, "laptop", 6, 36, .fp32), space)
        }
    }

    @Test(arguments: Case.allCases)
    func everyPriceIsTheLayoutsOwn(_ row: Case) throws {
        let (plan, space) = try question(row)
        let pricer = try Pricer(plan: plan)
        let priced = pricedLayouts(space, pricer: pricer)
        #expect(priced.count > 50)
        // A few thousand, spread over the whole space by a step that shares no factor with its structure.
        let step = max(1, priced.count / 3000) | 1
        var (worstTime, worstMemory) = (0.0, 0.0)
        var seen: Set<ScheduleName> = []
        for index in stride(from: 0, to: priced.count, by: step) {
            let price = priced[index]
            let work = try pricer.work(price.layout)
            worstTime = max(worstTime, abs(price.seconds / IterationTime(work).seconds - 1))
            worstMemory = max(worstMemory, abs(price.peak / LayoutMemory(work).peak - 1))
            seen.insert(price.layout.schedule)
            #expect(price.layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty)
        }
        #expect(worstTime < 1e-12)
        #expect(worstMemory < 1e-12)
        if row == .dense { #expect(seen == Set(ScheduleName.allCases)) }
        if row == .mixture { #expect(priced.contains { $0.layout.expert == 8 && $0.layout.expertTensor == 2 }) }
        if row == .ends {
            let counted = priced.filter { $0.layout.layersPerStage?.first == 0 }
            #expect(!counted.isEmpty && counted.allSatisfy { $0.layout.pipeline > 1 })
            #expect(priced.contains { $0.layout.pipeline > 1 && $0.layout.layersPerStage == nil })
        }
        if row == .modules {
            let selective = priced.filter { $0.layout.recompute == .selective }
            #expect(!selective.isEmpty && selective.allSatisfy { !$0.layout.recomputeModules.isEmpty })
            #expect(priced.allSatisfy { $0.layout.recompute == .selective || $0.layout.recomputeModules.isEmpty })
        }
        if row == .unfused { #expect(priced.contains { $0.layout.recompute == .selective }) }
        #expect(priced.contains { $0.layout.recomputeLayers != nil })
    }

    @Test func noLayoutTwice() throws {
        let (plan, space) = try question(.mixture)
        let layouts = pricedLayouts(space, pricer: try Pricer(plan: plan)).map(\.layout)
        #expect(Set(layouts).count == layouts.count)
    }

    /// Recomputing some of the blocks lies between none and all, in time and in memory.
    @Test func partialRecomputationLiesBetween() throws {
        let plan = try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 64, batch: 64)
        let pricer = try Pricer(plan: plan)
        func price(_ recompute: Layout.Recompute, _ layers: Int?) throws -> (Double, Double) {
            let work = try pricer.work(
                Layout(
                    tensor: 8, pipeline: 8, virtualStages: 2, schedule: .interleaved, recompute: recompute,
                    sequenceParallel: true, recomputeLayers: layers))
            // The stages' times are the ranks', and the simulator's costs are both.
            for rank in 0..<8 {
                let stages = work.stage(rank).total + work.stage(rank + 8).total
                #expect(abs(stages / work.rank(rank).total - 1) < 1e-9)
            }
            return (IterationTime(work).seconds, LayoutMemory(work).peak)
        }
        let none = try price(.none, nil)
        let all = try price(.full, nil)
        var last = none
        for layers in 1...6 {
            let some = try price(.full, layers)
            #expect(some.0 > last.0)
            if layers > 1 { #expect(some.1 < last.1) }
            last = some
        }
        #expect(abs(last.0 / all.0 - 1) < 1e-12)
        #expect(abs(last.1 / all.1 - 1) < 1e-12)
    }
}
