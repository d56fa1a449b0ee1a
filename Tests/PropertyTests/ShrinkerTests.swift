import Models
import Plans
import Schedules
import Testing

/// The shrinker itself, with failures that are made up.
@Suite struct ShrinkerTests {
    /// Everything the failure does not need falls away.
    @Test func keepsWhatTheFailureNeeds() throws {
        let fails = { (plan: Plan) in
            guard let layout = plan.layout else { return false }
            return layout.pipeline > 1 && layout.recompute == .full && plan.model.layers >= 4
        }
        let found = Corpus.plans.filter(fails).prefix(5)
        #expect(found.count == 5)
        for plan in found {
            let small = Shrinker.shrink(plan, while: fails)
            let layout = try #require(small.layout)
            #expect(fails(small) && small.isLegal)
            #expect(layout.pipeline == 2 && layout.data == 1 && layout.tensor == 1 && layout.context == 1)
            #expect(layout.virtualStages == 1 || layout.schedule.fixedVirtualStages == nil)
            #expect(layout.sharding == .none && layout.gradients == nil && layout.layersPerStage == nil)
            #expect(layout.overlap == Layout.Overlap() && layout.flashAttention && !layout.sequenceParallel)
            #expect(small.model.moe == nil && small.model.mla == nil && small.model.family == .llama)
            #expect(small.model.layers == 4)
            #expect(Shrinker.features(small).allSatisfy { $0 == small })
            #expect(small.cluster.name == "h100-80g-sxm" && small.precision == .bf16)
        }
    }

    /// A plan that cannot be made smaller stays, one that does not fail is left alone.
    @Test func stopsWhereNothingIsSmaller() throws {
        let plan = try #require(Corpus.plans.first)
        let small = Shrinker.shrink(plan) { _ in true }
        #expect(Shrinker.shrink(small) { _ in true } == small)
        #expect(small.layout?.devices == 1)
        #expect(Shrinker.shrink(plan) { _ in false } == plan)
    }

    /// Every step of the shrinker that obeys the rules can be written down and read again.
    @Test func whatItPrintsIsRead() throws {
        for plan in Corpus.plans.prefix(6) {
            for smaller in Shrinker.smaller(plan).filter(\.isLegal).prefix(8) {
                let read = try Plan.reading(smaller.yaml)
                #expect(read.layout == smaller.layout?.spelled(smaller) && read.model == smaller.model)
                #expect(read.devices == smaller.devices && read.batch == smaller.batch)
            }
        }
    }
}
