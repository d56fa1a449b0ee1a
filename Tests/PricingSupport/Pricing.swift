package import Costs
internal import Models
package import Plans

/// The price of one plan with one layout, from closed forms.
package func estimate(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(CostError) -> Estimate {
    let work = try Pricer(plan: plan, options: options).work(layout)
    return Estimate(work, time: IterationTime(work))
}

extension Framework {
    /// Gives a constant another value within its range, which no sum can leave out unseen.
    package mutating func change(_ constant: Constant) {
        let range = constant.range
        let raised = 1.7 * self[constant] + 0.013
        self[constant] = max(range.lowerBound, raised <= range.upperBound ? raised : 0.6 * self[constant])
    }
}

extension LayoutWork {
    /// Times of a block of the first kind.
    package var block: UnitTimes { units.blocks[0] }

    /// Times of one micro-batch on all stages of a pipeline rank.
    package func rank(_ rank: Int) -> UnitTimes { times(of: shares.ranks[rank]) }

    /// Parameters that one device of a pipeline rank holds.
    package func parameters(rank: Int) -> Double { parameters(of: shares.ranks[rank]) }

    /// Parameters of routed experts that one device of a pipeline rank holds.
    package func expertParameters(rank: Int) -> Double { expertParameters(of: shares.ranks[rank]) }

    /// Parameters except routed experts that one device of a pipeline rank holds.
    package func denseParameters(rank: Int) -> Double { denseParameters(of: shares.ranks[rank]) }
}

extension ActivationBytes {
    /// Bytes that a block of the first kind keeps for one micro-batch.
    package init(_ work: LayoutWork) { self.init(work, block: work.parts.blocks[0]) }
}

extension Traffic {
    /// Activations and gradients sent to the neighbouring pipeline ranks.
    package var pipeline: Double { messages.reduce(0) { $0 + $1.bytes } }

    /// All-to-alls of expert parallelism, and rows sent to the ranks that share an expert.
    package var expert: Double { exchanges.reduce(0, +) + expertPieces + expertGathers }

    /// Half of the all-reduces of gradients, or their reduce-scatters, for all parameters except routed experts. Half of
    /// what two ranks of one pipeline add up is included.
    package var gradients: Double { dense.gradients + dense.replicas + (paired?.dense ?? 0) / 2 }

    /// The other half of the all-reduces, and with sharding the all-gathers of weights.
    package var weights: Double { dense.weights + dense.replicaWeights + (paired?.dense ?? 0) / 2 }

    /// Gradients of routed experts, sent among the ranks that hold the same experts.
    package var expertGradients: Double { experts.gradients + experts.replicas + (paired?.experts ?? 0) / 2 }

    /// Weights of routed experts, sent among the ranks that hold the same experts.
    package var expertWeights: Double { experts.weights + experts.replicaWeights + (paired?.experts ?? 0) / 2 }
}
