package import Models
internal import Numbers
package import Reading

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
            ? "\(Figures.grouped(devices)) of \(Figures.grouped(paidDevices)) devices are used, \(Figures.grouped(idleDevices)) "
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
