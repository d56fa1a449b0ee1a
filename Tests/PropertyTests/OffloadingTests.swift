import Costs
import Models
import Plans
import Planner
import Schedules
import PricingSupport
import TestSupport
import Testing

/// Plans that keep something in the memory of their hosts, against counts that share no formula with the planner.
@Suite struct OffloadingTests {
    @Test(arguments: EquivalenceTests.answers + [SearchPropertyTests.priceOfASearch]) func answers(_ property: Property)
    {
        var property = property
        property.share = 0
        property.expectToHold(Corpus.offloading)
    }

    /// Each group of a cluster has hosts of its own.
    @Test(arguments: GroupTests.equal + GroupTests.unlike) func holdsOnGroups(_ property: Property) {
        var property = property
        property.share = 0
        property.expectToHold(Corpus.offloading)
    }

    @Test(arguments: properties) func holds(_ property: Property) { property.expectToHold(Corpus.offloading) }

    @Test func everythingIsDrawn() {
        let plans = Corpus.offloading
        #expect(plans.count > Corpus.plans.count / 2)
        func often(_ what: String, _ holds: (Layout.Offload, Layout) -> Bool) {
            let count = plans.count { plan in
                plan.layout.flatMap { layout in layout.offload.map { holds($0, layout) } } ?? false
            }
            #expect(count >= plans.count / 50, "\(what): \(count) of \(plans.count)")
        }
        often("all of the optimizer") { offload, _ in offload.optimizer == 1 }
        often("a part of the optimizer") { offload, _ in offload.optimizer > 0 && offload.optimizer < 1 }
        often("gradients alone") { offload, _ in offload.gradients && !offload.parameters }
        often("parameters") { offload, _ in offload.parameters }
        often("all activations") { offload, _ in offload.activations == .all }
        often("some activations") { offload, layout in layout.offloadedBlocks != nil }
        often("activations with a split backward") { offload, layout in
            offload.activations != .none && layout.schedule.splitsBackward
        }
        often("inputs of recomputed blocks") { offload, layout in
            offload.activations != .none && layout.recompute == .full
        }
        often("main weights that stay") { offload, layout in offload.optimizer > 0 && !offload.gradients }
        often("one after the other") { offload, _ in !offload.overlap && offload.optimizer > 0 }
    }

    /// The plan that offloads nothing.
    private static func plain(_ plan: Plan) -> Plan { plan.with { $0.offload = nil } }

    static let properties: [Property] = [
        Property(name: "a written plan reads as it was", share: 99, every: 4) { plan, layout in
            let read = try Plan.reading(plan.yaml)
            return read.layout?.offload == layout.offload
                ? .holds : .fails("\(String(describing: read.layout?.offload))")
        },
        Property(name: "state on device and host is that of a device that offloads nothing, shared out", share: 80) {
            plan, layout in try state(plan, layout)
        },
        Property(name: "the host holds what offloaded blocks keep at the fullest moment", share: 15) { plan, layout in
            try activations(plan, layout)
        },
        Property(name: "every copied byte is a tensor's", share: 50) { plan, layout in try copies(plan, layout) },
        Property(name: "copies that take no time and hosts that step at once cost nothing", share: 20) { plan, layout in
            // The optimizer's step on the device is what is saved.
            guard layout.offload?.optimizer == 0 || layout.offload?.gradients == true else { return .silent }
            let free = plan.on { cluster in
                cluster.host?.linkBytesPerSecond = 1e30
                cluster.host?.memoryBytesPerSecond = 1e30
            }
            return Property.atMost("seconds", try Answer(free).seconds, try Answer(plain(plan)).seconds)
        },
        Property(name: "slower hosts and links are never faster", share: 99) { plan, layout in
            let even = plan.withEvenNodes(layout)
            let now = try Answer(even).seconds
            return .all([
                Property.atMost("seconds", now, try Answer(even.on { $0.host?.linkBytesPerSecond /= 4 }).seconds),
                Property.atMost("seconds", now, try Answer(even.on { $0.host?.memoryBytesPerSecond /= 4 }).seconds),
            ])
        },
        Property(name: "overlap is never slower than one after the other", share: 30) { plan, layout in
            guard layout.offloadedOptimizer > 0 else { return .silent }
            return Property.atMost(
                "seconds with overlap", try Answer(plan.with { $0.offload?.overlap = true }).seconds,
                try Answer(plan.with { $0.offload?.overlap = false }).seconds)
        },
        Property(name: "no step is shorter than its copies over the link", share: 99) { plan, layout in
            guard let host = plan.cluster.host else { return .silent }
            let answer = try Answer(plan)
            let most =
                (0..<layout.pipeline).map { rank in
                    let sent = HostTraffic(answer.work, rank: rank)
                    return max(sent.toHost, sent.fromHost) / host.linkBytesPerSecond
                }.max() ?? 0
            return Property.atMost("seconds of the copies", most, answer.seconds)
        },
        Property(name: "what is offloaded leaves the device", share: 99) { plan, layout in
            let (now, then) = (try Answer(plan), try Answer(plain(plan)))
            return .all(
                now.memory.indices.map { rank in
                    let (one, all) = (now.memory[rank], then.memory[rank])
                    let state = (
                        one.weights + one.gradients + one.optimizer, all.weights + all.gradients + all.optimizer
                    )
                    return Property.atMost("state of rank \(rank)", state.0, state.1)
                })
        },
        Property(name: "a device that offloads needs no more memory", share: 90) { plan, layout in
            // Memory that is never returned has room for what is between the halves of a backward, and no such software
            // offloads.
            guard !plan.framework(for: layout).memory.pools else { return .silent }
            let (now, then) = (try Answer(plan), try Answer(plain(plan)))
            return .all(
                now.memory.indices.map { rank in
                    let (one, all) = (now.memory[rank], then.memory[rank])
                    return .all([
                        Property.atMost("activations of rank \(rank)", one.activations, all.activations),
                        Property.atMost("peak of rank \(rank)", one.peak, all.peak),
                    ])
                })
        },
        Property(name: "activations that leave the device are on the host", share: 30) { plan, layout in
            guard layout.offload?.activations != Layout.Offload.Activations.none else { return .silent }
            let (now, then) = (try Answer(plan), try Answer(plain(plan)))
            return .all(
                try now.memory.indices.map { rank in
                    let left = then.memory[rank].activations - now.memory[rank].activations
                    return Property.atMost(
                        "activations that leave rank \(rank)", left, try activationsOnHost(plan, rank))
                })
        },
    ]

    /// Bytes a parameter that the host steps has there: its state, an fp32 gradient (DeepSpeed and Megatron-LM: the gradient
    /// has the format of the parameter on the host), and the weight where nothing else holds its value.
    private static func state(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard let offload = layout.offload, plan.framework(for: layout).memory.lookedUp == nil else { return .silent }
        let (now, then) = (try Answer(plan), try Answer(plain(plan)))
        let held = Inventory(plan.model).held(layout, try PlacedBlocks(plan, layout))
        let isFP32 = plan.precision == .fp32 || CountedState.storesFP32(plan)
        let hasMaster = plan.optimizer.master == .fp32 && !isFP32 && !CountedState.isFSDP(plan)
        // fp16 gradients have an fp32 copy in the optimizer's state already.
        let format = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        let hasCopy = hasMaster && plan.precision == .fp16 && format == .fp16
        let weight: Double = isFP32 || CountedState.isFSDP(plan) && plan.optimizer.master == .fp32 ? 4 : 2
        let software = plan.framework(for: layout)
        // Main weights that the host only copies, and fp16's fp32 gradients, stay where they are.
        let stays: Double = software.keepsOffloadedMaster ? (hasMaster ? 4 : 0) + (hasCopy ? 4 : 0) : 0
        // The device adds to a buffer of the reduced gradients' format.
        let passes = try PlacedBlocks(plan, layout).schedule.microbatches / (layout.schedule.isBidirectional ? 2 : 1)
        let isSummed =
            software.addsOffloadedGradients && offload.gradients && (layout.sharding == .parameters || passes > 1)
        let sum = isSummed ? CountedState.storesFP32(plan) ? 4 : CountedState.bytes(format) : 0
        return .all(
            try held.enumerated().flatMap { rank, held -> [Property.Outcome] in
                let (one, all) = (now.memory[rank], then.memory[rank])
                let parameters =
                    layout.sharding == .none
                    ? held.trained.dense + held.trained.experts
                    : held.trained.dense / Double(CountedState.denseGroup(layout))
                        + held.trained.experts / Double(CountedState.expertGroup(layout))
                let stepped = offload.optimizer * parameters
                var host = offload.optimizer * all.optimizer + (hasCopy ? 0 : 4 * stepped) + sum * stepped
                if offload.parameters { host += all.weights } else if !hasMaster { host += weight * stepped }
                // What blocks keep is counted by another property.
                let counted = one.host - (offload.activations == .none ? 0 : try activationsOnHost(plan, rank))
                return [
                    Property.equal("host's state of rank \(rank)", counted, host),
                    Property.equal(
                        "optimizer of rank \(rank)", one.optimizer,
                        (1 - offload.optimizer) * all.optimizer + stays * stepped),
                    Property.equal("gradients of rank \(rank)", one.gradients, offload.gradients ? 0 : all.gradients),
                    Property.equal("weights of rank \(rank)", one.weights, offload.parameters ? 0 : all.weights),
                ]
            })
    }

    /// The planner's own figure, by taking the state away from the layout.
    private static func activationsOnHost(_ plan: Plan, _ rank: Int) throws -> Double {
        let alone = plan.with { $0.offload = Layout.Offload(activations: $0.offload?.activations ?? .none) }
        guard let layout = alone.layout else { return 0 }
        return try LayoutMemory(Pricer(plan: alone).work(layout)).rank(rank).host
    }

    /// Counted by walking the action lists: a block comes with its forward and goes with its backward.
    private static func activations(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard let offload = layout.offload, offload.activations != .none,
            !CountTests.isByOperation(plan, layout), !CountTests.allocatesByItsOwnCode(plan, layout),
            TunedActivations.speaks(of: plan)
        else { return .silent }
        let inventory = Inventory(plan.model)
        let placed = try PlacedBlocks(plan, layout)
        var right = [Double](repeating: 0, count: layout.pipeline)
        for (rank, actions) in placed.schedule.actions.enumerated() {
            var (held, most) = (0.0, 0.0)
            func bytes(_ stage: Int) -> Double {
                let layers = Array(placed.layers[stage])
                return layers.enumerated().reduce(0) { sum, item in
                    // Modules of multi-token prediction are no blocks of a stage.
                    if case .first(let count) = offload.activations,
                        item.offset >= count || inventory.isModule(item.element)
                    {
                        return sum
                    }
                    return sum
                        + CountTests.kept(
                            plan, layout, inventory, item.element, recomputed: layout.recompute == .full)
                }
            }
            for action in actions {
                switch action.kind {
                case .forward, .fused: held += bytes(Int(action.stage))
                case .backward, .backwardInput, .backwardWeight, .softmax, .outputGradient: break
                }
                most = max(most, held)
                switch action.kind {
                case .backward, .backwardInput: held -= bytes(Int(action.stage))
                case .fused: held -= bytes(Int(action.partnerStage))
                case .forward, .backwardWeight, .softmax, .outputGradient: break
                }
            }
            right[rank] = most
        }
        return .all(
            try right.indices.map { rank in
                Property.equal("on the host of rank \(rank)", try activationsOnHost(plan, rank), right[rank])
            })
    }

    /// Bytes of every tensor that travels in a step, passed by passed: activations of offloaded blocks both ways, shards for
    /// each forward and backward, reduced gradients of each micro-batch; and once for the step.
    private static func copies(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard let offload = layout.offload, offload.activations == .none || TunedActivations.speaks(of: plan),
            !CountTests.isByOperation(plan, layout), !CountTests.allocatesByItsOwnCode(plan, layout)
        else { return .silent }
        let (inventory, placed) = (Inventory(plan.model), try PlacedBlocks(plan, layout))
        // Of an odd number one more enters at one end, and the planner takes the mean of both.
        guard !layout.schedule.isBidirectional || placed.schedule.microbatches % 2 == 0 else { return .silent }
        let work = try Pricer(plan: plan).work(layout)
        let isFP32 = plan.precision == .fp32 || CountedState.storesFP32(plan)
        let has32 = CountedState.isFSDP(plan) && plan.optimizer.master == .fp32
        let weight: Double = isFP32 || has32 ? 4 : 2
        let format = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        let gradient = CountedState.storesFP32(plan) ? 4 : CountedState.bytes(format)
        let groups = (Double(CountedState.denseGroup(layout)), Double(CountedState.expertGroup(layout)))
        let software = plan.framework(for: layout)
        let count = placed.schedule.microbatches / (layout.schedule.isBidirectional ? 2 : 1)
        // Passes of a rank's stage so far.
        var passed: [Int: Int] = [:]
        var blocks = [Double](repeating: 0, count: layout.pipeline)
        var (out, back) = (
            [Double](repeating: 0, count: layout.pipeline), [Double](repeating: 0, count: layout.pipeline)
        )
        for microbatch in 0..<placed.schedule.microbatches {
            for (stage, layers) in placed.layers.enumerated() {
                let rank = placed.schedule.placement.rank(stage: stage, microbatch: microbatch)
                let place = rank * placed.layers.count + stage
                passed[place, default: 0] += 1
                let pass = passed[place, default: 0]
                for (index, layer) in layers.enumerated() {
                    var copied = offload.activations != .none
                    if case .first(let count) = offload.activations {
                        copied = index < count && !inventory.isModule(layer)
                    }
                    let kept =
                        copied
                        ? CountTests.kept(plan, layout, inventory, layer, recomputed: layout.recompute == .full) : 0
                    var unit = HeldParameters()
                    unit.add(inventory.tensors(ofBlock: layer), layout)
                    blocks[rank] += unit.dense
                    out[rank] += kept
                    back[rank] += kept
                    let reduced = unit.trained.dense / groups.0 + unit.trained.experts / groups.1
                    if offload.gradients, software.addsOffloadedGradients {
                        // A buffer on the host comes back, is added to and goes again; the last sums also go in fp32.
                        let isWhole = layout.sharding == .parameters
                        if isWhole || count > 1 { out[rank] += gradient * reduced }
                        if isWhole || pass > 1 { back[rank] += gradient * reduced }
                        if pass == count { out[rank] += 4 * reduced }
                    } else if offload.gradients {
                        out[rank] += gradient * reduced
                    }
                    if offload.parameters {
                        back[rank] += 2 * weight * (unit.dense / groups.0 + unit.experts / groups.1)
                    }
                }
            }
        }
        let held = inventory.held(layout, placed)
        return .all(
            held.enumerated().flatMap { rank, held -> [Property.Outcome] in
                let found = HostTraffic(work, rank: rank)
                let parameters =
                    layout.sharding == .none
                    ? held.trained.dense + held.trained.experts
                    : held.trained.dense / groups.0 + held.trained.experts / groups.1
                let step = offload.optimizer * parameters
                let isFP32Copy = software.copiesFP32ToHost
                let once = (
                    offload.gradients ? 0 : (isFP32Copy ? 4 : gradient) * step,
                    offload.parameters ? 0 : (isFP32Copy ? 4 : weight) * step
                )
                // Tables travel with the ends' passes, at most four times each; a rank without ends has none.
                let isEnd = rank == 0 || rank == layout.pipeline - 1 || layout.schedule.isBidirectional
                let ends = offload.gradients && isEnd
                let passes = Double(placed.schedule.microbatches) * (layout.schedule.isBidirectional ? 0.5 : 1)
                let table = max(0, passes * held.dense - blocks[rank]) / groups.0
                let most = 4 * (weight + (offload.gradients ? gradient : 0)) * table
                return [
                    ends
                        ? Property.atMost("to the host from rank \(rank)", out[rank] + once.0, found.toHost)
                        : Property.equal("to the host from rank \(rank)", found.toHost, out[rank] + once.0),
                    ends
                        ? Property.atMost("from the host to rank \(rank)", found.fromHost, back[rank] + once.1 + most)
                        : Property.equal("from the host to rank \(rank)", found.fromHost, back[rank] + once.1),
                ]
            })
    }
}
