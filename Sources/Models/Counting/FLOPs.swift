/// Floating-point operations of one iteration; a multiply-add counts as two.
///
/// All terms are exact in a `Double` for every shape in use, so sums equal integer arithmetic to the last digit.
package struct FLOPs: Hashable, Sendable {
    /// Linear layers of the blocks, forward.
    package var linearForward: Double
    /// Core attention (QKᵀ and PV) against every key, forward.
    package var coreForward: Double
    /// Core attention against the keys that a mask shows, forward.
    package var coreSeenForward: Double
    /// Recurrences of token mixers, forward. Their tokens meet those before them in their chunk alone, so that no
    /// convention doubles or halves them.
    package var scanForward: Double
    /// The product of the output head with the unpadded vocabulary, forward.
    package var headForward: Double
    /// The backward that frozen weights leave out: gradients of weights, and everything before the first block with
    /// weights that training changes. With full attention, and with half of it.
    private(set) package var leftOut = 0.0
    private var leftOutCausal = 0.0
    /// Forward of the blocks that have no backward, which is never computed again.
    private var once = Once()

    private struct Once: Hashable, Sendable {
        var linear = 0.0
        var core = 0.0
        var scan = 0.0
    }

    /// - Parameter sequences: the global batch.
    package init(model: Model, sequences: Int) {
        let tokens = Double(sequences) * Double(model.sequence)
        let length = Double(model.sequence)
        var (weights, core, seen, scan) = (0.0, 0.0, 0.0, 0.0)
        for kind in model.kindsOfBlock {
            weights += Double(kind.count) * kind.model.activeWeights
            // By convention all keys count, also those that a causal mask hides.
            let attention = kind.model.coreAttention
            core += Double(kind.count) * attention.countedWork(length: length)
            seen += Double(kind.count) * attention.work(length: length)
            scan += Double(kind.count) * attention.scanWork(length: length)
        }
        linearForward = 2 * tokens * weights
        coreForward = 4 * tokens * core
        coreSeenForward = 4 * tokens * seen
        scanForward = 2 * tokens * scan
        headForward = 2 * tokens * model.headWeights
        if model.tuning != nil { leaveOut(model, tokens: tokens) }
    }

    private mutating func leaveOut(_ model: Model, tokens: Double) {
        let left = model.leftOut
        once = Once(
            linear: 2 * tokens * left.once.weights, core: 4 * tokens * left.once.core, scan: 2 * tokens * left.once.scan
        )
        let products = 2 * tokens * left.weights + 2 * once.scan
        leftOut = products + 2 * once.core
        leftOutCausal = products + 2 * 4 * tokens * left.once.seen
    }

    /// Model FLOPs, the numerator of MFU: full attention, no recomputation (Korthikanti et al. 2022, appendix A).
    package var required: Double { 3 * (linearForward + coreForward + scanForward + headForward) - leftOut }
    /// Model FLOPs with half of causal attention, as Megatron-LM counts them today.
    package var requiredCausal: Double {
        3 * (linearForward + coreSeenForward + scanForward + headForward) - leftOutCausal
    }
    /// Hardware FLOPs with selective recomputation, as Korthikanti et al. 2022 count it: three times the core
    /// attention's forward in addition.
    package var hardwareSelective: Double { required + 3 * (coreForward - once.core) }
    /// Hardware FLOPs with full recomputation, one more forward of every block: Narayanan et al. 2021, equation 3.
    package var hardwareFull: Double {
        required + (linearForward + coreForward + scanForward) - (once.linear + once.core + once.scan)
    }

    /// Hardware FLOPs with selective recomputation by operation, as in torchtitan (`Framework.selectiveOperations`):
    /// the results of attention and of every second product are kept, and the other products and recurrences run
    /// forward once more.
    package var hardwareSelectiveOperations: Double {
        required + (linearForward / 2 + scanForward) - (once.linear / 2 + once.scan)
    }

    /// The estimate of PaLM's appendix B: 6 N + 12 L H Q T for each token.
    package static func palm(model: Model, parameters: Double, tokens: Double) -> Double {
        let width = model.kindsOfBlock.reduce(0) { $0 + Double($1.count) * $1.model.coreAttention.width }
        return (6 * parameters + 12 * width * Double(model.sequence)) * tokens
    }
}
