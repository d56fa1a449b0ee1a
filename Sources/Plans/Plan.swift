/// A plan file as read: what is trained, on what, and how it is split.
package struct Plan: Hashable, Codable, Sendable {
    package var name: String
    package var model: Model
    /// Tokens of the whole run; nil when only a step matters (a plan with `train` alone).
    package var tokens: Double?
    package var cluster: Cluster
    /// Devices that train.
    package var devices: Int
    /// Devices that are paid for beside them and do nothing.
    package var idleDevices = 0
    /// Global batch, sequences a step.
    package var batch: Int
    /// The batch to come near to, where no batch is stated and the planner takes one that fits the devices; nil where
    /// the batch is stated.
    package var wantedBatch: Int?
    package var precision: Precision
    /// nil: `layout: auto`, the planner searches.
    package var layout: Layout?
    /// Set where the layout says `schedule: auto`: the planner chooses, and the layout's own schedule means nothing.
    package var openSchedule: OpenSchedule?
    /// Settings of a real run; nil for a plan that is only priced.
    package var train: TrainSettings?
    /// What the reader assumed or doubts.
    package var remarks: [Remark]
    /// What the run was measured to take, for comparison; never read by the cost model.
    package var measured: Measured?
    /// The training software, with what it costs.
    package var frameworks: Frameworks

    /// The `measured:` section.
    package struct Measured: Hashable, Codable, Sendable {
        /// Seconds an iteration.
        package var seconds: Double
        /// Peak bytes of the fullest device.
        package var memoryBytes: Double?
        package var memoryKind: MemoryKind
        package var source: String?

        package init(
            seconds: Double, memoryBytes: Double? = nil, memoryKind: MemoryKind = .device, source: String? = nil
        ) {
            self.memoryKind = memoryKind
            self.seconds = seconds
            self.memoryBytes = memoryBytes
            self.source = source
        }
    }

    package init(
        name: String, model: Model, tokens: Double?, cluster: Cluster, devices: Int, batch: Int, precision: Precision,
        layout: Layout?, train: TrainSettings? = nil, remarks: [Remark] = [], openSchedule: OpenSchedule? = nil,
        measured: Measured? = nil, frameworks: Frameworks = Frameworks(), wantedBatch: Int? = nil
    ) {
        self.wantedBatch = wantedBatch
        self.frameworks = frameworks
        self.openSchedule = openSchedule
        self.name = name
        self.model = model
        self.tokens = tokens
        self.cluster = cluster
        self.devices = devices
        self.batch = batch
        self.precision = precision
        self.layout = layout
        self.train = train
        self.remarks = remarks
        self.measured = measured
    }
}

extension Plan {
    /// Devices that are paid for.
    package var paidDevices: Int { devices + idleDevices }
    /// What people are told where devices stay idle; nil where all train.
    package var idleRemark: String? {
        idleDevices > 0
            ? "\(Wording.grouped(devices)) of \(Wording.grouped(paidDevices)) devices are used, \(Wording.grouped(idleDevices)) "
                + "stay idle: no split over more of them ends earlier; GPU-hours and cost count all"
            : nil
    }

    /// The software `layout` runs on; nil: every layout, where the plan leaves it open.
    package func framework(for layout: Layout?) -> Framework {
        frameworks.framework(for: layout, peak: cluster.device.peakFLOPs.values.max() ?? 0)
    }

    /// The plan with its layout left open. Every layout of a search is then priced on one software.
    package var open: Plan {
        var plan = self
        plan.layout = nil
        plan.openSchedule = nil
        return plan.onOneFramework
    }

    /// Where the layout is open, with the software assumed that all layouts are priced on.
    package var onOneFramework: Plan {
        guard layout == nil, frameworks.named == nil, frameworks.assumed == nil else { return self }
        var plan = self
        plan.frameworks.assumed = framework(for: nil).name
        return plan
    }
}

/// A layout that leaves its schedule to the planner.
package struct OpenSchedule: Hashable, Codable, Sendable {
    /// Stages a rank must hold; nil leaves them open too.
    package var virtualStages: Int?

    package init(virtualStages: Int?) { self.virtualStages = virtualStages }
}

/// The `train:` section: what a real run needs beyond the shape.
package struct TrainSettings: Hashable, Codable, Sendable {
    /// How sequences are drawn from the token stream.
    package enum Order: String, Hashable, Codable, Sendable, CaseIterable {
        /// A seeded permutation of the non-overlapping sequences, a new one each epoch.
        case shuffled
        /// Sequence i of step s starts at token ((s·batch+i)·sequence) mod max(1, length − sequence − 1).
        case sequential
    }

    /// How the learning rate moves after the warm-up.
    package enum LearningRateSchedule: String, Hashable, Codable, Sendable, CaseIterable {
        case constant, cosine
    }

    /// When and where weights are saved.
    package struct Checkpoint: Hashable, Codable, Sendable {
        /// Steps between checkpoints; the last step is always saved.
        package var every: Int
        /// Directory the checkpoints go to; nil: `checkpoints/` of the run's folder.
        package var path: String?
        /// Checkpoints kept, newest first.
        package var keep: Int

        package init(every: Int, path: String?, keep: Int) {
            self.every = every
            self.path = path
            self.keep = keep
        }
    }

    /// Text file, resolved against the plan file's directory if not absolute and not found from the working directory.
    package var data: String
    /// `bytes` is the only tokenizer so far: token = byte.
    package var tokenizer: String
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
    /// Global gradient norm above which gradients are scaled down; nil: no clipping.
    package var clip: Double?
    /// Weight of the experts' load-balance loss beside the cross-entropy.
    package var auxiliaryLoss: Double
    package var seed: UInt64
    /// Initial weights (safetensors, Hugging Face GPT-2 names), or nil for seeded random ones.
    package var initialWeights: String?
    package var checkpoint: Checkpoint?
    /// The folder the run owns; nil: `runs/NAME`, numbered where that is taken.
    package var folder: String?

    package init(
        data: String, tokenizer: String = "bytes", order: Order = .shuffled, steps: Int, learningRate: Double = 3e-4,
        minLearningRate: Double? = nil, warmup: Int = 0, schedule: LearningRateSchedule = .cosine,
        betas: [Double] = [0.9, 0.95], epsilon: Double = 1e-8, weightDecay: Double = 0.1, clip: Double? = 1,
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
        self.clip = clip
        self.auxiliaryLoss = auxiliaryLoss
        self.seed = seed
        self.initialWeights = initialWeights
        self.checkpoint = checkpoint
        self.folder = folder
    }

    /// Whether weights are saved after `done` steps.
    package func savesCheckpoint(after done: Int) -> Bool {
        guard let checkpoint else { return false }
        return done % checkpoint.every == 0 || done == steps
    }
}
