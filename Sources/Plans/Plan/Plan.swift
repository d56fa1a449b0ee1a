package import Models
package import Numbers
package import Reading

/// A plan file as read: the model that is trained, the devices it is trained on, and the layout that splits it.
package struct Plan: Hashable, Codable, Sendable {
    package var name: String
    package var model: Model
    /// Tokens of the whole run. nil: only the time of a step matters (a plan with `train` alone).
    package var tokens: Double?
    package var cluster: Cluster
    /// Devices that train.
    package var devices: Int
    /// Devices that are paid for but do not train.
    package var idleDevices = 0
    /// Global batch, sequences a step.
    package var batch: Int
    /// The batch that the planner stays near when it chooses one that fits the devices. nil: the plan states its batch.
    package var wantedBatch: Int?
    package var precision: Precision
    /// The recipe that the plan states. It holds as long as the precision is its own.
    package var statedRecipe: Recipe?
    /// The optimizer and the formats of its state.
    package var optimizer = Optimizer()
    /// Parts of a run that devices keep in the memory of their host, for layouts that state none.
    package var offload: Layout.Offload?
    /// Whether a search offloads where no layout fits otherwise (`offload: auto`).
    package var offloadsIfNeeded = false
    /// Format in which gradients are accumulated, for layouts that state none. nil: that of `Layout.gradients`.
    package var gradients: Precision?
    /// The way in which the head's logits and the loss are computed.
    package var loss = LossComputation()
    /// The layout. nil: `layout: auto`, the planner searches.
    package var layout: Layout?
    /// Set if the layout says `schedule: auto`: the planner chooses the schedule, and `layout.schedule` is to be
    /// ignored.
    package var openSchedule: OpenSchedule?
    /// Settings of a real run. nil: the plan is only priced.
    package var train: TrainSettings?
    /// Settings of a run on another tool that change no price. nil: the plan states none.
    package var hyperparameters: Hyperparameters?
    /// Keys that the stated layout leaves to their default. An open layout leaves transfers to it, and states no other.
    package var openDefaults = Layout.Default.transfers
    /// Keys beside the layout that the plan leaves to their default.
    package var openKeys: Set<Default> = []
    /// Assumptions and doubts of the reader.
    package var remarks: [Remark]
    /// Measured time and memory of the run, for comparison; the cost model never reads them.
    package var measured: Measured?
    /// Measured steps, of the plan itself and of others that differ in layout, batch or devices.
    package var measurements: [Measurement] = []
    /// The measured steps beside their predictions; nil until these are made, and without measurements.
    package var anchor: Anchor?
    /// The known generations of training software, with their costs, and the choice among them.
    package var frameworks: Frameworks
    /// Steps of the layout on other software that may be meant where the plan names none; empty until they are priced.
    package var otherSoftware: [OtherSoftware] = []
    /// Share of the tokens of a step that only fill up its sequences: they are computed and do not count.
    package var padding = 0.0
    /// The growth of the batch at the start of the run; nil: it is the same from the first step on.
    package var rampup: BatchRampup?
    /// Time of the whole run beyond its steps and beyond failures.
    package var run = RunShares()
    /// Currency, exchange rates, and costs beside the devices.
    package var money = PlanMoney()
    /// The first day of the run; nil: days have no dates.
    package var start: CalendarDate?

    /// A step on other software than the one that is assumed.
    package struct OtherSoftware: Hashable, Codable, Sendable {
        package var name: String
        package var seconds: Double
        /// These seconds over those on the assumed software.
        package var ratio: Double

        package init(name: String, seconds: Double, ratio: Double) {
            (self.name, self.seconds, self.ratio) = (name, seconds, ratio)
        }
    }

    /// The `measured:` section of a plan.
    package struct Measured: Hashable, Codable, Sendable {
        /// Measured seconds of an iteration.
        package var seconds: Double
        /// Measured peak bytes of the fullest device.
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
    /// Tokens of a step that count.
    package var tokensPerStep: Double { tokensPerStep(batch: batch) }

    /// Tokens that count of a step of `batch` sequences.
    package func tokensPerStep(batch: Int) -> Double {
        let tokens = Double(batch) * Double(model.sequence)
        return padding > 0 ? (1 - padding) * tokens : tokens
    }

    /// Devices that are paid for: those that train and those that stay idle.
    package var paidDevices: Int { devices + idleDevices }
    /// The recipe of products in 8 or 4 bits; nil: the precision has none, or is fp8 without one.
    package var recipe: Recipe? {
        if let statedRecipe, statedRecipe.precision == precision { return statedRecipe }
        return Recipe(of: precision)
    }
    /// The remark to the user about idle devices; nil if all devices train.
    package var idleRemark: String? {
        idleDevices > 0
            ? "\(Figures.grouped(devices)) of \(Figures.grouped(paidDevices)) devices are used, \(Figures.grouped(idleDevices)) "
                + "stay idle: no split over more of them ends earlier; GPU-hours and cost count all"
            : nil
    }

    /// The software that `layout` runs on. nil as layout: the plan leaves it open, and one software stands for all
    /// layouts.
    package func framework(for layout: Layout?) -> Framework {
        frameworks.framework(for: layout, peak: cluster.device.peakFLOPs.values.max() ?? 0)
    }

    /// The plan with an open layout. A search then prices all its layouts on one software, and its runs take what teams
    /// take over the fastest layout.
    package var open: Plan {
        var plan = self
        plan.offload = plan.offload ?? layout?.offload
        plan.layout = nil
        plan.openSchedule = nil
        plan.openDefaults = Layout.Default.transfers
        plan = plan.onOneFramework
        plan.run.practice =
            plan.run.practice
            ?? RunShares.practice(
                on: plan.framework(for: nil), isNamed: plan.frameworks.named != nil,
                ownsLayout: layout != nil || !measurements.isEmpty)
        return plan
    }

    /// The plan with a single software assumed for all layouts, if the layout is open and no software is named or
    /// assumed.
    package var onOneFramework: Plan {
        guard layout == nil, frameworks.named == nil, frameworks.assumed == nil else { return self }
        var plan = self
        plan.frameworks.assumed = framework(for: nil).name
        return plan
    }
}
