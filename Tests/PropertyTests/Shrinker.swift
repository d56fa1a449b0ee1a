import Models
import Numbers
import Plans
import Schedules
import TestSupport

/// Makes a plan that fails smaller for as long as it goes on failing.
enum Shrinker {
    /// A plan no step of `smaller` can reduce without losing the failure: the first step that keeps it is taken, again
    /// and again.
    static func shrink(_ plan: Plan, while fails: (Plan) -> Bool) -> Plan {
        var smallest = plan
        // Every step makes some number smaller or some option the default, so this ends; the bound is for safety.
        for _ in 0..<500 {
            guard let next = smaller(smallest).first(where: { $0 != smallest && $0.isLegal && fails($0) }) else {
                break
            }
            smallest = next
        }
        return smallest
    }

    /// The plan with one thing simpler, the largest steps first.
    static func smaller(_ plan: Plan) -> [Plan] {
        guard let layout = plan.layout else { return [] }
        return choices(plan) + degrees(plan, layout) + options(plan, layout) + features(plan) + shapes(plan, layout)
            + surroundings(plan)
    }

    /// The plan with a standard choice in place of its own.
    private static func choices(_ plan: Plan) -> [Plan] {
        let changes: [(inout Plan) -> Void] = [
            { $0.statedRecipe = nil }, { $0.statedRecipe?.parameterGather = false },
            { $0.statedRecipe?.activationFuncFP8InputStore = false },
            { $0.statedRecipe?.bf16LayersAtStart = 0 }, { $0.statedRecipe?.bf16LayersAtEnd = 0 },
            { $0.loss = LossComputation() }, { $0.loss.chunks = 8 }, { $0.optimizer = Optimizer() },
            { $0.optimizer = Optimizer($0.optimizer.name) },
            { $0.optimizer.firstMoment = .fp32 }, { $0.optimizer.secondMoment = .fp32 },
            { $0.optimizer.master = .fp32 }, { $0.optimizer.momentum = Optimizer($0.optimizer.name).momentum },
        ]
        return changes.map { change in
            var next = plan
            change(&next)
            return next
        }.filter { $0 != plan }
    }

    /// The plan with another layout, devices and batch following it.
    private static func with(_ plan: Plan, microbatches: Int? = nil, _ change: (inout Layout, inout Model) -> Void)
        -> Plan
    {
        guard var layout = plan.layout else { return plan }
        var result = plan
        let count = microbatches ?? plan.batch / max(1, layout.data * layout.microbatch)
        change(&layout, &result.model)
        result.layout = layout
        result.devices = layout.devices
        result.batch = count * layout.data * layout.microbatch
        return result
    }

    private static func degrees(_ plan: Plan, _ layout: Layout) -> [Plan] {
        var found: [Plan] = []
        let names: [WritableKeyPath<Layout, Int>] = [
            \.pipeline, \.data, \.tensor, \.context, \.expert, \.expertTensor, \.virtualStages, \.microbatch,
        ]
        for name in names {
            for value in Divisors.of(layout[keyPath: name]).dropLast() + (layout[keyPath: name] > 2 ? [2] : []) {
                found.append(
                    with(plan) { layout, _ in
                        layout[keyPath: name] = value
                        fit(&layout)
                    })
            }
        }
        let count = plan.batch / max(1, layout.data * layout.microbatch)
        for fewer in Set([1, 2, layout.pipeline, count / 2]).sorted() where fewer > 0 && fewer < count {
            found.append(with(plan, microbatches: fewer) { _, _ in })
        }
        return found
    }

    /// What a smaller degree makes impossible falls with it.
    private static func fit(_ layout: inout Layout) {
        if layout.tensor == 1 { layout.sequenceParallel = false }
        if layout.contextHeads.map({ $0 >= layout.context || layout.context % $0 != 0 }) ?? (layout.context == 1) {
            (layout.contextExchange, layout.contextHeads) = (.ring, nil)
        }
        if layout.pipeline == 1 {
            layout.virtualStages = 1
            layout.schedule = .oneForwardOneBackward
        }
        if let group = layout.shardGroup, layout.data * layout.context % group != 0 { layout.shardGroup = nil }
        layout.layersPerStage = nil
        if case .firstOfStage(let counts) = layout.recomputed, counts.count != layout.stages {
            layout.recomputed = .all
        }
    }

    private static func options(_ plan: Plan, _ layout: Layout) -> [Plan] {
        let changes: [(inout Layout) -> Void] = [
            { $0.layersPerStage = nil }, { $0.overlap = Layout.Overlap() }, { $0.overlap.data = true },
            { $0.overlap.tensor = false }, { $0.overlap.pipeline = true }, { $0.overlap.expert = false },
            { $0.gradients = nil }, { $0.flashAttention = true }, { $0.sequenceParallel = false },
            { $0.recomputeLayers = nil }, { $0.recomputeModules = [] },
            { if $0.recomputed != .all { $0.recomputeLayers = 1 } },
            { $0.offload = nil }, { $0.offload?.overlap = true }, { $0.offload?.activations = .none },
            { if ($0.offload?.optimizer ?? 0) > 0 { $0.offload?.optimizer = 1 } },
            {
                $0.offload?.parameters = false
                $0.offload?.gradients = false
            },
            { $0.dispatcher = nil }, { $0.overlap.sharedExperts = false },
            { ($0.contextExchange, $0.contextHeads) = (.ring, nil) },
            {
                $0.recompute = .none
                $0.recomputeModules = []
                $0.recomputeLayers = nil
            },
            { $0.outerSharding = .none },
            { $0.vocabularyParallel = nil },
            { ($0.shardGroup, $0.outerSharding) = (nil, .none) },
            { ($0.sharding, $0.shardGroup, $0.outerSharding) = (.none, nil, .none) },
            { ($0.sharding, $0.outerSharding) = (.optimizer, .none) },
            {
                if $0.virtualStages == 1 || $0.schedule.fixedVirtualStages != nil {
                    $0.schedule = .oneForwardOneBackward
                    $0.virtualStages = 1
                }
                $0.layersPerStage = nil
                if case .firstOfStage = $0.recomputed { $0.recomputed = .all }
            },
        ]
        var found = changes.map { change in with(plan) { layout, _ in change(&layout) } }
        // Options that were simplified stay so: a change back to another sharding is no simplification.
        if layout.sharding == .none || layout.sharding == .optimizer {
            found.removeAll { $0.layout?.sharding != layout.sharding && $0.layout?.sharding == .optimizer }
        }
        return found
    }

    private static func shapes(_ plan: Plan, _ layout: Layout) -> [Plan] {
        var found: [Plan] = []
        func add(_ change: (inout Model) -> Void) {
            found.append(
                with(plan) { layout, model in
                    change(&model)
                    if model.moe == nil {
                        (layout.expert, layout.expertTensor, layout.dispatcher) = (1, 1, nil)
                        layout.overlap.sharedExperts = false
                    }
                    if layout.layersPerStage?.reduce(0, +) ?? model.layers != model.layers {
                        layout.layersPerStage = nil
                    }
                })
        }
        add { $0.moe = nil }
        add { $0.mla = nil }
        for layers in Set([layout.stages, 2 * layout.stages, plan.model.layers - 1]).sorted()
        where layers > 0 && layers < plan.model.layers {
            add { $0 = $0.with(layers: layers) }
        }
        if plan.model.kvHeads != plan.model.heads { add { $0.kvHeads = $0.heads } }
        if plan.model.heads > layout.tensor {
            add {
                $0.heads = layout.tensor
                $0.kvHeads = layout.tensor
            }
        }
        for size in [layout.tensor * 64, plan.model.ffn / 2] where size > 0 && size < plan.model.ffn && size % 2 == 0 {
            add { $0.ffn = size }
        }
        for size in [64, 128, 1024] where size < plan.model.hidden { add { $0.hidden = size } }
        let pieces = 2 * layout.tensor * layout.context
        for length in [pieces, 128, 1024] where length < plan.model.sequence { add { $0.sequence = length } }
        for vocab in [256, 32000] where vocab < plan.model.vocab { add { $0.vocab = vocab } }
        if plan.model.family == .gpt { add { $0.family = .llama } }
        if plan.model.tiedEmbeddings { add { $0.tiedEmbeddings = false } }
        let plain: Model.MLP = plan.model.family == .gpt ? .gelu : .swiglu
        if plan.model.mlp != plain { add { $0.mlp = plain } }
        if let moe = plan.model.moe {
            let changes: [(inout Model.Mixture) -> Void] = [
                { $0.firstDense = 0 }, { $0.every = 1 }, { $0.shared = 0 }, { $0.imbalance = 1 }, { $0.topK = 1 },
                { $0.experts = max(layout.expert, $0.topK) }, { $0.ffn = min($0.ffn, 64 * layout.expertTensor) },
                { $0.sharedFfn = $0.ffn },
            ]
            for change in changes {
                var simpler = moe
                change(&simpler)
                if simpler != moe { add { $0.moe = simpler } }
            }
        }
        return found
    }

    private static func surroundings(_ plan: Plan) -> [Plan] {
        var found: [Plan] = []
        func add(_ change: (inout Plan) -> Void) {
            var next = plan
            change(&next)
            found.append(next)
        }
        if plan.tokens != nil { add { $0.tokens = nil } }
        if plan.frameworks.named == nil { add { $0.frameworks.named = Frameworks.megatron } }
        if plan.precision != .bf16, plan.cluster.device.peakFLOPs[.bf16] != nil { add { $0.precision = .bf16 } }
        if plan.cluster.name != "h100-80g-sxm",
            let common = Checkout.clusters.first(where: { $0.name == "h100-80g-sxm" })
        {
            add {
                $0.cluster = common.cluster
                $0.cluster.name = common.name
            }
        }
        return found
    }
}
