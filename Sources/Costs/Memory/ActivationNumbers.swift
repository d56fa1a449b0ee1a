internal import Schedules

extension ActivationTerms {
    /// Bytes on one device that are the same for all kinds of block.
    struct Ends: Sendable {
        /// Bytes of the inputs of the final norm and of the head.
        var headInputs = 0.0
        /// Bytes of the fp32 logits.
        var logits = 0.0
        /// Bytes of the logits' gradients in the activations' format, which the head's weight gradient reads.
        var logitGradients = 0.0
        /// Bytes of gathered inputs, messages, and memory shared with other ranks.
        var buffers = 0.0
        /// Bytes of all copies of the logits during the loss, without the fp32 logits.
        var headBuffers = 0.0
        /// Bytes of memory shared by the first and the last rank if both hold a copy of a tied table.
        var tiedBuffers = 0.0
        /// Bytes of messages for each stage that a rank holds.
        var messages = 0.0
        /// Bytes of memory shared by the two copies of a stage in a bidirectional pipeline.
        var copiesBuffers = 0.0
    }
}

/// The figures of `ActivationTerms` where they lie, so that the inner loop of a search reads them without counting
/// references. The functions are inlined because a search calls them for every layout.
struct ActivationNumbers {
    private let kinds: Int
    private let kept: UnsafePointer<Double>
    private let pools: Bool
    private let ends: ActivationTerms.Ends

    /// - Parameter numbers: the list of `ActivationTerms`.
    init(kinds: Int, numbers: UnsafePointer<Double>, pools: Bool, ends: ActivationTerms.Ends) {
        self.kinds = kinds
        kept = numbers
        self.pools = pools
        self.ends = ends
    }

    private var recomputedBytes: UnsafePointer<Double> { kept + 2 * (4 * kinds + 1) }
    private var widestBytes: UnsafePointer<Double> { recomputedBytes + kinds }

    /// Bytes that blocks and embedding keep, if only some blocks are recomputed (`isPartial`), or all or none.
    @inline(__always)
    func held(isPartial: Bool) -> HeldByteNumbers {
        HeldByteNumbers(kinds: kinds, bytes: isPartial ? kept : kept + 4 * kinds + 1, pools: pools)
    }

    /// Bytes that a rank's backward recomputes at once: those of the largest of its recomputed blocks.
    /// - Parameters:
    ///   - counts: numbers of the rank's blocks, in the order of `HeldBlocks.numbers`.
    ///   - isPartial: whether only some blocks are recomputed.
    @inline(__always)
    private func recomputed(_ counts: UnsafePointer<Double>, isPartial: Bool) -> Double {
        var most = 0.0
        for kind in 0..<kinds where counts[2 * kind + (isPartial ? 1 : 0)] > 0 {
            most = max(most, recomputedBytes[kind])
        }
        return most
    }

    /// Bytes of the gradients of the widest tensors of one of the rank's blocks.
    @inline(__always)
    private func widestGradients(_ counts: UnsafePointer<Double>) -> Double {
        var most = 0.0
        for kind in 0..<kinds where counts[2 * kind] + counts[2 * kind + 1] > 0 {
            most = max(most, widestBytes[kind])
        }
        return most
    }

    /// Bytes of all activations of a rank whose blocks and embedding keep `kept` bytes.
    /// - Parameters:
    ///   - counts: numbers of the rank's blocks, in the order of `HeldBlocks.numbers`.
    ///   - isPartial: whether only some blocks are recomputed.
    @inline(__always)
    func activations(
        _ counts: UnsafePointer<Double>, holdsHead: Bool, kept: Double, logits held: HeldLogits, isPartial: Bool
    ) -> Double {
        activations(
            holdsHead: holdsHead, kept: kept, logits: held, recomputed: recomputed(counts, isPartial: isPartial))
    }

    /// - Parameter recomputed: bytes that the rank's backward recomputes at once.
    @inline(__always)
    func activations(holdsHead: Bool, kept: Double, logits held: HeldLogits, recomputed: Double) -> Double {
        kept + recomputed + (holdsHead ? (held.pending + held.deferred) * ends.headInputs : 0)
    }

    /// Bytes of a rank's temporary buffers: gradients of the widest tensors of one block, and all other buffers.
    @inline(__always)
    func buffers(
        _ counts: UnsafePointer<Double>, holdsEmbedding: Bool, holdsHead: Bool, passes: Int, logits held: HeldLogits,
        isBidirectional: Bool
    ) -> Double {
        widestGradients(counts) + ends.buffers + (holdsEmbedding != holdsHead ? ends.tiedBuffers : 0)
            + ends.messages * Double(passes) + (isBidirectional ? ends.copiesBuffers : 0)
            + (holdsHead ? held.pending * ends.logits + held.deferred * ends.logitGradients + ends.headBuffers : 0)
    }
}
