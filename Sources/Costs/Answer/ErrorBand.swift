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

    /// Fraction of runs inside the band.
    package static let confidence = 0.9
    /// Half-width, in logarithms, where another publication has runs of the software on the device. Both files of
    /// residuals behind the tests hold their figures (Tests/Goldens/left_out_residuals.json).
    package static let knownPair = 0.23
    /// Factor where no publication has runs of the software on the device.
    package static let newPair = 1.5
    /// Factor of mixtures of experts, whose routers and dispatchers differ more than dense blocks do.
    package static let mixture = 1.4
    /// Least half-width, in logarithms, where the plan names no software: predictions by software of one year lie this
    /// far apart.
    package static let unnamed = 0.53

    /// Half-width, in logarithms, of the band of a step.
    /// - Parameters:
    ///   - sources: publications with runs of the software on the device.
    ///   - isNamed: whether the plan names the software.
    package static func halfWidth(sources: Int, isNamed: Bool, isMixture: Bool) -> Double {
        let width = knownPair * (sources > 0 ? 1 : newPair) * (isMixture ? mixture : 1)
        return isNamed ? width : max(width, unnamed)
    }

    package init(halfWidth: Double, reason: String) {
        self.init(low: 1 - exp(-halfWidth), high: exp(halfWidth) - 1, reason: reason)
    }

    private init(low: Double, high: Double, reason: String) {
        (self.low, self.high, self.reason) = (low, high, reason)
    }

    /// The band of `plan` on `framework`. A framework file that states its band overrides the evidence.
    package init(plan: Plan, framework: Framework) {
        guard !framework.states(.bandLow), !framework.states(.bandHigh) else {
            self.init(
                low: framework.bandLow, high: framework.bandHigh, reason: "stated in the file of \(framework.name)")
            return
        }
        let devices = plan.cluster.groups?.list.map(\.cluster.device) ?? [plan.cluster.device]
        // Of unlike devices, the least known decides.
        let least =
            devices.map { (name: $0.family, sources: framework.sources[$0.family] ?? 0) }
            .min { $0.sources < $1.sources } ?? (plan.cluster.device.family, 0)
        let (isNamed, isMixture) = (plan.frameworks.named != nil, plan.model.moe != nil)
        let pair = "\(framework.name) on \(least.name.uppercased())"
        let evidence =
            switch least.sources {
            case 0: "no published run of \(pair)"
            case 1: "one publication has runs of \(pair)"
            default: "\(least.sources) publications have runs of \(pair)"
            }
        self.init(
            halfWidth: Self.halfWidth(sources: least.sources, isNamed: isNamed, isMixture: isMixture),
            reason: (isNamed ? evidence : "the software is assumed; \(evidence)")
                + (isMixture ? "; mixtures of experts vary more" : ""))
    }

    /// Whether a step of `ratio` times its prediction is inside the band.
    package func holds(_ ratio: Double) -> Bool { ratio >= 1 - low && ratio <= 1 + high }
}
