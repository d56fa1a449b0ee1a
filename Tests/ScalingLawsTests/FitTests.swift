import Foundation
import Numbers
import Reading
import ScalingLaws
import TestSupport
import Testing

/// Laws fitted to runs whose law is known.
@Suite struct FitTests {
    /// Hoffmann et al. 2022, equation 10.
    static let hoffmann = LossLaw(
        floor: 1.69, parameterFactor: 406.4, parameterExponent: 0.34, tokenFactor: 410.7, tokenExponent: 0.28)

    /// Runs of a law with so much noise in the log loss.
    static func runs(_ law: LossLaw, count: Int, noise: Double, seed: UInt64) -> [LossPoint] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            let parameters = 1e7 * pow(1e3, random.next().fraction)
            let tokens = parameters * pow(100, random.next().fraction)
            let normal =
                (-2 * log(max(random.next().fraction, 1e-300))).squareRoot() * cos(2 * .pi * random.next().fraction)
            return LossPoint(
                parameters: parameters, tokens: tokens,
                loss: law.loss(parameters: parameters, tokens: tokens) * exp(noise * normal))
        }
    }

    static var figures: [KeyPath<LossLaw, Double>] {
        [\.floor, \.parameterFactor, \.parameterExponent, \.tokenFactor, \.tokenExponent]
    }

    /// Without noise the constants come back to three digits.
    @Test(arguments: [
        hoffmann,
        LossLaw(
            floor: 1.8172, parameterFactor: 482.01, parameterExponent: 0.3478, tokenFactor: 2085.43,
            tokenExponent: 0.3658),
        LossLaw(
            floor: 0.4, parameterFactor: 12, parameterExponent: 0.1, tokenFactor: 3e5, tokenExponent: 0.7),
    ])
    func exactRunsGiveTheLawBack(_ law: LossLaw) throws {
        var settings = FitSettings()
        settings.resamples = 0
        let fit = try LawFit(Self.runs(law, count: 40, noise: 0, seed: 5), settings: settings)
        for figure in Self.figures {
            #expect(abs(fit.law[keyPath: figure] / law[keyPath: figure] - 1) < 1e-3, "\(fit.law)")
        }
        #expect(fit.spread < 1e-6)
    }

    /// With noise the true constants lie inside most of the 90 % intervals, and a twentieth of the runs may be nonsense.
    @Test func noisyRunsHoldTheLawInTheirIntervals() throws {
        var inside = 0
        for seed in UInt64(1)...10 {
            var settings = FitSettings()
            settings.resamples = 200
            var runs = Self.runs(Self.hoffmann, count: 80, noise: 0.004, seed: seed)
            // Runs that diverged: Huber's loss does not follow them.
            for index in stride(from: 0, to: runs.count, by: 20) { runs[index].loss *= 1.5 }
            let fit = try LawFit(runs, settings: settings)
            for figure in Self.figures
            where fit.interval(of: { $0[keyPath: figure] }).contains(Self.hoffmann[keyPath: figure]) {
                inside += 1
            }
        }
        // 45 of 50 on average; fewer than 36 is one in 10⁴ for independent figures.
        #expect((36...50).contains(inside), "\(inside) of 50")
    }

    /// The runs of Hoffmann et al. give the constants of Besiroglu et al. 2024 (table 1: E 1.82, A 482.01, B 2085.43,
    /// α 0.35, β 0.37), with the five runs of highest loss left out as there, and the value that their notebook's fit
    /// from Hoffmann's grid of starts ends at, 0.00101827.
    @Test func hoffmannsRunsGiveBesiroglusConstants() throws {
        let table = try Self.hoffmannsRuns()
        #expect(table.points.count == 240 && table.held.count == 5)
        #expect(table.held.map(\.loss).min() ?? 0 > table.points.map(\.loss).max() ?? 9)
        var settings = FitSettings()
        (settings.confidence, settings.resamples) = (0.95, 400)
        let fit = try LawFit(table.points, settings: settings)
        let published = [1.8172, 482.01, 0.3478, 2085.43, 0.3658]
        // Their standard errors: 0.03, 124.58, 0.02, 1293.23, 0.02.
        let errors = [0.03, 124.58, 0.02, 1293.23, 0.02]
        for ((figure, value), error) in zip(zip(Self.figures, published), errors) {
            let found = fit.law[keyPath: figure]
            #expect(abs(found - value) < error / 4, "\(found) for \(value)")
            #expect(fit.interval { $0[keyPath: figure] }.contains(value))
        }
        #expect(abs(fit.objective / 0.0010182740 - 1) < 1e-4)
        // Hoffmann's own rounded constants are outside: that is the dispute.
        #expect(!fit.interval(of: \.floor).contains(1.69))
        #expect(!fit.interval(of: \.tokenFactor).contains(410.7))
    }

    static func hoffmannsRuns() throws -> LossTable {
        let path = "\(Checkout.root)/Tests/Goldens/hoffmann_runs.csv"
        var files = ReadFiles()
        return try LossTable.read(path: path, unit: nil, files: &files)
    }
}
