internal import Foundation

/// Fraction of the peak as a function of size: linear in the logarithm of the size between the points, constant
/// outside.
package struct EfficiencyCurve: Hashable, Codable, Sendable {
    package struct Point: Hashable, Codable, Sendable {
        /// FLOPs of the product, or tokens of the sequence.
        package var size: Double
        /// Fraction of the datasheet peak, 0 to 1.
        package var share: Double

        package init(size: Double, share: Double) {
            self.size = size
            self.share = share
        }
    }

    /// Points in ascending order of size; at least one.
    package var points: [Point]

    package init(points: [Point]) { self.points = points }
}

extension EfficiencyCurve {
    /// Fraction of the peak at a size: linear in log₂ of the size between the points, constant outside. Complexity:
    /// O(points).
    package func share(of size: Double) -> Double {
        guard let last = points.last else { return 1 }
        if size >= last.size { return last.share }
        if size <= points[0].size { return points[0].share }
        var upper = 1
        while points[upper].size < size { upper += 1 }
        let (low, high) = (points[upper - 1], points[upper])
        let position = log(size / low.size) / log(high.size / low.size)
        return low.share + (high.share - low.share) * position
    }
}
