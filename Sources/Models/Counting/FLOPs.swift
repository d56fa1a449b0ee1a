/// Floating-point operations of one iteration; a multiply-add counts as two.
///
/// All terms are exact in a `Double` for every shape in use, so sums equal integer arithmetic to the last digit.
package struct FLOPs: Hashable, Sendable {
    /// Linear layers of the blocks, forward.
    package var linearForward: Double
    /// Core attention (QKᵀ and PV) against every key, forward.
    package var coreForward: Double
    /// Recurrences of token mixers, forward. Their tokens meet those before them in their chunk alone, so that no
    /// convention doubles or halves them.
    package var scanForward: Double
    /// The product of the output head with the unpadded vocabulary, forward.
    package var headForward: Double

    /// - Parameter sequences: the global batch.
    package init(model: Model, sequences: Int) {
        let tokens = Double(sequences) * Double(model.sequence)
        let length = Double(model.sequence)
        var (weights, core, scan) = (0.0, 0.0, 0.0)
        for kind in model.kindsOfBlock {
            weights += Double(kind.count) * kind.model.activeWeights
            // By convention all keys count: twice those that a causal mask shows.
            let attention = kind.model.coreAttention
            core += Double(kind.count) * 2 * attention.work(length: length)
            scan += Double(kind.count) * attention.scanWork(length: length)
        }
        linearForward = 2 * tokens * weights
        coreForward = 4 * tokens * core
        scanForward = 2 * tokens * scan
        headForward = 2 * tokens * model.headWeights
    }

    /// Model FLOPs, the numerator of MFU: full attention, no recomputation (Korthikanti et al. 2022, appendix A).
    package var required: Double { 3 * (linearForward + coreForward + scanForward + headForward) }
    /// Model FLOPs with half of the attention, as Megatron-LM counts them today.
    package var requiredCausal: Double { 3 * (linearForward + coreForward / 2 + scanForward + headForward) }
    /// Hardware FLOPs with selective recomputation, as Korthikanti et al. 2022 count it: three times the core
    /// attention's forward in addition.
    package var hardwareSelective: Double { required + 3 * coreForward }
    /// Hardware FLOPs with full recomputation, one more forward of every block: Narayanan et al. 2021, equation 3.
    package var hardwareFull: Double { required + (linearForward + coreForward + scanForward) }

    /// Hardware FLOPs with selective recomputation by operation, as in torchtitan (`Framework.selectiveOperations`):
    /// the results of attention and of every second product are kept, and the other products and recurrences run
    /// forward once more.
    package var hardwareSelectiveOperations: Double { required + (linearForward / 2 + scanForward) }

    /// The estimate of PaLM's appendix B: 6 N + 12 L H Q T for each token.
    package static func palm(model: Model, parameters: Double, tokens: Double) -> Double {
        let width = model.kindsOfBlock.reduce(0) { $0 + Double($1.count) * $1.model.coreAttention.width }
        return (6 * parameters + 12 * width * Double(model.sequence)) * tokens
    }
}
