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
        for (name, _) in RandomPlans.clusters { often(name) { plan, _ in plan.cluster.name == name } }
        for name in Checkout.frameworks.known.keys { often(name) { plan, _ in plan.frameworks.named == name } }
        for schedule in ScheduleName.allCases { often(schedule.rawValue) { $1.schedule == schedule } }
        for sharding in Layout.Sharding.allCases { often(sharding.rawValue) { $1.sharding == sharding } }
        for recompute in Layout.Recompute.allCases { often(recompute.rawValue) { $1.recompute == recompute } }
        for precision in Precision.allCases {
            often(precision.rawValue) { plan, _ in plan.precision == precision }
            guard precision != .mxfp8, precision != .nvfp4 else { continue }
            often("gradients \(precision.rawValue)") { $1.gradients == precision }
        }
        for degree in [3, 5, 6, 7, 8] { often("tensor \(degree)") { $1.tensor == degree } }
        for mlp in Model.MLP.allCases { often(mlp.rawValue) { plan, _ in plan.model.mlp == mlp } }
        often("sequence parallelism") { $1.sequenceParallel }
        often("context") { $1.context > 1 }
        for exchange in Layout.ContextExchange.allCases {
            often(exchange.rawValue) { $1.context > 1 && $1.contextExchange == exchange }
        }
        for dispatcher in Layout.Dispatcher.allCases { often(dispatcher.rawValue) { $1.dispatcher == dispatcher } }
        often("shard group of experts") {
            $1.expert > 1 && $1.shardRanks < $1.data * $1.context && $1.sharding != .none
        }
        often("outer sharding") { $1.outerSharding == .optimizer }
        often("a divided vocabulary") { $1.vocabularyParallel != nil }
        often("exchanges behind shared experts") { $1.overlap.sharedExperts }
        often("expert") { $1.expert > 1 }
        often("expert tensor") { $1.expertTensor > 1 }
        often("shard group") { $1.shardGroup != nil }
        often("recompute layers") { $1.recomputeLayers != nil }
        for name in RecomputeModules.Name.allCases where name != .latentProjections && name != .sharedExperts {
            often("recomputed \(name.rawValue)") { $1.recomputeModules.contains(name.module) }
        }
        often("every second block") { if case .every = $1.recomputed { true } else { false } }
        often("runs of blocks") { if case .runs = $1.recomputed { true } else { false } }
        often("recomputed blocks by stage") { if case .firstOfStage = $1.recomputed { true } else { false } }
        often("stages without blocks") { $1.layersPerStage?.contains(0) ?? false }
        often("own stages") { $1.layersPerStage != nil }
        often("virtual stages") { $1.virtualStages > 2 }
        often("latent attention") { plan, _ in plan.model.mla != nil }
        often("grouped queries") { plan, _ in plan.model.kvHeads < plan.model.heads }
        often("tied llama") { plan, _ in plan.model.family == .llama && plan.model.tiedEmbeddings }
        often("first blocks dense") { plan, _ in (plan.model.moe?.firstDense ?? 0) > 0 }
        often("shared experts") { plan, _ in (plan.model.moe?.shared ?? 0) > 0 }
        often("imbalance") { plan, _ in (plan.model.moe?.imbalance ?? 1) > 1 }
    }

    /// Choices that are priced together, each pair in a few plans of the corpus at least.
    @Test func everyPairIsDrawn() {
        func some(_ what: String, among plans: [Plan] = Corpus.plans, _ holds: (Plan, Layout) -> Bool) {
            let count = plans.count { plan in plan.layout.map { holds(plan, $0) } ?? false }
            #expect(count >= 2, "\(what): \(count) of \(plans.count) plans")
        }
        for scaling in Recipe.Scaling.allCases {
            some("modules in \(scaling.rawValue)") { plan, layout in
                plan.recipe?.scaling == scaling && layout.modulesByHand.contains { $0 != .coreAttention }
            }
        }
        some("blocks in bf16 and some recomputed") { plan, layout in
            plan.recipe?.keepsBlocks == true && layout.recompute == .full && layout.recomputed != .all
        }
        for exchange in Layout.ContextExchange.allCases {
            some("pictures with \(exchange.rawValue)") { plan, layout in
                plan.model.hasPicture && layout.context > 1 && layout.contextExchange == exchange
            }
            some("documents with \(exchange.rawValue)", among: Corpus.tuned) { plan, layout in
                plan.model.documents != nil && layout.context > 1 && layout.contextExchange == exchange
            }
        }
        for loss in [LossComputation.Kind.fused, .chunked] {
            some("multi-token prediction, \(loss.rawValue)") { plan, _ in
                plan.model.mtp != nil && plan.loss.kind == loss
            }
            some("adapters, \(loss.rawValue)", among: Corpus.tuned) { plan, _ in
                plan.model.tuning?.lora != nil && plan.loss.kind == loss
            }
        }
        some("documents of modules", among: Corpus.tuned) { plan, _ in
            plan.model.documents != nil && plan.model.mtp != nil
        }
        some("adapters with a recipe", among: Corpus.tuned) { plan, _ in
            plan.model.tuning?.lora != nil && plan.recipe != nil
        }
        some("frozen parts with a recipe", among: Corpus.tuned) { plan, _ in
            plan.model.tuning?.frozen.isEmpty == false && plan.recipe != nil
        }
        some("adapters in modules", among: Corpus.tuned) { plan, layout in
            plan.model.tuning?.lora != nil && layout.modulesByHand.contains { $0 != .coreAttention }
        }
        some("adapters with dispatchers", among: Corpus.tuned) { plan, layout in
            plan.model.tuning?.lora != nil && layout.dispatcher?.sendsOnce == true
        }
    }

    /// Features that a model may have beside its sizes, each in at least one plan of two hundred and in at most one of three, with
    /// tensor, sequence and context parallelism too.
    @Test func everyFeatureIsDrawn() {
        let plans = RandomPlans.legal(2400, seed: 1).legal
        func often(_ what: String, _ holds: (Model) -> Bool) {
            let found = plans.filter { holds($0.model) }
            #expect(found.count >= plans.count / 200 && found.count <= plans.count / 3, "\(what): \(found.count) plans")
            #expect(found.contains { $0.layout?.sequenceParallel == true }, "\(what) with sequence parallelism")
            #expect(found.contains { $0.layout.map { $0.context > 1 && $0.recompute == .full } ?? false }, "\(what)")
            #expect(found.contains { $0.layout?.schedule.splitsBackward == true }, "\(what) with split backwards")
        }
        func inSome(_ what: String, _ holds: @escaping (BlockShape) -> Bool) {
            often(what) { model in Inventory(model).usedShapes.contains(where: holds) }
        }
        for norm in Norm.allCases { often(norm.rawValue) { $0.norm == norm } }
        for positions in Positions.allCases { often(positions.rawValue) { $0.positionKind == positions } }
        for bias in Bias.allCases { often("bias \(bias.rawValue)") { $0.biases?.contains(bias) ?? false } }
        often("entries of positions") { $0.positionEntries != nil }
        often("norm of the embedding") { $0.embeddingNorm }
        often("no final norm") { !$0.hasFinalNorm }
        often("a narrower table") { $0.embeddingSize != nil }
        often("other parameters") { $0.otherParameters > 0 }
        often("multi-token prediction") { $0.mtp != nil }
        often("multi-token prediction of a kind") { $0.mtp?.kind != nil }
        often("kinds") { Inventory($0).usedShapes.count > 1 }
        often("experts in some kinds") { model in
            let shapes = Inventory(model).usedShapes
            return shapes.contains { $0.moe == nil } && shapes.contains { $0.moe != nil }
        }
        inSome("window") { $0.window != nil }
        inSome("chunk") { $0.chunk != nil }
        for norm in BlockShape.QKNorm.allCases.dropFirst() { inSome("norm of \(norm)") { $0.qkNorm == norm } }
        for gate in BlockShape.OutputGate.allCases.dropFirst() { inSome("gate \(gate)") { $0.outputGate == gate } }
        for keys in BlockShape.KeyValues.allCases.dropFirst() { inSome("keys \(keys)") { $0.keyValues == keys } }
        for halves in BlockShape.Halves.allCases.dropFirst() { inSome("halves \(halves)") { $0.halves == halves } }
        for norms in BlockShape.NormPlacement.allCases.dropFirst() { inSome("norms \(norms)") { $0.norms == norms } }
        // Fused halves are those of single streams and of images alone, so few plans have them.
        #expect(plans.contains { Inventory($0.model).usedShapes.contains { $0.parallel == .fused } })
        for parallel in BlockShape.Parallel.allCases.dropFirst() where parallel != .fused {
            inSome("parallel \(parallel)") { $0.parallel == parallel }
        }
        inSome("sinks") { $0.sinks }
        inSome("values of another size") { $0.valueSize != nil }
        inSome("small tensors") { $0.extraParameters > 0 }
        inSome("indexer") { $0.mla?.indexer != nil }
        inSome("gate of shared experts") { $0.moe?.sharedGate ?? false }
        inSome("a corrected choice") { $0.moe?.routerCorrection ?? false }
        inSome("latent rows at experts") { $0.moe?.latentSize != nil }
        inSome("a capacity of experts") { $0.moe?.capacityFactor != nil }
        inSome("experts padded to their capacity") { $0.moe?.padToCapacity ?? false }
        inSome("the last rows dropped") { $0.moe?.tokenDropPolicy == .position }
        inSome("a network beside experts") { $0.moe?.denseFfn ?? 0 > 0 }
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
