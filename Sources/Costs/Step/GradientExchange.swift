internal import Models
internal import Plans

/// Bytes of whole tensors that the ranks with the same parameters exchange for one reduction of their gradients and one
/// gathering of their weights. Times and traffic both come from it.
struct GradientExchange {
    /// Bytes added up on every rank of a set of shards: a sharded optimizer of software that does not scatter.
    var summed = 0.0
    /// Bytes added up and scattered over the ranks of a set of shards.
    var scattered = 0.0
    /// Bytes added up among the ranks that hold the same shard.
    var replicated = 0.0
    /// Bytes of weights gathered from the ranks of a set of shards.
    var gathered = 0.0

    /// One reduction and one gathering of `held` parameters over `shards` ranks.
    init(of held: Double, shards: Int, _ work: LayoutWork) {
        let gradients = work.state.gradient * held
        if Self.scatters(work) {
            scattered = gradients
            replicated = gradients / Double(max(1, shards))
        } else {
            summed = gradients
            replicated = gradients
        }
        if work.layout.sharding != .none { gathered = work.state.weight * held }
    }

    /// Whether gradients are scattered over the ranks that shard them; otherwise every rank adds them all up.
    static func scatters(_ work: LayoutWork) -> Bool {
        switch work.layout.sharding {
        case .none: false
        case .optimizer: work.framework.scattersGradients
        case .gradients, .parameters: true
        }
    }

    /// Whether gradients are reduced after the passes, or after each micro-batch's. Fully sharded ones are reduced within
    /// the passes.
    static func followsPasses(_ work: LayoutWork) -> Bool {
        work.layout.hasReplicas(work.model) && work.layout.sharding != .parameters
    }

    /// Reductions of a rank's gradients in a step: sharded gradients are reduced after every micro-batch. In a
    /// bidirectional pipeline half of the micro-batches pass each stage of a rank.
    static func perStep(_ work: LayoutWork) -> Double {
        let sharding = work.layout.sharding
        return sharding == .gradients || sharding == .parameters ? Double(work.m) * work.shares.passShare : 1
    }
}
