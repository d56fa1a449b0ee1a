internal import Foundation

/// Huber's loss of the log losses, with its gradient: what a fit makes small (Hoffmann et al. 2022, equation 12).
///
/// The law is written as ln L = logsumexp(a − α·x, b − β·y, e) with A, B, E = exp(a, b, e), so that all three are above
/// zero whatever a step of the search does. x and y are ln N and ln D less their means, which makes a and α, b and β
/// nearly independent of one another: without it a small change of α needs a large one of a.
struct LogLossObjective: Sendable {
    /// a, b, e, α, β; the other three stay 0.
    typealias Constants = SIMD8<Double>

    private let x: [Double]
    private let y: [Double]
    private let logLosses: [Double]
    /// How often each point counts; empty: once.
    private let weights: [Double]
    private let meanX: Double
    private let meanY: Double
    private let delta: Double
    let tiesExponents: Bool

    init(_ points: [LossPoint], settings: FitSettings) {
        let (logN, logD) = (points.map { log($0.parameters) }, points.map { log($0.tokens) })
        let (meanX, meanY) = (Self.mean(logN), Self.mean(logD))
        (self.meanX, self.meanY) = (meanX, meanY)
        x = logN.map { $0 - meanX }
        y = logD.map { $0 - meanY }
        logLosses = points.map { log($0.loss) }
        weights = []
        (delta, tiesExponents) = (settings.delta, settings.tiesExponents)
    }

    private init(
        _ other: Self, x: [Double], y: [Double], logLosses: [Double], weights: [Double]
    ) {
        (self.x, self.y, self.logLosses, self.weights) = (x, y, logLosses, weights)
        (meanX, meanY, delta, tiesExponents) = (other.meanX, other.meanY, other.delta, other.tiesExponents)
    }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }

    /// The objective of a sample in which point i comes `counts[i]` times.
    func weighted(_ counts: [Int]) -> Self {
        let kept = x.indices.filter { counts[$0] > 0 }
        return Self(
            self, x: kept.map { x[$0] }, y: kept.map { y[$0] }, logLosses: kept.map { logLosses[$0] },
            weights: kept.map { Double(counts[$0]) })
    }

    /// The objective of the same sizes and tokens with other log losses.
    func with(logLosses: [Double]) -> Self { Self(self, x: x, y: y, logLosses: logLosses, weights: weights) }

    /// The law of constants of the search.
    func law(_ constants: Constants) -> LossLaw {
        LossLaw(
            floor: exp(constants[2]), parameterFactor: exp(constants[0] + constants[3] * meanX),
            parameterExponent: constants[3], tokenFactor: exp(constants[1] + constants[4] * meanY),
            tokenExponent: constants[4])
    }

    /// The constants of the search of a law whose three terms are above zero.
    func constants(_ law: LossLaw) -> Constants {
        Constants(
            log(law.parameterFactor) - law.parameterExponent * meanX, log(law.tokenFactor) - law.tokenExponent * meanY,
            log(law.floor), law.parameterExponent, law.tokenExponent, 0, 0, 0)
    }

    /// ln L of point `index` by the law.
    private func terms(_ index: Int, _ p: Constants, _ floor: Double) -> (u: Double, v: Double, sum: Double) {
        let u = exp(p[0] - p[3] * x[index])
        let v = exp(p[1] - p[4] * y[index])
        return (u, v, u + v + floor)
    }

    /// ln L fitted − ln L measured of every point.
    func residuals(_ p: Constants) -> [Double] {
        let floor = exp(p[2])
        return x.indices.map { log(terms($0, p, floor).sum) - logLosses[$0] }
    }

    /// The objective and its gradient. O(points).
    func value(_ p: Constants, gradient: inout Constants) -> Double {
        let floor = exp(p[2])
        var total = 0.0
        var (ga, gb, ge, gAlpha, gBeta) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for index in x.indices {
            let (u, v, sum) = terms(index, p, floor)
            let residual = log(sum) - logLosses[index]
            let size = abs(residual)
            let weight = weights.isEmpty ? 1 : weights[index]
            total += weight * (size <= delta ? 0.5 * residual * residual : delta * (size - 0.5 * delta))
            let slope = weight * max(-delta, min(delta, residual)) / sum
            ga += slope * u
            gb += slope * v
            ge += slope
            gAlpha -= slope * u * x[index]
            gBeta -= slope * v * y[index]
        }
        gradient = Constants(ga, gb, ge * floor, gAlpha, gBeta, 0, 0, 0)
        if tiesExponents {
            gradient[3] += gradient[4]
            gradient[4] = 0
        }
        return total
    }

    /// Gauss and Newton's matrix with the weights of iteratively reweighted least squares, δ/|r| beyond δ: a bound of the
    /// curvature of Huber's loss, and never indefinite.
    func curvature(_ p: Constants) -> [Constants] {
        let floor = exp(p[2])
        var matrix = [Constants](repeating: .zero, count: 5)
        for index in x.indices {
            let (u, v, sum) = terms(index, p, floor)
            let size = abs(log(sum) - logLosses[index])
            let weight = (weights.isEmpty ? 1 : weights[index]) * (size <= delta ? 1 : delta / size)
            var row = Constants(u, v, floor, -u * x[index], -v * y[index], 0, 0, 0) / sum
            if tiesExponents {
                row[3] += row[4]
                row[4] = 0
            }
            for column in 0..<5 { matrix[column] += weight * row[column] * row }
        }
        return matrix
    }

    /// Constants of a law linear in E, A and B: of these exponents the least squares of relative errors with all three
    /// above zero, and the sum of their squares. nil: there is none.
    func linear(alpha: Double, beta: Double) -> (constants: Constants, squares: Double)? {
        var best: (constants: Constants, squares: Double)?
        // Where a term would be negative it is left out, and gets a small share of the loss to start from.
        for kept in [[0, 1, 2], [0, 1], [0, 2], [1, 2], [0], [1], [2]] {
            guard let solution = solve(alpha, beta, kept) else { continue }
            if solution.squares < best?.squares ?? .infinity { best = solution }
        }
        return best
    }

    private func solve(_ alpha: Double, _ beta: Double, _ kept: [Int]) -> (constants: Constants, squares: Double)? {
        var normal = [Constants](repeating: .zero, count: 5)
        var right = Constants.zero
        func row(_ index: Int) -> Constants {
            let share = exp(-logLosses[index])
            let all = [exp(-alpha * x[index]) * share, exp(-beta * y[index]) * share, share]
            var row = Constants.zero
            for (place, term) in kept.enumerated() { row[place] = all[term] }
            return row
        }
        for index in x.indices {
            let row = row(index)
            for column in kept.indices { normal[column] += row[column] * row }
            right += row
        }
        guard let inverse = SymmetricMatrix.inverse(normal, size: kept.count, ridge: 1e-14) else { return nil }
        let found = SymmetricMatrix.product(inverse, right, size: kept.count)
        guard kept.indices.allSatisfy({ found[$0] > 0 && found[$0].isFinite }) else { return nil }
        var squares = 0.0
        for index in x.indices {
            let miss = (found * row(index)).sum() - 1
            squares += miss * miss
        }
        let small = exp(Self.mean(logLosses)) * 1e-3
        var terms = [small, small, small]
        for (place, term) in kept.enumerated() { terms[term] = found[place] }
        return (Constants(log(terms[0]), log(terms[1]), log(terms[2]), alpha, beta, 0, 0, 0), squares)
    }
}
