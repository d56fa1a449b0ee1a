/// The `train:` section of a plan: settings of a real run that the model and the layout do not state.
package struct TrainSettings: Hashable, Codable, Sendable {
    /// The order in which sequences are drawn from the token stream.
    package enum Order: String, Hashable, Codable, Sendable, CaseIterable {
        /// A seeded permutation of the non-overlapping sequences, a new one each epoch.
        case shuffled
        /// Sequence i of step s starts at token ((s·batch+i)·sequence) mod max(1, length − sequence − 1).
        case sequential
    }

    /// The course of the learning rate after the warm-up.
    package enum LearningRateSchedule: String, Hashable, Codable, Sendable, CaseIterable {
        case constant, cosine
    }

    /// The interval and the place at which weights are saved.
    package struct Checkpoint: Hashable, Codable, Sendable {
        /// Steps between checkpoints; the last step is always saved. nil: as many as lose the least time, by the time that
        /// a checkpoint takes and the cluster's failures (`every: auto`).
        package var every: Int?
        /// Directory of the checkpoints. nil: `checkpoints/` in the run's folder.
        package var path: String?
        /// Number of newest checkpoints that are kept.
        package var keep: Int
        /// Whether a thread writes a copy of the state while training goes on.
        package var isAsynchronous = false

        // The words of a plan.
        private enum CodingKeys: String, CodingKey {
            case every, path, keep
            case isAsynchronous = "asynchronous"
        }

        package init(every: Int?, path: String?, keep: Int, isAsynchronous: Bool = false) {
            self.every = every
            self.path = path
            self.keep = keep
            self.isAsynchronous = isAsynchronous
        }
    }

    /// Whether a run goes on from an earlier start of it that its folder holds.
    package enum Resume: String, Hashable, Codable, Sendable, CaseIterable {
        /// It is refused, or replaced with `--overwrite`.
        case never
        /// It goes on from its newest good checkpoint; where there is none, it begins.
        case auto
    }

    /// The corpus, or its first file. A relative path is looked up in the working directory first, then in the plan file's
    /// directory.
    package var data: String
    /// All files of the corpus, where the plan lists them; nil: `data` alone.
    package var corpus: [CorpusFile]?
    /// `bytes`, where each byte of a text is a token, or the path of a tokenizer's file or folder.
    package var tokenizer: String
    /// What becomes of the ends of documents; nil: they are packed if the plan has `packing`, and joined if not.
    package var documents: DocumentRule?
    package var validation: Validation?
    package var order: Order
    package var steps: Int
    package var learningRate: Double
    package var minLearningRate: Double
    /// Steps of linear warm-up.
    package var warmup: Int
    package var schedule: LearningRateSchedule
    /// AdamW's two betas.
    package var betas: [Double]
    package var epsilon: Double
    package var weightDecay: Double
    /// Decay rate of Muon's and SGD's moment. nil: 0.95 for Muon (Liu et al. 2025), 0.9 for SGD.
    package var momentum: Double?
    /// Global gradient norm above which gradients are scaled down. nil: no clipping.
    package var clip: Double?
    /// Weight of the experts' load-balance loss in the total loss; the cross-entropy has weight 1.
    package var auxiliaryLoss: Double
    package var seed: UInt64
    /// File of initial weights (safetensors, Hugging Face GPT-2 names). nil: seeded random weights.
    package var initialWeights: String?
    package var checkpoint: Checkpoint?
    /// The folder that the run owns. nil: `runs/NAME`, with a number appended if that is taken.
    package var folder: String?
    package var resume = Resume.never
    /// The token that ends a document; nil: the tokenizer's, if documents matter.
    package var endOfDocument: Int?
    /// Steps from one check of weights and moments for bits that changed by themselves to the next; 0: none. nil: every step.
    package var stateCheck: Int?
    /// Steps in a row whose loss or gradients may be no numbers. They are skipped; the run ends at one more. nil: 10.
    package var maxSkippedSteps: Int?
    /// How start values and learning rates follow the width; nil: they do not (the standard parametrization).
    package var mup: MaximalUpdate?

    package init(
        data: String, tokenizer: String = "bytes", order: Order = .shuffled, steps: Int, learningRate: Double = 3e-4,
        minLearningRate: Double? = nil, warmup: Int = 0, schedule: LearningRateSchedule = .cosine,
        betas: [Double] = [0.9, 0.95], epsilon: Double = 1e-8, weightDecay: Double = 0.1, momentum: Double? = nil,
        clip: Double? = 1,
        auxiliaryLoss: Double = 0.01, seed: UInt64 = 1, initialWeights: String? = nil, checkpoint: Checkpoint? = nil,
        folder: String? = nil
    ) {
        self.data = data
        self.tokenizer = tokenizer
        self.order = order
        self.steps = steps
        self.learningRate = learningRate
        self.minLearningRate = minLearningRate ?? learningRate / 10
        self.warmup = warmup
        self.schedule = schedule
        self.betas = betas
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.momentum = momentum
        self.clip = clip
        self.auxiliaryLoss = auxiliaryLoss
        self.seed = seed
        self.initialWeights = initialWeights
        self.checkpoint = checkpoint
        self.folder = folder
    }

    /// The folder of the checkpoints of a run that owns `folder`.
    package func checkpointFolder(of folder: String) -> String {
        checkpoint?.path.map(RunFolder.absolute) ?? folder + "/" + RunFolder.checkpoints
    }

    /// Steps from one check of the state to the next; nil: it is not checked.
    package var stateCheckInterval: Int? { stateCheck == 0 ? nil : stateCheck ?? 1 }
    package var skipLimit: Int { maxSkippedSteps ?? 10 }

    /// Whether a checkpoint may be saved after `done` steps.
    package func savesCheckpoint(after done: Int) -> Bool {
        guard let checkpoint else { return false }
        return checkpoint.every.map { done % $0 == 0 } ?? true || done == steps
    }
}
