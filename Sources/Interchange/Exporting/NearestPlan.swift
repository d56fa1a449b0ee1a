internal import Models
internal import Plans
internal import Schedules

extension PlanFeature {
    /// Takes the feature out of the plan.
    /// - Parameter allowed: features that may take its place.
    /// - Returns: what the plan says instead; nil: no near plan is without it.
    func drop(from plan: inout Plan, allowing allowed: Set<PlanFeature>) -> String? {
        guard var layout = plan.layout else { return nil }
        defer { plan.layout = layout }
        switch self {
        case .tensor:
            guard let words = Self.toData(&layout, \.tensor, plan) else { return nil }
            layout.sequenceParallel = false
            layout.expertTensor = 1
            return words
        case .pipeline:
            guard let words = Self.toData(&layout, \.pipeline, plan) else { return nil }
            (layout.virtualStages, layout.schedule) = (1, .oneForwardOneBackward)
            (layout.layersPerStage, layout.vocabularyParallel) = (nil, nil)
            return words
        case .context:
            guard let words = Self.toData(&layout, \.context, plan) else { return nil }
            (layout.contextExchange, layout.contextHeads) = (.ring, nil)
            return words
        case .expert, .expertTensor: return dropExperts(&layout)
        case .noSequenceParallel: return set(&layout.sequenceParallel, true)
        case .sequenceParallel: return set(&layout.sequenceParallel, false)
        case .virtualStages:
            (layout.virtualStages, layout.schedule, layout.layersPerStage) = (1, .oneForwardOneBackward, nil)
            return "1"
        case .otherSchedule: return dropSchedule(&layout)
        case .unevenStages: return dropStages(&layout, layers: plan.model.layers)
        case .contextRing, .contextGather, .contextHeads, .contextHeadsAndRing:
            let others: [(PlanFeature, Layout.ContextExchange)] = [
                (.contextRing, .ring), (.contextGather, .gather), (.contextHeads, .heads),
            ]
            guard let other = others.first(where: { allowed.contains($0.0) })?.1 else { return nil }
            (layout.contextExchange, layout.contextHeads) = (other, nil)
            return other.rawValue
        case .otherDispatcher:
            layout.dispatcher = .alltoall
            return "alltoall"
        case .recomputeModules, .recomputeSelective, .recomputeFull, .recomputeFirst, .recomputeByStage,
            .recomputeEvery,
            .recomputeRuns:
            return dropRecomputation(&layout, allowing: allowed)
        case .optimizerSharding, .gradientSharding, .parameterSharding, .shardGroup, .outerSharding:
            return dropSharding(&layout, allowing: allowed)
        case .plainAttention: return set(&layout.flashAttention, true)
        case .halfGradients:
            layout.gradients = nil
            return plan.precision == .fp16 ? "fp16" : "fp32"
        case .noDataOverlap: return set(&layout.overlap.data, true)
        case .tensorOverlap: return set(&layout.overlap.tensor, false)
        case .noPipelineOverlap: return set(&layout.overlap.pipeline, true)
        case .expertOverlap: return set(&layout.overlap.expert, false)
        case .sharedExpertOverlap: return set(&layout.overlap.sharedExperts, false)
        case .optimizerOffload, .stateOffload:
            return keepOffload(&layout) { ($0.optimizer, $0.parameters, $0.gradients) = (0, false, false) }
        case .activationOffload: return keepOffload(&layout) { $0.activations = .none }
        case .vocabularyParallel:
            layout.vocabularyParallel = nil
            return "none"
        case .fp32, .fp16, .eightBits, .fourBits:
            // Gradients of another precision have its usual format.
            layout.gradients = nil
            return dropPrecision(from: &plan, allowing: allowed)
        default: return dropBesideLayout(from: &plan)
        }
    }

    private func set(_ flag: inout Bool, _ value: Bool) -> String {
        flag = value
        return "\(value)"
    }

    private func keepOffload(_ layout: inout Layout, without change: (inout Layout.Offload) -> Void) -> String {
        var offload = layout.offload ?? Layout.Offload()
        change(&offload)
        layout.offload = offload.isEmpty ? nil : offload
        return "false"
    }

    /// Gives the ranks of a degree to data parallelism.
    private static func toData(
        _ layout: inout Layout, _ degree: WritableKeyPath<Layout, Int>, _ plan: Plan
    ) -> String? {
        let (data, overflow) = layout.data.multipliedReportingOverflow(by: layout[keyPath: degree])
        let (slice, overflows) = data.multipliedReportingOverflow(by: layout.microbatch)
        guard !overflow, !overflows, slice > 0, plan.batch % slice == 0 else { return nil }
        layout.data = data
        layout[keyPath: degree] = 1
        return "1, with data \(data)"
    }

    private func dropExperts(_ layout: inout Layout) -> String {
        if self == .expert { layout.expert = 1 } else { layout.expertTensor = 1 }
        return "1"
    }

    private func dropSchedule(_ layout: inout Layout) -> String {
        // Schedules that place every stage on two ranks, or fold the stages, have other stages than usual ones.
        if layout.schedule.fixedVirtualStages != nil {
            layout.virtualStages = 1
            layout.layersPerStage = nil
        }
        layout.schedule = .usual(virtualStages: layout.virtualStages)
        return layout.schedule.rawValue
    }

    private func dropStages(_ layout: inout Layout, layers: Int) -> String? {
        let stages = layout.stages
        guard stages > 0, layers % stages == 0 else { return nil }
        layout.layersPerStage = [Int](repeating: layers / stages, count: stages)
        return "\(layers / stages) each"
    }

    private func dropRecomputation(_ layout: inout Layout, allowing allowed: Set<PlanFeature>) -> String? {
        switch self {
        case .recomputeModules:
            layout.recomputeModules = []
            if allowed.contains(.recomputeSelective) { return "the software's own" }
            layout.recompute = allowed.contains(.recomputeFull) ? .full : .none
            return "recompute \(layout.recompute.rawValue)"
        case .recomputeSelective:
            layout.recompute = allowed.contains(.recomputeFull) ? .full : .none
        case .recomputeFull:
            layout.recompute = allowed.contains(.recomputeSelective) ? .selective : .none
            layout.recomputed = .all
        default:
            layout.recomputed = .all
            return "all blocks"
        }
        return layout.recompute.rawValue
    }

    private func dropSharding(_ layout: inout Layout, allowing allowed: Set<PlanFeature>) -> String? {
        if self == .shardGroup {
            (layout.shardGroup, layout.outerSharding) = (nil, .none)
            return "all data and context ranks"
        }
        if self == .outerSharding {
            layout.outerSharding = .none
            return "none"
        }
        let kinds: [(PlanFeature, Layout.Sharding)] = [
            (.gradientSharding, .gradients), (.optimizerSharding, .optimizer), (.parameterSharding, .parameters),
        ]
        // ZeRO-2 keeps what ZeRO-1 keeps but for gradients, so it is near both others.
        let nearest = kinds.first { $0.0 != self && allowed.contains($0.0) }?.1 ?? .none
        layout.sharding = nearest
        if nearest == .none { layout.shardGroup = nil }
        return nearest.rawValue
    }

    /// The nearest precision that the target can say and the device has a rate for.
    private func dropPrecision(from plan: inout Plan, allowing allowed: Set<PlanFeature>) -> String? {
        let kinds: [(feature: PlanFeature?, precision: Precision)] = [(nil, .bf16), (.fp16, .fp16), (.fp32, .fp32)]
        let rates = plan.cluster.device.peakFLOPs
        let near = kinds.first { kind in
            kind.feature != self && kind.feature.map(allowed.contains) ?? true && rates[kind.precision] != nil
        }
        guard let precision = near?.precision else { return nil }
        (plan.precision, plan.statedRecipe) = (precision, nil)
        return precision.rawValue
    }

    private func dropBesideLayout(from plan: inout Plan) -> String? {
        switch self {
        case .recipeDetails:
            guard let recipe = plan.recipe else { return nil }
            plan.statedRecipe = Recipe(recipe.scaling)
            return recipe.scaling.rawValue
        case .otherOptimizer:
            plan.optimizer = Optimizer()
            return "adamw"
        case .otherMoments:
            (plan.optimizer.firstMoment, plan.optimizer.secondMoment) = (.fp32, .fp32)
            return "fp32"
        case .otherMaster:
            plan.optimizer.master = .fp32
            return "fp32"
        case .fusedLoss, .chunkedLoss:
            plan.loss = LossComputation()
            return "standard"
        case .rampup:
            plan.rampup = nil
            return "none"
        case .padding:
            plan.padding = 0
            return "0"
        default: return nil
        }
    }
}

extension Plan {
    /// Takes out of the plan what a tool cannot say, and notes each change.
    /// - Parameters:
    ///   - allowed: what the tool can say.
    ///   - tool: its name, for reasons.
    mutating func fit(
        allowing allowed: Set<PlanFeature>, model: Set<ModelFeature.Kind>, _ tool: String, _ gaps: inout [ExportGap]
    ) {
        gaps += self.model.gaps(allowing: model, tool)
        for feature in PlanFeature.allCases where !allowed.contains(feature) {
            guard let layout, let found = feature.found(self, layout) else { continue }
            drop(feature, found, "\(tool) has no such setting", allowing: allowed, &gaps)
        }
    }

    /// Takes one feature out for a reason of its own.
    mutating func drop(
        _ feature: PlanFeature, because reason: String, allowing allowed: Set<PlanFeature> = [],
        _ gaps: inout [ExportGap]
    ) {
        guard let layout, let found = feature.found(self, layout) else { return }
        drop(feature, found, reason, allowing: allowed, &gaps)
    }

    private mutating func drop(
        _ feature: PlanFeature, _ found: (field: String, value: String), _ reason: String,
        allowing allowed: Set<PlanFeature>,
        _ gaps: inout [ExportGap]
    ) {
        let nearest = feature.drop(from: &self, allowing: allowed)
        gaps.append(ExportGap(found.field, found.value, reason, nearest: nearest))
    }
}
