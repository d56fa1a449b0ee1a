package import Costs
internal import Models
internal import Numbers
package import Plans

/// Time beyond the fastest layout's steps, by published whole runs and published steps.
package struct PublishedPractice: Sendable {
    /// The fastest published run of one model over the fastest layout that a search finds for it: seconds of a step, or
    /// hours of a whole run beyond its stops and failures.
    package struct Reached: Sendable {
        package var organisation: String
        package var source: String
        /// Whether the run's software has no fused attention.
        package var isUnfused: Bool
        /// Over a search on the run's own software; nil if the source does not name it.
        package var named: Double?
        /// Over a search on the software that is assumed; nil where that has fused attention and the run's does not.
        package var assumed: Double?
    }

    /// A published share of the time that trains.
    package struct Trained: Sendable {
        package var organisation: String
        package var run: String
        package var share: Double
        /// Time of stops over that of steps: what the share leaves over failures, checkpoints and evaluation.
        package var idle: Double
    }

    /// Medians of what is published: `RunShares` has them as constants.
    package struct Medians: Hashable, Sendable {
        /// Over publications whose software has fused attention: on their software, and on the assumed one.
        package var named: Double
        package var assumed: Double
        /// Over publications of older software.
        package var unfused: Double
        package var idle: Double
        /// Publications on named software with fused attention, on older software, and texts that state a share.
        package var counts: [Int]

        /// Time of teams' steps on `framework` over that of the fastest layout.
        package func practice(on framework: Framework, isNamed: Bool) -> Double {
            framework.isUnfused ? unfused : isNamed ? named : assumed
        }
    }

    package var reached: [Reached]
    package var trained: [Trained]

    /// Models of one publication that are searched, spread evenly over its table.
    private static let modelsEach = 4

    /// Searches for the layouts of published models, and prices the runs whose share of time that trains is stated.
    package init(_ runs: [PublishedRun], options: CostOptions = CostOptions()) {
        reached = Dictionary(grouping: runs.filter { $0.open != nil && Self.measured($0) != nil }, by: \.source)
            .sorted { $0.key < $1.key }.flatMap { Self.fastest(of: $0.value) }
            .compactMap { Self.reached($0, options: options) }
        trained = runs.compactMap { run in
            guard let share = run.trained else { return nil }
            let goodput = run.open.flatMap { fastestLayout(of: $0, options: options)?.run?.goodput } ?? 1
            return Trained(
                organisation: run.organisation, run: run.name, share: share,
                idle: max(0, goodput / share - 1 - RunShares.usualEvaluation))
        }
    }

    /// The fastest run of each of some models of one publication.
    private static func fastest(of runs: [PublishedRun]) -> [PublishedRun] {
        var best: [[String]: PublishedRun] = [:]
        var order: [[String]] = []
        for run in runs {
            guard let plan = run.open, let seconds = measured(run) else { continue }
            let key = [
                plan.model.name ?? "", "\(plan.model.parameters().total)", "\(plan.model.sequence)", run.device,
                "\(plan.devices)", "\(plan.batch)", plan.precision.rawValue, Self.framework(run)?.name ?? "",
            ]
            if best[key] == nil { order.append(key) }
            if seconds < best[key].flatMap(measured) ?? .infinity { best[key] = run }
        }
        let count = min(modelsEach, order.count)
        return (0..<count).compactMap { best[order[$0 * order.count / count]] }
    }

    /// The software of a run: the named one, or the one that is assumed for its layout.
    private static func framework(_ run: PublishedRun) -> Framework? {
        (run.plan ?? run.open).map { $0.framework(for: $0.layout) }
    }

    private static func reached(_ run: PublishedRun, options: CostOptions) -> Reached? {
        guard let measured = measured(run), var open = run.open, let framework = framework(run) else { return nil }
        if let whole = run.whole { open = open.counting(whole.kind) }
        open.run.practice = 1
        func ratio(_ name: String?) -> Double? {
            var plan = open
            (plan.frameworks.named, plan.frameworks.product) = (name, nil)
            guard let estimate = fastestLayout(of: plan, options: options) else { return nil }
            guard run.seconds == nil else { return measured / estimate.iteration.seconds }
            return estimate.run?.ended.map { measured / $0.gpuHours }
        }
        let isNamed = run.seconds != nil || open.frameworks.named != nil
        return Reached(
            organisation: run.organisation, source: run.source, isUnfused: framework.isUnfused,
            named: isNamed ? ratio(framework.name) : nil, assumed: framework.isUnfused ? nil : ratio(nil))
    }

    /// Seconds of a step, or else GPU-hours of the whole run.
    private static func measured(_ run: PublishedRun) -> Double? { run.seconds ?? run.whole?.gpuHours }

    /// The medians over what other organisations published.
    package func medians(leavingOut organisation: String? = nil) -> Medians {
        let others = reached.filter { organisation == nil || $0.organisation != organisation }
        func median(_ rows: [Reached], _ ratio: (Reached) -> Double?) -> (median: Double, count: Int) {
            let sources = Dictionary(grouping: rows, by: \.source).values.compactMap { rows -> Double? in
                let ratios = rows.compactMap(ratio)
                return ratios.isEmpty ? nil : Quantiles(ratios).at(0.5)
            }
            return (Quantiles(sources).at(0.5), sources.count)
        }
        let fused = median(others.filter { !$0.isUnfused }, \.named)
        let unfused = median(others.filter(\.isUnfused), \.named)
        let idle = trained.filter { organisation == nil || $0.organisation != organisation }.map(\.idle)
        return Medians(
            named: fused.median, assumed: median(others.filter { !$0.isUnfused }, \.assumed).median,
            unfused: unfused.median, idle: Quantiles(idle).at(0.5),
            counts: [fused.count, unfused.count, idle.count])
    }
}

extension Plan {
    /// The plan with what a reported time counts: of steps alone, neither failures nor stops.
    func counting(_ kind: PublishedWhole.Kind) -> Plan {
        guard kind == .steps else { return self }
        var plan = self
        (plan.run.evaluation, plan.run.data, plan.run.idle) = (0, 0, 0)
        plan.cluster.changeKinds { $0.meanTimeBetweenFailures = nil }
        return plan
    }
}

/// The fastest layout of a plan that leaves its layout open; nil if none fits.
func fastestLayout(of plan: Plan, options: CostOptions) -> Estimate? {
    var settings = SearchSettings()
    settings.top = 1
    settings.explainsMisfit = false
    return try? searchBestDeviceCount(plan: plan, settings: settings, options: options).candidates.first
}
