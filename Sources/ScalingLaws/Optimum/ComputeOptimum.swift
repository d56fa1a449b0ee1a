internal import Foundation

/// A size and the tokens it is trained on.
package struct Allocation: Hashable, Codable, Sendable {
    package var parameters: Double
    package var tokens: Double

    package init(parameters: Double, tokens: Double) {
        self.parameters = parameters
        self.tokens = tokens
    }

    /// FLOPs of the training, forward and backward: 6·N·D (Kaplan et al. 2020, section 2.1).
    package var flops: Double { Self.flopsPerParameterAndToken * parameters * tokens }

    package var tokensPerParameter: Double { tokens / parameters }

    /// 2 FLOPs forward and 4 backward.
    package static let flopsPerParameterAndToken = 6.0
}

extension LossLaw {
    /// The size and tokens of least loss among all that cost `flops` to train.
    ///
    /// N = G·(C/6)^(β/(α+β)) and D = G⁻¹·(C/6)^(α/(α+β)) with G = (αA/βB)^(1/(α+β)): Hoffmann et al. 2022, equation 4.
    package func optimum(flops: Double) -> Allocation {
        let sum = parameterExponent + tokenExponent
        // In logarithms, so that no budget overflows.
        let logG =
            (log(parameterExponent * parameterFactor) - log(tokenExponent * tokenFactor)) / sum
        let logProduct = log(flops / Allocation.flopsPerParameterAndToken)
        return Allocation(
            parameters: exp(logG + logProduct * tokenExponent / sum),
            tokens: exp(-logG + logProduct * parameterExponent / sum))
    }

    /// β/(α+β): the exponent with which the best size grows with the budget.
    package var optimalExponent: Double { tokenExponent / (parameterExponent + tokenExponent) }

    /// The least FLOPs that train to `loss`; infinite where no budget does.
    package func flops(toReach loss: Double) -> Double {
        // On the optimum both terms fall as C^(−αβ/(α+β)), and keep the ratio β : α.
        let excess = loss - floor
        guard excess > 0 else { return .infinity }
        let sum = parameterExponent + tokenExponent
        let parameters = pow(parameterFactor * sum / (tokenExponent * excess), 1 / parameterExponent)
        let tokens = pow(tokenFactor * sum / (parameterExponent * excess), 1 / tokenExponent)
        return Allocation.flopsPerParameterAndToken * parameters * tokens
    }
}
