package import Costs
package import Plans

/// Cross-validation over sources: the errors of each source, predicted with constants fitted on all other sources.
package struct LeaveOneSourceOut: Sendable {
    /// All runs, each predicted with the constants of the other sources.
    package var runs: [ValidatedRun]
    package var overall: ErrorFigures
    package var core: ErrorFigures
    package var sources: [(name: String, figures: ErrorFigures)]

    /// The error bands of unfused and of fused attention. `covered` is the share of a source's runs inside the band of
    /// the other sources, the mean over the sources.
    ///
    /// A band is the central 90 % of the runs, widened by the smallest factor with which 90 % of each source's runs
    /// fall into the band of the other sources: it then also holds for software and machines that no run here is from.
    /// Core runs count, and all runs of a source that marks none as core.
    package var bands: [(style: String, band: ErrorBand, runs: Int, widened: Double, covered: Double)] {
        let marking = Set(runs.filter(\.run.isCore).map(\.run.source))
        let judged = runs.filter { $0.run.isCore || !marking.contains($0.run.source) }
        return ["unfused attention", "fused attention"].map { style in
            let rows = judged.filter {
                ($0.run.plan?.layout?.flashAttention == false) == (style == "unfused attention")
            }
            let sources = Dictionary(grouping: rows, by: \.run.source)
            let others = sources.keys.sorted().map { name in
                (own: sources[name] ?? [], band: Self.band(of: rows.filter { $0.run.source != name }))
            }
            func covered(_ factor: Double) -> Double {
                let shares = others.map { own, band in
                    Double(own.filter { band.widened(by: factor).holds(Self.ratio($0)) }.count) / Double(own.count)
                }
                return shares.reduce(0, +) / Double(max(1, shares.count))
            }
            let factors = stride(from: 1, through: Self.mostWidening, by: 0.01)
            let factor = factors.first { covered($0) >= ErrorBand.confidence } ?? Self.mostWidening
            return (style, Self.band(of: rows).widened(by: factor), rows.count, factor, covered(factor))
        }
    }

    private static let mostWidening = 4.0

    private static func ratio(_ run: ValidatedRun) -> Double { 1 / (1 + (run.error ?? 0)) }

    private static func band(of runs: [ValidatedRun]) -> ErrorBand {
        let counts = Dictionary(grouping: runs, by: \.run.source).mapValues(\.count)
        return ErrorBand(
            measuredOverPredicted: runs.map { (ratio($0), Refit.weight(ofOneIn: counts[$0.run.source])) })
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
    return LeaveOneSourceOut(
        runs: all, overall: ErrorFigures(all.compactMap(\.error)),
        core: ErrorFigures(all.filter(\.run.isCore).compactMap(\.error)),
        sources: zip(names, predicted).filter { !$0.1.isEmpty }.map {
            ($0, ErrorFigures($1.compactMap(\.error)))
        })
}
