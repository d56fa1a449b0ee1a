internal import ArgumentParser
internal import Numbers
internal import Plans
internal import Reading
internal import Schedules
internal import Simulator

/// Finds the action lists of a pipeline that no plan describes.
struct BareScheduleSearch {
    var bare: BarePipelineOptions
    /// Stages a rank holds; nil: as many as the schedule usually has.
    var virtualStages: Int?
    var microbatches: Int
    var memoryLimit: Double?

    func shape(_ virtualStages: Int) -> PipelineShape {
        PipelineShape(
            ranks: bare.ranks?.value ?? 4, virtualStages: virtualStages, microbatches: microbatches,
            groupSize: bare.groupSize?.value, vocabulary: bare.vocabularyParallel)
    }

    /// The action lists of the schedule that the user names.
    /// - Throws: the exit code of bad input where there are none.
    func named(_ name: String) throws -> Schedule {
        let name = try PipelineOptions.scheduleName(name)
        do throws(ScheduleProblem) { return try schedule(name) } catch { throw Failure.input(error.description) }
    }

    /// The action lists of a schedule, with the number of stages that is asked for or else its usual one.
    func schedule(_ name: ScheduleName) throws(ScheduleProblem) -> Schedule {
        try name.schedule(shape(virtualStages ?? name.usualVirtualStages(shape(1))))
    }

    /// The fastest schedule within the memory limit, with a line that says how it was found.
    /// - Parameter oneDirection: whether every stage lies on one rank alone, as PyTorch's runtime has it.
    func optimal(oneDirection: Bool = false) throws -> (schedule: Schedule, remark: String) {
        if bare.vocabularyParallel != nil {
            throw Failure.input(
                "optimal finds no lists with S and T; leave --vocabulary-parallel out, or name a schedule")
        }
        let ranks = bare.ranks?.value ?? 4
        let count = Int.product(ranks, max(1, virtualStages ?? 1), microbatches) ?? .max
        guard ranks >= 1, ranks <= 1024, microbatches >= 1, count <= 1 << 17 else {
            throw Failure.input(
                "optimal takes 1 to 1024 ranks and at least 1 micro-batch, \(1 << 17) stages × micro-batches in all")
        }
        let limit = memoryLimit ?? Double(ranks)
        var best: OptimalSchedule?
        var misfit: BareCostProblem?
        var fallback: (schedule: Schedule, makespan: Double)?
        for placement in placements(ranks: ranks) {
            let costs: ActionCosts
            do throws(BareCostProblem) {
                costs = try bare.actionCosts(stages: placement.stages, ranks: ranks)
            } catch {
                // Times given for every stage fit one number of stages only.
                misfit = error
                continue
            }
            let known = ScheduleName.schedules(shape(max(1, placement.stages / ranks)), placed: placement)
            let most = (limit * Double(placement.stages) / Double(ranks)).rounded(.down)
            let found = try Simulator.optimal(
                SchedulingInstance(
                    placement: placement, microbatches: microbatches, costs: costs,
                    memoryLimit: Int(saturating: min(most, 1e9))), known: known)
            if let found, found.makespan < best?.makespan ?? .infinity { best = found }
        }
        // The search makes no bidirectional schedules, which hold other parameters, but its answer must not be slower
        // than one.
        for name in ScheduleName.allCases where name.isBidirectional && !oneDirection {
            guard let schedule = try? schedule(name),
                let costs = try? bare.actionCosts(stages: schedule.stages, ranks: ranks),
                let makespan = try? Simulator.makespan(schedule, costs: costs),
                Double(schedule.peakActivations(release: .backwardWeight).max() ?? 0) * Double(ranks)
                    <= limit * Double(schedule.stages), makespan < fallback?.makespan ?? .infinity
            else { continue }
            fallback = (schedule, makespan)
        }
        if let fallback, fallback.makespan < best?.makespan ?? .infinity {
            var schedule = fallback.schedule
            let name = schedule.name
            schedule.name = "optimal"
            return (schedule, "optimal: \(name), with two copies of the parameters")
        }
        guard let best else {
            if let misfit { throw Failure.input(misfit.description) }
            throw Failure.input("no schedule holds at most \(limit) activations a rank; raise --memory-limit")
        }
        return (best.schedule, best.remark)
    }

    /// The placements that are searched: looped with the number of stages that is asked for, and folded where it is
    /// two.
    private func placements(ranks: Int) -> [StagePlacement] {
        var found: [StagePlacement] = []
        for stages in virtualStages.map({ [$0] }) ?? (ranks > 1 ? [1, 2] : [1]) {
            found.append(.looped(ranks: ranks, virtualStages: stages))
            if stages == 2, ranks > 1 { found.append(.folded(ranks: ranks)) }
        }
        return found
    }
}

extension ScheduleName {
    /// The number of stages a rank holds where the user states none: the smallest that the schedule takes.
    func usualVirtualStages(_ shape: PipelineShape) -> Int {
        fixedVirtualStages ?? (shape.ranks > 1 ? 2 : 1)
    }
}

extension Layout {
    /// The layout with the schedule `name` in place of its own.
    /// - Parameter virtualStages: stages a rank holds; nil: this layout's, or the schedule's usual number.
    /// - Throws: the rule that the schedule breaks, if `checked`.
    func running(
        _ name: ScheduleName, virtualStages: Int?, plan: Plan, checked: Bool = true
    ) throws(ScheduleProblem) -> Layout {
        var layout = self
        layout.schedule = name
        let microbatches = max(1, plan.batch / max(1, data * microbatch))
        var shape = pipelineShape(microbatches: microbatches)
        if let virtualStages {
            layout.virtualStages = virtualStages
        } else if name.problem(shape) != nil || (self.virtualStages == 1 && name != schedule) {
            shape.virtualStages = 1
            layout.virtualStages = name.usualVirtualStages(shape)
        }
        if layout.virtualStages != self.virtualStages { layout.layersPerStage = nil }
        shape.virtualStages = layout.virtualStages
        guard checked else { return layout }
        if let rule = name.problem(shape) { throw ScheduleProblem(schedule: name.rawValue, rule: rule) }
        return layout
    }
}
