/// Floating-point operations of one iteration; a multiply-add counts as two.
///
/// The sums run over terms that are exact in a `Double` for every shape in use, so the results equal integer
/// arithmetic to the last digit.
package struct FLOPs: Hashable, Sendable {
    /// Linear layers of the blocks, forward.
    package var linearForward: Double
    /// Core attention (QKᵀ and PV) against every key, forward.
    package var coreForward: Double
    /// The product with the vocabulary, forward.
    package var headForward: Double

    /// - Parameters:
    ///   - sequences: the global batch.
    ///   - vocabulary: entries of the head, padded or not.
    package init(model: Model, sequences: Int, vocabulary: Int) {
        let tokens = Double(sequences) * Double(model.sequence)
        let layers = Double(model.layers)
        let mixture = Double(model.mixtureLayers)
        linearForward =
            2 * tokens * ((layers - mixture) * model.blockWeights + mixture * model.mixtureBlockWeights)
        let core = model.coreAttention
        // The field counts every key: twice those that a causal mask shows.
        coreForward = 4 * tokens * (layers * 2 * core.keysSeen(length: Double(model.sequence)) * core.width)
        headForward = 2 * tokens * (Double(vocabulary) * Double(model.hidden))
    }

    /// Model FLOPs, with which MFU is quoted: full attention, no recomputation (Korthikanti et al. 2022, appendix A).
    package var required: Double { 3 * (linearForward + coreForward + headForward) }
    /// Model FLOPs with half of the attention, as Megatron-LM counts them today.
    package var requiredCausal: Double { 3 * (linearForward + coreForward / 2 + headForward) }
    /// With selective recomputation as Korthikanti et al. 2022 count it (three times the core attention's forward).
    package var hardwareSelective: Double { required + 3 * coreForward }
    /// With full recomputation, one more forward of every block: Narayanan et al. 2021, equation 3.
    package var hardwareFull: Double { required + (linearForward + coreForward) }

    /// With the results of attention and of every second product kept, one more forward of the other products: torchtitan's
    /// selective activation checkpointing by operation (`Framework.selectiveOperations`).
    package var hardwareSelectiveOperations: Double { required + linearForward / 2 }

    /// 6 N D, N the active parameters.
    package static func sixN(parameters: Double, tokens: Double) -> Double { 6 * parameters * tokens }

    /// PaLM's appendix B: 6 N + 12 L H Q T a token.
    package static func palm(model: Model, parameters: Double, tokens: Double) -> Double {
        (6 * parameters
            + 12 * Double(model.layers) * model.coreAttention.width * Double(model.sequence)) * tokens
    }
}
