extension Model.Mixture {
    /// The rows that are dropped where more are routed to an expert than it takes (Megatron-LM's
    /// `--moe-token-drop-policy`).
    package enum TokenDropPolicy: String, Hashable, Codable, Sendable, CaseIterable {
        /// Those with the lowest probabilities.
        case probs
        /// The last ones.
        case position
    }

    /// Rows that the experts take of `rows` rows of a rank, over those that are routed to them: `mean` over all experts,
    /// and `fullest` on the fullest rank of experts.
    ///
    /// An expert takes ⌈c·k·rows/E⌉ of them at most (Lepikhin et al. 2021, GShard, section 3.2; Fedus et al. 2022, Switch
    /// Transformer, equation 3; Megatron-Core, `moe_utils.py`: `get_capacity`). Where nothing is padded and all experts are
    /// equally loaded, no factor of 1 or more drops a row.
    package func taken(ofRows rows: Double) -> (mean: Double, fullest: Double) {
        guard let capacity = capacity(ofRows: rows) else { return (1, imbalance) }
        return padToCapacity ? (capacity, capacity) : (min(1, capacity), min(imbalance, capacity))
    }

    /// Rows that an expert can take of `rows` rows of a rank, over the mean of those that are routed to one; nil: any
    /// number.
    package func capacity(ofRows rows: Double) -> Double? {
        guard let capacityFactor else { return nil }
        let mean = rows * Double(topK) / Double(max(1, experts))
        // An expert gets a row once.
        return mean > 0 ? min(rows, (mean * capacityFactor).rounded(.up)) / mean : 1
    }
}
