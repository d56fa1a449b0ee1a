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
        let prices = try pricer.price(campaign.stages, pool: campaign.pool)
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
    package var stageCost: Double? { StagePrice.sum(prices.map(\.cost)) }
    /// Costs beside devices, by what they are paid for.
    package var beside: RunCostParts { beside(days: days, energyMWh: energyMWh) }

    /// Costs beside devices of a campaign that takes so many days and so much energy.
    func beside(days: Double, energyMWh: Double?) -> RunCostParts {
        RunCostParts(devices: 0, campaign.costs, days: days, wallEnergyMWh: energyMWh)
    }

    package var overheadCost: Double { beside.total }
    package var cost: Double? { stageCost.map { $0 + overheadCost } }
    package var energyMWh: Double? { StagePrice.sum(prices.map(\.energyMWh)) }
    /// CO2 of the energy, tonnes; nil: not known.
    package var emissions: Double? { StagePrice.sum(prices.map(\.emissions)) }
    /// Price of a device-hour of the pool; nil: not known.
    package var pricePerHour: Double? { campaign.price?.perHour ?? prices.lazy.compactMap(\.pricePerHour).first }
    /// Failures that training meets in the mean, and the share of its device time that they, restarts and checkpoints take.
    package var failures: Double { prices.reduce(0) { $0 + $1.failures } }
    package var lostShare: Double {
        let all = prices.reduce(0) { $0 + $1.trainingDeviceDays }
        return all > 0 ? prices.reduce(0) { $0 + $1.lostDeviceDays } / all : 0
    }
    /// Devices of spare nodes that stand by while the stage runs that has most of them.
    package var spareDevices: Int { prices.lazy.map(\.spareDevices).max() ?? 0 }

    /// Device-days of the pool from the first job to the end of the last.
    package var poolDays: Double { Double(campaign.pool) * days }
    /// Device-days for which devices of the pool are idle.
    package var idleDays: Double { max(0, poolDays - schedule.deviceDays) }
    package var use: Double { poolDays > 0 ? min(1, schedule.deviceDays / poolDays) : 0 }
    package var idleShare: Double { poolDays > 0 ? idleDays / poolDays : 0 }
    /// Rent of the whole pool and its spare nodes for as long as the campaign takes, whether devices work or not; nil: not
    /// known.
    package var poolCost: Double? { pricePerHour.map { $0 * 24 * (poolDays + Double(spareDevices) * days) } }

    /// Days by which stages wait for devices beyond the longest path.
    package var waitingDays: Double { max(0, days - order.criticalDays) }
}
