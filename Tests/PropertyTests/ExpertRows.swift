import Models

/// Rows that one rank sends to experts, expert by expert. Megatron-LM's router drops what an expert has no room for
/// (`--moe-expert-capacity-factor`: ⌈factor · rows · topk / experts⌉ of a rank's rows each), or fills the room
/// (`--moe-pad-expert-input-to-capacity`).
struct ExpertRows {
    /// Rows that leave the rank.
    let sent: Double
    /// Rows that leave the rank if every expert were as loaded as the fullest rank of experts.
    let fullest: Double

    /// - Parameter own: rows of the rank.
    init(_ moe: Model.Mixture, own: Double) {
        let copies = own * Double(moe.topK)
        guard let factor = moe.capacityFactor else {
            (sent, fullest) = (copies, copies * moe.imbalance)
            return
        }
        let experts = Double(moe.experts)
        // A row comes to an expert once.
        let room = min(own, (factor * copies / experts).rounded(.up)) * experts
        sent = moe.padToCapacity ? room : min(room, copies)
        fullest = moe.padToCapacity ? room : min(room, copies * moe.imbalance)
    }
}
