package import Models
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
///
/// Latent attention keeps its latents and their norms' results, w(2q + 2k + dᵣ)/SP: sequence parallelism scatters them
/// (Megatron-Core, `multi_latent_attention.py`: `[s/TP, b, rank]`).
///
/// Experts, with k of them a token and each cut over e ranks: a rank holds the rows of all e, k·e/t of a token's, each of
/// them with its input and n tensors of fₑ/e (Megatron-Core, `token_dispatcher.py`: rows are gathered over the
/// expert-tensor group after the all-to-all). Results that the router's weights multiply are kept on the rank their
/// tokens came from, k/t of a token's.
package struct BlockActivations: Hashable, Sendable {
    /// Kept from forward to backward.
    package var kept: Double
    /// Kept between the two halves of a split backward: the inputs of all products and the gradients of their outputs.
    ///
    /// Qi et al. 2023, table 1: M_W = 32sbh of the M_B = 34sbh + 5as²b that a GPT block keeps from its forward. Keys of
    /// latent attention share one rotary part, and rows at experts have the gradient of what they give back. Products of
    /// fp8 read fp8 (DeepSeek-V3, section 3.3.1; Transformer Engine), whatever the stream between them is kept in.
    package var later: Double
    /// Held while one block runs its backward after full recomputation (0 otherwise).
    package var recomputed: Double
    /// Gradients of the block's widest tensors while it runs its backward.
    package var widestGradients: Double

    /// With balanced routing a block with experts keeps as much on every expert rank, whatever the expert degree.
    ///
    /// - Parameters:
    ///   - tokens: rows of the micro-batch on this device, b·s/c.
    ///   - mixture: a block with experts.
    ///   - keepsOperations: what selective recomputation means (`Framework.selectiveOperations`).
    ///   - expertTensor: ranks that share one expert's matrices.
    ///   - keepsCombinedRows: whether the experts' results are kept (`Framework.keepsCombinedRows`).
    ///   - operandBytes: bytes of a number that a weight gradient's product reads.
    ///   - splitsBackward: whether weight gradients are actions of their own.
    ///   - memory: how the software holds it.
    package init(
        model: Model, tokens: Double, tensor: Int, sequenceParallel: Bool, recompute: Layout.Recompute,
        flashAttention: Bool, dropout: Bool, elementBytes w: Double, mixture: Bool = false,
        keepsOperations: Bool = false, expertTensor: Int = 1, keepsCombinedRows: Bool = true,
        operandBytes: Double? = nil, splitsBackward: Bool = false, memory: Framework.Memory = Framework.Memory()
    ) {
        let (h, t) = (Double(model.hidden), Double(tensor))
        let sp = sequenceParallel ? t : 1
        let a = Double(model.heads)
        let attended = Double(model.attendedWidth)
        let shared = (4 * w * h + (dropout ? 2 * h : 0)) / sp
        let qkv = Double(model.queryWidth + model.keyWidth + model.valueWidth)
        var attention = w * (qkv + attended) / t
        if let mla = model.mla {
            attention += w * Double(2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize) / sp
        }
        let feedForward = FeedForward(
            model: model, mixture: mixture, tensor: t, expertTensor: Double(expertTensor), sequenceShare: sp,
            elementBytes: w, keepsCombinedRows: keepsCombinedRows, rowReserve: memory.rowReserve)
        let sharded = attention + feedForward.kept
        let core: Double =
            if flashAttention {
                4 * a / t
            } else {
                a * Double(model.sequence) * (dropout ? 2 * w + 1 : w) / t
            }
        let whole = shared + sharded + core
        widestGradients =
            tokens * w
            * (memory.sharesGradients
                ? h / sp + max(h / sp, attended / t) + max(feedForward.inner, qkv / t) + feedForward.routed
                : feedForward.widest)
        let sharedRotary = w * Double(model.heads * (model.mla?.ropeSize ?? 0)) / t
        later =
            tokens
            * ((operandBytes ?? w) / w * (4 * w * h / sp + attention - sharedRotary + feedForward.later)
                + (mixture ? 4 * Double(model.moe?.experts ?? 0) / t : 0))
        // The outputs of two norms and of the activation.
        let remade =
            memory.remakesOutputs && !splitsBackward && !mixture ? w * (2 * h / sp + Double(model.ffn) / t) : 0
        let halves = memory.keepsHalvesWhole && splitsBackward ? w * h / sp : 0
        switch recompute {
        case .none:
            kept = tokens * (whole - remade + halves)
            recomputed = 0
        case .selective where keepsOperations:
            // The block's input, attention's result and the results of every second product.
            let products = Self.projected(model, tensor: t, sequenceShare: sp) + h / sp + feedForward.products
            kept = tokens * (w * h / sp + w * attended / t + core + w * products / 2)
            recomputed = tokens * (shared + sharded + core)
        case .selective:
            // One block's core attention exists again during its backward.
            let again = core + (memory.remakesAttention ? w * attended / t : 0)
            kept = tokens * (whole - again - remade + halves)
            recomputed = tokens * again
        case .full:
            kept = tokens * w * h / sp
            recomputed = tokens * whole
        }
        if memory.keepsHalvesWhole { later = recompute == .full ? tokens * (whole + halves) : kept }
        // What a block makes again lies where it stays for its second half.
        if splitsBackward, recompute == .full, !memory.pools { recomputed = max(0, recomputed - later) }
    }

    /// Width of the results of the products before the core attention.
    private static func projected(_ model: Model, tensor t: Double, sequenceShare sp: Double) -> Double {
        guard let mla = model.mla else { return Double(model.queryWidth + model.keyWidth + model.valueWidth) / t }
        return Double(mla.queryRank + mla.kvRank + mla.ropeSize) / sp
            + Double(model.heads * (mla.queryHead + mla.nopeSize + mla.valueSize)) / t
    }

    /// A block's feed-forward half, for one row of the micro-batch.
    private struct FeedForward {
        /// Bytes kept, and between the halves of a split backward, the router's fp32 gradients aside.
        var kept: Double
        var later: Double
        /// Width of the results of all products.
        var products: Double
        /// Width of the tensors whose gradients exist at once.
        var widest: Double
        /// Width of the first products' results, and of the tensors of rows on their way to experts and back.
        var inner: Double
        var routed = 0.0

        init(
            model: Model, mixture: Bool, tensor t: Double, expertTensor: Double, sequenceShare sp: Double,
            elementBytes w: Double, keepsCombinedRows: Bool, rowReserve: Double
        ) {
            let h = Double(model.hidden)
            // Each input's product, and the activation of them.
            let hiddenTensors = Double(model.mlp.matrices)
            let inputs = hiddenTensors - 1
            guard mixture, let moe = model.moe else {
                let f = Double(model.ffn)
                kept = w * hiddenTensors * f / t
                later = kept
                products = inputs * f / t + h / sp
                widest = f * hiddenTensors / t + h
                inner = inputs * f / t
                return
            }
            // Rows a rank takes in for one of the micro-batch, and those that come back for it.
            let returned = Double(moe.topK) / t
            let rows = returned * moe.imbalance * expertTensor * rowReserve
            let f = Double(moe.ffn) / expertTensor
            let wide = Double(moe.sharedWidth)
            kept =
                w * (rows * (h + hiddenTensors * f) + (keepsCombinedRows ? returned * h : 0))
                + 8 * Double(moe.experts) / t + w * hiddenTensors * wide / t
            later = w * (rows * (2 * h + hiddenTensors * f) + hiddenTensors * wide / t)
            products = rows * (inputs * f + h) + Double(moe.experts) / t
            widest = rows * (hiddenTensors * f + h)
            inner = inputs * Double(max(model.denseLayers > 0 ? model.ffn : 0, moe.sharedWidth)) / t
            // Sorted by expert, at the experts, on their way; the gradient inside the experts.
            routed = rowReserve * returned * h + rows * ((expertTensor > 1 ? 3 : 2) * h + f)
            guard wide > 0 else { return }
            products += inputs * wide / t + h / sp
            widest = max(widest, hiddenTensors * wide / t + h)
        }
    }
}
