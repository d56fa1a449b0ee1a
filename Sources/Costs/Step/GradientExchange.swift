internal import Models
internal import Plans

/// Bytes of whole tensors that ranks with the same parameters exchange in one reduction of their gradients and one
/// gathering of their weights. Both times and traffic are computed from these bytes.
struct GradientExchange {
    /// Bytes that a shard group all-reduces: gradients of a sharded optimizer in software that does not scatter.
    var summed = 0.0
    /// Bytes that a shard group reduce-scatters.
    var scattered = 0.0
    /// Bytes that ranks with the same shard all-reduce.
    var replicated = 0.0
    /// Bytes of weights that a shard group all-gathers.
    var gathered = 0.0

    /// Bytes of one reduction and one gathering of `held` parameters over `shards` ranks.
    /// - Parameters:
    ///   - low: parameters among `held` whose weights are gathered in a recipe's format, if it says so.
    ///   - frozen: bytes of weights without gradients that are gathered too.
    init(of held: Double, low: Double, frozen: Double = 0, shards: Int, _ work: LayoutWork) {
        let gradients = work.state.gradient * held
        if Self.scatters(work) {
            scattered = gradients
            replicated = gradients / Double(max(1, shards))
        } else {
            summed = gradients
            replicated = gradients
        }
        if work.layout.sharding != .none {
            gathered = work.state.weight * held + frozen
            if let recipe = work.rates.recipe { gathered -= (work.state.weight - recipe.gatheredBytes) * low }
        }
    }

    /// Whether gradients are reduce-scattered over the ranks that shard them. If not, every rank gets all sums.
    static func scatters(_ work: LayoutWork) -> Bool {
        switch work.layout.sharding {
        case .none: false
        case .optimizer: work.framework.scattersGradients
        case .gradients, .parameters: true
        }
    }

    /// Whether gradients are reduced after the passes of the step or of each micro-batch. Gradients of fully sharded
    /// parameters are reduced within the passes.
    static func followsPasses(_ work: LayoutWork) -> Bool {
        work.layout.hasReplicas(work.model) && work.layout.sharding != .parameters
    }

    /// Number of reductions of a rank's gradients in a step. Sharded gradients are reduced after every micro-batch. In
    /// a bidirectional pipeline half of the micro-batches pass each stage of a rank.
    static func perStep(_ work: LayoutWork) -> Double {
        let sharding = work.layout.sharding
        return sharding == .gradients || sharding == .parameters ? Double(work.m) * work.shares.passShare : 1
    }
}
