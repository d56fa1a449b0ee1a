package import Costs
internal import Models
package import Plans

/// Cross-validation over sources: the errors of each source, predicted with constants fitted on all other sources.
package struct LeaveOneSourceOut: Sendable {
    /// All runs, each predicted with the constants of the other sources.
    package var runs: [ValidatedRun]
    /// Publications with runs of a run's software on its device, among those that were not left out with it; one number a
    /// run.
    package var evidence: [Int]
    package var overall: ErrorFigures
    package var core: ErrorFigures
    package var sources: [(name: String, figures: ErrorFigures)]

    /// Runs of one kind and the share of them inside the band that is wide as their evidence says. Core runs count, and
    /// all runs of a source that marks none as core.
    package struct Coverage: Sendable {
        package var kind: String
        package var halfWidth: Double
        package var runs: Int
        package var sources: Int
        /// Share of the runs inside the band.
        package var covered: Double
        /// The mean over the sources of their shares.
        package var coveredBySource: Double
    }

    /// The coverage of all bands together, and of each kind. Layout and software of every run are its own.
    package var coverage: [Coverage] {
        let marking = Set(runs.filter(\.run.isCore).map(\.run.source))
        let judged = zip(runs, evidence).filter { $0.0.run.isCore || !marking.contains($0.0.run.source) }
            .map { run, sources in
                let isMixture = run.run.plan?.model.moe != nil
                let width = ErrorBand.halfWidth(sources: sources, isTheirs: true, isMixture: isMixture)
                return Judged(
                    source: run.run.source,
                    kind: (sources > 0 ? "software and device known" : "no other run of that software and device")
                        + (isMixture ? ", mixture of experts" : ""),
                    width: width, isInside: ErrorBand(halfWidth: width, reason: "").holds(1 / (1 + (run.error ?? 0))))
            }
        guard !judged.isEmpty else { return [] }
        let kinds = Dictionary(grouping: judged, by: \.kind).sorted { $0.key > $1.key }
        return [Self.coverage(of: judged, "all")] + kinds.map { Self.coverage(of: $0.value, $0.key) }
    }

    private struct Judged {
        var source: String
        var kind: String
        var width: Double
        var isInside: Bool
    }

    private static func coverage(of runs: [Judged], _ kind: String) -> Coverage {
        func share(_ runs: [Judged]) -> Double { Double(runs.filter(\.isInside).count) / Double(runs.count) }
        let sources = Dictionary(grouping: runs, by: \.source).values
        let widths = runs.map(\.width).sorted()
        return Coverage(
            kind: kind, halfWidth: widths[widths.count / 2], runs: runs.count, sources: sources.count,
            covered: share(runs), coveredBySource: sources.reduce(0) { $0 + share($1) } / Double(sources.count))
    }
}

/// Fits the constants once for every source on all other sources, and predicts the source with them.
///
/// - Parameter key: what is left out together: all runs of a source, or of a device.
package func leaveOneSourceOut(
    _ runs: [PublishedRun], by key: (PublishedRun) -> String = \.source, refit: Refit? = nil,
    options: CostOptions = CostOptions()
) -> LeaveOneSourceOut {
    let refit = refit ?? Refit(of: runs)
    let usable = runs.filter { $0.plan != nil && $0.seconds != nil }
    let bySource = Dictionary(grouping: usable, by: key)
    let names = bySource.keys.sorted()
    let constants = refit.fits(leavingOut: names, of: usable, by: key, options: options)
    let predicted = zip(names, constants).map { name, constants in
        validate(refit.applied(constants, to: bySource[name] ?? []), options: options).runs.filter { $0.error != nil }
    }
    let all = predicted.flatMap(\.self)
    func pair(_ run: PublishedRun) -> String {
        guard let plan = run.plan, plan.frameworks.named != nil else { return "" }
        return "\(plan.framework(for: plan.layout).name) \(Device.family(of: run.device))"
    }
    let byPair = Dictionary(grouping: usable, by: pair)
    let evidence = all.map { row in
        let pair = pair(row.run)
        guard !pair.isEmpty else { return 0 }
        return Set((byPair[pair] ?? []).filter { key($0) != key(row.run) }.map(\.source)).count
    }
    return LeaveOneSourceOut(
        runs: all, evidence: evidence, overall: ErrorFigures(all.compactMap(\.error)),
        core: ErrorFigures(all.filter(\.run.isCore).compactMap(\.error)),
        sources: zip(names, predicted).filter { !$0.1.isEmpty }.map {
            ($0, ErrorFigures($1.compactMap(\.error)))
        })
}
