package import Costs
internal import Dispatch
package import Plans

/// How well constants that were fitted on all other sources predict a source.
package struct LeaveOneSourceOut: Sendable {
    /// Every row predicted with the constants of the rows of other sources.
    package var runs: [ValidatedRun]
    package var overall: ErrorFigures
    package var core: ErrorFigures
    package var sources: [(name: String, figures: ErrorFigures)]
}

/// Fits the constants once for every source, without that source, and predicts it with them.
package func leaveOneSourceOut(
    _ runs: [PublishedRun], refit: Refit = .shipped, options: CostOptions = CostOptions()
) -> LeaveOneSourceOut {
    let usable = runs.filter { $0.plan != nil && $0.seconds != nil }
    let bySource = Dictionary(grouping: usable, by: \.source)
    let names = bySource.keys.sorted()
    var predicted = [[ValidatedRun]](repeating: [], count: names.count)
    predicted.withUnsafeMutableBufferPointer { slots in
        // Each task writes its own slot.
        nonisolated(unsafe) let slots = slots
        DispatchQueue.concurrentPerform(iterations: names.count) { index in
            let constants = refit.fit(usable.filter { $0.source != names[index] }, options: options)
            let moved = (bySource[names[index]] ?? []).map { run in
                var run = run
                run.plan = run.plan.map { refit.applied(constants, to: $0, device: run.device) }
                return run
            }
            slots[index] = validate(moved, options: options).runs.filter { $0.error != nil }
        }
    }
    let all = predicted.flatMap(\.self)
    return LeaveOneSourceOut(
        runs: all, overall: ErrorFigures(all.compactMap(\.error)),
        core: ErrorFigures(all.filter(\.run.isCore).compactMap(\.error)),
        sources: zip(names, predicted).filter { !$0.1.isEmpty }.map {
            ($0, ErrorFigures($1.compactMap(\.error)))
        })
}
