/// One piece of compute a pipeline rank does for one micro-batch on one stage.
///
/// Its name is the field's: `"0F3"` is the forward of micro-batch 3 on stage 0, `B` a full backward, `I` the input gradient
/// alone, `W` the weight gradient alone, `S` and `T` the two passes of a divided output layer, and `"(0F4;1B2)OVERLAP_F_B"` a forward and a full backward fused in one slot.
package struct Action: Hashable, Codable, Sendable {
    /// The kind of work.
    package enum Kind: UInt8, Hashable, Codable, Sendable, CaseIterable {
        case forward
        /// Input gradient and weight gradient together: a full backward.
        case backward
        case backwardInput
        case backwardWeight
        /// `forward` of (`stage`, `microbatch`) fused with the full backward of (`partnerStage`, `partnerMicrobatch`).
        case fused
        /// S of a divided output layer (`VocabularyParallel`): the rank's part of the logits and its sums of their softmax. Its
        /// stage is the first of the rank.
        case softmax
        /// T of a divided output layer: gradients from the complete softmax. Its stage is the first of the rank.
        case outputGradient
    }

    package var kind: Kind
    /// The stage computed; in a fused action the forward's.
    package var stage: Int32
    /// The micro-batch computed; in a fused action the forward's.
    package var microbatch: Int32
    /// The backward's stage in a fused action, −1 otherwise.
    package var partnerStage: Int32
    /// The backward's micro-batch in a fused action, −1 otherwise.
    package var partnerMicrobatch: Int32

    package init(_ kind: Kind, stage: Int, microbatch: Int) {
        self.kind = kind
        self.stage = Int32(stage)
        self.microbatch = Int32(microbatch)
        partnerStage = -1
        partnerMicrobatch = -1
    }

    /// A forward fused with another micro-batch's full backward.
    package init(forwardStage: Int, forwardMicrobatch: Int, backwardStage: Int, backwardMicrobatch: Int) {
        kind = .fused
        stage = Int32(forwardStage)
        microbatch = Int32(forwardMicrobatch)
        partnerStage = Int32(backwardStage)
        partnerMicrobatch = Int32(backwardMicrobatch)
    }
}
