internal import Experiments
internal import Numbers
internal import Plans

/// One run of a ladder.
package struct LadderRun: Hashable, Codable, Sendable {
    package enum Part: String, Hashable, Codable, Sendable {
        /// One of the search for the learning rate.
        case rate
        /// One that the law is fitted to.
        case rung
        /// The one that is predicted.
        case next
    }

    package var part: Part
    package var width: Int
    package var steps: Int
    package var learningRate: Double
    /// Whether learning rates and start values follow the width by μP.
    package var isMup: Bool
    package var processes: Int
    package var name: String

    init(
        _ ladder: Ladder, _ part: Part, width: Int, tokens: Int, learningRate: Double, isMup: Bool = true,
        processes: Int = 1
    ) {
        (self.part, self.width, self.isMup, self.processes) = (part, width, isMup, processes)
        (self.learningRate, steps) = (learningRate, max(1, tokens / ladder.stepTokens))
        let count = Figures.magnitude(Double(tokens))
        name =
            switch part {
            case .rate: "rate-\(isMup ? "mup" : "standard")-\(width)-\(Figures.plain(learningRate))"
            case .rung, .next: "\(part.rawValue)-\(width)-\(count)"
            }
    }
}

extension Ladder {
    /// The search for the learning rate.
    package var rateRuns: [LadderRun] {
        [true, false].flatMap { isMup in
            rates.widths.flatMap { width in
                rates.rates.map {
                    LadderRun(self, .rate, width: width, tokens: rates.tokens, learningRate: $0, isMup: isMup)
                }
            }
        }
    }

    /// The runs that the law is fitted to.
    package func rungs(learningRate: Double) -> [LadderRun] {
        widths.flatMap { width in
            tokens.map { LadderRun(self, .rung, width: width, tokens: $0, learningRate: learningRate) }
        }
    }

    /// The run that is predicted.
    package func nextRun(learningRate: Double) -> LadderRun {
        LadderRun(
            self, .next, width: next.width, tokens: next.tokens, learningRate: learningRate, processes: next.processes)
    }

    /// The tokens that a run is trained on.
    package func tokens(of run: LadderRun) -> Int { run.steps * stepTokens }

    /// The plan file of a run.
    package func plan(of run: LadderRun, data: String, heldOut: String) -> String {
        """
        name: \(run.name)
        model:
          family: gpt
          layers: \(layers)
          hidden: \(run.width)
          heads: \(run.width / headSize)
          ffn: \(4 * run.width)
          vocab: \(Self.vocabulary)
          sequence: \(sequence)
          tiedEmbeddings: false
        batch: \(batch)
        precision: fp32
        layout: {data: \(run.processes), microbatch: \(batch / run.processes)}
        train:
          data: \(Plan.quoted(data))
          order: sequential
          steps: \(run.steps)
          learningRate: \(run.learningRate)
          minLearningRate: 0
          warmup: \(run.steps / 10)
          weightDecay: 0
          seed: \(seed)
          validation: {data: \(Plan.quoted(heldOut)), every: \(run.steps), batches: \(heldOutBatches)}

        """ + (run.isMup ? "  mup: {baseWidth: \(baseWidth)}\n" : "")
    }

    /// Entries of the vocabulary: the alphabet, padded to a multiple of 16.
    package static let vocabulary = (WordText.alphabet.count + 15) / 16 * 16
}
