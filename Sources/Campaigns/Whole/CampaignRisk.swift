internal import Costs
package import Numbers
internal import Planner
internal import Plans

/// How long a campaign takes and costs if its predictions are off and jobs are done again: many samples of all its stages,
/// each scheduled on the pool.
package struct CampaignRisk: Sendable {
    package var samples: Int
    package var seed: UInt64
    /// Days until the end, one for each sample.
    package var days: Quantiles
    /// Cost of each sample; nil: a price is not known.
    package var cost: Quantiles?
    /// Days of the same samples without any job that is done again; nil: no stage states a chance of that.
    package var daysWithoutRepeats: Quantiles?
    /// Device-months of the jobs that are done again, mean over the samples.
    package var repeatedGPUMonths: Double

    /// - Parameters:
    ///   - samples: 1 or more.
    ///   - seed: of the random numbers; the same seed gives the same digits.
    package init(_ answer: CampaignAnswer, samples: Int = 1000, seed: UInt64 = 1) {
        (self.samples, self.seed) = (max(1, samples), seed)
        let campaign = answer.campaign
        let stages = answer.prices.map(SampledStage.init)
        let hasRepeats = stages.contains { $0.repetition != nil }
        @Sendable func makespan(_ works: [PoolWork]) -> Double {
            PoolSchedule(works, pool: campaign.pool, order: answer.order, rule: answer.schedule.rule).makespan
        }
        let seeds = (0..<self.samples).map { seed ^ SplitMix64.first(seed: UInt64($0)) }
        // Every sample has random numbers of its own, so the digits do not depend on the number of cores.
        let drawn = parallelMap(self.samples, threads: nil) { sample -> Sample in
            var random = SplitMix64(seed: seeds[sample])
            let drawn = SampledCampaign(stages, random: &random)
            let days = makespan(drawn.works)
            let beside = answer.beside(days: days, energyMWh: drawn.energyMWh).total
            return Sample(
                days: days, cost: drawn.cost.map { $0 + beside },
                daysWithoutRepeats: hasRepeats ? makespan(drawn.worksOnce) : nil, repeatedDays: drawn.repeatedDays)
        }
        days = Quantiles(drawn.map(\.days))
        let costs = drawn.compactMap(\.cost)
        cost = costs.count == drawn.count ? Quantiles(costs) : nil
        daysWithoutRepeats = hasRepeats ? Quantiles(drawn.compactMap(\.daysWithoutRepeats)) : nil
        repeatedGPUMonths =
            drawn.reduce(0) { $0 + $1.repeatedDays } * 24 / RunCosts.hoursPerMonth / Double(self.samples)
    }

    /// What one sample comes to.
    private struct Sample: Sendable {
        var days: Double
        var cost, daysWithoutRepeats: Double?
        var repeatedDays: Double
    }

    /// Share of the samples that end by the day; nil: the campaign has no first day.
    package func chance(by day: CalendarDate, of campaign: Campaign) -> Double? {
        // The whole of the last day counts.
        campaign.start.map { days.share(atMost: Double(day.days - $0.days + 1)) }
    }

    /// Share of the samples that cost no more than this; nil: a price is not known.
    package func chance(within budget: Double) -> Double? { cost?.share(atMost: budget) }
}

/// The figures of a stage that are alike in all samples.
private struct SampledStage: Sendable {
    let jobs: [JobPrice]
    /// The stage's work, whose jobs' days are drawn.
    let work: PoolWork
    /// nil: no job is done again.
    let repetition: Repetition?
    /// Days of all jobs, and device-days that are paid for in them.
    let jobDays, deviceDays: Double
    /// Cost of devices, of what plans state beside them for a run that goes as planned, and of labels; nil: not known.
    let devices, labels: Double?
    let beside: RunCostParts
    let price: Price?
    let energyMWh: Double?

    init(_ stage: StagePrice) {
        jobs = stage.jobs
        work = stage.poolWork
        repetition = stage.stage.repetition.flatMap { $0.probability > 0 && $0.share > 0 ? $0 : nil }
        (jobDays, deviceDays) = (stage.jobDays, stage.deviceHours / 24)
        // Labels cost the same in every sample.
        (devices, labels) = (stage.deviceCost, stage.stage.labels.map(\.cost) ?? 0)
        (beside, price, energyMWh) = (stage.beside, stage.price, stage.energyMWh)
    }
}

/// One sample of all stages.
private struct SampledCampaign {
    var works: [PoolWork] = []
    /// The works if no job were done again; empty where no stage states a chance of that.
    var worksOnce: [PoolWork] = []
    /// Cost of all stages; nil: a price is not known.
    var cost: Double? = 0
    /// Energy of all stages, MWh; nil: no power is known.
    var energyMWh: Double? = 0
    /// Device-days of jobs that are done again.
    var repeatedDays = 0.0

    init(_ stages: [SampledStage], random: inout SplitMix64) {
        let (common, dear) = (random.normal(), random.normal())
        let hasRepeats = stages.contains { $0.repetition != nil }
        works.reserveCapacity(stages.count)
        for stage in stages {
            // Variants of one stage run on the same software and devices, so they share their error.
            let own = random.normal()
            var work = stage.work
            var next = 0
            for job in stage.jobs {
                let days = job.days { StageDuration.days(of: $0, common: common, own: own, &random) }
                for place in next..<next + job.count { work.jobs[place] = days }
                next += job.count
            }
            let once = work.jobDays
            if hasRepeats { worksOnce.append(work) }
            if let again = stage.repetition {
                for job in work.jobs.indices where random.next().fraction < again.probability {
                    work.jobs[job] *= 1 + again.share
                }
            }
            let days = stage.repetition == nil ? once : work.jobDays
            let longer = stage.jobDays > 0 ? days / stage.jobDays : 1
            if stage.jobDays > 0 { repeatedDays += stage.deviceDays * (days - once) / stage.jobDays }
            works.append(work)
            if let sum = energyMWh { energyMWh = stage.energyMWh.map { sum + $0 * longer } }
            guard let sum = cost, let devices = stage.devices, let labels = stage.labels else {
                cost = nil
                continue
            }
            cost =
                sum + devices * longer * (stage.price?.dearness(dear) ?? 1) + stage.beside.scaled(by: longer).total
                + labels
        }
    }
}

/// The days that a part of a stage takes in one sample.
enum StageDuration {
    /// Share of the variance of an error that all stages of a campaign have in common, for they share devices, software and
    /// the cost model (assumption).
    private static let commonShare = 0.5

    /// A training run as its distribution has it, failures and restarts among them; else log-normal with the median at the
    /// prediction and the band's ends at 5 and 95 %.
    /// - Parameters:
    ///   - common: a standard normal number of the whole campaign.
    ///   - own: one of the stage.
    static func days(of part: PartPrice, common: Double, own: Double, _ random: inout SplitMix64) -> Double {
        let z = commonShare.squareRoot() * common + (1 - commonShare).squareRoot() * own
        if let run = part.run { return run.sample(&random, error: z).days }
        guard part.days > 0 else { return part.days }
        return part.days * SkewedSpread(low: part.lowDays / part.days, high: part.highDays / part.days).factor(z)
    }
}
