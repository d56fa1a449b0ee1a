internal import Foundation

/// A model that is trained beyond its compute optimum because it will answer much: of all sizes that reach a loss, the
/// one whose training and answers together cost least (Sardana et al. 2024, arXiv 2401.00448, equation 3).
package struct ServedAllocation: Hashable, Sendable {
    package var run: Allocation
    /// FLOPs of the answers: 2·N a token, forward alone.
    package var servingFLOPs: Double

    package var totalFLOPs: Double { run.flops + servingFLOPs }

    /// FLOPs of a token of a prompt or an answer, over parameters.
    private static let flopsPerServedToken = 2.0

    /// A run and the answers of its model.
    package init(_ run: Allocation, served: Double) {
        self.run = run
        servingFLOPs = Self.flopsPerServedToken * run.parameters * served
    }

    /// The cheapest model that reaches `loss` and answers `served` tokens; nil where no model reaches it.
    package init?(_ law: LossLaw, loss: Double, served: Double) {
        let budget = law.flops(toReach: loss)
        guard budget.isFinite, budget > 0 else { return nil }
        let best = law.optimum(flops: budget)
        // Below the smallest size not even endless tokens reach the loss.
        let smallest = pow(law.parameterFactor / (loss - law.floor), 1 / law.parameterExponent)
        guard smallest > 0, smallest < best.parameters else { return nil }
        func run(_ place: Double) -> Allocation {
            let parameters = exp(place)
            let left = loss - law.floor - law.parameterTerm(parameters)
            return Allocation(
                parameters: parameters,
                tokens: left > 0 ? pow(law.tokenFactor / left, 1 / law.tokenExponent) : .infinity)
        }
        // Answers only make smaller models better: the least cost lies between the smallest size and the optimum.
        let place = Minimum.place(log(smallest), log(best.parameters)) {
            ServedAllocation(run($0), served: served).totalFLOPs
        }
        self.init(run(place), served: served)
        guard totalFLOPs.isFinite else { return nil }
    }
}
