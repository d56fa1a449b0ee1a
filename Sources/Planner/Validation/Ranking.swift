internal import Costs
internal import Models
internal import Plans

/// How well predictions order the published layouts of one model on the same devices: what choosing by them would cost.
package struct Ranking: Sendable {
    /// The published layouts of one model, batch and format on the same devices, from one source.
    package struct Group: Sendable {
        package var source: String
        package var model: String
        /// Name of the cluster file.
        package var device: String
        package var devices: Int
        /// Sequences of a step.
        package var batch: Int
        /// Layouts with a measured and a predicted time.
        package var layouts: Int
        /// Rank correlation between predicted and measured times, −1 to 1.
        package var spearman: Double
        /// The run with the least predicted time among those that are predicted to fit.
        package var pick: String
        /// The run with the least measured time.
        package var best: String
        /// Measured time of the pick over that of the best, minus one.
        package var regret: Double
        /// Whether a published layout that ran out of memory is predicted to fit and to be faster than the pick.
        package var wouldPickOneOutOfMemory: Bool
    }

    /// Groups of at least `leastLayouts` layouts, in alphabetical order of their sources.
    package var groups: [Group]

    /// Fewest layouts whose order says anything.
    package static let leastLayouts = 4

    /// - Parameter runs: published runs with their predictions; those without either time are left out.
    package init(_ runs: [ValidatedRun]) {
        let groups = Dictionary(grouping: runs.filter { $0.estimate != nil }, by: Key.init)
        self.groups = groups.compactMap { key, runs in Self.group(key, runs) }
            .sorted {
                ($0.source, $0.model, $0.device, $0.devices, $0.batch)
                    < ($1.source, $1.model, $1.device, $1.devices, $1.batch)
            }
    }

    private struct Key: Hashable {
        var source: String
        var model: Model?
        var device: String
        var devices: Int
        var batch: Int
        var precision: Precision?

        init(_ run: ValidatedRun) {
            let plan = run.run.plan
            source = run.run.source
            model = plan?.model
            device = run.run.device
            devices = plan?.devices ?? 0
            batch = plan?.batch ?? 0
            precision = plan?.precision
        }
    }

    private static func group(_ key: Key, _ runs: [ValidatedRun]) -> Group? {
        func predicted(_ run: ValidatedRun) -> Double { run.estimate?.iteration.seconds ?? .infinity }
        func fits(_ run: ValidatedRun) -> Bool { run.estimate?.fits ?? false }
        let timed = runs.compactMap { run in
            run.run.seconds.map { (run: run, measured: $0, predicted: predicted(run)) }
        }
        guard timed.count >= leastLayouts, let best = timed.min(by: { $0.measured < $1.measured }) else { return nil }
        // Where none is predicted to fit, a user would still run the fastest.
        let eligible = timed.contains { fits($0.run) } ? timed.filter { fits($0.run) } : timed
        guard let pick = eligible.min(by: { $0.predicted < $1.predicted }) else { return nil }
        let failed = runs.filter { $0.run.memory == .outOfMemory && fits($0) }
        return Group(
            source: key.source, model: key.model?.name ?? "", device: key.device, devices: key.devices,
            batch: key.batch, layouts: timed.count,
            spearman: spearman(timed.map(\.measured), timed.map(\.predicted)), pick: pick.run.run.name,
            best: best.run.run.name, regret: pick.measured / best.measured - 1,
            wouldPickOneOutOfMemory: failed.contains { predicted($0) < pick.predicted })
    }

    /// Rank correlation of two lists of the same length; 0 where one of them does not vary.
    package static func spearman(_ a: [Double], _ b: [Double]) -> Double {
        let (x, y) = (ranks(a), ranks(b))
        let mean = Double(a.count + 1) / 2
        var (xy, xx, yy) = (0.0, 0.0, 0.0)
        for (i, j) in zip(x, y) {
            xy += (i - mean) * (j - mean)
            xx += (i - mean) * (i - mean)
            yy += (j - mean) * (j - mean)
        }
        return xx > 0 && yy > 0 ? xy / (xx * yy).squareRoot() : 0
    }

    /// The rank of every value in ascending order, from 1; equal values share their mean rank.
    private static func ranks(_ values: [Double]) -> [Double] {
        values.map { value in
            let below = values.filter { $0 < value }.count
            let equal = values.filter { $0 == value }.count
            return Double(below) + Double(equal + 1) / 2
        }
    }
}

/// Whether published runs fitted into memory, against whether they are predicted to.
package struct FitFigures: Hashable, Sendable {
    /// Runs that ran, and are predicted to fit.
    package var ranAndFits = 0
    /// Runs that ran, and are predicted not to fit.
    package var ranButSaidNotToFit = 0
    /// Runs out of memory that are predicted not to fit.
    package var outOfMemoryCaught = 0
    /// Runs out of memory that are predicted to fit.
    package var outOfMemoryMissed = 0

    /// - Parameter runs: published runs with their predictions; those that cannot be priced are left out.
    package init(_ runs: [ValidatedRun]) {
        for run in runs {
            guard let estimate = run.estimate else { continue }
            switch (run.run.memory == .outOfMemory, estimate.fits) {
            case (true, false): outOfMemoryCaught += 1
            case (true, true): outOfMemoryMissed += 1
            case (false, true): ranAndFits += 1
            case (false, false): ranButSaidNotToFit += 1
            }
        }
    }

    package var ran: Int { ranAndFits + ranButSaidNotToFit }
    package var outOfMemory: Int { outOfMemoryCaught + outOfMemoryMissed }
}
