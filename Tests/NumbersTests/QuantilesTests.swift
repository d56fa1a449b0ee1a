import Numbers
import Testing

@Suite struct QuantilesTests {
    /// `numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], [0.1, 0.5, 0.9])` is [1, 3.5, 6.9].
    @Test func quantilesAreThoseOfNumPy() {
        let quantiles = Quantiles([3, 1, 4, 1, 5, 9, 2, 6])
        #expect(quantiles.at(0.1) == 1)
        #expect(quantiles.at(0.5) == 3.5)
        #expect(abs(quantiles.at(0.9) - 6.9) < 1e-12)
        #expect(quantiles.share(atMost: 4) == 0.625)
        #expect(quantiles.share(atMost: 0) == 0)
        #expect(quantiles.share(atMost: 9) == 1)
    }

    @Test func endlessSamplesStayEndless() {
        let quantiles = Quantiles([1, .infinity, .infinity])
        #expect(quantiles.at(0) == 1)
        #expect(quantiles.at(0.5) == .infinity)
        #expect(quantiles.at(0.9) == .infinity)
        #expect(Quantiles([]).at(0.5).isNaN)
    }
}
