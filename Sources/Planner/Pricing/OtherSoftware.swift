package import Costs
internal import Plans

extension Estimate {
    /// The estimate with the prices of its layout on other software that may be meant, where the plan names none: the usual
    /// generations, and those with published runs on the device. The run's band spans them.
    package func besideOtherSoftware() throws(PlannerError) -> Estimate {
        guard plan.frameworks.named == nil, plan.isOnAccelerators, plan.anchor == nil, iteration.seconds > 0 else {
            return self
        }
        let own = plan.framework(for: layout).name
        let family = plan.cluster.device.family
        let others = plan.frameworks.known.values.filter { software in
            software.name != own && software.name != Frameworks.processes && !software.isUnfused
                && (Frameworks.automaticNames.contains(software.name) || software.sources[family] ?? 0 > 0)
                && software.abilities.obstacles(to: layout, model: plan.model, name: software.name).isEmpty
        }
        let prices = others.compactMap { software -> Plan.OtherSoftware? in
            var other = plan
            other.frameworks.named = software.name
            guard let read = other.reading(layout, insteadOf: layout), let pricer = try? Pricer(plan: other),
                let estimate = try? simulatedEstimate(read, pricer), estimate.fits || !fits
            else { return nil }
            let seconds = estimate.iteration.seconds
            return Plan.OtherSoftware(name: software.name, seconds: seconds, ratio: seconds / iteration.seconds)
        }
        guard !prices.isEmpty else { return self }
        var estimate = self
        estimate.plan.otherSoftware = prices.sorted { ($0.seconds, $0.name) < ($1.seconds, $1.name) }
        do throws(CostError) {
            let work = try Pricer(plan: estimate.plan).work(of: estimate)
            estimate.run = RunTotals(work).run(seconds: iteration.seconds)
        } catch { throw .cost(error) }
        return estimate
    }
}
