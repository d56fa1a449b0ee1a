internal import Foundation
internal import Models
internal import Numbers
internal import Plans

/// Totals of a plan's whole run: steps, interruptions, days, price and energy.
package struct RunTotals {
    private let work: LayoutWork
    private var plan: Plan { work.plan }

    package init(_ work: LayoutWork) { self.work = work }

    /// Seconds for which one checkpoint blocks training: as stated, or the weights that training changes and their
    /// optimizer state, written once, by all nodes together, as fast as these write and the storage takes.
    package var checkpointSeconds: Double {
        // Daly's interval between checkpoints has no value where these take no time at all.
        if let stated = plan.failures.checkpointTime { return max(stated, 1e-3) }
        let parameters = Double(plan.model.trainedParameters)
        let bytes =
            (work.state.keptWeight + work.state.optimizer) * parameters + (work.matrices?.wholeBytes(work) ?? 0)
        return bytes / checkpointBytesPerSecond
    }

    /// Bytes a second of checkpoints from all nodes.
    var checkpointBytesPerSecond: Double {
        let nodes = Double(plan.nodes) * (plan.failures.nodeWrite ?? Failures.usualNodeWrite)
        return min(nodes, plan.failures.storageWrite ?? .infinity)
    }

    /// Failures of the run and what each costs; nil if none are known.
    package var interruptions: Interruptions? {
        plan.meanTimeBetweenFailures.map {
            Interruptions(
                between: $0, checkpoint: checkpointSeconds, restart: plan.failures.outage, wait: plan.repairWait)
        }
    }

    /// Power of a node in watts, divided by its devices; nil if no power is known.
    var nodeWatts: Double? { plan.cluster.nodeWatts }

    /// Energy of the site over the energy of the nodes (PUE).
    var powerUsageEffectiveness: Double {
        plan.cluster.powerUsageEffectiveness ?? CostConstants.powerUsageEffectiveness
    }

    /// The whole run with `seconds` for an iteration; nil if the plan has no token count.
    package func run(seconds: Double) -> Estimate.Run? {
        guard let tokens = plan.tokens else { return nil }
        let interruptions = interruptions
        let share = interruptions?.goodput ?? 1
        let rampup = RampupTotals(work, tokens: tokens, seconds: seconds)
        let rest = ((tokens - (rampup?.tokens ?? 0)) / plan.tokensPerStep).rounded(.up)
        let steps = (rampup?.steps ?? 0) + rest
        let stepping = ((rampup?.seconds ?? 0) + rest * seconds) / 86400
        let band = ErrorBand(plan: plan, layout: work.layout, framework: work.framework)
        let measured = exp(band.shift)
        let days = stepping * measured * plan.runOverSteps / share
        // Idle and spare devices are paid for, but their energy is not counted.
        let gpuHours = days * 24 * Double(plan.rentedDevices)
        let drawing = days * 24 * Double(plan.devices)
        var run = Estimate.Run(
            steps: steps, days: days, gpuHours: gpuHours, goodput: share,
            cost: nil,
            energyMWh: plan.cluster.device.watts.map { drawing * $0 / 1e6 },
            wallEnergyMWh: nodeWatts.map { drawing * $0 * powerUsageEffectiveness / 1e6 },
            lowDays: days * (1 - band.low), highDays: days * (1 + band.high), confidence: ErrorBand.confidence)
        run.bandReason = band.reason
        run.checkpointInterval = interruptions?.interval
        run.interruptions = interruptions
        run.measuredFactor = plan.anchor == nil ? nil : measured
        run.parts = Estimate.Run.Parts(
            steps: stepping, measured: measured, goodput: share, plan: plan)
        var devices = plan.cluster.pricePerDeviceHour.map { $0 * gpuHours }
        run.emissions = Emissions(run, plan.cluster)
        if let groups = plan.cluster.groups {
            let hours = days * 24
            devices = groups.total(\.pricePerDeviceHour).map { $0 * hours }
            run.energyMWh = groups.total(\.device.watts).map { hours * $0 / 1e6 }
            run.wallEnergyMWh = groups.total(\.siteWatts).map { hours * $0 / 1e6 }
            run.emissions = Emissions(groups, hours: hours)
        }
        run.currency = plan.currency
        if let devices {
            run.costs = RunCostParts(
                devices: devices, plan.money.costs, days: days, wallEnergyMWh: run.wallEnergyMWh)
            run.cost = run.costs?.total
        }
        run.rampup = rampup.map {
            Estimate.Run.Rampup(steps: $0.steps, days: $0.seconds * measured * plan.runOverSteps / share / 86400)
        }
        return run
    }
}
