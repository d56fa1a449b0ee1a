internal import Models
internal import Plans
internal import Schedules

/// What a plan says about its run beyond a data-parallel one in bf16, and what takes its place where a target cannot say it.
enum PlanFeature: CaseIterable {
    case tensor, noSequenceParallel, sequenceParallel, pipeline, virtualStages, otherSchedule, unevenStages, context,
        contextRing, contextGather, contextHeads, contextHeadsAndRing, expert, expertTensor, otherDispatcher,
        recomputeSelective,
        recomputeFull, recomputeModules, recomputeFirst, recomputeByStage, recomputeEvery, recomputeRuns,
        optimizerSharding,
        gradientSharding, parameterSharding, shardGroup, outerSharding, plainAttention, halfGradients, noDataOverlap,
        tensorOverlap,
        noPipelineOverlap, expertOverlap, sharedExpertOverlap, optimizerOffload, stateOffload, activationOffload,
        vocabularyParallel, fp32, fp16, eightBits, fourBits, recipeDetails, otherOptimizer, otherMoments, otherMaster,
        fusedLoss,
        chunkedLoss, rampup, padding, unlikeDevices, mup

    /// The key and the value of the feature; nil: the plan does not have it.
    func found(_ plan: Plan, _ layout: Layout) -> (field: String, value: String)? {
        func key(_ isThere: Bool, _ field: String, _ value: Any) -> (field: String, value: String)? {
            isThere ? (field, "\(value)") : nil
        }
        func layoutKey(_ isThere: Bool, _ field: String, _ value: Any) -> (field: String, value: String)? {
            key(isThere, "layout." + field, value)
        }
        let exchange = layout.context > 1 ? layout.contextExchange : nil
        let offload = layout.offload ?? Layout.Offload()
        switch self {
        case .tensor: return layoutKey(layout.tensor > 1, "tensor", layout.tensor)
        case .noSequenceParallel:
            return layoutKey(layout.tensor > 1 && !layout.sequenceParallel, "sequenceParallel", false)
        case .sequenceParallel: return layoutKey(layout.tensor > 1 && layout.sequenceParallel, "sequenceParallel", true)
        case .pipeline: return layoutKey(layout.pipeline > 1, "pipeline", layout.pipeline)
        case .virtualStages: return layoutKey(layout.virtualStages > 1, "virtualStages", layout.virtualStages)
        case .otherSchedule:
            let isUsual = layout.schedule == .usual(virtualStages: layout.virtualStages)
            return layoutKey(layout.pipeline > 1 && !isUsual, "schedule", layout.schedule.rawValue)
        case .unevenStages:
            let sizes = layout.pipeline > 1 ? StagePartition(layout, model: plan.model).unevenSizes : nil
            return layoutKey(
                sizes != nil, "layersPerStage", "[\((sizes ?? []).map(String.init).joined(separator: ", "))]")
        case .context: return layoutKey(layout.context > 1, "context", layout.context)
        case .contextRing: return layoutKey(exchange == .ring, "contextExchange", "ring")
        case .contextGather: return layoutKey(exchange == .gather, "contextExchange", "gather")
        case .contextHeads: return layoutKey(exchange == .heads, "contextExchange", "heads")
        case .contextHeadsAndRing: return layoutKey(exchange == .headsAndRing, "contextExchange", "headsAndRing")
        case .expert: return layoutKey(layout.expert > 1, "expert", layout.expert)
        case .expertTensor:
            return layoutKey(
                layout.expertTensor > 1 && plan.model.mixtureLayers > 0, "expertTensor", layout.expertTensor)
        case .otherDispatcher:
            let other = layout.dispatcher.flatMap { $0 == .alltoall ? nil : $0 }
            return layoutKey(other != nil && plan.model.mixtureLayers > 0, "dispatcher", other?.rawValue ?? "")
        case .recomputeSelective:
            return layoutKey(
                layout.recompute == .selective && layout.modulesAgain == .nothing, "recompute", "selective")
        case .recomputeFull: return layoutKey(layout.recompute == .full, "recompute", "full")
        case .recomputeModules:
            return layoutKey(layout.modulesAgain != .nothing, "recomputeModules", layout.recomputeModules.words)
        case .recomputeFirst, .recomputeByStage, .recomputeEvery, .recomputeRuns: return recomputed(layout)
        case .optimizerSharding: return layoutKey(layout.sharding == .optimizer, "sharding", "optimizer")
        case .gradientSharding: return layoutKey(layout.sharding == .gradients, "sharding", "gradients")
        case .parameterSharding: return layoutKey(layout.sharding == .parameters, "sharding", "parameters")
        case .shardGroup:
            let isSmaller = layout.sharding != .none && layout.shardRanks < layout.data * layout.context
            return layoutKey(isSmaller, "shardGroup", layout.shardRanks)
        case .outerSharding: return layoutKey(layout.sharesOptimizer, "outerSharding", "optimizer")
        case .plainAttention: return layoutKey(!layout.flashAttention, "flashAttention", false)
        case .halfGradients:
            let format = layout.gradients
            let isOther = format != nil && format != (plan.precision == .fp16 ? .fp16 : .fp32)
            return layoutKey(isOther, "gradients", format?.rawValue ?? "")
        case .noDataOverlap:
            return layoutKey(layout.data * layout.context > 1 && !layout.overlap.data, "overlap.data", false)
        case .tensorOverlap: return layoutKey(layout.tensor > 1 && layout.overlap.tensor, "overlap.tensor", true)
        case .noPipelineOverlap:
            return layoutKey(layout.pipeline > 1 && !layout.overlap.pipeline, "overlap.pipeline", false)
        case .expertOverlap: return layoutKey(layout.expert > 1 && layout.overlap.expert, "overlap.expert", true)
        case .sharedExpertOverlap: return layoutKey(layout.overlap.sharedExperts, "overlap.sharedExperts", true)
        case .optimizerOffload:
            return layoutKey(
                offload.optimizer > 0 && !offload.parameters && !offload.gradients, "offload.optimizer",
                offload.optimizer)
        case .stateOffload:
            return layoutKey(
                offload.parameters || offload.gradients,
                offload.parameters ? "offload.parameters" : "offload.gradients", true)
        case .activationOffload: return layoutKey(offload.activations != .none, "offload.activations", "(given)")
        case .vocabularyParallel:
            return layoutKey(
                layout.vocabularyParallel != nil, "vocabularyParallel", layout.vocabularyParallel?.rawValue ?? "")
        default: return foundBesideLayout(plan)
        }
    }

    private func recomputed(_ layout: Layout) -> (field: String, value: String)? {
        guard layout.recompute == .full else { return nil }
        switch (self, layout.recomputed) {
        case (.recomputeFirst, .first(let count)): return ("layout.recomputeLayers", "\(count)")
        case (.recomputeByStage, .firstOfStage(let counts)):
            return ("layout.recomputeLayers", "[\(counts.map(String.init).joined(separator: ", "))]")
        case (.recomputeEvery, .every(let step)): return ("layout.recomputeEvery", "\(step)")
        case (.recomputeRuns, .runs(let length)) where length > 1: return ("layout.recomputeMethod", "uniform")
        default: return nil
        }
    }

    private func foundBesideLayout(_ plan: Plan) -> (field: String, value: String)? {
        let optimizer = plan.optimizer
        switch self {
        case .fp32: return plan.precision == .fp32 ? ("precision", "fp32") : nil
        case .fp16: return plan.precision == .fp16 ? ("precision", "fp16") : nil
        case .eightBits:
            return plan.precision == .fp8 || plan.precision == .mxfp8
                ? ("precision", plan.recipe?.yaml ?? plan.precision.rawValue) : nil
        case .fourBits: return plan.precision == .nvfp4 ? ("precision", plan.recipe?.yaml ?? "nvfp4") : nil
        case .recipeDetails:
            guard let recipe = plan.recipe, recipe != Recipe(recipe.scaling) else { return nil }
            return ("precision", recipe.yaml)
        case .otherOptimizer: return optimizer.name == .adamw ? nil : ("optimizer.name", optimizer.name.rawValue)
        case .otherMoments:
            if optimizer.keepsFirst, optimizer.firstMoment != .fp32 {
                return ("optimizer.firstMoment", optimizer.firstMoment.rawValue)
            }
            return optimizer.keepsSecond && optimizer.secondMoment != .fp32
                ? ("optimizer.secondMoment", optimizer.secondMoment.rawValue) : nil
        case .otherMaster:
            return optimizer.master == .fp32 || plan.precision == .fp32
                ? nil : ("optimizer.master", optimizer.master.rawValue)
        case .fusedLoss: return plan.loss.kind == .fused ? ("loss", "fused") : nil
        case .chunkedLoss: return plan.loss.kind == .chunked ? ("loss", plan.loss.yaml) : nil
        case .rampup:
            return plan.rampup.map { ("rampupBatchSize", "[\($0.start), \($0.increment), \($0.samples)]") }
        case .padding: return plan.padding > 0 ? ("padding", "\(plan.padding)") : nil
        case .mup: return plan.train?.mup.map { ("train.mup", "{baseWidth: \($0.baseWidth)}") }
        case .unlikeDevices: return plan.cluster.groups == nil ? nil : ("cluster.groups", "(given)")
        default: return nil
        }
    }
}

extension Plan {
    /// Whether the stages are those that the plan's software makes where nothing is said of them.
    var hasUsualStages: Bool {
        guard var open = layout, let stated = open.layersPerStage else { return true }
        open.layersPerStage = nil
        let usual = framework(for: open).abilities.usualStages(open, model: model)
        return stated == usual ?? StagePartition(open, model: model).sizes
    }
}

extension Plan {
    /// Features that the training script has to bring where a file holds none of them, as words; empty: every script has them.
    /// - Parameter states: features that the file says.
    func leftToTheScript(stating states: Set<PlanFeature>) -> String {
        guard let layout else { return "" }
        let script: [PlanFeature] = [
            .plainAttention, .halfGradients, .otherOptimizer, .otherMoments, .otherMaster, .fusedLoss, .chunkedLoss,
            .rampup, .padding,
        ]
        let found = script.filter { !states.contains($0) }.compactMap { $0.found(self, layout) }
        return found.map { "\($0.field) \($0.value)" }.joined(separator: ", ")
    }
}
