internal import Models
package import Plans

/// Seconds of a micro-batch through a whole model on pipelines of one rank: what bounds of steps are made of. Layouts with
/// the same degrees share most of the work, which is computed once.
package struct WholePasses {
    /// The pricer of one number of devices, and the groups of devices on its networks.
    private struct Site {
        var pricer: Pricer
        var places: DeviceGroups
    }

    /// Seconds of both passes together.
    package struct Pass: Hashable, Sendable {
        package var compute: Double
        /// Exposed collectives among tensor ranks.
        package var tensorComm: Double
    }

    private let plan: Plan
    private let options: CostOptions
    private var sites: [Int: Site?] = [:]
    private var first: Pricer?
    /// The work on the devices themselves that is known by now.
    package private(set) var work = KnownWork()

    package init(_ plan: Plan, options: CostOptions) {
        self.plan = plan
        self.options = options
    }

    /// The compute and the tensor collectives of `layout`, which has one pipeline rank and recomputes nothing, equal to those
    /// of `IterationTime` with one micro-batch; nil: it cannot be priced.
    package mutating func pass(_ layout: Layout) -> Pass? {
        let devices = layout.devices
        if sites[devices] == nil { sites[devices] = .some(site(devices)) }
        guard case .some(.some(var site)) = sites[devices] else { return nil }
        let pricer = site.pricer
        guard layout.offload == nil || pricer.link != nil,
            let rates = pricer.rates.count == 1
                ? pricer.rates.first?.value : pricer.rates[pricer.plan.framework(for: layout).name]
        else { return nil }
        let groups = LayoutGroups(tensorOf: layout, places: &site.places)
        sites[devices] = .some(site)
        let device = pricer.share(of: layout, groups, rates)
        let gradientBytes = StateBytes(
            precision: pricer.plan.precision, layout: layout, framework: rates.framework
        ).gradient
        let units = BlockUnits(
            model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device, gradientBytes: gradientBytes,
            plain: false,
            high: rates.recipe.map { HighBlocks($0, pricer.parts, pricer.plan.model, layout, layers: []) },
            inside: InsideUnits(
                model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device,
                gradientBytes: gradientBytes, plain: false,
                work: work.units(pricer: pricer, rates: rates, device: device, gradientBytes: gradientBytes)))
        var times = UnitTimes()
        for (unit, count) in zip(units.blocks, pricer.parts.kinds.counts) where count > 0 {
            times = times + Double(count) * unit
        }
        times = times + units.embedding + units.head
        return Pass(
            compute: times.forward.compute + times.backward.compute,
            tensorComm: times.forward.tensor + times.backward.tensor)
    }

    private mutating func site(_ devices: Int) -> Site? {
        var alone = plan
        (alone.devices, alone.batch) = (devices, devices)
        let pricer =
            first.map { try? Pricer(plan: alone, like: $0) } ?? (try? Pricer(plan: alone, options: options))
        first = first ?? pricer
        // Groups of unlike devices are not bounded.
        guard let pricer, pricer.groups == nil else { return nil }
        return Site(pricer: pricer, places: DeviceGroups(pricer.network))
    }
}
