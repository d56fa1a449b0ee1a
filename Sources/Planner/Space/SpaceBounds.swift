internal import Costs
internal import Plans

/// A mesh with the micro-batches it is priced with.
struct MeshCandidate: Sendable {
    var mesh: Layout
    var microbatches: [Int]
    /// A lower bound of the step for each micro-batch; empty where none was computed.
    var leastSteps: [LeastStep] = []
    /// The smallest of the lower bounds, seconds.
    var least = 0.0
    /// The mesh's place in the space's order; nil: its place in the list of candidates.
    var place: Int?
}

/// Lower bounds of time and memory for the meshes of a space. They come from the passes of one micro-batch, without
/// pricing a layout, and show which meshes cannot be faster than a known layout or do not fit.
package struct SpaceBounds: Sendable {
    private var passes: LeastPasses
    /// The pricer of the first number of devices, from which the others take what depends on the model alone.
    private var first: Pricer?

    /// Work on the devices themselves that is known already.
    var work: KnownWork { passes.work }

    /// Divisions and moments that the tables of all numbers of devices share.
    var tables = PipelineTable.Known()

    package init() { self.init(work: KnownWork()) }

    /// - Parameter work: work on the devices themselves that is known already.
    init(work: KnownWork) { passes = LeastPasses(work: work) }

    /// The pricer of `plan`, which is the same plan at every call but for its devices and its batch.
    mutating func pricer(_ plan: Plan, _ options: CostOptions) throws(CostError) -> Pricer {
        if let first { return try Pricer(plan: plan, like: first) }
        let pricer = try Pricer(plan: plan, options: options)
        first = pricer
        return pricer
    }

    /// The meshes that may have a layout within `limit`, lowest bound first.
    mutating func candidates(
        of meshes: [Layout], space: SearchSpace, choices: MeshChoices, pricer: Pricer, limit: MeshPricer.Limit
    ) -> [MeshCandidate] {
        let plan = pricer.plan
        passes.turn(to: pricer, choices: choices)
        var candidates: [MeshCandidate] = []
        for (place, mesh) in meshes.enumerated() {
            let state = passes.stateBytes(mesh, choices: choices)
            guard state <= limit.bytes else { continue }
            var item = MeshCandidate(mesh: mesh, microbatches: [], least: .infinity, place: place)
            for microbatch in space.microbatches(mesh, plan) {
                let step = passes.step(
                    mesh, microbatch: microbatch, choices: choices, pricer: pricer, within: limit.bytes - state,
                    below: limit.seconds)
                guard step.least < .infinity, step.least <= limit.seconds else { continue }
                item.microbatches.append(microbatch)
                item.leastSteps.append(step)
                item.least = min(item.least, step.least)
            }
            if !item.microbatches.isEmpty { candidates.append(item) }
        }
        return candidates.sorted { ($0.least, $0.place ?? 0) < ($1.least, $1.place ?? 0) }
    }

    /// `item` without the micro-batches whose bound is above `seconds`; nil where no micro-batch is left.
    mutating func within(_ seconds: Double, _ item: MeshCandidate, choices: MeshChoices, pricer: Pricer)
        -> MeshCandidate?
    {
        guard item.least <= seconds else { return nil }
        var some = item
        (some.microbatches, some.leastSteps) = ([], [])
        for (microbatch, step) in zip(item.microbatches, item.leastSteps) where step.least <= seconds {
            some.microbatches.append(microbatch)
            some.leastSteps.append(
                passes.recomputed(step, item.mesh, microbatch: microbatch, choices: choices, pricer: pricer))
        }
        return some
    }
}
