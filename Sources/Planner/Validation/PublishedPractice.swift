package import Costs
internal import Models
package import Plans

/// What published whole runs and published steps say of the time beyond the fastest layout's steps.
package struct PublishedPractice: Sendable {
    /// The fastest published run of one model over the fastest layout that a search finds for it.
    package struct Reached: Sendable {
        package var organisation: String
        package var source: String
        /// Whether the run's software has no fused attention.
        package var isUnfused: Bool
        /// Measured seconds over those of a search on the run's own software, and on the one that is assumed.
        package var named: Double
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
        /// Publications with fused attention, those without, and texts that state a share.
        package var counts: [Int]

        /// What teams took over the fastest layout on `framework`.
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
        reached = Dictionary(grouping: runs.filter { $0.plan != nil && $0.seconds != nil }, by: \.source)
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
            guard let plan = run.plan, let seconds = run.seconds else { continue }
            let key = [
                plan.model.name ?? "", "\(plan.model.parameters().total)", "\(plan.model.sequence)", run.device,
                "\(plan.devices)", "\(plan.batch)", plan.precision.rawValue, plan.framework(for: plan.layout).name,
            ]
            if best[key] == nil { order.append(key) }
            if seconds < best[key]?.seconds ?? .infinity { best[key] = run }
        }
        let count = min(modelsEach, order.count)
        return (0..<count).compactMap { best[order[$0 * order.count / count]] }
    }

    private static func reached(_ run: PublishedRun, options: CostOptions) -> Reached? {
        guard let measured = run.seconds, let plan = run.plan else { return nil }
        let framework = plan.framework(for: plan.layout)
        var open = plan
        open.layout = nil
        open.frameworks.named = framework.name
        guard let named = fastestLayout(of: open, options: options)?.iteration.seconds else { return nil }
        (open.frameworks.named, open.frameworks.product) = (nil, nil)
        let assumed = framework.isUnfused ? nil : fastestLayout(of: open, options: options)?.iteration.seconds
        return Reached(
            organisation: run.organisation, source: run.source, isUnfused: framework.isUnfused,
            named: measured / named, assumed: assumed.map { measured / $0 })
    }

    /// The medians over what other organisations published.
    package func medians(leavingOut organisation: String? = nil) -> Medians {
        let others = reached.filter { organisation == nil || $0.organisation != organisation }
        func median(_ rows: [Reached], _ ratio: (Reached) -> Double?) -> (median: Double, count: Int) {
            let sources = Dictionary(grouping: rows, by: \.source).values.compactMap { rows -> Double? in
                let ratios = rows.compactMap(ratio).sorted()
                return ratios.isEmpty ? nil : ErrorFigures.quantile(ratios, 0.5)
            }
            return (ErrorFigures.quantile(sources.sorted(), 0.5), sources.count)
        }
        let fused = median(others.filter { !$0.isUnfused }, \.named)
        let unfused = median(others.filter(\.isUnfused), \.named)
        let idle = trained.filter { organisation == nil || $0.organisation != organisation }.map(\.idle).sorted()
        return Medians(
            named: fused.median, assumed: median(others.filter { !$0.isUnfused }, \.assumed).median,
            unfused: unfused.median, idle: ErrorFigures.quantile(idle, 0.5),
            counts: [fused.count, unfused.count, idle.count])
    }
}

/// The fastest layout of a plan that leaves its layout open; nil if none fits.
func fastestLayout(of plan: Plan, options: CostOptions) -> Estimate? {
    var settings = SearchSettings()
    settings.top = 1
    settings.explainsMisfit = false
    return try? searchBestDeviceCount(plan: plan, settings: settings, options: options).candidates.first
}
