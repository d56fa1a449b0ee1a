internal import Costs
internal import Numbers
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
    /// Bounds of passes, of each share of the meshes by itself.
    private(set) var passes: [LeastPasses]
    /// The pricer of the first number of devices, from which the others take what depends on the model alone.
    private var first: Pricer?

    /// Divisions and moments that the tables of all numbers of devices share.
    var tables = PipelineTable.Known()

    package init() { self.init(work: KnownWork()) }

    /// - Parameter work: work on the devices themselves that is known already.
    init(work: KnownWork) {
        passes = [LeastPasses](repeating: LeastPasses(work: work), count: LeastPasses.shares)
    }

    /// The pricer of `plan`, which is the same plan at every call but for its devices and its batch.
    mutating func pricer(_ plan: Plan, _ options: CostOptions) throws(CostError) -> Pricer {
        if let first { return try Pricer(plan: plan, like: first) }
        let pricer = try Pricer(plan: plan, options: options)
        first = pricer
        return pricer
    }

    /// Switches to the plan of `pricer`.
    mutating func turn(to pricer: Pricer, choices: MeshChoices) {
        passes[0].turn(to: pricer, choices: choices)
        let first = passes[0]
        for share in passes.indices.dropFirst() { passes[share].turn(like: first) }
    }

    /// The meshes that may have a layout within `limit`, lowest bound first.
    /// - Parameters:
    ///   - meshes: the meshes at all places of a space.
    ///   - places: the places of those that are of interest.
    mutating func candidates(
        of meshes: [Layout], at places: [Int], space: SearchSpace, choices: MeshChoices, pricer: Pricer,
        limit: MeshPricer.Limit, threads: Int?
    ) -> [MeshCandidate] {
        inShares(meshes, places, threads: threads) { passes, places in
            Self.candidates(
                of: meshes, at: places, space: space, choices: choices, pricer: pricer, limit: limit, &passes)
        }.sorted { ($0.least, $0.place ?? 0) < ($1.least, $1.place ?? 0) }
    }

    private static func candidates(
        of meshes: [Layout], at places: [Int], space: SearchSpace, choices: MeshChoices, pricer: Pricer,
        limit: MeshPricer.Limit, _ passes: inout LeastPasses
    ) -> [MeshCandidate] {
        var candidates: [MeshCandidate] = []
        var microbatches: [Int: [Int]] = [:]
        for place in places {
            let mesh = meshes[place]
            let sizes = microbatches[mesh.data] ?? space.microbatches(mesh, pricer.plan)
            microbatches[mesh.data] = sizes
            var item = MeshCandidate(mesh: mesh, microbatches: [], least: .infinity, place: place)
            var (state, beside): (Double?, LeastBeside?)
            for microbatch in sizes {
                guard
                    passes.mayWin(mesh, microbatch: microbatch, choices: choices, pricer: pricer, limit: limit)
                else { continue }
                let held = state ?? passes.stateBytes(mesh, choices: choices)
                guard held <= limit.bytes else { break }
                let outside = beside ?? passes.beside(mesh, choices: choices, pricer: pricer)
                (state, beside) = (held, outside)
                let step = passes.step(
                    mesh, microbatch: microbatch, choices: choices, pricer: pricer, within: limit.bytes - held,
                    below: limit, beside: outside)
                guard step.least < .infinity, step.least <= limit.seconds else { continue }
                item.microbatches.append(microbatch)
                item.leastSteps.append(step)
                item.least = min(item.least, step.least)
            }
            if !item.microbatches.isEmpty { candidates.append(item) }
        }
        return candidates
    }

    /// The results of `body` for the places of each share, computed on all cores. No share reads what another computes, so
    /// that the results do not depend on the number of threads.
    private mutating func inShares<Result: Sendable>(
        _ meshes: [Layout], _ places: [Int], threads: Int?, _ body: @Sendable (inout LeastPasses, [Int]) -> [Result]
    ) -> [Result] {
        var shares = [[Int]](repeating: [], count: passes.count)
        for place in places { shares[LeastPasses.share(meshes[place])].append(place) }
        let own = shares
        return passes.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let base = buffer.baseAddress
            return parallelMap(own.count, threads: threads) { share -> [Result] in
                guard let base, !own[share].isEmpty else { return [] }
                return body(&base[share], own[share])
            }.flatMap(\.self)
        }
    }

    /// Meshes that are priced in the first round.
    static let firstRound = 8
    /// Meshes among which those of the first round are chosen where nothing is known yet.
    static let probes = 32

    /// The places of the meshes whose work on the devices themselves is least, lowest bound first.
    mutating func quickest(
        of meshes: [Layout], space: SearchSpace, choices: MeshChoices, pricer: Pricer, threads: Int?
    ) -> [Int] {
        let found = inShares(meshes, Array(meshes.indices), threads: threads) { passes, places in
            var microbatches: [Int: [Int]] = [:]
            return places.compactMap { place -> (least: Double, place: Int)? in
                let mesh = meshes[place]
                let sizes = microbatches[mesh.data] ?? space.microbatches(mesh, pricer.plan)
                microbatches[mesh.data] = sizes
                let least = passes.leastWork(mesh, microbatches: sizes, choices: choices, pricer: pricer)
                return least < .infinity ? (least, place) : nil
            }
        }
        return found.sorted { $0 < $1 }.prefix(Self.probes).map(\.place)
    }

    /// `item` without the micro-batches whose bound is above the limit; nil where no micro-batch is left.
    mutating func within(
        _ limit: MeshPricer.Limit, _ item: MeshCandidate, choices: MeshChoices, pricer: Pricer
    ) -> MeshCandidate? {
        // Closed forms of one rank are exact.
        let seconds = item.mesh.pipeline == 1 ? min(limit.seconds, limit.certain) : limit.seconds
        guard item.least <= seconds else { return nil }
        let share = LeastPasses.share(item.mesh)
        var some = item
        (some.microbatches, some.leastSteps) = ([], [])
        for (microbatch, step) in zip(item.microbatches, item.leastSteps) where step.least <= seconds {
            some.microbatches.append(microbatch)
            some.leastSteps.append(
                passes[share].recomputed(
                    step, item.mesh, microbatch: microbatch, choices: choices, pricer: pricer))
        }
        return some
    }
}
