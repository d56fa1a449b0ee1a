internal import Foundation
internal import Models
internal import Numbers
internal import Plans

/// Goodput: the fraction of a run's time that is training, given failures and checkpoints (Daly 2006).
package struct Goodput: Hashable, Sendable {
    /// Seconds of training between checkpoints.
    package var interval: Double
    /// Fraction of wall-clock time that is training.
    package var share: Double

    /// - Parameters:
    ///   - checkpoint: seconds for which a checkpoint blocks training, δ.
    ///   - restart: seconds from a failure until training continues, R.
    ///   - meanTimeBetweenFailures: mean seconds between failures of the whole system, M.
    package init(checkpoint: Double, restart: Double, meanTimeBetweenFailures M: Double) {
        interval = CheckpointInterval.seconds(checkpoint: checkpoint, meanTimeBetweenFailures: M)
        // Equation 20: T_w = M e^{R/M} (e^{(τ+δ)/M} − 1) T_s/τ.
        share = interval / (M * exp(restart / M) * (exp((interval + checkpoint) / M) - 1))
    }

    /// Upper bound of the goodput on `devices`, even with the shortest checkpoints: e^(−R/M).
    /// - Parameter single: mean seconds between failures of one device; nil: no device fails.
    package static func most(meanTimeBetweenFailures single: Double?, devices: Int) -> Double {
        guard let single, single > 0 else { return 1 }
        return exp(-CostConstants.restartSeconds * Double(devices) / single)
    }
}

/// Totals of a plan's whole run: steps, interruptions, days, price and energy.
package struct RunTotals {
    private let work: LayoutWork
    private var plan: Plan { work.plan }

    package init(_ work: LayoutWork) { self.work = work }

    /// Seconds for which one checkpoint blocks training: the weights that training changes and their optimizer
    /// state, written once, by all nodes together.
    package var checkpointSeconds: Double {
        let parameters = Double(plan.model.trainedParameters)
        let bytes =
            (work.state.keptWeight + work.state.optimizer) * parameters + (work.matrices?.wholeBytes(work) ?? 0)
        let nodes =
            plan.cluster.groups?.nodes ?? max(0, plan.devices - 1) / max(plan.cluster.devicesPerNode, 1) + 1
        return bytes / (Double(nodes) * CostConstants.checkpointBytesPerSecond)
    }

    /// Goodput of the run, given failures and checkpoints; nil if no failures are known.
    package var goodput: Goodput? {
        guard let between = plan.meanTimeBetweenFailures else { return nil }
        return Goodput(
            checkpoint: checkpointSeconds, restart: CostConstants.restartSeconds, meanTimeBetweenFailures: between)
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
        let share = goodput?.share ?? 1
        let rampup = RampupTotals(work, tokens: tokens, seconds: seconds)
        let rest = ((tokens - (rampup?.tokens ?? 0)) / plan.tokensPerStep).rounded(.up)
        let steps = (rampup?.steps ?? 0) + rest
        let stepping = ((rampup?.seconds ?? 0) + rest * seconds) / 86400
        let band = ErrorBand(plan: plan, layout: work.layout, framework: work.framework)
        let measured = exp(band.shift)
        let days = stepping * measured * plan.runOverSteps / share
        // Idle devices are paid for, but their energy is not counted.
        let gpuHours = days * 24 * Double(plan.paidDevices)
        let drawing = days * 24 * Double(plan.devices)
        var run = Estimate.Run(
            steps: steps, days: days, gpuHours: gpuHours, goodput: share,
            cost: plan.cluster.pricePerDeviceHour.map { $0 * gpuHours },
            energyMWh: plan.cluster.device.watts.map { drawing * $0 / 1e6 },
            wallEnergyMWh: nodeWatts.map { drawing * $0 * powerUsageEffectiveness / 1e6 },
            lowDays: days * (1 - band.low), highDays: days * (1 + band.high), confidence: ErrorBand.confidence)
        run.bandReason = band.reason
        run.checkpointInterval = goodput?.interval
        run.measuredFactor = plan.anchor == nil ? nil : measured
        run.parts = Estimate.Run.Parts(
            steps: stepping, measured: measured, goodput: share, plan: plan)
        if let groups = plan.cluster.groups {
            let hours = days * 24
            run.cost = groups.total(\.pricePerDeviceHour).map { $0 * hours }
            run.energyMWh = groups.total(\.device.watts).map { hours * $0 / 1e6 }
            run.wallEnergyMWh = groups.total(\.siteWatts).map { hours * $0 / 1e6 }
        }
        run.rampup = rampup.map {
            Estimate.Run.Rampup(steps: $0.steps, days: $0.seconds * measured * plan.runOverSteps / share / 86400)
        }
        return run
    }
}
