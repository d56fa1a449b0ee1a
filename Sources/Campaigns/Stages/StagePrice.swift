package import Costs
package import Plans

/// Time and cost of one part of a job, on the part's own devices.
package struct PartPrice: Hashable, Sendable {
    package var name: String
    /// Devices of the pool that the part holds.
    package var devices: Int
    /// Devices of spare nodes, which stand by and are paid for beside those of the pool.
    package var spareDevices = 0
    package var days: Double
    /// The band around the days: 5 % of such parts take less than `lowDays`, and 5 % more than `highDays`.
    package var lowDays: Double
    package var highDays: Double
    /// Price of a device; nil: not known, so that costs are left out.
    package var price: Price?
    /// Price of a device-hour, of all kinds of devices in the mean; nil: not known.
    package var pricePerHour: Double?
    /// Energy of the site for the whole part, MWh; nil: no power is known.
    package var energyMWh: Double?
    /// CO2 of that energy, tonnes; nil: no grid factor is known.
    package var emissions: Double?
    /// Failures that the part meets in the mean, and the share of its days that they and checkpoints take; 0 where none are
    /// known.
    package var failures = 0.0
    package var lostShare = 0.0
    /// What the part's own plan states beside devices; nil: nothing.
    package var beside: RunCostParts?
    /// The distribution of a training run; nil: the part is none, and its band says how long it may take.
    package var run: UncertainRun?
    /// What was priced and how, in one line.
    package var words: String

    package init(
        name: String, devices: Int, days: Double, lowDays: Double, highDays: Double, pricePerHour: Double?,
        energyMWh: Double?, words: String
    ) {
        (self.name, self.devices, self.days, self.lowDays, self.highDays) = (name, devices, days, lowDays, highDays)
        (self.pricePerHour, self.energyMWh, self.words) = (pricePerHour, energyMWh, words)
    }
}

/// Time and cost of jobs that are alike.
package struct JobPrice: Hashable, Sendable {
    package var label: String
    package var count: Int
    package var lanes: [[PartPrice]]

    package init(label: String, count: Int, lanes: [[PartPrice]]) {
        (self.label, self.count, self.lanes) = (label, count, lanes)
    }

    package var parts: [PartPrice] { lanes.flatMap(\.self) }

    /// Days of one job: those of its longest lane.
    package var days: Double { days { $0.days } }

    /// Days of one job whose parts take `partDays`.
    package func days(_ partDays: (PartPrice) -> Double) -> Double {
        lanes.map { $0.reduce(0) { $0 + partDays($1) } }.max() ?? 0
    }

    /// The sum of a figure over the parts of one job; nil: a part has none.
    func sum(_ figure: (PartPrice) -> Double?) -> Double? { StagePrice.sum(parts.map(figure)) }
}

/// Time and cost of a stage, without waiting for devices.
package struct StagePrice: Hashable, Sendable {
    package var stage: Stage
    package var jobs: [JobPrice]
    /// Devices of the pool that the stage takes its devices from.
    package var pool: Int

    package init(stage: Stage, jobs: [JobPrice], pool: Int) {
        (self.stage, self.jobs, self.pool) = (stage, jobs, pool)
    }

    private var parts: [PartPrice] { jobs.flatMap(\.parts) }

    /// Devices of spare nodes that stand by for a job: parts of a job share them.
    package var spareDevices: Int { stage.devices > 0 ? parts.lazy.map(\.spareDevices).max() ?? 0 : 0 }
    /// Spare devices that a job pays for. Spare nodes stand by for the whole pool, so that a job on a part of it pays that part.
    package var paidSpareDevices: Double {
        Double(spareDevices) * min(1, Double(stage.devices) / Double(max(1, pool)))
    }

    /// Days of all jobs, one after the other.
    package var jobDays: Double { jobs.reduce(0) { $0 + Double($1.count) * $1.days } }

    /// Device-hours that are paid for: those for which the stage holds devices of the pool, and those of its spare nodes.
    package var deviceHours: Double { 24 * (Double(stage.devices) + paidSpareDevices) * jobDays }

    package var gpuMonths: Double { deviceHours / RunCosts.hoursPerMonth }

    /// Price of a device; nil: not known.
    package var price: Price? { parts.lazy.compactMap(\.price).first }
    /// Price of a device-hour; nil: not known.
    package var pricePerHour: Double? { parts.lazy.compactMap(\.pricePerHour).first }

    /// Cost of the devices; nil: their price is not known.
    package var deviceCost: Double? { stage.devices > 0 ? pricePerHour.map { $0 * deviceHours } : 0 }

    /// Costs that the plans of the stage state beside devices, of all jobs.
    package var beside: RunCostParts {
        var all = RunCostParts()
        for job in jobs {
            for part in job.parts {
                if let own = part.beside { all = all + own.times(Double(job.count)) }
            }
        }
        return all
    }

    /// Cost of the devices, of what the stage's own plans state beside them, and of labels; nil: a price of these is not
    /// known.
    package var cost: Double? { StagePrice.sum([deviceCost, beside.total, stage.labels.map(\.cost) ?? 0]) }

    /// Failures that training meets in the mean.
    package var failures: Double { sum(\.failures) ?? 0 }
    /// Device-days of training, and those of them that failures, restarts and checkpoints take.
    package var trainingDeviceDays: Double { sum { $0.run == nil ? 0 : Double($0.devices) * $0.days } ?? 0 }
    package var lostDeviceDays: Double { sum { Double($0.devices) * $0.days * $0.lostShare } ?? 0 }

    /// Energy of the site, MWh; nil: not known.
    package var energyMWh: Double? { sum(\.energyMWh) }
    /// CO2 of the energy, tonnes; nil: not known.
    package var emissions: Double? { sum(\.emissions) }

    /// The sum of figures; nil: one of them is not known.
    static func sum(_ values: [Double?]) -> Double? {
        values.contains(nil) ? nil : values.compactMap(\.self).reduce(0, +)
    }

    /// The sum of a figure over the parts of all jobs; nil: a part has none.
    private func sum(_ figure: (PartPrice) -> Double?) -> Double? {
        StagePrice.sum(jobs.map { job in job.sum(figure).map { $0 * Double(job.count) } })
    }

    /// What the stage asks of a pool. No job is done again.
    package var poolWork: PoolWork { poolWork { $0.days } }

    /// What the stage asks of a pool, with the days of each kind of job as `jobDays` says.
    package func poolWork(_ jobDays: (JobPrice) -> Double) -> PoolWork {
        PoolWork(
            after: stage.after, devices: stage.devices,
            jobs: jobs.flatMap { job in Array(repeating: jobDays(job), count: job.count) }, atOnce: stage.atOnce,
            afterwards: stage.labels?.days ?? 0)
    }
}
