package import Costs
internal import Foundation
package import Plans

/// A fit of the constants of frameworks and devices to published runs.
///
/// The loss is a pseudo-Huber loss (5 %) of the logarithm of predicted over measured seconds. All sources weigh the
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

    /// Strength of the pull of a constant towards its start, relative to one source's mean error.
    private static let pull = 0.02
    private static let turn = 0.05

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
    }

    /// The constants that predict `runs` best.
    package func fit(_ runs: [PublishedRun], options: CostOptions = CostOptions()) -> [Double] {
        let rows = Self.rows(runs)
        guard !rows.isEmpty else { return start }
        let affected = parameters.map { parameter in
            rows.indices.filter { Self.concerns(parameter, rows[$0]) }
        }
        var logs = start.map(log)
        var errors = rows.map { error(of: $0, values: logs.map(exp), options: options) }
        let bounds = parameters.map { (log(max($0.range.lowerBound, 1e-7)), log($0.range.upperBound)) }
        var damping = 1e-3
        for _ in 0..<Self.rounds {
            let step = self.step(logs, rows, errors, affected: affected, damping: damping, options: options)
            let next = logs.indices.map { min(max(logs[$0] + step[$0], bounds[$0].0), bounds[$0].1) }
            let nextErrors = rows.map { error(of: $0, values: next.map(exp), options: options) }
            let (before, after) = (loss(logs, rows, errors), loss(next, rows, nextErrors))
            if after < before {
                (logs, errors) = (next, nextErrors)
                damping = max(damping / 5, 1e-6)
                if (before - after) / before < 1e-5 { break }
            } else {
                damping *= 10
                if damping > 1e4 { break }
            }
        }
        return logs.map(exp)
    }

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

    /// The architecture of a device: devices of one architecture share their constant.
    static func family(_ device: String) -> String {
        switch device.prefix(while: { $0 != "-" }) {
        case "a100": "a100"
        case "h100", "h200", "h800": "h100"
        case "b200", "gb200", "gb300": "b200"
        case let other: String(other)
        }
    }

    private static func rows(_ runs: [PublishedRun]) -> [Row] {
        let counts = Dictionary(grouping: runs, by: \.source).mapValues(\.count)
        return runs.compactMap { run in
            guard let plan = run.plan, let layout = plan.layout, let seconds = run.seconds,
                let pricer = try? Pricer(plan: plan), (try? pricer.work(layout)) != nil
            else { return nil }
            return Row(
                plan: plan, layout: layout, seconds: seconds,
                framework: plan.framework(for: layout),
                device: run.device,
                weight: Self.weight(ofOneIn: counts[run.source]))
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
            let distance = Self.pull * (value - log(start))
            sum += distance * distance
        }
        return sum
    }

    /// One damped Gauss-Newton step, in logarithms.
    private func step(
        _ logs: [Double], _ rows: [Row], _ errors: [Double], affected: [[Int]], damping: Double, options: CostOptions
    ) -> [Double] {
        let count = logs.count
        var slopes = [[Int: Double]](repeating: [:], count: count)
        let nudge = 1e-3
        for parameter in 0..<count {
            var moved = logs
            moved[parameter] += nudge
            let values = moved.map(exp)
            for row in affected[parameter] {
                let slope = (error(of: rows[row], values: values, options: options) - errors[row]) / nudge
                if slope != 0 { slopes[parameter][row] = slope }
            }
        }
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
            let pull = Self.pull * Self.pull
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
