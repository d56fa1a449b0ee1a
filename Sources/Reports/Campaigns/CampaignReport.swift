package import Campaigns
internal import Numbers
internal import Plans

/// The answer to a campaign as one JSON document.
package struct CampaignReport: Encodable {
    struct Pool: Encodable {
        var device: String
        var devices: Int
        var peakDevices: Int
        var idleDeviceDays: Double
        var use: Double
        /// Devices of spare nodes, beside those of the pool.
        var spareDevices: Int
        /// Rent of the whole pool for as long as the campaign takes.
        var cost: Double?
    }

    struct Part: Encodable {
        var name: String
        var devices: Int
        var days: Double
        var lowDays: Double
        var highDays: Double
        var priced: String
    }

    struct Job: Encodable {
        var label: String
        var count: Int
        var days: Double
        var lanes: [[Part]]
    }

    struct Repeat: Encodable {
        var probability: Double
        var share: Double
    }

    struct Labels: Encodable {
        var number: Double
        var days: Double
        var cost: Double?
    }

    struct Stage: Encodable {
        var name: String
        var kind: String
        var after: [String]
        var devices: Int
        var jobs: [Job]
        var count: Int
        var atOnce: Int
        var startDay: Double
        var endDay: Double
        var start: String?
        var end: String?
        var gpuMonths: Double
        var cost: Double?
        var energyMWh: Double?
        var emissionsTonnes: Double?
        var share: Double
        var isCritical: Bool
        var `repeat`: Repeat?
        var labels: Labels?
    }

    struct Chance: Encodable {
        var day: String?
        var money: Double?
        var probability: Double
    }

    struct Risk: Encodable {
        var samples: Int
        var seed: UInt64
        var days: Distribution
        var cost: Distribution?
        var daysWithoutRepeats: Distribution?
        var repeatedGPUMonths: Double
        var deadline: Chance?
        var budget: Chance?
    }

    struct Totals: Encodable {
        var days: Double
        var start: String?
        var end: String?
        var gpuMonths: Double
        var cost: Double?
        var overheads: Double
        var energyMWh: Double?
        var emissionsTonnes: Double?
        var failures: Double
        /// Share of the device time of training that failures, restarts and checkpoints take.
        var lostShare: Double
        var currency: String
    }

    var campaign: String
    var pool: Pool?
    var stages: [Stage]
    var totals: Totals?
    var criticalPath: [String]
    var criticalDays: Double?
    var risk: Risk?
    var payback: PaybackReport?

    /// A campaign with stages.
    package init(_ answer: CampaignAnswer, risk: CampaignRisk, payback: Payback?) {
        let campaign = answer.campaign
        self.campaign = campaign.name
        func date(_ day: Double) -> String? { campaign.start?.adding(days: day)?.description }
        pool = Pool(
            device: campaign.device, devices: campaign.pool, peakDevices: answer.schedule.peakDevices,
            idleDeviceDays: answer.idleDays, use: answer.use, spareDevices: answer.spareDevices,
            cost: answer.poolCost)
        let critical = Set(answer.order.criticalPath)
        let total = max(answer.gpuMonths, .leastNonzeroMagnitude)
        stages = answer.prices.enumerated().map { number, price in
            let stage = price.stage
            let (start, end) = (answer.schedule.starts[number], answer.schedule.ends[number])
            return Stage(
                name: stage.name, kind: stage.kind.rawValue, after: stage.after.map { campaign.stages[$0].name },
                devices: stage.devices, jobs: price.jobs.map(Self.job), count: stage.count,
                atOnce: price.poolWork.concurrency(pool: campaign.pool), startDay: start, endDay: end,
                start: date(start), end: date(end), gpuMonths: price.gpuMonths, cost: price.cost,
                energyMWh: price.energyMWh, emissionsTonnes: price.emissions, share: price.gpuMonths / total,
                isCritical: critical.contains(number),
                repeat: stage.repetition.map { Repeat(probability: $0.probability, share: $0.share) },
                labels: stage.labels.map { Labels(number: $0.number, days: $0.days, cost: $0.cost) })
        }
        totals = Totals(
            days: answer.days, start: campaign.start?.description, end: date(answer.days),
            gpuMonths: answer.gpuMonths, cost: answer.cost, overheads: answer.overheadCost,
            energyMWh: answer.energyMWh, emissionsTonnes: answer.emissions,
            failures: answer.failures, lostShare: answer.lostShare, currency: campaign.currency.rawValue)
        criticalPath = answer.order.criticalPath.map { campaign.stages[$0].name }
        criticalDays = answer.order.criticalDays
        self.risk = Risk(
            samples: risk.samples, seed: risk.seed, days: Distribution(risk.days),
            cost: risk.cost.map(Distribution.init),
            daysWithoutRepeats: risk.daysWithoutRepeats.map(Distribution.init),
            repeatedGPUMonths: risk.repeatedGPUMonths,
            deadline: campaign.deadline.flatMap { day in
                risk.chance(by: day, of: campaign).map { Chance(day: day.description, probability: $0) }
            },
            budget: campaign.budget.flatMap { money in
                risk.chance(within: money).map { Chance(money: money, probability: $0) }
            })
        self.payback = payback.map(PaybackReport.init)
    }

    /// A payback alone.
    package init(name: String, payback: Payback) {
        (campaign, stages, criticalPath) = (name, [], [])
        self.payback = PaybackReport(payback)
    }

    private static func job(_ price: JobPrice) -> Job {
        Job(
            label: price.label, count: price.count, days: price.days,
            lanes: price.lanes.map { lane in
                lane.map {
                    Part(
                        name: $0.name, devices: $0.devices, days: $0.days, lowDays: $0.lowDays, highDays: $0.highDays,
                        priced: $0.words)
                }
            })
    }

    package func json() throws -> String { try JSONDocument.text(self) }
}

/// A payback in JSON. Months are null where it never breaks even.
struct PaybackReport: Encodable {
    struct Input: Encodable {
        var name: String
        var value: Double
        var low: Double
        var high: Double
        var lowMonths: Double?
        var highMonths: Double?
        var needed: Double?
    }

    var currency: String
    var months: Double?
    var within: Double?
    var balanceWithin: Double?
    var inputs: [Input]

    init(_ payback: Payback) {
        (currency, months, within) = (payback.currency.rawValue, payback.inputs.breakEven, payback.within)
        balanceWithin = payback.within.map(payback.inputs.balance)
        inputs = payback.sensitivities.map {
            Input(
                name: $0.input.rawValue, value: $0.value, low: $0.low, high: $0.high, lowMonths: $0.lowMonths,
                highMonths: $0.highMonths, needed: $0.needed)
        }
    }
}
