internal import Costs
internal import Plans

/// Searches of one plan on several numbers of devices. No number is searched twice.
struct DeviceCountSearch {
    struct Found: Sendable {
        var devices: Int
        var estimate: Estimate
        var result: SearchResult
    }

    let plan: Plan
    /// Devices that are paid for; nil: only the devices that train.
    private let paid: Int?
    private let settings: SearchSettings
    private let options: CostOptions
    private let bound: StepBound
    private let usable: Double
    private var known: [Int: Found?] = [:]
    /// Lower bounds that the searches of all numbers share.
    private var bounds: SpaceBounds?
    private(set) var effort = SearchEffort()
    /// Called with every number of devices before it is searched.
    var progress: ((Int) -> Void)?

    init(_ plan: Plan, settings: SearchSettings, options: CostOptions, paid: Int? = nil) {
        self.paid = paid
        var plan = plan.open
        plan.remarks = []
        self.plan = plan
        var settings = settings
        settings.top = 1
        settings.objective = .time
        settings.wantsFront = false
        settings.explainsMisfit = false
        self.settings = settings
        self.options = options
        bound = StepBound(plan, space: settings.space, options: options)
        bounds = SpaceBounds(work: bound.known)
        usable = settings.usableMemory * plan.cluster.device.memoryBytes
    }

    /// A lower bound of `Estimate.measure` for any run on `devices`.
    func least(_ devices: Int) -> Double { bound.least(devices: devices, batch: plan.using(devices).batch) }

    /// Whether weights and optimizer alone are more than `devices` hold.
    func isTooSmall(_ devices: Int) -> Bool { bound.exceedsMemory(devices: devices, usable: usable) }

    /// The best layout on one number of devices; nil where nothing fits.
    /// - Parameter measure: when given, only layouts with a smaller measure are of interest, and nil may mean that
    ///   there is none.
    mutating func best(_ devices: Int, below measure: Double? = nil) -> Found? {
        if let found = known[devices] { return found }
        guard !isTooSmall(devices) else { return nil }
        progress?(devices)
        var settings = settings
        settings.slowest = measure.map { bound.step(measure: $0, batch: plan.using(devices).batch) }
        let result = try? search(
            plan: plan.using(devices, of: paid), settings: settings, options: options, bounds: &bounds)
        let found = result.flatMap { result in
            result.candidates.first.map { Found(devices: devices, estimate: $0, result: result) }
        }
        if let result { effort += result.effort }
        // A search below a limit says nothing about layouts above it.
        if measure == nil || found != nil { known[devices] = .some(found) }
        return found
    }

    /// The number of devices with the shortest run that `keeps` accepts; of equal runs the first by bound.
    ///
    /// Numbers are searched in the order of their bounds. Where the first run takes much longer than its bound, a half,
    /// a quarter, an eighth … of the largest number come next: a good run known early rules out more of the others.
    mutating func fastest(among counts: [Int], keeps: (Estimate) -> Bool = { _ in true }) -> Found? {
        let order = counts.map { (devices: $0, least: least($0)) }.sorted {
            ($0.least, -$0.devices) < ($1.least, -$1.devices)
        }
        var best: (place: Int, found: Found)?
        var limit = counts.max() ?? 0
        func next(after place: Int) -> Int {
            guard let best, best.found.estimate.measure > Self.looseBound * order[0].least, limit > 1 else {
                return place
            }
            limit /= 2
            return order.indices.filter { order[$0].devices <= limit }.max { order[$0].devices < order[$1].devices }
                ?? place
        }
        var searched: Set<Int> = []
        var place = 0
        while place < order.count {
            let probe = next(after: place)
            if probe == place || searched.contains(probe) { place += 1 }
            let (devices, least) = order[probe]
            if let best, least >= best.found.estimate.measure { continue }
            guard searched.insert(probe).inserted,
                let found = self.best(devices, below: best?.found.estimate.measure), keeps(found.estimate)
            else { continue }
            let isBetter =
                best.map { (found.estimate.measure, probe) < ($0.found.estimate.measure, $0.place) } ?? true
            if isBetter { best = (probe, found) }
        }
        return best?.found
    }

    /// The bounds count as loose when the first run takes this many times its bound.
    private static let looseBound = 4.0

    /// The reason why nothing fits, found on `devices`, the largest number that the plan can use.
    func failure(_ devices: Int) -> PlannerError {
        var settings = settings
        settings.explainsMisfit = true
        do throws(PlannerError) {
            _ = try search(plan: plan.using(devices), settings: settings, options: options)
        } catch .nothingFits(var reason) {
            reason.devices = plan.devices
            return .nothingFits(reason)
        } catch { return error }
        return .noLayout("no layout could be timed")
    }
}
