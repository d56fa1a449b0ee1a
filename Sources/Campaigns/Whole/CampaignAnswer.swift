package import Costs
package import Planner
internal import Plans
package import Reading

/// The answer to a campaign: what its stages cost, when they run on the pool, and the totals.
package struct CampaignAnswer: Sendable {
    package var campaign: Campaign
    package var prices: [StagePrice]
    package var order: PoolOrder
    package var schedule: PoolSchedule
    /// Searches of the planner behind the prices.
    package var searches: Int

    /// Prices all stages and schedules their jobs. No job is done again.
    /// - Throws: the stages that do not fit their devices.
    package init(_ campaign: Campaign, settings: SearchSettings = SearchSettings()) throws(PlanProblems) {
        var pricer = StagePricer(settings: settings)
        let prices = try pricer.price(campaign.stages)
        self.init(campaign, prices: prices, searches: pricer.searches)
    }

    package init(_ campaign: Campaign, prices: [StagePrice], searches: Int = 0) {
        (self.campaign, self.prices, self.searches) = (campaign, prices, searches)
        let works = prices.map(\.poolWork)
        order = PoolOrder(works, pool: campaign.pool)
        schedule = PoolSchedule.best(works, pool: campaign.pool)
    }

    package var days: Double { schedule.makespan }
    package var gpuMonths: Double { prices.reduce(0) { $0 + $1.gpuMonths } }

    /// Cost of all stages; nil: of one of them it is not known.
    package var stageCost: Double? { Self.sum(prices.map(\.cost)) }
    /// Costs beside devices, by what they are paid for.
    package var beside: RunCostParts {
        RunCostParts(devices: 0, campaign.costs, days: days, wallEnergyMWh: energyMWh)
    }
    package var overheadCost: Double { beside.total }
    package var cost: Double? { stageCost.map { $0 + overheadCost } }
    package var energyMWh: Double? { Self.sum(prices.map(\.energyMWh)) }
    /// Price of a device-hour; nil: not known.
    package var pricePerHour: Double? { prices.lazy.compactMap(\.pricePerHour).first }

    /// Device-days of the pool from the first job to the end of the last.
    package var poolDays: Double { Double(campaign.pool) * days }
    /// Device-days for which devices of the pool are idle.
    package var idleDays: Double { max(0, poolDays - schedule.deviceDays) }
    package var use: Double { poolDays > 0 ? schedule.deviceDays / poolDays : 0 }
    /// Cost of the whole pool for as long as the campaign takes, whether devices work or not; nil: not known.
    package var poolCost: Double? { pricePerHour.map { $0 * 24 * poolDays } }

    /// Days by which stages wait for devices beyond the longest path.
    package var waitingDays: Double { max(0, days - order.criticalDays) }

    private static func sum(_ values: [Double?]) -> Double? {
        values.contains(nil) ? nil : values.compactMap(\.self).reduce(0, +)
    }
}
