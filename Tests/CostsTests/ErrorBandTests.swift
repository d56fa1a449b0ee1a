import Costs
import Foundation
import Plans
import TestSupport
import Testing

/// The 90 % band, by the published runs behind it.
@Suite struct ErrorBandTests {
    /// Predictions of published core runs with constants fitted without their source, and without their device.
    private struct Residual: Decodable {
        var source: String
        var mixture: Bool
        /// Publications with runs of the software on the device, but for the run's own.
        var others: Int
        /// Logarithm of measured over predicted seconds, without the source and without the device.
        var withoutSource: Double
        var withoutDevice: Double
    }

    private func residuals() throws -> [Residual] {
        let path = "\(Checkout.root)/Tests/Goldens/left_out_residuals.json"
        return try JSONDecoder().decode([Residual].self, from: Data(contentsOf: URL(filePath: path)))
    }

    /// The widths hold about nine in ten runs, every source counting the same, whether sources or devices are left out.
    @Test func coverage() throws {
        let rows = try residuals()
        #expect(rows.count > 300)
        func covered(_ error: (Residual) -> Double, sources: (Residual) -> Int) -> Double {
            let inside = rows.map { row in
                let width = ErrorBand.halfWidth(sources: sources(row), isTheirs: true, isMixture: row.mixture)
                return (source: row.source, isInside: ErrorBand(halfWidth: width, reason: "").holds(exp(error(row))))
            }
            let shares = Dictionary(grouping: inside, by: \.source).values.map { runs in
                Double(runs.filter(\.isInside).count) / Double(runs.count)
            }
            return shares.reduce(0, +) / Double(shares.count)
        }
        let (source, device) = (
            covered(\.withoutSource, sources: \.others), covered(\.withoutDevice, sources: { _ in 0 })
        )
        #expect((0.88...0.93).contains(source), "\(source)")
        #expect((0.88...0.93).contains(device), "\(device)")
    }

    private func band(_ change: (inout Plan) -> Void = { _ in }) throws -> ErrorBand {
        let text = """
            model: llama3-8b
            tokens: 1e12
            cluster: h100-80g-sxm
            devices: 8
            batch: 64
            framework: megatron-core
            layout: {data: 8, sharding: optimizer}
            """
        var plan = try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
        change(&plan)
        return ErrorBand(
            plan: plan, layout: try #require(plan.layout), framework: plan.framework(for: plan.layout))
    }

    /// Half-widths in logarithms of the run's band.
    private func widths(_ band: ErrorBand) -> (below: Double, above: Double) {
        (-log(1 - band.low), log(1 + band.high))
    }

    @Test func theBandSaysWhy() throws {
        let known = try band()
        #expect(known.reason == "4 publications have runs of megatron-core on H100")
        #expect(abs(widths(known).below - hypot(ErrorBand.knownPair, ErrorBand.stops.below)) < 1e-12)
        #expect(abs(widths(known).above - hypot(ErrorBand.knownPair, ErrorBand.stops.above)) < 1e-12)
        let new = try band {
            $0.frameworks.named = "nanotron"
            $0.cluster.device.name = "AMD Instinct MI300X"
        }
        #expect(new.reason == "no published run of nanotron on MI300X")
        #expect(widths(new).below > widths(known).below)
        let assumed = try band { $0.frameworks.named = nil }
        #expect(assumed.reason == "the software is assumed; published runs on H100 are of several")
        let wide = hypot(ErrorBand.knownPair, ErrorBand.notTheirs)
        #expect(abs(widths(assumed).above - hypot(wide, ErrorBand.stops.above)) < 1e-12)
        // One publication alone fixes nanotron's constants.
        let thin = try band { $0.frameworks.named = "nanotron" }
        #expect(
            thin.reason
                == "one publication has runs of nanotron on H100; fewer than two publications fix constants of nanotron"
        )
        #expect(abs(widths(thin).below - hypot(ErrorBand.newPair * ErrorBand.knownPair, ErrorBand.stops.below)) < 1e-12)
        let spanning = try band {
            $0.frameworks.named = nil
            $0.otherSoftware = [
                Plan.OtherSoftware(name: "a", seconds: 1, ratio: 0.4),
                Plan.OtherSoftware(name: "b", seconds: 5, ratio: 2.5),
            ]
        }
        #expect(abs(spanning.low - 0.6) < 1e-12 && abs(spanning.high - 1.5) < 1e-12)
        #expect(spanning.reason.hasSuffix("it spans the prices on other software"))
        let stated = try band {
            $0.frameworks.known["megatron-core"]?.own.insert(.bandHigh)
            $0.frameworks.known["megatron-core"]?.bandHigh = 0.11
        }
        #expect(stated.high == 0.11 && stated.reason == "stated in the file of megatron-core")
    }

    /// Who says how much time stops take knows more, and whose layout a search chose knows less.
    @Test func theBandIsThatOfTheRun() throws {
        let own = try band { $0.run.idle = 0.02 }
        #expect(abs(widths(own).below - ErrorBand.knownPair) < 1e-12)
        #expect(abs(widths(own).above - ErrorBand.knownPair) < 1e-12)
        let searched = try band { $0.run = RunShares(idle: 0, practice: RunShares.Practice.named) }
        #expect(abs(widths(searched).above - hypot(ErrorBand.knownPair, ErrorBand.notTheirs)) < 1e-12)
        #expect(searched.reason.contains("best known practice, of which teams reached 91 %"))
    }

    @Test(arguments: [
        ("NVIDIA H100 80GB HBM3", "h100"), ("h200-141g-sxm", "h100"), ("NVIDIA A100-SXM4-80GB", "a100"),
        ("AMD Instinct MI300X", "mi300x"), ("ascend-910b", "910b"), ("Huawei Ascend 910B", "910b"),
        ("NVIDIA H20", "h20"), ("one core", "one core"), ("", ""),
    ])
    func families(_ name: String, _ family: String) { #expect(Device.family(of: name) == family) }
}
