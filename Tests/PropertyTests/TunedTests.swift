import Costs
import Models
import Plans
import Planner
import Schedules
import PricingSupport
import TestSupport
import Testing

/// Plans that train a part of a model, pack documents or let the batch grow.
@Suite struct TunedTests {
    /// Muon and Adafactor are not priced together with parts that are trained.
    private static let counted = CountTests.properties.filter {
        !$0.name.hasPrefix("Muon") && !$0.name.hasPrefix("Adafactor")
    }

    @Test(arguments: counted) func counts(_ property: Property) {
        // Fewer plans have a share of what a property speaks of.
        var property = property
        property.share = property.share < 2 ? 0 : min(property.share, 15)
        property.expectToHold(Corpus.tuned)
    }

    @Test(arguments: EquivalenceTests.answers) func answers(_ property: Property) {
        var property = property
        property.share = 0
        property.expectToHold(Corpus.tuned)
    }

    @Test(arguments: properties) func holds(_ property: Property) { property.expectToHold(Corpus.tuned) }

    @Test func everythingIsDrawn() {
        func often(_ what: String, _ holds: (Plan) -> Bool) {
            let count = Corpus.tuned.count(where: holds)
            #expect(count >= Corpus.tuned.count / 50, "\(what): \(count) of \(Corpus.tuned.count)")
        }
        often("adapters") { $0.model.tuning?.lora != nil }
        often("frozen parts") { !($0.model.tuning?.frozen.isEmpty ?? true) }
        often("blocks without a backward") { $0.model.tuning.map { $0.firstTrained > 0 && $0.lora == nil } ?? false }
        often("four bits") { $0.model.tuning?.quantized != nil }
        often("documents") { $0.model.documents != nil }
        often("padding") { $0.padding > 0 }
        often("a batch that grows") { $0.rampup != nil }
        often("shares of a run") { $0.run != RunShares() }
    }

    /// The plan that trains everything, from the first step on with its batch.
    private static func whole(_ plan: Plan) -> Plan {
        var plan = plan
        plan.model.tune(nil)
        return plan
    }

    static let properties: [Property] = [
        Property(name: "a written plan reads as it was", share: 99) { plan, _ in
            let read = try Plan.reading(plan.yaml)
            return read.model == plan.model && read.padding == plan.padding && read.rampup == plan.rampup
                && read.run == plan.run
                ? .holds : .fails("\(read.model) \(read.padding) \(read.rampup as Any)")
        },
        Property(name: "frozen weights take no more memory, no more FLOPs and no more bytes of gradients", share: 30) {
            plan, layout in
            guard plan.model.tuning != nil, plan.model.tuning?.lora == nil else { return .silent }
            let (one, all) = (try Answer(plan), try Answer(whole(plan)))
            let flops = (
                try estimate(plan: plan, layout: layout).iteration.modelFLOPs,
                try estimate(plan: whole(plan), layout: layout).iteration.modelFLOPs
            )
            return .all(
                [Property.atMost("FLOPs", flops.0, flops.1)]
                    + one.memory.indices.flatMap { rank in
                        [
                            Property.atMost(
                                "gradients of rank \(rank)", one.memory[rank].gradients, all.memory[rank].gradients),
                            Property.atMost(
                                "optimizer of rank \(rank)", one.memory[rank].optimizer, all.memory[rank].optimizer),
                            // Tensors that a split backward computes again lie in the buffers of its second half, if it needs them.
                            Property.atMost(
                                "activations of rank \(rank)",
                                layout.schedule.splitsBackward ? 0 : one.memory[rank].activations,
                                all.memory[rank].activations),
                        ]
                    })
        },
        Property(name: "weights in few bits take less memory and more time", share: 15) { plan, layout in
            // Gathered in four bits, weights may come sooner.
            guard plan.model.tuning?.quantized != nil, layout.sharding != .parameters else { return .silent }
            var wide = plan
            wide.model.tuning?.quantized = nil
            let (few, many) = (try Answer(plan), try Answer(wide))
            return .all(
                [Property.atMost("seconds", many.seconds, few.seconds)]
                    + few.memory.indices.map {
                        Property.atMost("weights of rank \($0)", few.memory[$0].weights, many.memory[$0].weights)
                    })
        },
        Property(name: "a short document sees fewer keys", share: 20) { plan, layout in
            // Chunks are cut at the sequence's end, documents of a mean length are not.
            guard plan.model.documents != nil, plan.model.kinds.isEmpty, plan.model.block.chunk == nil else {
                return .silent
            }
            var one = plan
            one.model.documents = nil
            return Property.atMost(
                "FLOPs", try estimate(plan: plan, layout: layout).iteration.modelFLOPs,
                try estimate(plan: one, layout: layout).iteration.modelFLOPs)
        },
        Property(name: "a batch that grows takes more steps and no less time", share: 5) { plan, layout in
            guard plan.rampup != nil, plan.tokens != nil else { return .silent }
            var plain = plan
            plain.rampup = nil
            let (grown, one) = (try estimate(plan: plan, layout: layout), try estimate(plan: plain, layout: layout))
            guard let run = grown.run, let other = one.run else { return .fails("no run") }
            return .all([
                Property.atMost("steps", other.steps - 1, run.steps),
                Property.atMost("days", 0.999 * other.days, run.days),
            ])
        },
        Property(name: "the parts of a run sum to it, and none is negative but by the plan's word", share: 40) {
            plan, layout in
            let answer = try estimate(plan: plan, layout: layout)
            guard let run = answer.run, run.ends else { return .silent }
            let parts = run.parts
            return .all([
                Property.equal("days", parts.total, run.days),
                Property.atMost("steps", parts.steps, run.days * (1 + 1e-9)),
                Property.atMost("nothing", 0, min(parts.practice, parts.evaluation, parts.data, parts.idle)),
                Property.atMost("no restarts", 0, parts.restarts),
                plan.rampup == nil
                    ? Property.equal("days of the steps", parts.steps, run.steps * answer.iteration.seconds / 86_400)
                    : .holds,
            ])
        },
        Property(name: "a run of steps alone takes its steps over the goodput", share: 38) { plan, layout in
            guard plan.rampup == nil, plan.tokens != nil else { return .silent }
            var bare = plan
            bare.run = .none
            let answer = try estimate(plan: bare, layout: layout)
            guard let run = answer.run, run.ends else { return .silent }
            return Property.equal("days", run.days, run.steps * answer.iteration.seconds / run.goodput / 86_400)
        },
        Property(name: "padding makes a run longer by its share", share: 10) { plan, layout in
            guard plan.padding > 0, plan.rampup == nil, plan.tokens != nil else { return .silent }
            var full = plan
            full.padding = 0
            let (one, other) = (try estimate(plan: plan, layout: layout), try estimate(plan: full, layout: layout))
            guard let run = one.run, let whole = other.run else { return .fails("no run") }
            return .all([
                Property.equal("tokens", one.iteration.tokens, (1 - plan.padding) * other.iteration.tokens),
                Property.atMost("steps", abs(run.steps * (1 - plan.padding) - whole.steps), 1),
                Property.equal("seconds", one.iteration.seconds, other.iteration.seconds),
            ])
        },
    ]

    /// Freezing what has no weights in the blocks leaves their lists as they are: what is kept is then counted by the
    /// rules for frozen weights, and must come to the same.
    @Test func frozenEndsLeaveBlocksAsTheyAre() throws {
        for plan in Corpus.plans.prefix(400) where plan.model.isPricedTuned {
            guard let layout = plan.layout else { continue }
            var frozen = plan
            frozen.model.tune(Tuning(frozen: [.head]))
            guard frozen.isLegal else { continue }
            let (one, other) = (
                try LayoutMemory(Pricer(plan: plan).work(layout)), try LayoutMemory(Pricer(plan: frozen).work(layout))
            )
            for rank in 0..<layout.pipeline {
                let (a, b) = (one.blockActivationBytes(rank: rank), other.blockActivationBytes(rank: rank))
                #expect(abs(a - b) <= 1e-9 * a, "\(a) \(b)\n\(plan.yaml)")
            }
        }
    }
}
