package import Plans

/// Bytes one block keeps from the forward of one micro-batch for its backward, on one device.
///
/// Korthikanti et al. 2022, table 2, taken apart so that grouped-query attention, gated feed-forward networks, flash
/// attention, fp32 and missing dropout are the same formula. Per token, with element size w, SP = t with sequence
/// parallelism and 1 without:
/// ```
/// (4wh + 2h [dropout masks]) / SP                      norm inputs, inputs of the two column-parallel layers
/// + (w(a+2g)d + w·ad + w·n·f) / t                      q k v, attention output, n = 2 (3 gated) hidden tensors
/// + core / t                                           flash 4a · unfused w·a·s (dropout (2w+1)·a·s) · selective 0
/// ```
/// With w = 2, f = 4h and dropout this is 34 + 5as/h. Full recomputation keeps the block's input, wh/SP.
package struct BlockActivations: Hashable, Sendable {
    /// Kept from forward to backward.
    package var kept: Double
    /// Held while one block runs its backward after full recomputation (0 otherwise).
    package var recomputed: Double

    /// With balanced routing a block with experts keeps as much on every expert rank, whatever the expert degree.
    ///
    /// - Parameters:
    ///   - mixture: a block with experts.
    ///   - keepsOperations: what selective recomputation means (`Framework.selectiveOperations`).
    ///   - tokens: rows of the micro-batch on this device, b·s/c.
    package init(
        model: Model, tokens: Double, tensor: Int, sequenceParallel: Bool, recompute: Layout.Recompute,
        flashAttention: Bool, dropout: Bool, elementBytes w: Double, mixture: Bool = false,
        keepsOperations: Bool = false
    ) {
        let (h, t) = (Double(model.hidden), Double(tensor))
        let sp = sequenceParallel ? t : 1
        let (a, g, d) = (Double(model.heads), Double(model.kvHeads), Double(model.headSize))
        let hiddenTensors = model.mlp.isGated ? 3.0 : 2.0
        let shared = (4 * w * h + (dropout ? 2 * h : 0)) / sp
        let attention: Double
        if let mla = model.mla {
            let (query, value) = (Double(mla.queryHead), Double(mla.valueSize))
            let latent = Double(2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize)
            attention = w * (a * (2 * query + value) + a * value) / t + w * latent
        } else {
            attention = w * ((a + 2 * g) * d + a * d) / t
        }
        let feedForward: Double
        if mixture, let moe = model.moe {
            // Dispatched and combined rows, what an expert keeps of each, router scores; shared experts as dense ones.
            let rows = Double(moe.topK) * moe.imbalance
            let routed = rows * w * (2 * h + hiddenTensors * Double(moe.ffn)) + 8 * Double(moe.experts)
            feedForward = routed / t + w * hiddenTensors * Double(moe.sharedWidth) / t
        } else {
            feedForward = w * hiddenTensors * Double(model.ffn) / t
        }
        let sharded = attention + feedForward
        let core: Double =
            if flashAttention {
                4 * a / t
            } else {
                a * Double(model.sequence) * (dropout ? 2 * w + 1 : w) / t
            }
        switch recompute {
        case .none:
            kept = tokens * (shared + sharded + core)
            recomputed = 0
        case .selective where keepsOperations:
            // The block's input, attention's result and the results of every second product.
            let inner = (model.mlp.isGated ? 2.0 : 1) * Double(model.ffn)
            let products = ((a + 2 * g) * d + inner) / t + 2 * h / sp
            kept = tokens * (w * h / sp + w * a * d / t + core + w * products / 2)
            recomputed = tokens * (shared + sharded + core)
        case .selective:
            kept = tokens * (shared + sharded)
            // One block's core attention exists again during its backward.
            recomputed = tokens * core
        case .full:
            kept = tokens * w * h / sp
            recomputed = tokens * (shared + sharded + core)
        }
    }
}
