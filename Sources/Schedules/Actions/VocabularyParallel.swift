/// A way to divide the vocabulary over the ranks of a pipeline (Yeung et al. 2024, arXiv 2411.05288). Every rank holds a part
/// of the token table and of the output layer, and runs two passes for each micro-batch:
///
/// - S computes the rank's part of the logits and its sums of their softmax, from the output of the last stage, which is
///   broadcast.
/// - T computes gradients from the softmax, which is known when all ranks have finished S.
///
/// The names are the paper's: Vocab-1 runs its algorithm 1, Vocab-2 its algorithm 2.
package enum VocabularyParallel: String, Hashable, Codable, Sendable, CaseIterable {
    /// Algorithm 1: T computes both gradients. The last stage's backward waits for S and then for T of all ranks.
    case twoBarriers = "vocab-1"
    /// Algorithm 2: S computes the gradient of the input too, before the softmax is complete, and it is corrected by one
    /// factor for each row. The last stage's backward waits for S of all ranks; T may be later.
    case oneBarrier = "vocab-2"

    /// Exchanges among all ranks between the last stage's forward of a micro-batch and its backward.
    package var barriers: Int { self == .oneBarrier ? 1 : 2 }
}

extension Action.Kind {
    /// Whether the action is a part of the output layer that every rank of the pipeline runs.
    package var isOfVocabulary: Bool { self == .softmax || self == .outputGradient }

    /// Whether the action receives a tensor of a neighbouring stage or sends one.
    package var passesTensors: Bool { self == .forward || self == .backward || self == .backwardInput }
}
