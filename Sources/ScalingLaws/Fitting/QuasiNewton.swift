/// The search for the smallest value of the objective: BFGS (Nocedal and Wright 2006, algorithm 6.1) with steps that are
/// halved until they pay.
///
/// Hoffmann et al. use L-BFGS, which keeps only a few of the last steps: with five constants the whole matrix is
/// smaller than those. It starts from the inverse of `LogLossObjective.curvature` rather than from the identity.
enum QuasiNewton {
    struct Minimum: Sendable {
        var constants: LogLossObjective.Constants
        var value: Double
        /// Evaluations of the objective.
        var evaluations: Int
    }

    private static let size = 5
    private static let mostSteps = 200
    /// A step that lowers the objective by a smaller share gains nothing.
    private static let leastGain = 1e-9

    /// Searches from `start`. O(steps · points).
    static func minimum(_ objective: LogLossObjective, from start: LogLossObjective.Constants) -> Minimum {
        var gradient = LogLossObjective.Constants.zero
        var point = start
        if objective.tiesExponents { point[4] = point[3] }
        var value = objective.value(point, gradient: &gradient)
        var evaluations = 1
        var inverse = fresh(objective, point)
        var (isFresh, small) = (true, 0)
        for _ in 0..<mostSteps {
            guard value.isFinite, value > 0 else { break }
            var direction = -SymmetricMatrix.product(inverse, gradient, size: size)
            var slope = (direction * gradient).sum()
            if !(slope < 0) {
                guard !isFresh else { break }
                (inverse, isFresh) = (fresh(objective, point), true)
                direction = -SymmetricMatrix.product(inverse, gradient, size: size)
                slope = (direction * gradient).sum()
                guard slope < 0 else { break }
            }
            // No step changes a term more than e²-fold.
            let longest = (0..<size).map { abs(direction[$0]) }.max() ?? 0
            var length = longest > 2 ? 2 / longest : 1
            var (next, nextValue, nextGradient) = (point, Double.infinity, gradient)
            for _ in 0..<40 {
                next = point + length * direction
                if objective.tiesExponents { next[4] = next[3] }
                nextValue = objective.value(next, gradient: &nextGradient)
                evaluations += 1
                if nextValue <= value + 1e-4 * length * slope { break }
                length /= 2
                nextValue = .infinity
            }
            guard nextValue < value else {
                guard !isFresh else { break }
                (inverse, isFresh) = (fresh(objective, point), true)
                continue
            }
            let (step, change) = (next - point, nextGradient - gradient)
            small = value - nextValue < leastGain * value ? small + 1 : 0
            (point, value, gradient) = (next, nextValue, nextGradient)
            guard small < 3 else { break }
            update(&inverse, step, change, tied: objective.tiesExponents)
            isFresh = false
        }
        return Minimum(constants: point, value: value, evaluations: evaluations)
    }

    private static func fresh(_ objective: LogLossObjective, _ point: LogLossObjective.Constants)
        -> [SymmetricMatrix.Row]
    {
        var matrix = objective.curvature(point)
        // A constant that changes nothing keeps its value.
        let largest = (0..<size).map { matrix[$0][$0] }.max() ?? 0
        for index in 0..<size where !(matrix[index][index] > 1e-12 * largest) {
            for other in 0..<size { (matrix[index][other], matrix[other][index]) = (0, 0) }
            matrix[index][index] = max(largest, .leastNormalMagnitude)
        }
        for ridge in [1e-9, 1e-6, 1e-3, 1] {
            if let inverse = SymmetricMatrix.inverse(matrix, size: size, ridge: ridge) { return inverse }
        }
        return (0..<size).map { index in
            var row = SymmetricMatrix.Row.zero
            row[index] = 1 / matrix[index][index]
            return row
        }
    }

    /// The update of the inverse: H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ with ρ = 1/yᵀs.
    private static func update(
        _ inverse: inout [SymmetricMatrix.Row], _ step: SymmetricMatrix.Row, _ change: SymmetricMatrix.Row, tied: Bool
    ) {
        var step = step
        if tied { step[4] = 0 }
        let curvature = (step * change).sum()
        guard curvature > 1e-12 * ((step * step).sum() * (change * change).sum()).squareRoot() else { return }
        let rho = 1 / curvature
        let product = SymmetricMatrix.product(inverse, change, size: size)
        let scale = rho * (1 + rho * (change * product).sum())
        for row in 0..<size {
            inverse[row] += scale * step[row] * step - rho * (product[row] * step + step[row] * product)
        }
    }
}
