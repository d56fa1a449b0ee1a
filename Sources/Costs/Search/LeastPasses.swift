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
    /// Lower bounds of the bytes that one micro-batch keeps in a block of each kind, with the allocator's losses.
    var kept: [Double] = []
    /// Lower bound of the bytes beside those of a rank with at least one block: what it computes again at once, and the
    /// gradients of its widest tensors.
    var beside = 0.0

    /// The smaller bound of each part.
    func least(_ other: LeastPass) -> LeastPass {
        LeastPass(
            blocks: zip(blocks, other.blocks).map { min($0, $1) }, embedding: min(embedding, other.embedding),
            head: min(head, other.head), kept: zip(kept, other.kept).map { min($0, $1) },
            beside: min(beside, other.beside))
    }

    /// Lower bound of the seconds of all blocks, of which there are `counts` of each kind.
    func seconds(_ counts: [Int]) -> Double { zip(counts, blocks).reduce(0) { $0 + Double($1.0) * $1.1 } }

    /// Lower bound of the bytes of the fullest of `ranks` pipeline ranks: when the forward of the first micro-batch ends, all
    /// blocks still keep what its backward reads.
    /// - Parameter isWithBlocks: whether every rank has blocks.
    func bytes(_ counts: [Int], ranks: Int, isWithBlocks: Bool) -> Double {
        zip(counts, kept).reduce(0) { $0 + Double($1.0) * $1.1 } / Double(ranks) + (isWithBlocks ? beside : 0)
    }

    /// Lower bound of the seconds of all blocks if some keep everything and the others are recomputed.
    /// - Parameters:
    ///   - whole: the bounds of blocks that keep everything; self: of recomputed ones.
    ///   - bytes: how many bytes more than if all are recomputed all ranks together may keep.
    func seconds(_ counts: [Int], keeping whole: LeastPass, within bytes: Double) -> Double {
        // The blocks that save most seconds for their bytes keep everything first, the last of them in part.
        var kinds: [(seconds: Double, bytes: Double)] = []
        for kind in blocks.indices where kind < counts.count {
            let count = Double(counts[kind])
            let saved = count * (blocks[kind] - whole.blocks[kind])
            if saved > 0 { kinds.append((saved, max(0, count * (whole.kept[kind] - kept[kind])))) }
        }
        kinds.sort { $0.seconds * $1.bytes > $1.seconds * $0.bytes }
        var (sum, left) = (seconds(counts), bytes)
        for kind in kinds {
            let share = kind.bytes > left ? max(0, left) / kind.bytes : 1
            sum -= share * kind.seconds
            left -= share * kind.bytes
        }
        return sum
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
        /// Whether a layout that recomputes nothing may fit.
        var fitsWhole = true
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

        init(_ mesh: Layout, microbatch: Int, sequenceParallel: Bool, recomputes: Bool) {
            (tensor, context) = (mesh.tensor, mesh.context)
            (expert, expertTensor) = (mesh.expert, mesh.expertTensor)
            (self.microbatch, self.sequenceParallel, self.recomputes) = (microbatch, sequenceParallel, recomputes)
        }

        /// A layout of `mesh` with the settings of the key.
        func layout(_ mesh: Layout) -> Layout {
            var layout = mesh
            (layout.microbatch, layout.sequenceParallel) = (microbatch, sequenceParallel)
            (layout.recompute, layout.recomputeLayers, layout.sharding) = (recomputes ? .full : .none, nil, .none)
            return layout
        }
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
    private var places = DeviceGroups([])
    /// The share of a core that each device has.
    private var coreShare = 1.0
    private var parameters = (experts: 0.0, others: 0.0)

    /// - Parameter work: work on the devices themselves that is known already.
    package init(work: KnownWork = KnownWork()) { self.work = work }

    /// Switches to the plan and the networks of `pricer`. Bounds on other networks are kept.
    package mutating func turn(to pricer: Pricer, choices: MeshChoices) {
        let (plan, model) = (pricer.plan, pricer.plan.model)
        let counts = model.parameters()
        parameters.experts = Double(counts.routed)
        parameters.others = max(0, Double(counts.total) - parameters.experts)
        let framework = plan.framework(for: choices.base)
        host = (framework.hostMicrobatch, framework.hostStep)
        triesSelective =
            choices.recompute.contains(.selective) && choices.modules(.selective, on: framework) != nil
        // What is offloaded is on no device, and a recipe's blocks in bf16 are told apart from the others.
        boundsMemory =
            choices.base.offload == nil && pricer.rates.values.allSatisfy { $0.bf16Blocks == nil }
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
        boundsWork = model.tuning == nil
        let share = plan.cluster.coreShare(plan.devices)
        if share != coreShare { (known, here, network, coreShare) = ([:], [:], [], share) }
        guard pricer.network != network else { return }
        known[network] = here
        network = pricer.network
        places = DeviceGroups(network)
        here = known[network] ?? [:]
    }

    /// Lower bounds of a step of `mesh` with `microbatch` sequences in a micro-batch: an equal share of all passes for
    /// each pipeline rank.
    /// - Parameters:
    ///   - bytes: bytes of a rank that may be used beside its state; layouts that need more are left out.
    ///   - limit: seconds of a step that is of interest; layouts that take longer may be left out.
    package mutating func step(
        _ mesh: Layout, microbatch: Int, choices: MeshChoices, pricer: Pricer, within bytes: Double = .infinity,
        below limit: Double = .infinity
    ) -> LeastStep {
        var step = LeastStep()
        let counts = pricer.parts.kinds.counts
        let count = Double(pricer.plan.batch / (mesh.data * microbatch))
        for isSequenceParallel in [false, true]
        where choices.allows(isSequenceParallel, mesh, pricer.plan.model) {
            var key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: false)
            func seconds(_ pass: LeastPass, blocks: Double) -> Double {
                let all = blocks + pass.embedding + pass.head
                return Self.slack * (count * (all / Double(mesh.pipeline) + host.microbatch) + host.step)
            }
            // The work on the devices themselves is known for many layouts at once, and often rules them out.
            if limit < .infinity, boundsWork, here[key] == nil {
                let work = onDevice(key, mesh, choices: choices, pricer: pricer)
                guard seconds(work, blocks: work.seconds(counts)) <= limit else { continue }
            }
            let pass = pass(key, mesh, choices: choices, pricer: pricer)
            var side = LeastStep.Side(kept: pass)
            side.seconds = seconds(pass, blocks: pass.seconds(counts))
            guard side.seconds <= limit else { continue }
            func held(_ pass: LeastPass) -> Double {
                Self.slack * pass.bytes(counts, ranks: mesh.pipeline, isWithBlocks: choices.allRanksRecompute)
            }
            if held(pass) > bytes {
                side.fitsWhole = false
                guard choices.recompute.contains(.full) || triesSelective else { continue }
                if !triesSelective {
                    key.recomputes = true
                    let again = self.pass(key, mesh, choices: choices, pricer: pricer)
                    let more = bytes - held(again)
                    guard more >= 0 else { continue }
                    let kept = more / Self.slack * Double(mesh.pipeline)
                    side.seconds = seconds(pass, blocks: again.seconds(counts, keeping: pass, within: kept))
                    side.recomputed = again
                }
            }
            step[isSequenceParallel] = side
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
            guard step[isSequenceParallel].recomputed == nil else { continue }
            let key = Key(mesh, microbatch: microbatch, sequenceParallel: isSequenceParallel, recomputes: true)
            step[isSequenceParallel].recomputed = pass(key, mesh, choices: choices, pricer: pricer)
        }
        return step
    }

    /// Bounds by the work on the devices themselves alone, without messages.
    private mutating func onDevice(_ key: Key, _ mesh: Layout, choices: MeshChoices, pricer: Pricer) -> LeastPass {
        let layout = key.layout(mesh)
        guard let rates = rates(pricer, layout) else { return LeastPass() }
        let device = device(layout, LayoutGroups.alone, rates, pricer)
        let units = work.units(
            pricer: pricer, rates: rates, device: device,
            gradientBytes: StateBytes(
                precision: pricer.plan.precision, layout: layout, framework: rates.framework
            ).gradient)
        return LeastPass(
            blocks: units.blocks.map(\.seconds), embedding: units.embedding.total, head: units.head.total)
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

    private func device(_ layout: Layout, _ groups: LayoutGroups, _ rates: DeviceRates, _ pricer: Pricer) -> DeviceShare
    {
        DeviceShare(
            plan: pricer.plan, layout: layout, groups: groups,
            vocabulary: pricer.plan.model.paddedVocab(tensor: layout.tensor),
            dropout: pricer.options.dropout ?? !layout.flashAttention, fusesNorms: rates.framework.fusesNorms)
    }

    private mutating func pass(_ layout: Layout, pricer: Pricer) -> LeastPass {
        guard let rates = rates(pricer, layout) else { return LeastPass() }
        let device = device(layout, LayoutGroups(firstOf: layout, places: &places), rates, pricer)
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
        let losses = 1 + rates.framework.fragmentation
        pass.beside = .infinity
        for (kind, block) in pricer.parts.blocks.enumerated() {
            let tensors = BlockTensors(block, device, sequence: pricer.plan.model.sequence, rates: rates)
            var (kept, atOnce) = (Double.infinity, Double.infinity)
            for isSplit in [false, true] {
                let bytes = ActivationBytes(
                    tensors, recompute: layout.recompute, keepsOperations: rates.framework.selectiveOperations,
                    splitsBackward: isSplit, modules: device.modules)
                kept = min(kept, bytes.kept)
                atOnce = min(atOnce, bytes.recomputed)
            }
            pass.kept[kind] = losses * kept
            pass.beside = min(pass.beside, losses * (atOnce + tensors.widestGradients))
        }
        if !pass.beside.isFinite { pass.beside = 0 }
        return pass
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
