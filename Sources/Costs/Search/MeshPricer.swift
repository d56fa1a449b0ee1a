internal import Models
package import Plans
package import Schedules

/// Time and memory of one layout of a mesh. `MeshPricer.layout(of:)` gives the layout, until the next mesh is priced.
package struct QuickPrice: Sendable {
    /// Seconds of a step by closed form, equal to those of `IterationTime`.
    package var seconds: Double
    /// Bytes of the fullest rank, equal to `LayoutMemory.peak`. Of software that never frees memory
    /// (`Framework.Memory.pools`) and with split backwards it may be more: ranks of one kind are priced as one.
    package var peak: Double
    /// Index of the mesh's passes that the layout's micro-batches use.
    fileprivate var pass: Int32
    /// Index into the table of the way in which the layout runs the pipeline.
    fileprivate var entry: Int32
    package fileprivate(set) var schedule: ScheduleName
    fileprivate var sharding: Layout.Sharding
}

extension PipelineTable.Partition {
    /// Whether ranks hold the same blocks under a schedule of the same kind, so that their state is the same.
    fileprivate func hasState(of other: Self) -> Bool {
        schedule == other.schedule && virtualStages == other.virtualStages && layers == other.layers
            && shares.kinds.count == other.shares.kinds.count
            && zip(shares.kinds, other.shares.kinds).allSatisfy {
                $0.count == $1.count && $0.share.blocks == $1.share.blocks
            }
    }
}

/// Prices every layout of a mesh from terms that are computed once for all layouts that share them.
///
/// Terms that depend on parameter sharding (memory of the state, reductions, optimizer) are computed for each partition
/// of the blocks and each sharding. Terms that depend on the micro-batch (times of blocks and ends, activations,
/// messages) are computed for each micro-batch, sequence parallelism and recomputation. The price of a layout combines
/// one of each, by kinds of rank, and allocates nothing. Every term comes from `LayoutWork`, so that there is one set
/// of formulas.
package struct MeshPricer {
    let pricer: Pricer
    let table: PipelineTable
    let choices: MeshChoices
    /// The longest step and the largest state of interest. Layouts beyond either limit may be left out.
    private var limit: Limit
    /// The limit for pipelines of several ranks.
    private let own: Limit
    private var states: [StateTerms] = []
    private var kindStates: [KindState] = []
    private var passes: [KindPass] = []
    /// The layouts of the mesh's passes. Each of them, with one way to run the pipeline and one sharding, is a layout
    /// that is priced.
    private var passLayouts: [Layout] = []
    /// Whether each partition's state terms are known.
    private var wanted: [Bool] = []
    private var places: DeviceGroups
    /// The exchanges that were chosen for context ranks, by the degrees that decide.
    private var exchanges: [ExchangeKey: Layout] = [:]

    private var known: KnownPasses
    /// Times that are known for each share of meshes; one for all where bounds have computed none.
    private let insides: [KnownInsides]

    private struct ExchangeKey: Hashable {
        var tensor: Int
        var context: Int
        var microbatch: Int
    }

    /// Limits in seconds of a step and bytes of a rank. A layout beyond one of them need not be priced.
    package struct Limit: Hashable, Sendable {
        /// Seconds by closed form, which differs from the simulated time of a pipeline.
        package var seconds = Double.infinity
        /// Seconds that are sure not to be exceeded: those of a pipeline of one rank, and of the passes of any rank.
        package var certain = Double.infinity
        package var bytes = Double.infinity

        package init() {}
    }

    /// - Parameter bounds: what bounds of the same plan on the same networks have computed, each share of meshes by itself;
    ///   empty: nothing is known.
    package init(
        pricer: Pricer, table: PipelineTable, choices: MeshChoices, limit: Limit = Limit(),
        bounds: [LeastPasses] = []
    ) {
        (self.limit, own) = (limit, limit)
        insides = bounds.isEmpty ? [KnownInsides()] : bounds.map { KnownInsides(work: $0.work) }
        known = KnownPasses(insides: insides[0])
        self.pricer = pricer
        self.table = table
        self.choices = choices
        places = bounds.first?.places ?? DeviceGroups(pricer.network)
    }

    /// Appends the price of every layout of `mesh` whose micro-batches have one of `microbatches` sequences, in a fixed
    /// order.
    /// - Parameter least: lower bounds of a step for each micro-batch size; empty if unknown.
    /// - Returns: number of ways to run the pipeline that a rule of their schedule forbids.
    package mutating func price(
        _ mesh: Layout, microbatches: [Int], least: [LeastStep] = [], into prices: inout ContiguousArray<QuickPrice>
    ) -> Int {
        passLayouts.removeAll(keepingCapacity: true)
        if insides.count > 1 { known = KnownPasses(insides: insides[LeastPasses.share(mesh)]) }
        known.removeAll()
        limit = own
        // Closed forms of one rank are exact.
        if mesh.pipeline == 1 { limit.seconds = min(own.seconds, own.certain) }
        var rejected = 0
        let mesh = exchanging(mesh, microbatch: microbatches.first ?? 1)
        let group = mesh.data * mesh.context
        let shardings = choices.shardings(of: mesh, pricer.plan.model)
        let whole = shardings.filter { $0 != .parameters }
        if !whole.isEmpty {
            rejected += price(mesh, microbatches, least, shardings: whole, shardGroup: nil, into: &prices)
        }
        guard shardings.contains(.parameters) else { return rejected }
        if choices.wholeSharding {
            rejected += price(mesh, microbatches, least, shardings: [.parameters], shardGroup: nil, into: &prices)
        }
        for shards in choices.shardGroups
        where shards > 1 && shards < group && group % shards == 0 && mesh.expert == 1 {
            rejected += price(mesh, microbatches, least, shardings: [.parameters], shardGroup: shards, into: &prices)
        }
        return rejected
    }

    /// `mesh` with the exchange among its context ranks that exposes fewest seconds of a micro-batch of `microbatch`
    /// sequences. Other degrees do not change it, since the same ranks share a sequence.
    private mutating func exchanging(_ mesh: Layout, microbatch: Int) -> Layout {
        guard mesh.context > 1 else { return mesh }
        let key = ExchangeKey(tensor: mesh.tensor, context: mesh.context, microbatch: microbatch)
        let chosen: Layout
        if let known = exchanges[key] {
            chosen = known
        } else {
            chosen = quickestExchange(mesh, microbatch: microbatch)
            exchanges[key] = chosen
        }
        var mesh = mesh
        (mesh.contextExchange, mesh.contextHeads) = (chosen.contextExchange, chosen.contextHeads)
        return mesh
    }

    private mutating func quickestExchange(_ mesh: Layout, microbatch: Int) -> Layout {
        let (plan, model) = (pricer.plan, pricer.plan.model)
        let layouts = choices.exchanges(mesh, model)
        guard layouts.count > 1 else { return layouts.first ?? mesh }
        var best: (layout: Layout, seconds: Double)?
        for var layout in layouts {
            layout.microbatch = microbatch
            guard let rates = pricer.rates[plan.framework(for: layout).name] else { continue }
            let device = DeviceShare(
                plan: plan, layout: layout, groups: LayoutGroups(contextOf: layout, places: &places),
                vocabulary: model.vocab,
                dropout: pricer.options.dropout ?? !layout.flashAttention, fusesNorms: rates.framework.fusesNorms)
            let seconds = zip(pricer.parts.blocks, pricer.parts.kinds.counts).reduce(0) { sum, kind in
                sum + Double(kind.1)
                    * BlockTimes(
                        block: kind.0, sequence: model.sequence, rates: rates, device: device, gradientBytes: 4
                    ).contextSeconds
            }
            if seconds < best?.seconds ?? .infinity { best = (layout, seconds) }
        }
        return best?.layout ?? mesh
    }

    /// Whether a layout of a search hides the experts' exchange behind another micro-batch because its schedule does so
    /// unless a plan says otherwise.
    private func hidesExchange(_ schedule: ScheduleName, _ layout: Layout) -> Bool {
        Layout.Overlap.standard(with: schedule).expert && !layout.overlap.sharedExperts
    }

    /// The layout of a price of the last mesh.
    package func layout(of price: QuickPrice) -> Layout {
        let entry = table.entries[Int(price.entry)]
        var layout = passLayouts[Int(price.pass)]
        layout.schedule = entry.schedule
        if hidesExchange(entry.schedule, layout) { layout.overlap.expert = true }
        layout.virtualStages = entry.shape.virtualStages
        layout.recomputeLayers = entry.isPartial ? entry.recomputeLayers : nil
        let partition = table.partitions[entry.partition]
        layout.layersPerStage = partition.countsEnds ? partition.layers : nil
        layout.sharding = price.sharding
        return layout
    }

    /// Appends prices of layouts whose blocks take equal times: all layouts without full sharding, or fully sharded
    /// ones with one shard group.
    private mutating func price(
        _ mesh: Layout, _ microbatches: [Int], _ least: [LeastStep], shardings: [Layout.Sharding], shardGroup: Int?,
        into prices: inout ContiguousArray<QuickPrice>
    ) -> Int {
        let plan = pricer.plan
        var layout = mesh
        layout.sharding = shardings[0]
        layout.shardGroup = shardGroup
        guard let rates = pricer.rates[plan.framework(for: layout).name],
            let all = table.partitionsByRanks[mesh.pipeline]
        else { return 0 }
        known.begin(plan, ranks: mesh.pipeline, on: rates.framework)
        if wanted.count < table.partitions.count {
            wanted = [Bool](repeating: true, count: table.partitions.count)
        }
        let partitions = least.isEmpty ? all : possible(all, mesh, microbatches, least, rates.framework.hostMicrobatch)
        guard let firstPartition = partitions.first else { return 0 }
        let groups = prepareStates(layout, partitions: partitions, shardings: shardings, rates: rates)
        var rejected = 0
        for (index, microbatch) in microbatches.enumerated() {
            let count = plan.batch / (mesh.data * microbatch)
            let size = PipelineTable.Size(ranks: mesh.pipeline, microbatches: count)
            guard let entries = table.entriesBySize[size] else { continue }
            // Seconds that remain for the passes of a layout within the limit.
            let left =
                limit.seconds < .infinity || limit.bytes < .infinity
                ? limit.seconds
                    - leastBeside(partitions, shardings: shardings.count, microbatches: Double(count)) : .infinity
            guard left > 0 else { continue }
            let someHide =
                choices.someHideExchange && plan.model.mixtureLayers > 0 && mesh.expert * mesh.expertTensor > 1
                && !layout.overlap.expert && table.entries[entries].contains { hidesExchange($0.schedule, layout) }
            layout.microbatch = microbatch
            for sequenceParallel in choices.sequenceParallel {
                guard choices.allows(sequenceParallel, mesh, plan.model) else { continue }
                layout.sequenceParallel = sequenceParallel
                for recompute in choices.recompute {
                    guard let modules = choices.modules(recompute, on: rates.framework) else { continue }
                    if index < least.count {
                        let side = least[index][sequenceParallel]
                        guard recompute != .none || side.fitsWhole,
                            mayWin(
                                entries, side, recompute: recompute, within: left, shardings: shardings.count,
                                host: rates.framework.hostMicrobatch)
                        else { continue }
                    }
                    layout.recompute = recompute
                    layout.recomputeModules = modules
                    // Any number of recomputed blocks makes the work hold the times of both kinds of block.
                    // Blocks in bf16 are told apart by that number, so that a search recomputes all of them or none.
                    layout.recomputeLayers = recompute == .full && plan.recipe?.keepsBlocks != true ? 1 : nil
                    let any = table.partitions[firstPartition]
                    func terms(_ hides: Layout.Overlap) -> PassTerms {
                        let work = LayoutWork(
                            pricer: pricer, rates: rates, layout: layout,
                            shape: PipelineShape(ranks: mesh.pipeline, microbatches: count), layers: any.layers,
                            shares: any.shares, groups: groups[0], hides: hides, known: known.insides)
                        return PassTerms(work, known.activations(of: work), slowest: known.slowest)
                    }
                    rejected += (table.rejectedBySize[size] ?? 0) * shardings.count
                    let first = prices.count
                    passLayouts.append(layout)
                    let ways = layout.waysOfHiding(plan.model)
                    // With several ways, every layout is priced in each, since a layout that is too slow in one way may
                    // be fastest in another.
                    let limit = ways.count > 1 || someHide ? .infinity : left
                    price(
                        terms(ways[0]), entries: entries, layout: layout, shardings: shardings, limit: limit,
                        into: &prices)
                    /// Lowers the prices of layouts, whose order is the same in each way, to those with `hides`.
                    func lower(hiding hides: Layout.Overlap, where isMeant: (ScheduleName) -> Bool) {
                        var others = ContiguousArray<QuickPrice>()
                        price(
                            terms(hides), entries: entries, layout: layout, shardings: shardings, limit: limit,
                            into: &others)
                        for (index, other) in others.enumerated() where isMeant(other.schedule) {
                            prices[first + index].seconds = min(prices[first + index].seconds, other.seconds)
                        }
                    }
                    for hides in ways.dropFirst() { lower(hiding: hides) { _ in true } }
                    guard someHide else { continue }
                    var hiding = layout
                    hiding.overlap.expert = true
                    for hides in hiding.waysOfHiding(plan.model) where hides.expert {
                        lower(hiding: hides) { hidesExchange($0, layout) }
                    }
                }
            }
        }
        return rejected
    }

    /// Whether some way to run the pipeline of `entries` may take no more than `seconds` in its passes and fit.
    private func mayWin(
        _ entries: Range<Int>, _ side: LeastStep.Side, recompute: Layout.Recompute, within seconds: Double,
        shardings: Int, host: Double
    ) -> Bool {
        table.entries[entries].contains { entry in
            (recompute == .full || !entry.isPartial) && wanted[entry.partition]
                && table.least(entry, side, recompute: recompute, host: host, slowest: known.slowest) <= seconds
                && mayFit(entry, side, recompute: recompute, shardings: shardings)
        }
    }

    /// Whether a way to run the pipeline may fit with some sharding.
    private func mayFit(
        _ entry: PipelineTable.Entry, _ side: LeastStep.Side, recompute: Layout.Recompute, shardings: Int
    ) -> Bool {
        guard limit.bytes < .infinity, recompute != .selective else { return true }
        let whole = side.kept
        let again = recompute == .full ? side.recomputed ?? LeastPass() : whole
        return (0..<shardings).contains { sharding in
            let first = states[entry.partition * shardings + sharding].firstKind
            return (0..<entry.kinds).allSatisfy { kind in
                let bytes =
                    kindStates[first + kind].bytes
                    + table.leastKept(entry, kind: kind, whole: whole, recomputed: again)
                return LeastPasses.slack * bytes <= limit.bytes
            }
        }
    }

    /// Whether the activations of a way to run the pipeline alone fit.
    private func holds(_ entry: PipelineTable.Entry, _ side: LeastStep.Side, recompute: Layout.Recompute) -> Bool {
        guard limit.bytes < .infinity, recompute != .selective else { return true }
        let again = recompute == .full ? side.recomputed ?? LeastPass() : side.kept
        return (0..<entry.kinds).allSatisfy { kind in
            LeastPasses.slack * table.leastKept(entry, kind: kind, whole: side.kept, recomputed: again) <= limit.bytes
        }
    }

    /// The `partitions` with which some way to run the pipelines of `mesh` may stay within the limit. They are marked
    /// in `wanted` until the next mesh.
    private mutating func possible(
        _ partitions: [Int], _ mesh: Layout, _ microbatches: [Int], _ least: [LeastStep], _ host: Double
    ) -> [Int] {
        for partition in partitions { wanted[partition] = false }
        for (microbatch, step) in zip(microbatches, least) {
            let size = PipelineTable.Size(
                ranks: mesh.pipeline, microbatches: pricer.plan.batch / (mesh.data * microbatch))
            guard let entries = table.entriesBySize[size] else { continue }
            for isSequenceParallel in choices.sequenceParallel {
                let side = step[isSequenceParallel]
                guard side.seconds <= limit.seconds else { continue }
                for entry in table.entries[entries] where !wanted[entry.partition] {
                    wanted[entry.partition] = choices.recompute.contains {
                        ($0 == .full || !entry.isPartial)
                            && table.least(
                                entry, side, recompute: $0, host: host, slowest: known.slowest, beside: step.beside)
                                <= limit.seconds
                            && holds(entry, side, recompute: $0)
                    }
                }
            }
        }
        return partitions.filter { wanted[$0] }
    }

    /// Computes the state terms of every partition and sharding, at index partition · shardings + sharding.
    /// - Returns: the groups of devices for each sharding.
    private mutating func prepareStates(
        _ layout: Layout, partitions: [Int], shardings: [Layout.Sharding], rates: DeviceRates
    ) -> [LayoutGroups] {
        let most = table.partitions.count * shardings.count
        if states.count < most { states = [StateTerms](repeating: StateTerms(), count: most) }
        kindStates.removeAll(keepingCapacity: true)
        var layout = layout
        let groups = shardings.map { sharding in
            layout.sharding = sharding
            return LayoutGroups(layout, places: &places)
        }
        // How many blocks are recomputed changes no state.
        var prepared = [Int?](repeating: nil, count: table.partitions.count)
        for index in partitions {
            let partition = table.partitions[index]
            if let other = prepared[partition.division], table.partitions[other].hasState(of: partition) {
                for place in shardings.indices {
                    states[index * shardings.count + place] = states[other * shardings.count + place]
                }
                continue
            }
            prepared[partition.division] = index
            layout.schedule = partition.schedule
            layout.virtualStages = partition.virtualStages
            for (place, sharding) in shardings.enumerated() {
                layout.sharding = sharding
                let work = LayoutWork(
                    pricer: pricer, rates: rates, layout: layout,
                    shape: PipelineShape(
                        ranks: layout.pipeline, virtualStages: partition.virtualStages, microbatches: 1),
                    layers: partition.layers, shares: partition.shares, units: BlockUnits(), groups: groups[place])
                states[index * shardings.count + place] = StateTerms(work, firstKind: kindStates.count)
                let first = kindStates.count
                for kind in partition.shares.kinds { kindStates.append(KindState(of: kind.share, work)) }
                // What no host holds fits no device either.
                if layout.offload != nil, !HostMemory.holdsState(work) {
                    for kind in first..<kindStates.count { kindStates[kind].bytes = .infinity }
                }
            }
        }
        let kinds = table.kinds.count
        if passes.count < kinds { passes = [KindPass](repeating: KindPass(), count: kinds) }
        return groups
    }

    /// Lower bound of the seconds outside the passes, for layouts within the limit: the smallest over all partitions
    /// and shardings that fit. Infinite if none fits.
    private func leastBeside(_ partitions: [Int], shardings: Int, microbatches: Double) -> Double {
        // A pass of a step within the limit cannot be longer than this, so it cannot hide more.
        let pass = limit.seconds / microbatches
        var least = Double.infinity
        for partition in partitions {
            let kinds = table.partitions[partition].shares.kinds.count
            for place in 0..<shardings {
                let state = states[partition * shardings + place]
                var (once, between, bytes) = (0.0, Double.infinity, 0.0)
                for kind in kindStates[state.firstKind..<state.firstKind + kinds] {
                    bytes = max(bytes, kind.bytes)
                    guard state.reduces else { continue }
                    let reduce = kind.reduction.reduceExposed(behind: pass)
                    let gather = kind.reduction.gatherExposed(behind: pass)
                    // Of the work after every micro-batch, the rank with most work waits only for its own.
                    between = min(between, kind.reduction.isRepeated ? reduce : 0)
                    once = max(once, kind.reduction.isRepeated ? gather : reduce + gather)
                }
                guard bytes <= limit.bytes else { continue }
                least = min(least, state.fixed + once + (state.reduces ? microbatches * between : 0))
            }
        }
        return least
    }

    /// Prices one micro-batch with every way to run the pipeline and every sharding: the inner loop of a search.
    private mutating func price(
        _ pass: PassTerms, entries: Range<Int>, layout: Layout, shardings: [Layout.Sharding], limit: Double,
        into prices: inout ContiguousArray<QuickPrice>
    ) {
        let mayBePartial = layout.recompute == .full
        let count = shardings.count
        var price = QuickPrice(
            seconds: 0, peak: 0, pass: Int32(truncatingIfNeeded: passLayouts.count - 1), entry: 0,
            schedule: .oneForwardOneBackward, sharding: .none)
        let table = table
        // Pointers, because every access to a list would count references.
        pass.withNumbers { pass in
            table.entries.withUnsafeBufferPointer { allEntries in
                table.kinds.withUnsafeBufferPointer { kinds in
                    // Each list has at least one number for every entry.
                    withUnsafePointers(table.counts, table.held) { counts, held in
                        table.heldBounds.withUnsafeBufferPointer { bounds in
                            states.withUnsafeBufferPointer { states in
                                kindStates.withUnsafeBufferPointer { kindStates in
                                    passes.withUnsafeMutableBufferPointer { passes in
                                        for index in entries {
                                            let entry = allEntries[index]
                                            guard mayBePartial || !entry.isPartial else { continue }
                                            let pipeline = pass.pipeline(
                                                entry, kinds: kinds, counts: counts, held: held, bounds: bounds,
                                                passes: passes)
                                            guard pipeline <= limit, wanted[entry.partition] else { continue }
                                            price.schedule = entry.schedule
                                            price.entry = Int32(truncatingIfNeeded: index)
                                            for place in 0..<count {
                                                let state = states[entry.partition * count + place]
                                                var peak = 0.0
                                                var slowest = SlowestReduction()
                                                for kind in 0..<entry.kinds {
                                                    let held = kindStates[state.firstKind + kind]
                                                    let pass = passes[kind]
                                                    peak = max(peak, held.bytes + pass.activations)
                                                    guard state.reduces else { continue }
                                                    slowest.add(
                                                        held.reduction, forward: pass.forward, backward: pass.backward,
                                                        work: pass.work)
                                                }
                                                price.peak = peak
                                                price.seconds =
                                                    pipeline + state.fixed
                                                    + slowest.seconds(microbatches: Double(entry.shape.microbatches))
                                                price.sharding = shardings[place]
                                                prices.append(price)
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
