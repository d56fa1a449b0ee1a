package import Costs
internal import Dispatch
internal import Foundation
package import Plans

/// A fit of the constants of frameworks and devices to published runs.
///
/// The loss is a pseudo-Huber loss (10 %) of the logarithm of predicted over measured seconds. All sources weigh the
/// same however many runs they have, and a constant that no run depends on stays at its start. The method is
/// Levenberg–Marquardt with derivatives by differences; predictions are closed forms, so that a refit takes seconds.
package struct Refit: Sendable {
    /// A constant that is fitted.
    package enum Parameter: Hashable, Sendable, CustomStringConvertible {
        case framework(String, Framework.Constant)
        /// A device's sustained share, by the first word of its cluster file's name.
        case device(String)
        /// Efficiency of the outermost network where two devices share a card of 100 Gb/s or less.
        case slowNetwork

        /// The values that the constant may take.
        var range: ClosedRange<Double> {
            switch self {
            // The traffic is counted at its minimum, so the factor is at least 1.
            case .framework(_, .elementwise): 1...10
            case .framework(_, let constant): constant.range
            case .device: 0.3...1.05
            case .slowNetwork: 0.05...1
            }
        }

        package var description: String {
            switch self {
            case .framework(let name, let constant): "\(name).\(constant.rawValue)"
            case .device(let name): "\(name).sustained"
            case .slowNetwork: "slow cards.efficiency"
            }
        }
    }

    package var parameters: [Parameter]
    /// The values at which the fit starts and towards which it is drawn.
    package var start: [Double]

    /// Strength of the pull of a constant towards its start, relative to one source's mean error. Sources scatter by about
    /// 0.1 and the expected constants by a factor of about 1.6; of 0.02 to 0.8, this predicts left-out sources best.
    package var pull = 0.2
    /// Error from which on a run counts in proportion, rather than by its square.
    private static let turn = 0.1

    package init(_ start: [(Parameter, Double)]) {
        parameters = start.map(\.0)
        self.start = start.map(\.1)
    }

    /// A published run that can be priced, with its weight.
    private struct Row {
        var plan: Plan
        var layout: Layout
        var seconds: Double
        var framework: Framework
        var device: String
        var weight: Double
        /// What the run is left out with.
        var key: String
    }

    /// The constants that predict `runs` best.
    package func fit(_ runs: [PublishedRun], options: CostOptions = CostOptions()) -> [Double] {
        search(Self.rows(Self.thinned(runs)), from: start.map(log), slopes: nil, options: options).logs.map(exp)
    }

    /// For each name, the constants that predict best the runs of all other names.
    ///
    /// - Parameter key: the name of a run: its source, or its device.
    package func fits(
        leavingOut names: [String], of runs: [PublishedRun], by key: (PublishedRun) -> String,
        options: CostOptions = CostOptions()
    ) -> [[Double]] {
        let rows = Self.rows(Self.thinned(runs), by: key)
        // A fit without one name is near the one of all, so it begins there, with the slopes found there.
        let together = search(rows, from: start.map(log), slopes: nil, options: options)
        let slopes = slopes(together.logs, rows, options: options)
        var found = [[Double]](repeating: [], count: names.count)
        found.withUnsafeMutableBufferPointer { slots in
            // Each task writes its own element.
            nonisolated(unsafe) let slots = slots
            DispatchQueue.concurrentPerform(iterations: names.count) { index in
                let kept = rows.indices.filter { rows[$0].key != names[index] }
                let places = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
                let own = slopes.map { column in
                    Dictionary(
                        uniqueKeysWithValues: column.compactMap { row, slope in places[row].map { ($0, slope) } })
                }
                slots[index] =
                    search(kept.map { rows[$0] }, from: together.logs, slopes: own, options: options).logs.map(exp)
            }
        }
        return found
    }

    /// Levenberg–Marquardt in logarithms. Slopes are found again after every few steps.
    private func search(
        _ rows: [Row], from first: [Double], slopes given: [[Int: Double]]?, options: CostOptions
    ) -> (logs: [Double], errors: [Double]) {
        guard !rows.isEmpty else { return (start.map(log), []) }
        var logs = first
        var errors = rows.map { error(of: $0, values: logs.map(exp), options: options) }
        let bounds = parameters.map { (log(max($0.range.lowerBound, 1e-7)), log($0.range.upperBound)) }
        logs = zip(logs, bounds).map { min(max($0, $1.0), $1.1) }
        var (slopes, age) = (given ?? self.slopes(logs, rows, options: options), given == nil ? 0 : 1)
        var damping = 1e-3
        for _ in 0..<Self.rounds {
            let step = self.step(logs, rows, errors, slopes: slopes, damping: damping)
            let next = logs.indices.map { min(max(logs[$0] + step[$0], bounds[$0].0), bounds[$0].1) }
            let nextErrors = rows.map { error(of: $0, values: next.map(exp), options: options) }
            let (before, after) = (loss(logs, rows, errors), loss(next, rows, nextErrors))
            if after < before {
                (logs, errors) = (next, nextErrors)
                damping = max(damping / 5, 1e-6)
                let gained = (before - after) / before
                if gained < Self.leastGain, age == 0 || given != nil { break }
                age += 1
                if age >= Self.stepsWithSlopes || gained < 10 * Self.leastGain, given == nil {
                    (slopes, age) = (self.slopes(logs, rows, options: options), 0)
                }
            } else if age > 0, given == nil {
                (slopes, age) = (self.slopes(logs, rows, options: options), 0)
            } else {
                damping *= 10
                if damping > 1e4 { break }
            }
        }
        return (logs, errors)
    }

    /// Steps for which slopes are used.
    private static let stepsWithSlopes = 4
    /// Smallest share of the loss that a step must gain to go on.
    private static let leastGain = 1e-5

    private static let rounds = 60

    /// `plan` with the fitted values of the constants.
    package func applied(_ values: [Double], to plan: Plan, device: String) -> Plan {
        var plan = plan
        for (parameter, value) in zip(parameters, values) {
            switch parameter {
            case .framework(let name, let constant):
                for key in plan.frameworks.known.keys {
                    guard plan.frameworks.known[key]?.takes(constant, from: name) ?? false else { continue }
                    plan.frameworks.known[key]?[constant] = value
                }
            case .device(let name): if name == Self.family(device) { plan.cluster.device.sustainedShare = value }
            case .slowNetwork:
                let outermost = plan.cluster.networks.count - 1
                guard Self.isSlow(plan.cluster) else { continue }
                plan.cluster.networks[outermost].efficiency = value
                plan.cluster.networks[outermost].allReduceEfficiency = value
            }
        }
        return plan
    }

    /// `runs` with the fitted values of the constants.
    package func applied(_ values: [Double], to runs: [PublishedRun]) -> [PublishedRun] {
        runs.map { run in
            var run = run
            run.plan = run.plan.map { applied(values, to: $0, device: run.device) }
            return run
        }
    }

    /// The weight of one of a source's `count` runs. A source with ten runs or more has weight 1 in all.
    static func weight(ofOneIn count: Int?) -> Double { 1 / Double(max(10, count ?? 1)) }

    private static func isSlow(_ cluster: Cluster) -> Bool {
        (cluster.networks.last?.bytesPerSecond ?? .infinity) < 7e9
    }

    /// Devices that share their constant.
    package static func family(_ device: String) -> String { Device.family(of: device) }

    /// At most `mostOfASource` runs of every source, evenly spread over its list: a source weighs the same however many
    /// runs it has, and a fit takes time in proportion to them.
    private static func thinned(_ runs: [PublishedRun]) -> [PublishedRun] {
        let counts = Dictionary(grouping: runs, by: \.source).mapValues(\.count)
        var seen: [String: Int] = [:]
        return runs.filter { run in
            let (count, index) = (counts[run.source] ?? 1, seen[run.source] ?? 0)
            seen[run.source] = index + 1
            let kept = min(count, mostOfASource)
            return index * kept / count != (index + 1) * kept / count
        }
    }

    private static let mostOfASource = 60

    private static func rows(_ runs: [PublishedRun], by key: (PublishedRun) -> String = \.source) -> [Row] {
        let counts = Dictionary(grouping: runs, by: \.source).mapValues(\.count)
        return runs.compactMap { run in
            guard let plan = run.plan, let layout = plan.layout, let seconds = run.seconds,
                let pricer = try? Pricer(plan: plan), (try? pricer.work(layout)) != nil
            else { return nil }
            return Row(
                plan: plan, layout: layout, seconds: seconds,
                framework: plan.framework(for: layout),
                device: run.device,
                weight: Self.weight(ofOneIn: counts[run.source]), key: key(run))
        }
    }

    private static func concerns(_ parameter: Parameter, _ row: Row) -> Bool {
        switch parameter {
        case .framework(let name, let constant): row.framework.takes(constant, from: name)
        case .device(let name): name == family(row.device)
        case .slowNetwork: isSlow(row.plan.cluster)
        }
    }

    /// Logarithm of predicted over measured seconds.
    private func error(of row: Row, values: [Double], options: CostOptions) -> Double {
        let plan = applied(values, to: row.plan, device: row.device)
        guard let work = try? Pricer(plan: plan, options: options).work(row.layout) else { return 0 }
        return log(IterationTime(work).seconds / row.seconds)
    }

    private func loss(_ logs: [Double], _ rows: [Row], _ errors: [Double]) -> Double {
        var sum = 0.0
        for (row, error) in zip(rows, errors) {
            let scaled = error / Self.turn
            sum += row.weight * 2 * Self.turn * Self.turn * ((1 + scaled * scaled).squareRoot() - 1)
        }
        for (value, start) in zip(logs, start) {
            let distance = pull * (value - log(start))
            sum += distance * distance
        }
        return sum
    }

    /// Derivatives of the errors by each parameter's logarithm, by row; rows that do not depend on it are left out.
    private func slopes(_ logs: [Double], _ rows: [Row], options: CostOptions) -> [[Int: Double]] {
        let nudge = 1e-3
        let errors = rows.map { error(of: $0, values: logs.map(exp), options: options) }
        return parameters.indices.map { parameter in
            var moved = logs
            moved[parameter] += nudge
            let values = moved.map(exp)
            var column: [Int: Double] = [:]
            for row in rows.indices where Self.concerns(parameters[parameter], rows[row]) {
                let slope = (error(of: rows[row], values: values, options: options) - errors[row]) / nudge
                if slope != 0 { column[row] = slope }
            }
            return column
        }
    }

    /// One damped Gauss-Newton step, in logarithms.
    private func step(
        _ logs: [Double], _ rows: [Row], _ errors: [Double], slopes: [[Int: Double]], damping: Double
    ) -> [Double] {
        let count = logs.count
        // Weights of the runs under the pseudo-Huber loss.
        let weights = zip(rows, errors).map { row, error in
            row.weight / (1 + (error / Self.turn) * (error / Self.turn)).squareRoot()
        }
        var matrix = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
        var right = [Double](repeating: 0, count: count)
        for a in 0..<count {
            for b in a..<count {
                var sum = 0.0
                for (row, slope) in slopes[a] { if let other = slopes[b][row] { sum += weights[row] * slope * other } }
                (matrix[a][b], matrix[b][a]) = (sum, sum)
            }
            for (row, slope) in slopes[a] { right[a] -= weights[row] * slope * errors[row] }
            let pull = pull * pull
            matrix[a][a] += pull
            right[a] -= pull * (logs[a] - log(start[a]))
            matrix[a][a] += damping * matrix[a][a]
        }
        return solve(matrix, right).map { min(max($0, -0.7), 0.7) }
    }
}

/// The solution of a symmetric positive definite system by Cholesky decomposition.
func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
    let count = right.count
    var lower = matrix
    for column in 0..<count {
        for row in column..<count {
            var sum = matrix[row][column]
            for inner in 0..<column { sum -= lower[row][inner] * lower[column][inner] }
            lower[row][column] = row == column ? max(sum, 1e-300).squareRoot() : sum / lower[column][column]
        }
    }
    var solution = right
    for row in 0..<count {
        for inner in 0..<row { solution[row] -= lower[row][inner] * solution[inner] }
        solution[row] /= lower[row][row]
    }
    for row in stride(from: count - 1, through: 0, by: -1) {
        for inner in (row + 1)..<count { solution[row] -= lower[inner][row] * solution[inner] }
        solution[row] /= lower[row][row]
    }
    return solution
}
