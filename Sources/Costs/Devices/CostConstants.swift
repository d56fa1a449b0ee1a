/// Constants of the time model that no cluster file states; docs/cost-model.md explains each.
enum CostConstants {
    /// Fraction of a memory that can be filled. Drivers take 1 %, and runs above 95 % fail on the first long allocation.
    static let usableShare = 0.95
    /// Matrix-product work of flash attention's backward, as a multiple of its forward: five products against two.
    static let flashBackwardWork = 2.5
    /// Efficiency of flash attention's backward, as a fraction of the forward's.
    static let flashBackwardShare = 0.85
    /// Bytes that the loss moves for each logit, forward: read, widen to fp32, maximum, exponential, sum, normalise.
    static let lossForwardBytes = 18.0
    /// Bytes that the loss moves for each logit, backward: read and narrow.
    static let lossBackwardBytes = 6.0
    /// Bytes that a rank with a part of the vocabulary moves for each logit to correct its softmax by one factor a row, in
    /// fp32: read and write (`vocab_output.py` of VocabularyParallelism: `softmax.mul_(alpha)`).
    static let softmaxCorrectionBytes = 8.0
    /// Power of a node in training over its boards' power, if the cluster file states none: 970 W for each board of 700
    /// W, measured on nodes of eight H100 (Newkirk et al. 2025, arXiv 2506.14551: 76 % of 10.2 kW).
    static let nodePower = (drawn: 970, boards: 700)
    static var nodePowerOverBoards: Double { Double(nodePower.drawn) / Double(nodePower.boards) }
    /// Energy of a data centre over that of its nodes, if the cluster file does not state it (Touvron et al. 2023,
    /// LLaMA, section 6).
    static let powerUsageEffectiveness = 1.1
}
