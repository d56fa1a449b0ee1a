internal import Foundation
internal import Models
package import Plans

/// 90 % band of a step around its prediction, as wide as the published runs behind the prediction allow.
///
/// The band is narrow where another publication has runs of the software on the device, and wider where none has. Its
/// widths are calibrated on published runs, each predicted with constants fitted without its source, and again without
/// its device.
package struct ErrorBand: Hashable, Sendable {
    /// Fraction of the prediction by which 95 % of steps are at most shorter.
    package var low: Double
    /// Fraction of the prediction by which 95 % of steps are at most longer.
    package var high: Double
    /// The evidence behind the width, as a short phrase.
    package var reason: String
    /// Logarithm of the step that measurements make expected over its prediction.
    package var shift = 0.0

    /// Fraction of runs inside the band.
    package static let confidence = 0.9
    /// Half-width, in logarithms, where another publication has runs of the software on the device. Both files of
    /// residuals behind the tests hold their figures (Tests/Goldens/left_out_residuals.json).
    package static let knownPair = 0.21
    /// Factor where no publication has runs of the software on the device.
    package static let newPair = 1.3
    /// Factor of mixtures of experts, whose routers and dispatchers differ more than dense blocks do.
    package static let mixture = 1.8
    /// Half-width, in logarithms, that is added in quadrature where the layout or the software is not the team's own: a
    /// search chose the layout, or the plan names no software. The fastest published runs scatter this much more around
    /// the fastest layout, or around the price on assumed software, than around the price of their own.
    package static let notTheirs = 0.28
    /// Half-widths, in logarithms, that are added in quadrature where the plan does not say how much time stops take. A
    /// whole run may train 99 % of its time (BloombergGPT, Nemotron-4 15B) rather than the usual 90 %, or 68 % (Apertus).
    package static let stops = (below: 0.10, above: 0.28)

    /// Half-width, in logarithms, of the band of a step.
    /// - Parameters:
    ///   - sources: publications with runs of the software on the device; 0 where fewer than two publications fix the
    ///     software's constants.
    ///   - isTheirs: whether software and layout are those of the team that trains.
    package static func halfWidth(sources: Int, isTheirs: Bool, isMixture: Bool) -> Double {
        let width = knownPair * (sources > 0 ? 1 : newPair) * (isMixture ? mixture : 1)
        return isTheirs ? width : hypot(width, notTheirs)
    }

    /// Half-width of a normal distribution's middle nine tenths, in standard deviations.
    package static let deviations = 1.645

    package init(halfWidth: Double, reason: String) { self.init(below: halfWidth, above: halfWidth, reason: reason) }

    private init(below: Double, above: Double, reason: String) {
        self.init(low: 1 - exp(-below), high: exp(above) - 1, reason: reason)
    }

    private init(low: Double, high: Double, reason: String) {
        (self.low, self.high, self.reason) = (low, high, reason)
    }

    /// The band of the run of `plan` with `layout` on `framework`. A framework file that states its band overrides the
    /// evidence, and measured steps narrow either.
    package init(plan: Plan, layout: Layout, framework: Framework) {
        let stops = plan.run.idle == nil && plan.isOnAccelerators ? Self.stops : (below: 0, above: 0)
        guard !framework.states(.bandLow), !framework.states(.bandHigh) else {
            let reason = "stated in the file of \(framework.name)"
            guard let anchor = plan.anchor else {
                self.init(low: framework.bandLow, high: framework.bandHigh, reason: reason)
                return
            }
            let width = log1p(framework.bandHigh)
            self.init(anchor, plan, layout, width: width, unknown: 0, stops: stops)
            return
        }
        let (isNamed, isMixture) = (plan.frameworks.named != nil, plan.model.moe != nil)
        let isSearched = plan.practice > RunShares.Practice.picked
        let devices = plan.cluster.groups?.list.map(\.cluster.device) ?? [plan.cluster.device]
        // Runs of any software tell of the device where the software is assumed.
        let known = isNamed ? [framework] : Array(plan.frameworks.known.values) + [framework]
        // Of unlike devices, the least known decides.
        let least =
            devices.map { device in
                (name: device.family, sources: known.map { $0.sources[device.family] ?? 0 }.max() ?? 0)
            }.min { $0.sources < $1.sources } ?? (plan.cluster.device.family, 0)
        let pair = isNamed ? "of \(framework.name) on \(least.name.uppercased())" : "on \(least.name.uppercased())"
        let evidence =
            switch least.sources {
            case 0: "no published run \(pair)"
            case _ where !isNamed: "published runs \(pair) are of several"
            case 1: "one publication has runs \(pair)"
            default: "\(least.sources) publications have runs \(pair)"
            }
        let isTheirs = isNamed && !isSearched
        // Constants that one publication fixes predict the runs of others no better than those of another device.
        let isThin = isNamed && !framework.assumedConstants.isEmpty
        let sources = isThin ? 0 : least.sources
        if let anchor = plan.anchor {
            let width = Self.halfWidth(sources: sources, isTheirs: true, isMixture: isMixture)
            self.init(anchor, plan, layout, width: width, unknown: isTheirs ? 0 : Self.notTheirs, stops: stops)
            return
        }
        let width = Self.halfWidth(sources: sources, isTheirs: isTheirs, isMixture: isMixture)
        var reasons = isNamed ? [evidence] : ["the software is assumed", evidence]
        if isThin, least.sources > 0 {
            reasons.append("fewer than two publications fix constants of \(framework.name)")
        }
        if isMixture { reasons.append("mixtures of experts vary more") }
        if isSearched {
            reasons.append(
                "the layout is the best known practice, of which teams reached \(Int((100 / plan.practice).rounded())) %"
            )
        }
        self.init(
            below: hypot(width, stops.below), above: hypot(width, stops.above), reason: reasons.joined(separator: "; "))
        span(plan.otherSoftware)
    }

    /// Widens the band to hold the prices on other software that may be meant.
    private mutating func span(_ others: [Plan.OtherSoftware]) {
        let (low, high) = (self.low, self.high)
        for other in others {
            (self.low, self.high) = (max(self.low, 1 - other.ratio), max(self.high, other.ratio - 1))
        }
        if self.low > low || self.high > high { reason += "; it spans the prices on other software" }
    }

    /// The band that measured steps leave.
    /// - Parameters:
    ///   - width: half-width without measurements, of known software and a known layout.
    ///   - unknown: half-width of what is added where these are not known.
    private init(
        _ anchor: Anchor, _ plan: Plan, _ layout: Layout, width: Double, unknown: Double,
        stops: (below: Double, above: Double)
    ) {
        let expected = anchor.expectation(
            layout, devices: plan.devices, batch: plan.batch, deviation: width / Self.deviations,
            unknown: unknown / Self.deviations)
        let left = Self.deviations * expected.deviation
        self.init(below: hypot(left, stops.below), above: hypot(left, stops.above), reason: anchor.words(layout))
        shift = expected.shift
    }

    /// Whether a step of `ratio` times its prediction is inside the band.
    package func holds(_ ratio: Double) -> Bool { ratio >= 1 - low && ratio <= 1 + high }
}
