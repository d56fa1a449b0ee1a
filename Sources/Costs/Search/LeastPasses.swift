internal import Models
package import Plans
internal import Schedules

/// Lower bounds of one micro-batch's seconds, forward and backward, in each part of a model. They hold for all layouts
/// with the same degrees, independently of the placement of ranks on the network and of the sharding of parameters.
struct LeastPass: Hashable, Sendable {
    /// Of a block of each kind.
    var blocks: [Double] = []
    var embedding = 0.0
    var head = 0.0

    /// The smaller bound of each part.
    func least(_ other: LeastPass) -> LeastPass {
        LeastPass(
            blocks: zip(blocks, other.blocks).map { min($0, $1) }, embedding: min(embedding, other.embedding),
            head: min(head, other.head))
    }
}

/// Lower bounds of the seconds of a step for one micro-batch size, without reductions and the optimizer.
package struct LeastStep: Sendable {
    /// Bounds for layouts with sequence parallelism, or for those without.
    struct Side: Sendable {
        /// Seconds of the step.
        var seconds = Double.infinity
        /// Seconds of a micro-batch if nothing is recomputed.
        var kept = LeastPass()
        /// Seconds of a micro-batch if every block is recomputed; nil: unknown.
        var recomputed: LeastPass?
    }

    var plain = Side()
    var sequenceParallel = Side()

    package var least: Double { min(plain.seconds, sequenceParallel.seconds) }

    subscript(isSequenceParallel: Bool) -> Side {
        get { isSequenceParallel ? sequenceParallel : plain }
        set { if isSequenceParallel { sequenceParallel = newValue } else { plain = newValue } }
    }
}

/// Lower bounds of steps, computed from the passes of one micro-batch.
///
/// Every group of devices is assumed to be placed on the network as well as its first group, which every layout
/// contains. Bounds are kept, because searches of one model on many numbers of devices ask for the same few bounds
/// again.
package struct LeastPasses: Sendable {
    private struct Key: Hashable {
        var tensor: Int
        var context: Int
        var expert: Int
        var expertTensor: Int
        var microbatch: Int
        var sequenceParallel: Bool
        var recomputes: Bool
    }

    /// Bytes of a parameter with one kind of sharding.
    private struct Held {
        var sharding: Layout.Sharding
        var bytes: StateBytes

        func total(_ parameters: Double, group: Int) -> Double {
            let held = bytes.held(parameters: parameters, sharding: sharding, group: group)
            return held.weights + held.gradients + held.optimizer
        }
    }

    /// Factor on every bound, since sums in another order differ in their last digits.
    static let slack = 1 - 1e-9
    /// Bounds by the cluster's networks. Jobs of different sizes may see different blocks of the innermost network.
    private var known: [[NetworkLevel]: [Key: LeastPass]] = [:]
    private var network: [NetworkLevel] = []
    /// Bounds on `network`.
    private var here: [Key: LeastPass] = [:]
    /// Seconds of host work for a micro-batch and for a step.
    private var host = (microbatch: 0.0, step: 0.0)
    private var held: [Held] = []
    private var parameters = (experts: 0.0, others: 0.0)

    package init() {}

    /// Switches to the plan and the networks of `pricer`. Bounds on other networks are kept.
    package mutating func turn(to pricer: Pricer, choices: MeshChoices) {
        let (plan, model) = (pricer.plan, pricer.plan.model)
        let counts = model.parameters()
        parameters.experts = Double(counts.routed)
        parameters.others = max(0, Double(counts.total) - parameters.experts)
        let framework = plan.framework(for: choices.base)
        host = (framework.hostMicrobatch, framework.hostStep)
        // If only some rows of a table take gradients, the table needs less memory, and there is no bound.
        // Frozen weights need less memory too.
        held =
            framework.memory.lookedUp == nil && model.tuning == nil
            ? Set(choices.sharding + choices.shardingWithPipeline).map { sharding in
                var layout = choices.base
                layout.sharding = sharding
                var bytes = StateBytes(
                    precision: plan.precision, layout: layout, framework: framework, optimizer: plan.optimizer)
                bytes.optimizer = bytes.leastOptimizer
                if plan.recipe?.parameterGather == true { bytes.keptWeight = min(1, bytes.keptWeight) }
                return Held(sharding: sharding, bytes: bytes)
            } : []
        guard pricer.network != network else { return }
        known[network] = here
        network = pricer.network
        here = known[network] ?? [:]
    }

    /// Lower bounds of a step of `mesh` with `microbatch` sequences in a micro-batch: an equal share of all passes for
    /// each pipeline rank.
    package mutating func step(
        _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer
    ) -> LeastStep {
        let model = pricer.plan.model
        var step = LeastStep()
        let counts = pricer.parts.kinds.counts
        let count = Double(pricer.plan.batch / (mesh.data * microbatch))
        for isSequenceParallel in [false, true] where choices.allows(isSequenceParallel, mesh, model) {
            let pass = pass(
                mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false,
                choices: choices, pricer: pricer)
            let blocks = zip(counts, pass.blocks).reduce(0) { $0 + Double($1.0) * $1.1 }
            let all = blocks + pass.embedding + pass.head
            let seconds = count * (all / Double(mesh.pipeline) + host.microbatch) + host.step
            step[isSequenceParallel] = LeastStep.Side(seconds: Self.slack * seconds, kept: pass)
        }
        return step
    }

    /// The bounds `step`, completed with bounds of passes in which every block is recomputed.
    package mutating func recomputed(
        _ step: LeastStep, _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer
    ) -> LeastStep {
        guard choices.recompute.contains(.full) else { return step }
        var step = step
        for isSequenceParallel in [false, true] where step[isSequenceParallel].seconds < .infinity {
            step[isSequenceParallel].recomputed = pass(
                mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: true,
                choices: choices, pricer: pricer)
        }
        return step
    }

    private mutating func pass(
        _ mesh: Layout, microbatch: Int, sequenceParallel: Bool, recomputes: Bool, choices: MeshChoices, pricer: Pricer
    ) -> LeastPass {
        let key = Key(
            tensor: mesh.tensor, context: mesh.context, expert: mesh.expert, expertTensor: mesh.expertTensor,
            microbatch: microbatch, sequenceParallel: sequenceParallel, recomputes: recomputes)
        if let pass = here[key] { return pass }
        var layout = mesh
        (layout.microbatch, layout.sequenceParallel) = (microbatch, sequenceParallel)
        (layout.recompute, layout.recomputeLayers, layout.sharding) = (recomputes ? .full : .none, nil, .none)
        // Whatever the exchange among context ranks of a layout is, none of its parts is shorter than with the best.
        var layouts = choices.exchanges(layout, pricer.plan.model)
        if choices.someHideExchange, !layout.overlap.expert, layout.expert * layout.expertTensor > 1 {
            layouts += layouts.map { open in
                var hiding = open
                hiding.overlap.expert = true
                return hiding
            }
        }
        let passes = layouts.map { Self.pass($0, pricer: pricer) }
        let pass = passes.dropFirst().reduce(passes.first ?? LeastPass()) { $0.least($1) }
        here[key] = pass
        return pass
    }

    private static func pass(_ layout: Layout, pricer: Pricer) -> LeastPass {
        let (plan, model) = (pricer.plan, pricer.plan.model)
        guard let rates = pricer.rates[plan.framework(for: layout).name] else { return LeastPass() }
        let device = DeviceShare(
            plan: plan, layout: layout, groups: LayoutGroups(firstOf: layout, on: pricer.network),
            vocabulary: model.paddedVocab(tensor: layout.tensor),
            dropout: pricer.options.dropout ?? !layout.flashAttention, fusesNorms: rates.framework.fusesNorms)
        let state = StateBytes(precision: plan.precision, layout: layout, framework: rates.framework)
        let units = BlockUnits(
            model: model, parts: pricer.parts, rates: rates, device: device, gradientBytes: state.gradient,
            plain: false,
            high: rates.recipe.map { HighBlocks($0, pricer.parts, model, layout, layers: []) })
        return LeastPass(
            blocks: units.blocks.map(\.total), embedding: units.embedding.total, head: units.head.total)
    }

    /// Lower bound of the bytes of weights, gradients and optimizer state on the fullest rank, for all layouts of
    /// `mesh`: the mean of a pipeline's ranks.
    package func stateBytes(_ mesh: Layout, choices: MeshChoices) -> Double {
        let group = mesh.data * mesh.context
        let pieces = mesh.expert * mesh.expertTensor
        let copies = ExpertGrid(mesh).copies
        let kinds = choices.sharding(pipeline: mesh.pipeline)
        let least = held.lazy.filter { kinds.contains($0.sharding) }.map {
            $0.total(parameters.others / Double(mesh.tensor), group: group)
                + $0.total(parameters.experts / Double(pieces), group: copies)
        }.min()
        // What is offloaded is in no device.
        return mesh.offload == nil ? Self.slack * (least ?? 0) / Double(mesh.pipeline) : 0
    }
}

extension PipelineTable {
    /// Lower bound of the seconds of all `entries` with these passes.
    func least(_ entries: Range<Int>, _ side: LeastStep.Side, recompute: Layout.Recompute, host: Double) -> Double {
        var least = Double.infinity
        for entry in self.entries[entries] where recompute == .full || !entry.isPartial {
            least = min(least, self.least(entry, side, recompute: recompute, host: host))
        }
        return least
    }

    /// Lower bound of the seconds of one way to run the pipeline with these passes: the micro-batches of the slowest
    /// rank, and the filling of the pipeline if the schedule leaves the other ranks idle during it.
    func least(_ entry: Entry, _ side: LeastStep.Side, recompute: Layout.Recompute, host: Double) -> Double {
        let kept = side.kept
        let again = recompute == .full ? side.recomputed ?? kept : kept
        var (most, sum) = (0.0, 0.0)
        for index in entry.firstKind..<entry.firstKind + entry.kinds {
            let share = kinds[index]
            let place = index * (4 * blockKinds + 1)
            var seconds = 0.0
            for kind in kept.blocks.indices {
                seconds += counts[place + 2 * kind + 1] * again.blocks[kind]
                seconds += counts[place + 2 * kind] * (entry.isPartial ? kept : again).blocks[kind]
            }
            if share.holdsEmbedding { seconds += kept.embedding }
            if share.holdsHead { seconds += kept.head }
            seconds = entry.passShare * seconds + Double(share.passes) * host
            sum += Double(share.count) * seconds
            most = max(most, seconds)
        }
        let filling = entry.schedule.hasFullBubble ? (sum - most) / Double(entry.shape.virtualStages) : 0
        return LeastPasses.slack * (Double(entry.shape.microbatches) * most + filling)
    }
}
