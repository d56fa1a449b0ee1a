import Foundation
import Numbers
import Plans
import Testing

/// Measured steps, and other layouts and devices.
@Suite struct AnchorTests {
    private static let deviation = 0.14

    private func point(_ residual: Double, tensor: Int = 1, data: Int = 8, batch: Int = 64) -> Anchor.Point {
        let layout = Layout(data: data, tensor: tensor)
        return Anchor.Point(layout: layout, devices: tensor * data, batch: batch, residual: residual)
    }

    private func expected(_ points: [Anchor.Point], of target: Anchor.Point, unknown: Double = 0) -> Anchor.Expectation
    {
        Anchor(points: points).expectation(
            target.layout, devices: target.devices, batch: target.batch, deviation: Self.deviation, unknown: unknown)
    }

    /// One measurement, by hand: the covariance over the variance.
    @Test func oneMeasurementCountsByWhatItShares() {
        let (variance, noise) = (Self.deviation * Self.deviation, Anchor.noise * Anchor.noise)
        for (target, share) in [
            (point(0), 1.0), (point(0, data: 64), 0.9), (point(0, batch: 128), 0.9), (point(0, tensor: 2), 0.5),
        ] {
            let found = expected([point(0.2)], of: target)
            let weight = share * variance / (variance + noise)
            #expect(abs(found.shift - 0.2 * weight) < 1e-12)
            let left = max(variance - share * share * variance * variance / (variance + noise), noise)
            #expect(abs(found.deviation - left.squareRoot()) < 1e-12)
        }
        // Unknown software is the same for all layouts: a step of another layout says more of it.
        let (known, unknown) = (
            expected([point(0.2)], of: point(0, tensor: 2)),
            expected([point(0.2)], of: point(0, tensor: 2), unknown: 0.3)
        )
        #expect(unknown.shift > known.shift)
    }

    /// A further measurement never widens the band, and their order does not matter.
    @Test func furtherMeasurementsNarrow() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<200 {
            let points = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                point(
                    Double.random(in: -0.3...0.3, using: &random),
                    tensor: [1, 2, 4].randomElement(using: &random) ?? 1,
                    data: [4, 8, 16].randomElement(using: &random) ?? 4)
            }
            let target = point(0, tensor: 2, data: 32)
            var last = Self.deviation
            for count in 1...points.count {
                let found = expected(Array(points.prefix(count)), of: target)
                #expect(found.deviation <= last * (1 + 1e-9) && found.deviation > 0)
                #expect(abs(found.shift) < 0.6)
                last = found.deviation
            }
            let (there, back) = (expected(points, of: target), expected(points.reversed(), of: target))
            #expect(abs(there.shift - back.shift) < 1e-9 && abs(there.deviation - back.deviation) < 1e-9)
        }
    }

    /// A step measured many times is known, but no better than one measurement's own noise.
    @Test func noiseRemains() {
        let found = expected((0..<50).map { _ in point(0.1) }, of: point(0))
        #expect(abs(found.shift - 0.1) < 1e-3 && found.deviation == Anchor.noise)
        let none = expected([], of: point(0))
        #expect(none.shift == 0 && abs(none.deviation - Self.deviation) < 1e-12)
    }
}
