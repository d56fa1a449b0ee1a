import Costs
import Models
import Planner
import Plans
import Reports
import PricingSupport
import Schedules
import Simulator
import Testing

/// Plans that say the same in other words, and answers that are given in several places.
@Suite struct EquivalenceTests {
    @Test(arguments: plans + answers) func holds(_ property: Property) { property.expectToHold(Corpus.plans) }

    /// Same time and same memory.
    private static func same(_ one: Plan, _ other: Plan) throws -> Property.Outcome {
        let (one, other) = (try Answer(one), try Answer(other))
        return .all(
            [Property.equal("seconds", other.seconds, one.seconds, tolerance: 1e-12)]
                + one.memory.indices.flatMap { rank in
                    [
                        Property.equal(
                            "weights of rank \(rank)", other.memory[rank].weights, one.memory[rank].weights),
                        Property.equal(
                            "gradients of rank \(rank)", other.memory[rank].gradients, one.memory[rank].gradients),
                        Property.equal(
                            "optimizer of rank \(rank)", other.memory[rank].optimizer, one.memory[rank].optimizer),
                        Property.equal(
                            "activations of rank \(rank)", other.memory[rank].activations,
                            one.memory[rank].activations),
                        Property.equal("peak of rank \(rank)", other.memory[rank].peak, one.memory[rank].peak),
                    ]
                })
    }

    static let plans: [Property] = [
        Property(name: "with one replica sharding changes nothing", share: 4) { plan, layout in
            let copies = layout.tensor * layout.context * layout.data / (layout.expert * layout.expertTensor)
            guard layout.data * layout.context == 1, !layout.schedule.isBidirectional,
                plan.model.moe == nil || copies == 1
            else { return .silent }
            let plain = plan.fixed(layout).with {
                $0.sharding = .none
                $0.shardGroup = nil
            }
            return .all(
                try Layout.Sharding.allCases.map { sharding in
                    let sharded = plain.with { $0.sharding = sharding }
                    return CountedState.isFSDP(sharded) ? .silent : try same(plain, sharded)
                })
        },
        Property(name: "a shard group of all replicas is no shard group", share: 20) { plan, layout in
            guard layout.sharding != .none else { return .silent }
            return try same(
                plan.with { $0.shardGroup = nil }, plan.with { $0.shardGroup = layout.data * layout.context })
        },
        Property(name: "interleaving one stage a rank is 1F1B", share: 1) { plan, layout in
            guard layout.virtualStages == 1, layout.pipeline > 1,
                layout.schedule.fixedVirtualStages == nil
                    || layout.schedule == .oneForwardOneBackward
            else { return .silent }
            let plain = plan.with { $0.schedule = .oneForwardOneBackward }
            let looped = plan.with { $0.schedule = .interleaved }
            guard looped.isLegal else { return .silent }
            // With equal stages and free messages. Megatron-LM's and torch's interleaved lists warm up with twice as many
            // micro-batches, whatever number of stages they interleave, hold them, and hide messages better.
            let work = try Pricer(plan: plain).work(try #require(plain.layout))
            let ones = ActionCosts(work).forward.map { _ in 1.0 }
            let equal = ActionCosts(forward: ones, backwardInput: ones, backwardWeight: ones)
            let spans = try [ScheduleName.oneForwardOneBackward, .interleaved].map {
                try Simulator.makespan(try $0.schedule(work.shape), costs: equal)
            }
            return Property.equal("makespan", spans[1], spans[0])
        },
        Property(name: "the framework that is chosen is the framework that is named", share: 30) { plan, layout in
            guard plan.frameworks.named == nil else { return .silent }
            return try same(plan, plan.fixed(layout))
        },
        Property(name: "recomputing as many blocks as there are is recomputing all", share: 20) { plan, layout in
            // A number of blocks leaves modules of multi-token prediction alone.
            guard layout.recompute == .full, plan.model.mtp == nil else { return .silent }
            return try same(
                plan.with { $0.recomputeLayers = nil }, plan.with { $0.recomputeLayers = plan.model.layers })
        },
        Property(name: "one number of recomputed blocks for each stage is one for all", share: 8) { plan, layout in
            guard let count = layout.recomputeLayers else { return .silent }
            return try same(
                plan, plan.with { $0.recomputed = .firstOfStage([Int](repeating: count, count: $0.stages)) })
        },
        Property(name: "core attention by name is selective recomputation", share: 20) { plan, layout in
            guard layout.recompute == .selective, !CountTests.isByOperation(plan, layout.selectingCore(false)),
                layout.hasCore(plan.model)
            else { return .silent }
            return try same(
                plan.with { $0 = $0.selectingCore(false) }, plan.with { $0 = $0.selectingCore(true) })
        },
        Property(name: "every block and runs of one block are all blocks", share: 20) { plan, layout in
            // Modules of multi-token prediction are left out where some blocks keep everything.
            guard layout.recompute == .full, plan.model.mtp == nil else { return .silent }
            let all = plan.with { $0.recomputed = .all }
            return .all([
                try same(all, plan.with { $0.recomputed = .every(1) }),
                try same(all, plan.with { $0.recomputed = .runs(1) }),
            ])
        },
        Property(name: "stages as Megatron-LM writes them are the stages", share: 4) { plan, layout in
            guard layout.pipeline > 1 else { return .silent }
            let written = layout.spelled(plan)
            let sizes = written.layersPerStage ?? []
            let stages = sizes.indices.map { stage in
                (stage == 0 ? "E" : "") + (sizes[stage] > 0 ? "t*\(sizes[stage])" : "")
                    + (stage == sizes.count - 1 ? String(repeating: "m", count: plan.model.predictors) + "L" : "")
            }
            let text = plan.yaml.replacing(
                "layersPerStage: \(sizes)", with: "pipelineLayout: '\(stages.joined(separator: "|"))'")
            guard let found = try Plan.reading(text).layout?.layersPerStage, found == sizes else {
                return .fails("read as other stages: \(text)")
            }
            return .holds
        },
        Property(name: "the balanced split written out is the split that is chosen", share: 40) { plan, layout in
            let sizes = StagePartition(layout, model: plan.model).sizes
            guard layout.layersPerStage == nil else { return .silent }
            return try same(plan, plan.with { $0.layersPerStage = sizes })
        },
        Property(name: "the standard format of gradients written out is the standard", share: 80) { plan, layout in
            // FSDP accumulates in the format of its fp32 shards where nothing is stated, and reduces in another.
            var open = layout
            open.gradients = nil
            guard !CountedState.isFSDP(plan), !CountedState.reducesInHalf(plan, open) else { return .silent }
            let standard = CountedState.gradients(plan, open)
            return try same(plan.with { $0.gradients = nil }, plan.with { $0.gradients = standard })
        },
        Property(name: "a width that no block has changes nothing", share: 3) { plan, layout in
            guard let moe = plan.model.moe, moe.firstDense == 0, moe.every == 1, plan.model.kinds.isEmpty else {
                return .silent
            }
            var wider = plan
            wider.model.ffn *= 4
            return try same(plan, wider)
        },
        Property(name: "a mixture of no block is a dense model", share: 10) { plan, layout in
            guard plan.model.moe != nil, plan.model.kinds.isEmpty else { return .silent }
            var mixture = plan.with { ($0.expert, $0.expertTensor) = (1, 1) }
            var dense = mixture
            mixture.model.moe?.firstDense = plan.model.layers
            dense.model.moe = nil
            return try same(dense, mixture)
        },
        Property(name: "one expert is one expert, whatever its degree's name", share: 10) { plan, layout in
            // Experts that all lie on one rank make no exchange.
            guard plan.model.moe != nil, layout.expert == 1, layout.expertTensor == 1 else { return .silent }
            let answer = try Answer(plan)
            return .all(
                (0..<layout.pipeline).map {
                    Property.equal("expert bytes of rank \($0)", Traffic(answer.work, rank: $0).expert, 0)
                } + [Property.equal("expertComm", answer.time.breakdown.expertComm, 0)])
        },
        Property(name: "the plan as a file is the plan", share: 99, every: 8) { plan, layout in
            var read = try Plan.reading(plan.yaml)
            read.cluster.name = plan.cluster.name
            return try same(plan, read)
        },
    ]

    static let answers: [Property] = [
        Property(name: "the parts sum to the step", share: 99) { plan, layout in
            let iteration = try price(plan: plan, layout: layout).iteration
            let parts = [
                iteration.breakdown.compute, iteration.breakdown.recompute, iteration.breakdown.tensorComm,
                iteration.breakdown.pipelineBubble, iteration.breakdown.pipelineComm, iteration.breakdown.dataComm,
                iteration.breakdown.contextComm, iteration.breakdown.expertComm, iteration.breakdown.optimizer,
                iteration.breakdown.other, iteration.breakdown.hostComm ?? 0,
            ]
            guard parts.allSatisfy({ $0 >= 0 }) else { return .fails("a part is below zero: \(parts)") }
            return Property.equal("sum of the parts", parts.reduce(0, +), iteration.seconds)
        },
        Property(name: "plan and simulate last as long", share: 99, every: 2) { plan, layout in
            let priced = try price(plan: plan, layout: layout)
            let predicted = try predictedIteration(plan: plan, layout: layout)
            return .all([
                Property.equal("length of the timeline", predicted.timeline.duration, priced.iteration.seconds),
                Property.equal("seconds", predicted.estimate.iteration.seconds, priced.iteration.seconds, tolerance: 0),
                Property.equal("peak", predicted.estimate.peakMemory, priced.peakMemory, tolerance: 0),
                Property.equal("seconds put together here", try Answer(plan).seconds, priced.iteration.seconds),
            ])
        },
        Property(name: "the law of equal stages is near the simulator", share: 80) { plan, layout in
            guard layout.schedule != .vHalf, layout.schedule != .vMin else { return .silent }
            let (closed, simulated) = (try estimate(plan: plan, layout: layout), try Answer(plan))
            // docs/cost-model.md: GPipe is exact, others within what uneven stages stretch.
            let tolerance = layout.pipeline == 1 ? 1e-9 : 0.35
            return Property.equal("seconds", closed.iteration.seconds, simulated.seconds, tolerance: tolerance)
        },
        Property(name: "what is explained is what is answered", share: 99) { plan, layout in
            try ExplainedValues.document(try price(plan: plan, layout: layout))
        },
        Property(name: "what the explanation prints gives what it prints", share: 99) { plan, layout in
            try ExplainedValues.text(try price(plan: plan, layout: layout))
        },
        Property(name: "the inputs that are explained are those that were used", share: 99) { plan, layout in
            try ExplainedValues.inputs(try estimate(plan: plan, layout: layout))
        },
        Property(name: "the layout of the JSON is read as the plan's", share: 99, every: 8) { plan, layout in
            try JSONLayout.outcome(plan, try price(plan: plan, layout: layout))
        },
    ]
}
