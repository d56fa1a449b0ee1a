internal import Foundation

/// Measured steps of a plan, against which its predictions are set, for other layouts and other numbers of
/// devices.
///
/// The logarithm of measured over predicted seconds is a sum of three independent parts: one of the software, the machine and
/// the model, which all measurements share; one of the layout's degrees; and one of the number of devices. Their shares are
/// those of the published runs (docs/cost-model.md, "Anchoring").
package struct Anchor: Hashable, Codable, Sendable {
    /// A measured step of a layout.
    package struct Point: Hashable, Codable, Sendable {
        package var layout: Layout
        package var devices: Int
        /// Sequences of the step.
        package var batch: Int
        /// Logarithm of measured over predicted seconds.
        package var residual: Double

        package init(layout: Layout, devices: Int, batch: Int, residual: Double) {
            (self.layout, self.devices, self.batch, self.residual) = (layout, devices, batch, residual)
        }
    }

    package var points: [Point]

    package init(points: [Point]) { self.points = points }

    /// Shares of the variance of residuals that all layouts have in common, that layouts of the same degrees have in common,
    /// and that is of one number of devices.
    package static let shares = (common: 0.5, layout: 0.4, devices: 0.1)
    /// Standard deviation of the logarithm of one measurement of some minutes.
    package static let noise = 0.02

    /// The logarithm of measured over predicted seconds that is expected of a step, and its standard deviation.
    package struct Expectation: Hashable, Sendable {
        package var shift: Double
        package var deviation: Double
    }

    /// Mean and deviation of the normal distribution of a step of `layout`, given the measurements.
    /// - Parameters:
    ///   - deviation: standard deviation of the logarithm without measurements, for a layout and software that are known.
    ///   - unknown: standard deviation of what is added where they are not; measurements are of the same software.
    package func expectation(
        _ layout: Layout, devices: Int, batch: Int, deviation: Double, unknown: Double = 0
    ) -> Expectation {
        let target = Point(layout: layout, devices: devices, batch: batch, residual: 0)
        let (known, extra) = (deviation * deviation, unknown * unknown)
        func covariance(_ a: Point, _ b: Point) -> Double {
            var sum = Self.shares.common * known + extra
            guard a.degrees == b.degrees else { return sum }
            sum += Self.shares.layout * known
            if a.devices == b.devices, a.batch == b.batch { sum += Self.shares.devices * known }
            return sum
        }
        let whole = known + extra
        var matrix = points.map { row in points.map { covariance(row, $0) } }
        for index in points.indices { matrix[index][index] += Self.noise * Self.noise }
        let towards = points.map { covariance($0, target) }
        guard let weights = Self.solved(matrix, towards) else {
            return Expectation(shift: 0, deviation: whole.squareRoot())
        }
        let shift = zip(weights, points).reduce(0) { $0 + $1.0 * $1.1.residual }
        let explained = zip(weights, towards).reduce(0) { $0 + $1.0 * $1.1 }
        // A run of days meets what a measurement of minutes does not: no less than its noise remains.
        return Expectation(
            shift: shift, deviation: max(whole - explained, Self.noise * Self.noise).squareRoot())
    }

    /// The solution of a symmetric, positive system, by Cholesky's decomposition; nil if it is singular.
    private static func solved(_ matrix: [[Double]], _ right: [Double]) -> [Double]? {
        let count = right.count
        var lower = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
        for row in 0..<count {
            for column in 0...row {
                var sum = matrix[row][column]
                for index in 0..<column { sum -= lower[row][index] * lower[column][index] }
                if row == column {
                    guard sum > 0 else { return nil }
                    lower[row][row] = sum.squareRoot()
                } else {
                    lower[row][column] = sum / lower[column][column]
                }
            }
        }
        var values = right
        for row in 0..<count {
            for index in 0..<row { values[row] -= lower[row][index] * values[index] }
            values[row] /= lower[row][row]
        }
        for row in (0..<count).reversed() {
            for index in (row + 1)..<max(count, row + 1) { values[row] -= lower[index][row] * values[index] }
            values[row] /= lower[row][row]
        }
        return values
    }

    /// The number of measurements in words.
    package var count: String { points.count == 1 ? "one measured step" : "\(points.count) measured steps" }

    /// The measurements in words, as they concern a step of `layout`.
    package func words(_ layout: Layout) -> String {
        let target = Point(layout: layout, devices: 0, batch: 0, residual: 0)
        let same = points.count { $0.degrees == target.degrees }
        switch same {
        case points.count: return "\(count) of this layout"
        case 0: return "\(count) of \(points.count == 1 ? "another layout" : "other layouts")"
        default: return "\(count), \(same) of this layout"
        }
    }
}

extension Anchor.Point {
    /// The layout without what follows from the number of devices.
    fileprivate var degrees: Layout {
        var open = layout
        (open.data, open.shardGroup) = (1, nil)
        return open
    }
}

extension Plan {
    /// The plan without its measured steps, where these are not of its model, cluster or format any more.
    package var withoutMeasurements: Plan {
        var plan = self
        (plan.measured, plan.measurements, plan.anchor) = (nil, [], nil)
        return plan
    }

    /// A measured step of the plan's model, on the plan's cluster and software.
    package struct Measurement: Hashable, Codable, Sendable {
        package var seconds: Double
        package var devices: Int
        /// Sequences of the step.
        package var batch: Int
        package var layout: Layout
        /// Whether it is the step of the plan itself, as its file states it.
        package var isOwn: Bool

        package init(seconds: Double, devices: Int, batch: Int, layout: Layout, isOwn: Bool = false) {
            (self.seconds, self.devices, self.batch, self.layout) = (seconds, devices, batch, layout)
            self.isOwn = isOwn
        }
    }
}
