internal import Foundation

/// A factor around 1 that is log-normal on either side, each side with a width of its own.
struct SkewedSpread: Hashable, Sendable {
    /// Logarithms of the 5th and the 95th percentile, in units of the normal distribution.
    private let below, above: Double

    /// The 95th percentile of the normal distribution.
    static let ninetyFifth = 1.6448536269514722

    /// - Parameters:
    ///   - low: the 5th percentile of the factor. One that is not above 0, or not finite, makes no spread on its side.
    ///   - high: the 95th percentile.
    init(low: Double, high: Double) {
        func width(_ end: Double) -> Double { end > 0 && end.isFinite ? log(end) / Self.ninetyFifth : 0 }
        (below, above) = (-width(low), width(high))
    }

    /// The factor at this draw of the normal distribution.
    func factor(_ normal: Double) -> Double { exp(normal * (normal < 0 ? below : above)) }
}
