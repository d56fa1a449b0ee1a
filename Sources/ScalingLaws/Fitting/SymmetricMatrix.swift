/// Small symmetric matrices as rows of eight numbers, of which the first `size` count.
enum SymmetricMatrix {
    typealias Row = SIMD8<Double>

    /// The inverse, by Cholesky's factors; nil where the matrix is not positive definite.
    /// - Parameter ridge: added to the diagonal, as a share of each of its entries.
    static func inverse(_ matrix: [Row], size: Int, ridge: Double) -> [Row]? {
        var lower = [Row](repeating: .zero, count: size)
        for row in 0..<size {
            for column in 0...row {
                var sum = matrix[row][column] * (row == column ? 1 + ridge : 1)
                for inner in 0..<column { sum -= lower[row][inner] * lower[column][inner] }
                if row == column {
                    guard sum > 0, sum.isFinite else { return nil }
                    lower[row][row] = sum.squareRoot()
                } else {
                    lower[row][column] = sum / lower[column][column]
                }
            }
        }
        var inverse = [Row](repeating: .zero, count: max(size, matrix.count))
        for unit in 0..<size {
            var solution = Row.zero
            for row in 0..<size {
                var sum = row == unit ? 1.0 : 0
                for inner in 0..<row { sum -= lower[row][inner] * solution[inner] }
                solution[row] = sum / lower[row][row]
            }
            for row in stride(from: size - 1, through: 0, by: -1) {
                var sum = solution[row]
                for inner in (row + 1)..<size { sum -= lower[inner][row] * solution[inner] }
                solution[row] = sum / lower[row][row]
            }
            inverse[unit] = solution
        }
        return inverse
    }

    /// Matrix times vector.
    static func product(_ matrix: [Row], _ vector: Row, size: Int) -> Row {
        var product = Row.zero
        for row in 0..<size { product[row] = (matrix[row] * vector).sum() }
        return product
    }
}
