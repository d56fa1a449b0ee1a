package import Costs
internal import Models
internal import Numbers
package import Plans
internal import Schedules

/// The schedule chosen for a layout that leaves it open, with the candidates it was chosen from.
package struct ScheduleChoice: Sendable {
    /// A schedule that the layout could run.
    package struct Candidate: Sendable {
        package var layout: Layout
        package var seconds: Double
        /// Bytes of the fullest rank.
        package var peakMemory: Double
        package var fits: Bool
    }

    /// The plan's layout with the best schedule, priced.
    package var estimate: Estimate
    /// All legal schedules: first those that fit, fastest first, then the others, smallest first.
    package var candidates: [Candidate]

    /// One line that names the choice and the best of the other schedules.
    package var summary: String {
        func words(_ candidate: Candidate) -> String {
            let stages = candidate.layout.virtualStages
            let v = candidate.layout.schedule.fixedVirtualStages == nil ? " (\(stages) stages a rank)" : ""
            return "\(candidate.layout.scheduleWords)\(v) \(Self.time(candidate.seconds))"
        }
        guard let first = candidates.first else { return "" }
        let fitting = candidates.filter(\.fits)
        guard first.fits else {
            return "schedule: none of \(candidates.count) fits; \(words(first)) needs least"
        }
        var named: Set<ScheduleName> = [first.layout.schedule]
        let others = fitting.filter { named.insert($0.layout.schedule).inserted }.prefix(3).map(words)
        return "schedule: \(words(first)), fastest of \(fitting.count) that fit"
            + (others.isEmpty ? "" : "; \(others.joined(separator: ", "))")
    }

    /// Milliseconds below ten seconds, else seconds with two decimals.
    private static func time(_ seconds: Double) -> String {
        let milliseconds = Int(saturating: (seconds * 1000).rounded())
        guard milliseconds >= 10_000 else { return "\(milliseconds) ms" }
        return Figures.decimal(milliseconds / 10 + (milliseconds % 10 + 5) / 10, 2) + " s"
    }
}

/// The fastest schedule under the memory limit for a layout that leaves it open, every one timed by the simulator.
///
/// The schedules are those that the settings' space names, else those that the plan's software has. Each is tried with
/// the plan's number of stages a rank, else with every number over which that software divides the layers. Where no
/// schedule fits, the answer is the one that needs least memory.
/// - Throws: the reason why no schedule can be priced.
package func chooseSchedule(
    plan: Plan, layout: Layout, open: OpenSchedule? = nil, settings: SearchSettings = SearchSettings(),
    options: CostOptions = CostOptions()
) throws(PlannerError) -> ScheduleChoice {
    let open = open ?? plan.openSchedule ?? OpenSchedule(virtualStages: nil)
    let abilities = settings.space.anySoftware ? Framework.Abilities() : plan.framework(for: layout).abilities
    var found: [(estimate: Estimate, candidate: ScheduleChoice.Candidate)] = []
    var failure: PlannerError?
    for name in settings.space.triedSchedules(plan, on: plan.framework(for: layout)) {
        for layout in layouts(layout, name, plan: plan, open: open, space: settings.space, stages: abilities.stages) {
            do throws(PlannerError) {
                let estimate = try price(plan: plan, layout: layout, options: options)
                found.append(
                    (
                        estimate,
                        ScheduleChoice.Candidate(
                            layout: layout, seconds: estimate.iteration.seconds, peakMemory: estimate.peakMemory,
                            fits: estimate.fits(within: settings.usableMemory))
                    ))
            } catch {
                failure = failure ?? error
            }
        }
    }
    // Equal candidates keep the order of the names, in which simpler schedules come first.
    let order = found.indices.sorted { a, b in
        let (one, other) = (found[a].candidate, found[b].candidate)
        if one.fits != other.fits { return one.fits }
        let (x, y) = one.fits ? (one.seconds, other.seconds) : (one.peakMemory, other.peakMemory)
        return x == y ? a < b : x < y
    }
    guard let best = order.first else {
        throw failure ?? .noLayout("no schedule is legal for \(layout.pipeline) pipeline ranks and this batch")
    }
    return ScheduleChoice(estimate: found[best].estimate, candidates: order.map { found[$0].candidate })
}

/// The layouts with which one schedule is tried.
private func layouts(
    _ layout: Layout, _ name: ScheduleName, plan: Plan, open: OpenSchedule, space: SearchSpace,
    stages: Framework.Abilities.Stages
) -> [Layout] {
    let microbatches = plan.batch / max(1, layout.data * layout.microbatch)
    let counts = name.fixedVirtualStages.map { [$0] } ?? Array(1...max(1, space.virtualStages.most ?? 1))
    return (open.virtualStages.map { [$0] } ?? counts).compactMap { count in
        var next = layout
        next.schedule = name
        next.virtualStages = count
        guard name.problem(next.pipelineShape(microbatches: microbatches)) == nil,
            next.stages <= plan.model.layers || layout.layersPerStage != nil
        else { return nil }
        if let sizes = layout.layersPerStage {
            guard sizes.count == next.stages else { return nil }
            return next
        }
        if open.virtualStages == nil, name.fixedVirtualStages == nil, count > 1, stages == .any {
            guard plan.model.layers % next.stages == 0 else { return nil }
        }
        // One stage a rank is tried even where the software does not divide the layers so.
        return stages.divided(next, model: plan.model) ?? (count == 1 || open.virtualStages != nil ? next : nil)
    }
}
