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
        /// Bytes that a backward recomputes at once of blocks in bf16 at the start and at the end of the model.
        var highAtStart = 0.0
        var highAtEnd = 0.0
        /// `highAtStart` beside the most of all parts, each at its own moment (`HighBytes.atStartBesideMost`).
        var highAtStartBesideMost = 0.0
    }
}

/// The figures of `ActivationTerms` where they lie, so that the inner loop of a search reads them without counting
/// references. The functions are inlined because a search calls them for every layout.
struct ActivationNumbers {
    private let kinds: Int
    private let kept: UnsafePointer<Double>
    private let pools: Bool
    private let ends: ActivationTerms.Ends
    /// The blocks whose activations are on the host; nil: none.
    let offloaded: OffloadedNumbers?

    /// - Parameters:
    ///   - numbers: the list of `ActivationTerms`.
    ///   - offloads: whether activations of all blocks are offloaded, or of marked ones; nil: of none.
    init(kinds: Int, numbers: UnsafePointer<Double>, pools: Bool, ends: ActivationTerms.Ends, offloads: Bool?) {
        self.kinds = kinds
        kept = numbers
        self.pools = pools
        self.ends = ends
        offloaded = offloads.map {
            OffloadedNumbers(kinds: kinds, numbers: numbers + 2 * (4 * kinds + 1) + 2 * kinds, isAll: $0)
        }
    }

    /// Bytes that a backward recomputes at once of blocks in bf16 at the start of the model, beside the `kept` bytes of the
    /// fullest of `moments`. Two bounds hold, and the lower one counts.
    @inline(__always)
    func highAtStart(
        _ held: UnsafePointer<Double>, moments: Int, isPartial: Bool, holdsEmbedding: Bool, kept: Double
    ) -> Double {
        guard holdsEmbedding, ends.highAtStart > 0 else { return 0 }
        guard !pools, offloaded == nil else { return ends.highAtStart }
        let most = self.held(isPartial: isPartial).mostApart(held, moments: moments)
        return min(ends.highAtStart, max(0, most - kept + ends.highAtStartBesideMost))
    }

    private var recomputedBytes: UnsafePointer<Double> { kept + 2 * (4 * kinds + 1) }
    private var widestBytes: UnsafePointer<Double> { recomputedBytes + kinds }

    /// Bytes that blocks and embedding keep, if only some blocks are recomputed (`isPartial`), or all or none.
    @inline(__always)
    func held(isPartial: Bool) -> HeldByteNumbers {
        HeldByteNumbers(kinds: kinds, bytes: isPartial ? kept : kept + 4 * kinds + 1, pools: pools)
    }

    /// Bytes that blocks and embedding keep on the device at the fullest of `moments`, and the buffers of offloaded blocks.
    /// Memory that is never returned holds the most of either.
    @inline(__always)
    func fullest(_ held: UnsafePointer<Double>, moments: Int, isPartial: Bool) -> Double {
        let bytes = self.held(isPartial: isPartial)
        guard let offloaded else { return bytes.fullest(held, moments: moments) }
        let stride = 4 * kinds + 1
        var (most, mostBuffered) = (0.0, 0.0)
        for moment in 0..<moments {
            let numbers = held + moment * stride
            let buffered = offloaded.bufferedBytes(numbers)
            mostBuffered = max(mostBuffered, buffered)
            let (whole, later) = bytes.blocks(numbers)
            most = max(most, whole + later + numbers[stride - 1] * bytes.bytes[stride - 1] + buffered)
        }
        return pools ? bytes.fullest(held, moments: moments) + mostBuffered : most
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
    ///   - highAtStart: bytes that it recomputes at once of blocks in bf16 at the start of the model.
    ///   - isPartial: whether only some blocks are recomputed.
    @inline(__always)
    func activations(
        _ counts: UnsafePointer<Double>, highAtStart: Double, holdsHead: Bool, kept: Double, logits held: HeldLogits,
        isPartial: Bool
    ) -> Double {
        activations(
            highAtStart: highAtStart, holdsHead: holdsHead, kept: kept, logits: held,
            recomputed: recomputed(counts, isPartial: isPartial))
    }

    /// - Parameter recomputed: bytes that the rank's backward recomputes at once.
    @inline(__always)
    func activations(
        highAtStart: Double, holdsHead: Bool, kept: Double, logits held: HeldLogits, recomputed: Double
    ) -> Double {
        let atOnce = max(recomputed, highAtStart, holdsHead ? ends.highAtEnd : 0)
        return kept + atOnce + (holdsHead ? (held.pending + held.deferred) * ends.headInputs : 0)
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

/// The blocks whose activations are on the host, where an inner loop reads them.
struct OffloadedNumbers {
    /// Blocks that are on the device at once: one that is computed and one that is copied (Transformer Engine: two buffers).
    static let buffers = 2.0

    private let kinds: Int
    /// Bytes of an offloaded block of each kind, and the kinds from the largest to the smallest.
    private let kept: UnsafePointer<Double>
    private let order: UnsafePointer<Double>
    /// Whether all blocks are offloaded, or those that are told from the others.
    private let isAll: Bool

    init(kinds: Int, numbers: UnsafePointer<Double>, isAll: Bool) {
        (self.kinds, self.isAll) = (kinds, isAll)
        (kept, order) = (numbers, numbers + kinds)
    }

    /// The numbers of blocks of these bytes, in the order of the list that `init` reads.
    static func list(_ kept: [Double]) -> [Double] {
        kept + kept.indices.sorted { kept[$0] > kept[$1] }.map(Double.init)
    }

    /// Offloaded blocks of a kind at a moment.
    @inline(__always)
    func count(_ kind: Int, _ held: UnsafePointer<Double>) -> Double {
        held[2 * kind + 1] + (isAll ? held[2 * kind] : 0)
    }

    /// Bytes on the host at a moment.
    func hostBytes(_ held: UnsafePointer<Double>) -> Double {
        (0..<kinds).reduce(0) { $0 + kept[$1] * count($1, held) }
    }

    /// Calls `body` with every kind of which offloaded blocks are on the device at a moment, and how many: the largest of those
    /// that are held, and no more than there are.
    @inline(__always)
    func eachBuffered(_ held: UnsafePointer<Double>, _ body: (_ kind: Int, _ count: Double) -> Void) {
        var left = Self.buffers
        for place in 0..<kinds where left > 0 {
            let kind = Int(order[place])
            let count = min(left, count(kind, held))
            left -= count
            if count > 0 { body(kind, count) }
        }
    }

    /// Bytes of offloaded blocks on the device at a moment.
    @inline(__always)
    func bufferedBytes(_ held: UnsafePointer<Double>) -> Double {
        var bytes = 0.0
        eachBuffered(held) { bytes += $1 * kept[$0] }
        return bytes
    }
}
