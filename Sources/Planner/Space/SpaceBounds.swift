internal import Costs
internal import Plans

/// A mesh with the micro-batches it is priced with.
struct MeshTry: Sendable {
    var mesh: Layout
    var microbatches: [Int]
    /// Seconds that no step is shorter than with each of the micro-batches; empty where that is not known.
    var leastSteps: [LeastStep] = []
    /// The least of them.
    var least = 0.0
    /// Its place in the space's order; nil: that in the list it is in.
    var place: Int?
}

/// Which meshes of a space cannot be faster than something already known, or do not fit: told from the passes of one
/// micro-batch, without pricing a layout.
package struct SpaceBounds: Sendable {
    private var passes = LeastPasses()

    package init() {}

    /// The meshes that may have a layout within `limit`, the lowest bound first.
    mutating func tries(
        of meshes: [Layout], space: SearchSpace, choices: MeshChoices, pricer: Pricer, limit: MeshPricer.Limit
    ) -> [MeshTry] {
        let plan = pricer.plan
        passes.use(pricer, choices: choices)
        var tries: [MeshTry] = []
        for (place, mesh) in meshes.enumerated() {
            guard passes.stateBytes(mesh, choices: choices) <= limit.bytes else { continue }
            var item = MeshTry(mesh: mesh, microbatches: [], least: .infinity, place: place)
            for microbatch in space.microbatches(mesh, plan) {
                let step = passes.step(mesh, microbatch: microbatch, choices: choices, pricer: pricer)
                guard step.least <= limit.seconds else { continue }
                item.microbatches.append(microbatch)
                item.leastSteps.append(step)
                item.least = min(item.least, step.least)
            }
            if !item.microbatches.isEmpty { tries.append(item) }
        }
        return tries.sorted { ($0.least, $0.place ?? 0) < ($1.least, $1.place ?? 0) }
    }

    /// `item` without the micro-batches that cannot end within `seconds`; nil where none can.
    mutating func within(_ seconds: Double, _ item: MeshTry, choices: MeshChoices, pricer: Pricer) -> MeshTry? {
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
