import Costs
import Planner
import Plans
import Schedules
import Simulator

/// What the planner answers to a plan, without the words around it.
struct Answer {
    var work: LayoutWork
    var time: IterationTime
    var memory: [Estimate.RankMemory]

    var seconds: Double { time.breakdown.sum }
    var peak: Double { memory.map(\.peak).max() ?? 0 }

    /// The pipeline timed by the simulator, as `plan` does it.
    init(_ plan: Plan, _ layout: Layout) throws {
        // Of the ways to hide less than the layout allows the fastest.
        let answers = try Pricer(plan: plan).works(layout).map { ($0, try Self.time($0)) }
        guard let best = answers.min(by: { $0.1.seconds < $1.1.seconds }) else { throw CostError.badLayout("no way") }
        (work, time) = best
        memory = LayoutMemory(work).ranks
    }

    private static func time(_ work: LayoutWork) throws -> IterationTime {
        guard work.layout.pipeline > 1 else { return IterationTime(work) }
        let schedule = try work.layout.schedule.schedule(work.shape)
        var costs = ActionCosts(work)
        let span = try Simulator.makespan(schedule, costs: costs)
        (costs.transfer, costs.transfers) = (0, nil)
        return IterationTime(work, filled: try Simulator.makespan(schedule, costs: costs), span: span)
    }

    init(_ plan: Plan) throws { try self.init(plan, plan.layout ?? Layout()) }
}

extension Plan {
    /// The plan with a change to its layout.
    func with(_ change: (inout Layout) -> Void) -> Plan {
        var plan = self
        if var layout = plan.layout {
            change(&layout)
            plan.layout = layout
        }
        return plan
    }

    /// The plan with its software named, so that a change of the layout does not change it.
    func fixed(_ layout: Layout) -> Plan {
        var plan = self
        plan.frameworks.named = framework(for: layout).name
        return plan
    }

    /// The plan with its software named, on nodes that are all equally fast.
    func withEvenNodes(_ layout: Layout) -> Plan {
        var plan = fixed(layout)
        if let name = plan.frameworks.named { plan.frameworks.known[name]?.nodeVariation = 0 }
        return plan
    }

    /// The plan with a change to its cluster.
    func on(_ change: (inout Cluster) -> Void) -> Plan {
        var plan = self
        change(&plan.cluster)
        return plan
    }
}

/// Where the groups of a layout lie.
struct NodePlacement {
    let layout: Layout
    /// Devices that the innermost network joins.
    let node: Int

    init(_ plan: Plan, _ layout: Layout) {
        self.layout = layout
        guard plan.cluster.networks.count > 1, let domain = plan.cluster.networks.first?.devices else {
            node = .max
            return
        }
        // Where a domain is made of several nodes (the trays of an NVL72 rack), a job larger than one takes equal parts of
        // as few domains as it can, as long as a part fills eight ninths of a domain (Slurm's topology/block plugin,
        // --segment: NVIDIA recommends 16 of a rack's 18 nodes).
        let (tray, devices) = (plan.cluster.devicesPerNode, layout.devices)
        var part = domain
        if tray < domain, devices > domain, devices % tray == 0 {
            let counts =
                (devices + domain - 1) / domain...max((devices + domain - 1) / domain, devices * 9 / (domain * 8))
            if let domains = counts.first(where: { devices / tray % $0 == 0 }) { part = devices / domains }
        }
        node = part
    }

    /// Whether the whole layout lies inside one reach of the innermost network.
    var isInside: Bool { layout.devices <= node }

    /// Whether some tensor group has ranks on both sides of a boundary: numbered as `RankGrid` numbers them.
    var tensorCrosses: Bool {
        guard layout.tensor > 1, layout.devices > node else { return false }
        return stride(from: 0, to: layout.devices, by: layout.tensor).contains { first in
            first / node != (first + layout.tensor - 1) / node
        }
    }
}
