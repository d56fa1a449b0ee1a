internal import Foundation

/// y = factor · x^exponent.
package struct PowerLaw: Hashable, Sendable {
    package var factor: Double
    package var exponent: Double

    package init(_ factor: Double, _ exponent: Double) {
        self.factor = factor
        self.exponent = exponent
    }

    /// The power law with this exponent through a point.
    package init(exponent: Double, through point: (x: Double, y: Double)) {
        self.exponent = exponent
        factor = point.y / pow(point.x, exponent)
    }

    package func callAsFunction(_ x: Double) -> Double { factor * pow(x, exponent) }
}
