internal import Models
package import Plans
internal import Schedules

/// Prices layouts of one plan. Everything that depends on the plan alone is computed once.
///
/// A class, so that the works of a search share one pricer without copying it.
package final class Pricer: Sendable {
    package let plan: Plan
    package let options: CostOptions
    /// The parts of the plan's model.
    let parts: ModelParts
    /// `Model.headInBlocks` of the plan's model.
    let head: Double
    /// Rates of the plan's devices, by the name of the software that layouts run on.
    let rates: [String: DeviceRates]
    /// The cluster's networks from the innermost to the outermost.
    let network: [NetworkLevel]
    /// The link of a device to its host; nil: unknown.
    let link: HostLink?
    /// The pricers of the cluster's groups, as if the plan had no other devices; nil: all devices are alike.
    let groups: [Pricer]?

    package convenience init(plan: Plan, options: CostOptions = CostOptions()) throws(CostError) {
        try self.init(plan: plan, options: options, devices: plan.devices)
    }

    /// The pricer of a plan that differs from that of `other` in nothing but its devices and its batch. What depends on the
    /// model alone is taken over.
    package convenience init(plan: Plan, like other: Pricer) throws(CostError) {
        try self.init(plan: plan, options: other.options, devices: plan.devices, like: other)
    }

    /// - Parameters:
    ///   - devices: devices that the plan's cluster has, which may be one group of several.
    ///   - other: a pricer whose plan differs in devices and batch alone; nil: there is none.
    private init(plan: Plan, options: CostOptions, devices: Int, like other: Pricer? = nil) throws(CostError) {
        let plan = plan.onOneFramework
        self.plan = plan
        self.options = options
        parts = other?.parts ?? ModelParts(plan.model)
        head = other?.head ?? plan.model.headInBlocks
        link = HostLink(plan.cluster, devices: devices)
        network = NetworkLevel.levels(of: plan.cluster, devices: devices)
        groups = try Self.pricers(plan, options)
        var rates: [String: DeviceRates] = [:]
        let share = plan.cluster.coreShare(devices)
        if let other, other.plan.cluster.coreShare(other.plan.devices) == share {
            self.rates = other.rates
            try Self.check(plan)
            return
        }
        let device = plan.cluster.device.sharing(share)
        let names =
            (plan.frameworks.named ?? plan.frameworks.assumed).map { [$0] } ?? Frameworks.automaticNames
        for name in names {
            let framework = plan.frameworks.known[name] ?? Framework(name: name)
            rates[name] = try DeviceRates(
                device: device, precision: plan.precision, framework: framework, recipe: plan.recipe)
        }
        self.rates = rates
        try Self.check(plan)
    }

    private static func check(_ plan: Plan) throws(CostError) {
        guard plan.batch > 0, plan.devices > 0, plan.model.layers > 0, plan.model.sequence > 0 else {
            throw .badPlan("batch, devices, layers and sequence must be positive")
        }
        guard !plan.cluster.networks.isEmpty || plan.devices == 1 else {
            throw .badPlan("cluster \(plan.cluster.name) names no network to join \(plan.devices) devices")
        }
    }

    /// The pricers of the groups of the plan's cluster; nil: it has none.
    private static func pricers(_ plan: Plan, _ options: CostOptions) throws(CostError) -> [Pricer]? {
        guard let groups = plan.cluster.groups else { return nil }
        guard groups.devices == plan.devices else {
            throw .badPlan(
                "the groups of cluster \(plan.cluster.name) have \(groups.devices) devices, the plan \(plan.devices)")
        }
        var pricers: [Pricer] = []
        for group in groups.list {
            var part = plan
            part.cluster = group.cluster
            pricers.append(try Pricer(plan: part, options: options, devices: group.devices))
        }
        return pricers
    }

    /// The work of one layout if the transfers `hides` overlap with compute.
    package func work(_ layout: Layout, hides: Layout.Overlap) throws(CostError) -> LayoutWork {
        let (rates, shape, layers) = try checked(layout)
        return try work(layout, rates, shape, layers, hides)
    }

    private func work(
        _ layout: Layout, _ rates: DeviceRates, _ shape: PipelineShape, _ layers: [Int], _ hides: Layout.Overlap
    ) throws(CostError) -> LayoutWork {
        guard let groups else {
            return LayoutWork(pricer: self, rates: rates, layout: layout, shape: shape, layers: layers, hides: hides)
        }
        return try mixedWork(
            layout, groups: groups, software: rates.framework.name, shape: shape, layers: layers, hides: hides)
    }

    /// The work of `work`'s layout with another number of micro-batches.
    func work(_ work: LayoutWork, shape: PipelineShape) -> LayoutWork {
        guard groups != nil else { return LayoutWork(work, shape: shape) }
        return (try? self.work(work.layout, work.rates, shape, work.layers, work.hides)) ?? work
    }

    /// Works of one layout: with all transfers hidden that the layout allows, and with fewer.
    ///
    /// In a pipeline, hiding a collective may not pay. Shorter passes leave less compute to hide reductions, and in a
    /// split backward the input gradients wait longer than the weight gradients. The software then waits for the
    /// collective, so the work with the shortest step counts.
    package func works(_ layout: Layout) throws(CostError) -> [LayoutWork] {
        let (rates, shape, layers) = try checked(layout)
        var works: [LayoutWork] = []
        for hides in layout.waysOfHiding(plan.model) {
            works.append(try work(layout, rates, shape, layers, hides))
        }
        return works
    }

    private func checked(
        _ layout: Layout
    ) throws(CostError) -> (rates: DeviceRates, shape: PipelineShape, layers: [Int]) {
        let sequences = layout.data * layout.microbatch
        guard
            min(
                layout.data, layout.tensor, layout.pipeline, layout.virtualStages, layout.context, layout.microbatch,
                layout.expert, layout.expertTensor) > 0
        else { throw .badLayout("every degree of the layout and the micro-batch must be at least 1") }
        guard plan.batch % sequences == 0 else {
            throw .badLayout(
                "batch \(plan.batch) is not a multiple of data \(layout.data) × micro-batch \(layout.microbatch)")
        }
        guard layout.offload == nil || (groups ?? [self]).allSatisfy({ $0.link != nil }) else {
            throw .badLayout("cluster \(plan.cluster.name) states no link to a host that could hold what is offloaded")
        }
        guard layout.devices == plan.devices else {
            throw .badLayout("the layout takes \(layout.devices) devices, the plan has \(plan.devices)")
        }
        guard layout.stages <= plan.model.layers || layout.layersPerStage != nil else {
            throw .badLayout("\(layout.stages) stages for \(plan.model.layers) layers: at least one layer a stage")
        }
        let shape = layout.pipelineShape(microbatches: plan.batch / sequences)
        if let rule = layout.schedule.problem(shape) { throw .badLayout(rule) }
        let layers = StagePartition(layout, model: plan.model, head: head).sizes
        guard layers.count == layout.stages, layers.allSatisfy({ $0 >= 0 }), layers.reduce(0, +) == plan.model.layers
        else {
            throw .badLayout("the layers of the stages must be \(layout.stages) numbers, in all the model's layers")
        }
        let name = plan.framework(for: layout).name
        guard let rates = rates[name] else { throw .badPlan("no framework \(name)") }
        return (rates, shape, layers)
    }
}

extension Layout {
    /// Choices of hidden transfers: all that the layout allows, then fewer where that can be faster.
    func waysOfHiding(_ model: Model) -> [Overlap] {
        guard pipeline > 1 else { return [overlap] }
        var ways = [overlap]
        if overlap.tensor, tensor > 1 { ways += ways.map { $0.waiting(for: \.tensor) } }
        if overlap.expert, model.mixtureLayers > 0, expert * expertTensor > 1 {
            ways += ways.map { $0.waiting(for: \.expert) }
        }
        if overlap.sharedExperts, model.mixtureLayers > 0, expert * expertTensor > 1 {
            ways += ways.map { $0.waiting(for: \.sharedExperts) }
        }
        if overlap.data, sharding == .parameters, hasReplicas(model) {
            ways += ways.map { $0.waiting(for: \.data) }
        }
        return ways
    }
}

extension Layout.Overlap {
    fileprivate func waiting(for flag: WritableKeyPath<Self, Bool>) -> Self {
        var less = self
        less[keyPath: flag] = false
        return less
    }
}

extension Device {
    /// The device with `share` of a core: processes beyond a machine's cores take turns.
    fileprivate func sharing(_ share: Double) -> Device {
        guard share < 1 else { return self }
        var device = self
        device.peakFLOPs = peakFLOPs.mapValues { $0 * share }
        device.memoryBytesPerSecond *= share
        device.launchSeconds /= share
        return device
    }
}
