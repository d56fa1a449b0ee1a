import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// The plans the properties are asked about.
@Suite struct GeneratorTests {
    @Test func mostPlansAreLegalAndPriced() throws {
        let drawn = Corpus.drawn
        #expect(drawn.legal.count == Corpus.size)
        #expect(Double(drawn.legal.count) > 0.7 * Double(drawn.drawn))
        var priced = 0
        for plan in drawn.legal {
            guard let layout = plan.layout, let answer = try? estimate(plan: plan, layout: layout) else { continue }
            if answer.iteration.seconds > 0, answer.iteration.seconds.isFinite, answer.peakMemory.isFinite {
                priced += 1
            }
        }
        #expect(priced == drawn.legal.count)
    }

    @Test func theSamePlansEveryTime() {
        #expect(RandomPlans.legal(50, seed: 7).legal == RandomPlans.legal(50, seed: 7).legal)
        #expect(RandomPlans.legal(50, seed: 7).legal != RandomPlans.legal(50, seed: 8).legal)
    }

    /// Every value of every option, at least in one plan of two hundred; every cluster, schedule and framework.
    @Test func everyOptionIsDrawn() {
        let plans = RandomPlans.legal(2400, seed: 1).legal
        func often(_ what: String, _ holds: (Plan, Layout) -> Bool) {
            let count = plans.count { plan in plan.layout.map { holds(plan, $0) } ?? false }
            #expect(count >= plans.count / 200, "\(what): \(count) plans")
        }
        for (name, _) in Checkout.clusters { often(name) { plan, _ in plan.cluster.name == name } }
        for name in Checkout.frameworks.known.keys { often(name) { plan, _ in plan.frameworks.named == name } }
        for schedule in ScheduleName.allCases { often(schedule.rawValue) { $1.schedule == schedule } }
        for sharding in Layout.Sharding.allCases { often(sharding.rawValue) { $1.sharding == sharding } }
        for recompute in Layout.Recompute.allCases { often(recompute.rawValue) { $1.recompute == recompute } }
        for precision in Precision.allCases {
            often(precision.rawValue) { plan, _ in plan.precision == precision }
            often("gradients \(precision.rawValue)") { $1.gradients == precision }
        }
        for degree in [3, 5, 6, 7, 8] { often("tensor \(degree)") { $1.tensor == degree } }
        for mlp in Model.MLP.allCases { often(mlp.rawValue) { plan, _ in plan.model.mlp == mlp } }
        often("sequence parallelism") { $1.sequenceParallel }
        often("context") { $1.context > 1 }
        often("expert") { $1.expert > 1 }
        often("expert tensor") { $1.expertTensor > 1 }
        often("shard group") { $1.shardGroup != nil }
        often("recompute layers") { $1.recomputeLayers != nil }
        often("own stages") { $1.layersPerStage != nil }
        often("virtual stages") { $1.virtualStages > 2 }
        often("latent attention") { plan, _ in plan.model.mla != nil }
        often("grouped queries") { plan, _ in plan.model.kvHeads < plan.model.heads }
        often("tied llama") { plan, _ in plan.model.family == .llama && plan.model.tiedEmbeddings }
        often("first blocks dense") { plan, _ in (plan.model.moe?.firstDense ?? 0) > 0 }
        often("shared experts") { plan, _ in (plan.model.moe?.shared ?? 0) > 0 }
        often("imbalance") { plan, _ in (plan.model.moe?.imbalance ?? 1) > 1 }
    }

    /// A file holds the whole plan: what a failure prints can be run.
    @Test func plansAreReadAsTheyAreWritten() throws {
        for plan in Corpus.plans.prefix(150) {
            let read = try Plan.reading(plan.yaml)
            #expect(read.model == plan.model)
            #expect(read.layout == plan.layout?.spelled(plan))
            #expect(read.devices == plan.devices && read.batch == plan.batch && read.tokens == plan.tokens)
            #expect(read.precision == plan.precision)
            #expect(read.frameworks.named == plan.frameworks.named)
            #expect(read.cluster == Checkout.clusters.first { $0.name == plan.cluster.name }?.cluster)
        }
    }
}
