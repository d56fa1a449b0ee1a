/// Time and cost of one part of a job, on the part's own devices.
package struct PartPrice: Hashable, Sendable {
    package var name: String
    package var devices: Int
    package var days: Double
    /// The band around the days: 5 % of such parts take less than `lowDays`, and 5 % more than `highDays`.
    package var lowDays: Double
    package var highDays: Double
    /// Price of a device-hour; nil: not known, so that costs are left out.
    package var pricePerHour: Double?
    /// Energy of the site for a device-hour, MWh; nil: no power is known.
    package var energyPerHour: Double?
    /// The distribution of a training run; nil: the part is none, and its band says how long it may take.
    package var run: UncertainRun?
    /// What was priced and how, in one line.
    package var words: String

    package init(
        name: String, devices: Int, days: Double, lowDays: Double, highDays: Double, pricePerHour: Double?,
        energyPerHour: Double?, words: String
    ) {
        (self.name, self.devices, self.days, self.lowDays, self.highDays) = (name, devices, days, lowDays, highDays)
        (self.pricePerHour, self.energyPerHour, self.words) = (pricePerHour, energyPerHour, words)
    }

    /// Device-days in which the part's devices work.
    package var deviceDays: Double { Double(devices) * days }
    package var energyMWh: Double? { energyPerHour.map { $0 * 24 * deviceDays } }
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

    package var pricePerHour: Double? { parts.lazy.compactMap(\.pricePerHour).first }
    /// Energy of one job; nil: of one of its parts no power is known.
    package var energyMWh: Double? {
        let all = parts.map(\.energyMWh)
        return all.contains(nil) ? nil : all.compactMap(\.self).reduce(0, +)
    }
}

/// Time and cost of a stage, without waiting for devices.
package struct StagePrice: Hashable, Sendable {
    package var stage: Stage
    package var jobs: [JobPrice]

    package init(stage: Stage, jobs: [JobPrice]) { (self.stage, self.jobs) = (stage, jobs) }

    /// Device-hours for which the stage holds devices.
    package var deviceHours: Double {
        24 * Double(stage.devices) * jobs.reduce(0) { $0 + Double($1.count) * $1.days }
    }

    package var gpuMonths: Double { deviceHours / 730 }

    /// Price of a device-hour; nil: not known.
    package var pricePerHour: Double? { jobs.lazy.compactMap(\.pricePerHour).first }

    /// Cost of the devices and of labels; nil: a price of them is not known.
    package var cost: Double? {
        let labels = stage.labels.map(\.cost)
        if let labels, labels == nil { return nil }
        guard stage.devices > 0 else { return labels ?? nil }
        return pricePerHour.map { $0 * deviceHours + ((labels ?? nil) ?? 0) }
    }

    /// Energy of the site, MWh; nil: not known.
    package var energyMWh: Double? {
        let all = jobs.map { job in job.energyMWh.map { $0 * Double(job.count) } }
        return all.contains(nil) ? nil : all.compactMap(\.self).reduce(0, +)
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
