internal import Costs
internal import Models
internal import Numbers
internal import Plans
internal import Schedules

/// Prices the layouts of a space on a cluster of several groups. Stages fill the groups, and blocks are divided over the
/// stages by the speed and the memory of each group's devices.
///
/// The tables of other searches hold layouts of ranks that are all alike, so every layout is priced by itself here: there
/// are far fewer of them, because a stage's devices must divide those of every group. Numbers of stages a rank are tried
/// that double or halve the way between; blocks are recomputed all or not at all.
func priceMixedSpace(_ space: SearchSpace, pricer: Pricer, request: PricingRequest) -> PricedSpace {
    let clock = ContinuousClock()
    let began = clock.now
    let plan = pricer.plan
    guard let groups = plan.cluster.groups else { return PricedSpace() }
    let candidates = space.candidates(plan).filter { StageGroups(groups, $0.mesh) != nil }
    let choices = space.choices(plan)
    let found = parallelMap(candidates.count, threads: request.threads) { index -> MixedPrices in
        let item = candidates[index]
        var prices = MixedPrices()
        for mesh in choices.exchanges(item.mesh, plan.model) {
            for microbatch in item.microbatches {
                prices.price(mesh, microbatch: microbatch, space: space, choices: choices, pricer: pricer, request)
            }
        }
        request.progress?(Double(index + 1) / Double(candidates.count))
        return prices
    }
    var best = BestLayouts(request)
    for (mesh, part) in found.enumerated() {
        best.effort.rejected += part.rejected
        best.take(part.layouts, mesh: mesh) { $0.layout }
    }
    best.effort.pricingSeconds = (clock.now - began).inSeconds
    return best.space { $0 }
}

/// The prices of one mesh.
private struct MixedPrices: Sendable {
    var layouts: [PricedLayout] = []
    var rejected = 0

    mutating func price(
        _ mesh: Layout, microbatch: Int, space: SearchSpace, choices: MeshChoices, pricer: Pricer,
        _ request: PricingRequest
    ) {
        let plan = pricer.plan
        let software = plan.framework(for: choices.base)
        let shardings = choices.shardings(of: mesh, plan.model)
        for sequenceParallel in choices.sequenceParallel where choices.allows(sequenceParallel, mesh, plan.model) {
            for recompute in choices.recompute {
                guard let modules = choices.modules(recompute, on: software) else { continue }
                for (schedule, virtualStages) in pipelines(mesh, microbatch: microbatch, space, plan) {
                    for sharding in shardings {
                        var layout = mesh
                        (layout.microbatch, layout.sequenceParallel) = (microbatch, sequenceParallel)
                        (layout.recompute, layout.recomputeModules) = (recompute, modules)
                        (layout.schedule, layout.virtualStages, layout.sharding) = (schedule, virtualStages, sharding)
                        guard let priced = priced(layout, space, pricer, request) else {
                            rejected += 1
                            continue
                        }
                        layouts.append(priced)
                    }
                }
            }
        }
    }

    /// The schedules of a pipeline of this many ranks, each with numbers of stages a rank.
    private mutating func pipelines(
        _ mesh: Layout, microbatch: Int, _ space: SearchSpace, _ plan: Plan
    ) -> [(ScheduleName, Int)] {
        let count = plan.batch / (mesh.data * microbatch)
        var found: [(ScheduleName, Int)] = []
        for name in space.triedSchedules(plan) where !name.isBidirectional {
            let open = [1, 2, 3, 4, 6, 8, 12, 16].filter { $0 <= space.virtualStages.most ?? 1 }
            let stages = name.fixedVirtualStages.map { [$0] } ?? space.virtualStages.fixed.map { [$0] } ?? open
            for virtualStages in stages {
                if let fixed = space.virtualStages.fixed, fixed != virtualStages { continue }
                let shape = PipelineShape(ranks: mesh.pipeline, virtualStages: virtualStages, microbatches: count)
                guard mesh.pipeline * virtualStages <= plan.model.layers, name.problem(shape) == nil else {
                    rejected += 1
                    continue
                }
                found.append((name, virtualStages))
            }
        }
        return found
    }

    private func priced(
        _ layout: Layout, _ space: SearchSpace, _ pricer: Pricer, _ request: PricingRequest
    ) -> PricedLayout? {
        let plan = pricer.plan
        let share = request.usable / plan.cluster.device.memoryBytes
        let isEven = space.abilities(plan).stages == .even
        let found: (work: LayoutWork, memory: [RankMemory])?
        if isEven {
            let even = space.divided(layout, plan)
            found = (try? pricer.work(even, hides: even.overlap)).map { ($0, LayoutMemory($0).ranks) }
        } else {
            found = (try? pricer.balancedWork(layout, usable: share)) ?? nil
        }
        guard let (work, memory) = found, let others = try? pricer.worksHidingLess(work.layout) else { return nil }
        // A state that no host holds fits no device either.
        let holdsState = HostMemory.holdsState(work)
        let seconds = others.reduce(IterationTime(work).seconds) { min($0, IterationTime($1).seconds) }
        // Memory in that of the first group's devices, so that one limit holds for all.
        let peak = memory.reduce(0) { most, memory in
            let own = work.memoryBytes(rank: memory.rank)
            return max(most, memory.peak * (plan.cluster.device.memoryBytes / own))
        }
        return PricedLayout(layout: work.layout, seconds: seconds, peak: holdsState ? peak : .infinity)
    }
}
