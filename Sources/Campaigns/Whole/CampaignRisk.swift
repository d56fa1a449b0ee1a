internal import Costs
internal import Foundation
package import Numbers
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
        let hasRepeats = campaign.stages.contains { $0.repetition.map { $0.probability > 0 && $0.share > 0 } ?? false }
        var (days, costs, without): ([Double], [Double], [Double]) = ([], [], [])
        var repeated = 0.0
        for sample in 0..<self.samples {
            var random = SplitMix64(seed: seed ^ SplitMix64.first(seed: UInt64(sample)))
            let drawn = SampledCampaign(answer, random: &random)
            let schedule = PoolSchedule(
                drawn.works, pool: campaign.pool, order: answer.order, rule: answer.schedule.rule)
            days.append(schedule.makespan)
            repeated += drawn.repeatedDays
            if let stages = drawn.cost {
                let beside = RunCostParts(
                    devices: 0, campaign.costs, days: schedule.makespan, wallEnergyMWh: answer.energyMWh)
                costs.append(stages + beside.total)
            }
            guard hasRepeats else { continue }
            without.append(
                PoolSchedule(
                    drawn.worksOnce, pool: campaign.pool, order: answer.order, rule: answer.schedule.rule
                ).makespan)
        }
        self.days = Quantiles(days)
        cost = costs.count == days.count ? Quantiles(costs) : nil
        daysWithoutRepeats = hasRepeats ? Quantiles(without) : nil
        repeatedGPUMonths = repeated * 24 / 730 / Double(self.samples)
    }

    /// Share of the samples that end by the day; nil: the campaign has no first day.
    package func chance(by day: CalendarDate, of campaign: Campaign) -> Double? {
        // The whole of the last day counts.
        campaign.start.map { days.share(atMost: Double(day.days - $0.days + 1)) }
    }

    /// Share of the samples that cost no more than this; nil: a price is not known.
    package func chance(within budget: Double) -> Double? { cost?.share(atMost: budget) }
}

/// One sample of all stages.
private struct SampledCampaign {
    var works: [PoolWork] = []
    /// The same without jobs that are done again.
    var worksOnce: [PoolWork] = []
    /// Cost of all stages; nil: a price is not known.
    var cost: Double? = 0
    /// Device-days of jobs that are done again.
    var repeatedDays = 0.0

    init(_ answer: CampaignAnswer, random: inout SplitMix64) {
        let (common, dear) = (random.normal(), random.normal())
        let dearness = answer.campaign.price?.dearness(dear) ?? 1
        for price in answer.prices {
            // Variants of one stage run on the same software and devices, so they share their error.
            let own = random.normal()
            let days = price.jobs.map { job in
                job.days { StageDuration.days(of: $0, common: common, own: own, &random) }
            }
            var once = price.poolWork
            once.jobs = zip(price.jobs, days).flatMap { Array(repeating: $1, count: $0.count) }
            var work = once
            if let again = price.stage.repetition {
                for job in work.jobs.indices where random.next().fraction < again.probability {
                    work.jobs[job] *= 1 + again.share
                }
            }
            repeatedDays += work.deviceDays - once.deviceDays
            works.append(work)
            worksOnce.append(once)
            // Labels cost the same in every sample.
            if let planned = price.cost, let before = cost {
                let hour = price.pricePerHour ?? 0
                cost = before + planned + hour * (dearness * 24 * work.deviceDays - price.deviceHours)
            } else {
                cost = nil
            }
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
        let end = z < 0 ? part.lowDays : part.highDays
        guard part.days > 0, end > 0, end.isFinite else { return part.days }
        return part.days * exp(abs(z) / UncertainRun.ninetyFifth * log(end / part.days))
    }
}
