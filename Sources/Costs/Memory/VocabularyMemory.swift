internal import Models
internal import Plans
internal import Schedules

/// Bytes on one device for its part of a vocabulary that all ranks of a pipeline divide. A rank never holds the softmax of two
/// micro-batches: T of one comes before S of the next.
struct VocabularyMemory {
    /// Bytes of the fp32 softmax of one micro-batch.
    let logits: Double
    /// Bytes of temporary tensors: the softmax in all its copies, the exchanged output and its gradients, and looked-up rows.
    let buffers: Double
    /// Bytes of S's input, kept until T.
    private let inputs: Double
    /// Bytes of the final norm's inputs on the last rank.
    private let norms: Double
    private let lastRank: Int

    /// nil if the vocabulary is not divided.
    init?(_ work: LayoutWork, _ terms: ActivationTerms) {
        guard let divided = work.divided else { return nil }
        let (device, ranks) = (work.device, Double(divided.ranks))
        let stream = divided.bytes.rows
        // With one barrier the gathered rows are kept, else each tensor rank's own (`vocab_output.py`: save_for_backward).
        inputs = divided.way == .oneBarrier ? stream * device.sequenceShare : stream
        lastRank = work.p - 1
        norms = work.model.hasFinalNorm ? Double(work.inFlight(rank: work.p - 1)) * stream : 0
        logits = terms.ends.logits / ranks
        // The gradient of the output on its way: its own, or that of the softmax and that of the targets.
        let gradients =
            Double(3 - divided.way.barriers) * work.rates.elementBytes * device.tokens * Double(work.model.hidden)
        // Rows that were looked up, and their gradient.
        buffers =
            (terms.ends.logits + terms.ends.headBuffers) / ranks + divided.bytes.output
            + gradients + 2 * stream
    }

    /// Bytes that a rank keeps between passes.
    func activations(rank: Int) -> Double { inputs + (rank == lastRank ? norms : 0) }
}
