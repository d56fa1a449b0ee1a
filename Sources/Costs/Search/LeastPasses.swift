internal import Models
package import Plans
internal import Schedules

/// Lower bounds of steps, computed from the passes of one micro-batch.
///
/// Every group of devices is assumed to be placed on the network as well as its first group, which every layout
/// contains. Bounds are kept, because searches of one model on many numbers of devices ask for the same few bounds
/// again.
package struct LeastPasses: Sendable {
    /// Factor on every bound, since sums in another order differ in their last digits.
    static let slack = 1 - 1e-9
    /// Bounds by the cluster's networks. Jobs of different sizes may see different blocks of the innermost network.
    private var known: [[NetworkLevel]: [Key: LeastPass]] = [:]
    private var network: [NetworkLevel] = []
    /// Bounds on `network`.
    private var here: [Key: LeastPass] = [:]
    /// Bounds by the work on the devices themselves alone, without messages.
    private var alone: [Key: LeastWork] = [:]
    /// Bounds of kept bytes, which many passes share.
    private var keptBytes = LeastKept()
    /// Seconds of host work for a micro-batch.
    private var host = 0.0
    /// Bytes and rates from which the seconds outside the passes are bounded, for all layouts alike.
    private var beside = LeastBeside.Shared()
    /// Numbers of stages of a rank with which each pipeline may run if its bubble is a full one; nil: it may be smaller.
    private var stagesOf: [PipelineTable.Size: [Int]?] = [:]
    /// `SlowestNode.slowest` of one rank, by the ranks of its pipeline.
    private var slowestOf: [Int: Double] = [:]
    /// Whether each rank passes every micro-batch through all of its blocks.
    private var passesAll = false
    /// `ScheduleName.fillsFirst` of all schedules that are tried.
    private var fillsFirst = false
    /// Bytes of weights, gradients and optimizer state.
    private var state = LeastState()
    /// Whether recomputing some modules alone is tried; how much memory that saves is not bounded.
    private var triesSelective = false
    /// Whether blocks keep at least what `ActivationBytes` says on the device.
    private var boundsMemory = false
    /// Whether the work on the devices themselves is a bound: the passes of frozen blocks may be without a backward.
    private var boundsWork = false
    /// Layouts with each exchange among context ranks that is tried, by the degrees that decide.
    private var exchangesOf: [[Int]: [Layout]] = [:]
    /// Work on the devices themselves, which does not depend on the networks.
    package private(set) var work: KnownWork
    /// The groups of devices on the networks that were asked for.
    private(set) var places = DeviceGroups([])
    /// The share of a core that each device has.
    private var coreShare = 1.0
    private var parameters = (experts: 0.0, others: 0.0)
    /// Blocks of each kind.
    private var counts: [Int] = []
    /// What the schedules of each pipeline have in common; nil: no schedule runs it.
    private var courses: [PipelineTable.Size: LeastCourse?] = [:]

    /// - Parameter work: work on the devices themselves that is known already.
    package init(work: KnownWork = KnownWork()) { self.work = work }

    /// Switches to the plan and the networks of `pricer`. Bounds on other networks are kept.
    package mutating func turn(to pricer: Pricer, choices: MeshChoices) {
        let (plan, model) = (pricer.plan, pricer.plan.model)
        let counts = model.parameters()
        parameters.experts = Double(counts.routed)
        parameters.others = max(0, Double(counts.total) - parameters.experts)
        self.counts = pricer.parts.kinds.counts
        courses = [:]
        let framework = plan.framework(for: choices.base)
        host = framework.hostMicrobatch
        fillsFirst = choices.pipelines?.schedules.allSatisfy(\.fillsFirst) ?? false
        slowestOf = [:]
        passesAll = choices.pipelines.map { !$0.schedules.contains(where: \.isBidirectional) } ?? false
        triesSelective =
            choices.recompute.contains(.selective) && choices.modules(.selective, on: framework) != nil
        // What is offloaded is on no device, and a recipe's blocks in bf16 are told apart from the others.
        boundsMemory =
            choices.base.offload == nil && pricer.rates.values.allSatisfy { $0.bf16Blocks == nil }
        state = LeastState(plan, choices, framework, parameters: parameters)
        boundsWork = model.tuning == nil
        turn(to: pricer.network, coreShare: plan.cluster.coreShare(plan.devices))
        beside =
            rates(pricer, choices.base).map { LeastBeside.Shared(pricer, choices, $0, places: &places) }
            ?? LeastBeside.Shared()
    }

    private mutating func turn(to other: [NetworkLevel], coreShare share: Double) {
        if share != coreShare { (known, here, alone, network, coreShare) = ([:], [:], [:], [], share) }
        guard other != network else { return }
        known[network] = here
        network = other
        places = DeviceGroups(network)
        here = known[network] ?? [:]
    }

    /// Switches to what `other` was switched to.
    package mutating func turn(like other: LeastPasses) {
        (parameters, host, beside, state) = (other.parameters, other.host, other.beside, other.state)
        (passesAll, fillsFirst, slowestOf) = (other.passesAll, other.fillsFirst, [:])
        (counts, courses) = (other.counts, [:])
        (triesSelective, boundsMemory, boundsWork) = (other.triesSelective, other.boundsMemory, other.boundsWork)
        turn(to: other.network, coreShare: other.coreShare)
    }

    /// Parts into which bounds are divided, so that several cores compute them.
    package static let shares = 8

    /// The part that bounds of `mesh` belong to. Bounds with other degrees have little in common.
    package static func share(_ mesh: Layout) -> Int {
        (mesh.tensor.trailingZeroBitCount + 3 * mesh.expert.trailingZeroBitCount) % shares
    }

    /// Lower bounds of the seconds of a step outside its passes, for all layouts of `mesh`.
    package mutating func beside(_ mesh: Layout, choices: MeshChoices, pricer: Pricer) -> LeastBeside {
        LeastBeside(
            mesh, beside, parameters: parameters, choices: choices, pricer.plan.model, places: &places)
    }

    /// Numbers of stages of a rank with which a pipeline may run, if its bubble is a full one; nil: it may be smaller.
    private mutating func stages(_ size: PipelineTable.Size, _ choices: MeshChoices, _ model: Model) -> [Int]? {
        if let known = stagesOf[size] { return known }
        var found: Set<Int>?
        if let pipelines = choices.pipelines {
            found = []
            for (schedule, stages) in PipelineTable.ways(ranks: size.ranks, layers: model.layers, pipelines) {
                let shape = PipelineShape(
                    ranks: size.ranks, virtualStages: stages, microbatches: size.microbatches)
                guard schedule.problem(shape) == nil else { continue }
                if schedule.hasFullBubble { found?.insert(stages) } else { found = nil }
            }
        }
        let sorted = found?.sorted()
        stagesOf[size] = .some(sorted)
        return sorted
    }

    /// The steps of layouts of `mesh` with micro-batches of `microbatch` sequences; nil: no schedule runs them.
    private mutating func course(
        _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer
    ) -> LeastCourse? {
        let size = PipelineTable.Size(
            ranks: mesh.pipeline, microbatches: pricer.plan.batch / (mesh.data * microbatch))
        if let known = courses[size] { return known }
        let stages = size.ranks > 1 ? stages(size, choices, pricer.plan.model) : nil
        let course: LeastCourse? =
            stages?.isEmpty == true
            ? nil
            : LeastCourse(
                size, host: host, slowest: slowest(mesh, pricer),
                blocks: passesAll ? (pricer.plan.model.layers - 1) / size.ranks + 1 : 0, stages: stages,
                fillsFirst: fillsFirst)
        courses[size] = .some(course)
        return course
    }

    /// Seconds of the slowest node of one pipeline rank, for each second of their mean node.
    private mutating func slowest(_ mesh: Layout, _ pricer: Pricer) -> Double {
        if let known = slowestOf[mesh.pipeline] { return known }
        let slowest = SlowestNode(pricer.plan, pipeline: mesh.pipeline, variation: beside.framework.nodeVariation)
            .slowest(ranks: 1)
        slowestOf[mesh.pipeline] = slowest
        return slowest
    }

    /// Whether some layout of `mesh` with `microbatch` sequences in a micro-batch may be within the limits, by the work on
    /// the devices themselves alone.
    package mutating func mayWin(
        _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer, limit: MeshPricer.Limit
    ) -> Bool {
        guard boundsWork, limit.seconds < .infinity else { return true }
        guard let course = course(mesh, microbatch: microbatch, choices: choices, pricer: pricer) else { return false }
        for isSequenceParallel in [false, true]
        where choices.allows(isSequenceParallel, mesh, pricer.plan.model) {
            let key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false)
            let work = onDevice(key, mesh, choices: choices, pricer: pricer)
            if course.isWithin(limit, work, besides: nil) { return true }
        }
        return false
    }

    /// A lower bound of the steps of all layouts of `mesh` by the work on the devices themselves, and by what is outside the
    /// passes.
    package mutating func leastWork(
        _ mesh: Layout, microbatches: [Int], choices: MeshChoices, pricer: Pricer
    ) -> Double {
        let beside = beside(mesh, choices: choices, pricer: pricer)
        var least = Double.infinity
        for microbatch in microbatches {
            guard let course = course(mesh, microbatch: microbatch, choices: choices, pricer: pricer) else { continue }
            for isSequenceParallel in [false, true]
            where choices.allows(isSequenceParallel, mesh, pricer.plan.model) {
                let key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false)
                let work = onDevice(key, mesh, choices: choices, pricer: pricer)
                least = min(least, course.seconds(work, besides: beside))
            }
        }
        return least
    }

    /// Lower bounds of a step of `mesh` with `microbatch` sequences in a micro-batch. The rank with most work has an equal
    /// share of all passes at least, waits for the slowest of its nodes, and while the pipeline fills and drains.
    /// - Parameters:
    ///   - bytes: bytes of a rank that may be used beside its state; layouts that need more are left out.
    ///   - limit: layouts that take longer may be left out.
    ///   - beside: bounds of the seconds outside the passes; nil: computed here.
    package mutating func step(
        _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer, within bytes: Double = .infinity,
        below limit: MeshPricer.Limit = MeshPricer.Limit(), beside: LeastBeside? = nil
    ) -> LeastStep {
        var step = LeastStep()
        step.beside = beside ?? self.beside(mesh, choices: choices, pricer: pricer)
        guard let course = course(mesh, microbatch: microbatch, choices: choices, pricer: pricer) else { return step }
        for isSequenceParallel in [false, true]
        where choices.allows(isSequenceParallel, mesh, pricer.plan.model) {
            var key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false)
            guard
                bytes == .infinity || !boundsMemory
                    || mayFit(key, mesh, ranks: course.fullRanks, within: bytes, choices: choices, pricer: pricer)
            else { continue }
            // The work on the devices themselves is known for many layouts at once, and often rules them out.
            if limit.seconds < .infinity, boundsWork, here[key] == nil {
                let work = onDevice(key, mesh, choices: choices, pricer: pricer)
                guard course.isWithin(limit, work, besides: step.beside) else { continue }
            }
            let pass = pass(key, mesh, choices: choices, pricer: pricer)
            var work = LeastWork(pass, blocks: pass.seconds(counts))
            guard course.isWithin(limit, work, besides: step.beside) else { continue }
            var side = LeastStep.Side(kept: pass)
            func held(_ pass: LeastPass) -> Double {
                Self.slack * pass.bytes(counts, ranks: course.fullRanks, isWithBlocks: choices.allRanksRecompute)
            }
            if held(pass) > bytes {
                side.fitsWhole = false
                guard choices.recompute.contains(.full) || triesSelective else { continue }
                if !triesSelective {
                    key.recomputes = true
                    let again = self.pass(key, mesh, choices: choices, pricer: pricer)
                    let more = bytes - held(again)
                    guard more >= 0 else { continue }
                    let kept = more / Self.slack * course.fullRanks
                    work.blocks = again.seconds(counts, keeping: pass, within: kept)
                    guard course.isWithin(limit, work, besides: step.beside) else { continue }
                    side.recomputed = again
                }
            }
            side.seconds = course.seconds(work, besides: step.beside)
            step[isSequenceParallel] = side
        }
        return step
    }

    /// Whether some layout of `mesh` with `microbatch` sequences in a micro-batch may keep at most so many bytes beside its
    /// state.
    package mutating func mayFit(
        _ mesh: Layout, microbatch: Int, within bytes: Double, choices: MeshChoices, pricer: Pricer
    ) -> Bool {
        guard let course = course(mesh, microbatch: microbatch, choices: choices, pricer: pricer) else { return false }
        guard boundsMemory else { return true }
        for isSequenceParallel in [false, true]
        where choices.allows(isSequenceParallel, mesh, pricer.plan.model) {
            let key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false)
            let ranks = course.fullRanks
            if mayFit(key, mesh, ranks: ranks, within: bytes, choices: choices, pricer: pricer) { return true }
        }
        return false
    }

    /// Whether some layout with the settings of `key`, or one that recomputes all blocks, may keep at most so many bytes.
    private mutating func mayFit(
        _ key: Key, _ mesh: Layout, ranks: Double, within bytes: Double, choices: MeshChoices, pricer: Pricer
    ) -> Bool {
        func held(_ key: Key) -> Double {
            var least: LeastPass?
            for layout in exchanges(key.layout(mesh), choices: choices, pricer: pricer) {
                guard let rates = rates(pricer, layout) else { return 0 }
                let own = keptBytes.bytes(layout, rates, pricer)
                let pass = LeastPass(kept: own.kept, beside: own.beside)
                least = least.map { $0.least(pass) } ?? pass
            }
            return Self.slack
                * (least ?? LeastPass()).bytes(counts, ranks: ranks, isWithBlocks: choices.allRanksRecompute)
        }
        guard held(key) > bytes else { return true }
        guard choices.recompute.contains(.full), !triesSelective else { return triesSelective }
        var again = key
        again.recomputes = true
        return held(again) <= bytes
    }

    /// The bounds `step`, completed with bounds of passes in which every block is recomputed.
    package mutating func recomputed(
        _ step: LeastStep, _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer
    ) -> LeastStep {
        guard choices.recompute.contains(.full) else { return step }
        var step = step
        for isSequenceParallel in [false, true] where step[isSequenceParallel].seconds < .infinity {
            guard step[isSequenceParallel].recomputed == nil else { continue }
            let key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: true)
            step[isSequenceParallel].recomputed = pass(key, mesh, choices: choices, pricer: pricer)
        }
        return step
    }

    /// Bounds by the work on the devices themselves alone, without messages.
    private mutating func onDevice(_ key: Key, _ mesh: Layout, choices: MeshChoices, pricer: Pricer) -> LeastWork {
        if let known = alone[key] { return known }
        let layout = key.layout(mesh)
        guard let rates = rates(pricer, layout) else { return LeastWork() }
        let device = pricer.share(of: layout, LayoutGroups.alone, rates)
        let units = work.units(
            pricer: pricer, rates: rates, device: device,
            gradientBytes: StateBytes(
                precision: pricer.plan.precision, layout: layout, framework: rates.framework
            ).gradient)
        let pass = LeastPass(
            blocks: units.blocks.map(\.seconds), embedding: units.embedding.total, head: units.head.total)
        let work = LeastWork(pass, blocks: pass.seconds(counts))
        alone[key] = work
        return work
    }

    private mutating func pass(_ key: Key, _ mesh: Layout, choices: MeshChoices, pricer: Pricer) -> LeastPass {
        if let pass = here[key] { return pass }
        let layout = key.layout(mesh)
        // Whatever the exchange among context ranks of a layout is, none of its parts is shorter than with the best. None is
        // longer if it hides the experts' exchange.
        let hides = choices.someHideExchange && layout.expert * layout.expertTensor > 1
        var least: LeastPass?
        for var layout in exchanges(layout, choices: choices, pricer: pricer) {
            if hides { layout.overlap.expert = true }
            let pass = pass(layout, pricer: pricer)
            least = least.map { $0.least(pass) } ?? pass
        }
        let pass = least ?? LeastPass()
        here[key] = pass
        return pass
    }

    /// `layout` with every exchange among its context ranks that is tried.
    private mutating func exchanges(_ layout: Layout, choices: MeshChoices, pricer: Pricer) -> [Layout] {
        guard layout.context > 1 else { return [layout] }
        let degrees = [layout.tensor, layout.context]
        if exchangesOf[degrees] == nil { exchangesOf[degrees] = choices.exchanges(layout, pricer.plan.model) }
        return (exchangesOf[degrees] ?? []).map { other in
            var own = layout
            (own.contextExchange, own.contextHeads) = (other.contextExchange, other.contextHeads)
            return own
        }
    }

    private func rates(_ pricer: Pricer, _ layout: Layout) -> DeviceRates? {
        pricer.rates.count == 1
            ? pricer.rates.first?.value : pricer.rates[pricer.plan.framework(for: layout).name]
    }

    private mutating func pass(_ layout: Layout, pricer: Pricer) -> LeastPass {
        guard let rates = rates(pricer, layout) else { return LeastPass() }
        let device = pricer.share(of: layout, LayoutGroups(firstOf: layout, places: &places), rates)
        let state = StateBytes(precision: pricer.plan.precision, layout: layout, framework: rates.framework)
        let known = work.units(pricer: pricer, rates: rates, device: device, gradientBytes: state.gradient)
        let units = BlockUnits(
            model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device, gradientBytes: state.gradient,
            plain: false,
            high: rates.recipe.map { HighBlocks($0, pricer.parts, pricer.plan.model, layout, layers: []) },
            inside: InsideUnits(
                model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device,
                gradientBytes: state.gradient,
                plain: false, work: known))
        var pass = LeastPass(
            blocks: units.blocks.map(\.total), embedding: units.embedding.total, head: units.head.total,
            kept: [Double](repeating: 0, count: units.blocks.count))
        guard boundsMemory else { return pass }
        (pass.kept, pass.beside) = keptBytes.bytes(layout, rates, pricer)
        return pass
    }

    /// Lower bound of the bytes of weights, gradients and optimizer state on the fullest rank, for all layouts of
    /// `mesh`: the mean of a pipeline's ranks.
    package func stateBytes(_ mesh: Layout, choices: MeshChoices) -> Double {
        state.bytes(mesh, choices: choices)
    }
}
