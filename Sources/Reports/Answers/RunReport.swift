internal import Costs
internal import Numbers

extension EstimateReport {
    /// The whole run in the JSON document of an answer.
    struct Run: Encodable {
        struct Band: Encodable {
            var lowDays, highDays: Double?
            var confidence: Double

            /// The evidence behind the width.
            var reason: String

            enum CodingKeys: String, CodingKey { case lowDays, highDays, confidence, reason }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(lowDays, forKey: .lowDays)
                try container.encode(highDays, forKey: .highDays)
                try container.encode(confidence, forKey: .confidence)
                try container.encode(reason, forKey: .reason)
            }
        }

        var tokens: Double
        var steps: Int
        /// These are null for a run that never ends.
        var days, gpuHours, gpuMonths: Double?
        var goodput: Double
        /// These are null also where the cluster file states no price or no power. `energyMWh` counts the devices'
        /// boards, `wallEnergyMWh` nodes and cooling too.
        var cost, energyMWh, wallEnergyMWh: Double?
        var band: Band
        /// Absent where the batch is the same from the first step on.
        var rampup: Rampup?

        /// Days by what they are spent on; absent for a run that never ends.
        var parts: Estimate.Run.Parts?
        var measuredFactor: Double?
        /// Seconds; absent where no failures are known.
        var checkpointInterval: Double?
        /// The code of the currency of `cost` and `costs`; absent without a price.
        var currency: String?
        /// The cost by what it is paid for; absent where the plan states nothing beside the devices' price.
        var costs: RunCostParts?
        /// Absent without a grid factor or power.
        var emissions: Emissions?
        /// Absent where no failures are known.
        var failures: Failures?
        /// Days of the calendar; absent where the plan states no start.
        var dates: Dates?

        /// Failures that the run meets in the mean, and what each costs, in seconds.
        struct Failures: Encodable {
            /// null for a run that never ends.
            var expected: Double?
            var secondsBetween, restartSeconds, waitSeconds, checkpointSeconds: Double

            init(_ met: Interruptions, days: Double?) {
                expected = days.map { met.failures(in: $0 * 86_400) }
                (secondsBetween, restartSeconds) = (met.between, met.restart)
                (waitSeconds, checkpointSeconds) = (met.wait, met.checkpoint)
            }
        }

        struct Dates: Encodable {
            var start: String
            /// Absent beyond the year 9999 and for a run that never ends.
            var end, earliestEnd, latestEnd: String?

            init(_ start: CalendarDate, _ run: Estimate.Run?) {
                func end(_ days: Double?) -> String? { days.flatMap { start.adding(days: $0)?.description } }
                self.start = start.description
                (self.end, earliestEnd, latestEnd) = (end(run?.days), end(run?.lowDays), end(run?.highDays))
            }
        }

        struct Rampup: Encodable {
            var steps: Int
            var days: Double?
        }

        enum CodingKeys: String, CodingKey {
            case tokens, steps, days, gpuHours, gpuMonths, goodput, cost, energyMWh, wallEnergyMWh, band, rampup, parts,
                measuredFactor, checkpointInterval, currency, costs, emissions, failures, dates
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(tokens, forKey: .tokens)
            try container.encode(steps, forKey: .steps)
            try container.encode(days, forKey: .days)
            try container.encode(gpuHours, forKey: .gpuHours)
            try container.encode(gpuMonths, forKey: .gpuMonths)
            try container.encode(goodput, forKey: .goodput)
            try container.encode(cost, forKey: .cost)
            try container.encode(energyMWh, forKey: .energyMWh)
            try container.encode(wallEnergyMWh, forKey: .wallEnergyMWh)
            try container.encode(band, forKey: .band)
            try container.encodeIfPresent(rampup, forKey: .rampup)
            try container.encodeIfPresent(parts, forKey: .parts)
            try container.encodeIfPresent(measuredFactor, forKey: .measuredFactor)
            try container.encodeIfPresent(checkpointInterval, forKey: .checkpointInterval)
            try container.encodeIfPresent(currency, forKey: .currency)
            try container.encodeIfPresent(costs, forKey: .costs)
            try container.encodeIfPresent(emissions, forKey: .emissions)
            try container.encodeIfPresent(failures, forKey: .failures)
            try container.encodeIfPresent(dates, forKey: .dates)
        }
    }
}
