internal import Foundation
internal import Models
internal import Plans

/// Share of a run's time that trains, between failures and checkpoints (Daly 2006).
package struct Goodput: Hashable, Sendable {
    /// Seconds of training between checkpoints.
    package var interval: Double
    /// Share of wall-clock time that is training.
    package var share: Double

    /// - Parameters:
    ///   - checkpoint: seconds a checkpoint blocks training, δ.
    ///   - restart: seconds from a failure to training again, R.
    ///   - meanTimeBetweenFailures: of the whole system, seconds, M.
    package init(checkpoint: Double, restart: Double, meanTimeBetweenFailures M: Double) {
        let ratio = checkpoint / (2 * M)
        // Equation 37; beyond δ = 2M checkpoints come no closer than M.
        interval =
            ratio < 1
            ? (2 * checkpoint * M).squareRoot() * (1 + ratio.squareRoot() / 3 + ratio / 9) - checkpoint : M
        // Equation 20: T_w = M e^{R/M} (e^{(τ+δ)/M} − 1) T_s/τ.
        share = interval / (M * exp(restart / M) * (exp((interval + checkpoint) / M) - 1))
    }

    /// Upper bound of the share on `devices`, however short checkpoints are: e^(−R/M).
    /// - Parameter single: mean seconds between the failures of one device; nil: none fails.
    package static func most(meanTimeBetweenFailures single: Double?, devices: Int) -> Double {
        guard let single, single > 0 else { return 1 }
        return exp(-CostConstants.restartSeconds * Double(devices) / single)
    }
}

/// The whole run of a plan: steps, interruptions, days, price and energy.
package struct RunTotals {
    private let work: LayoutWork
    private var plan: Plan { work.plan }

    package init(_ work: LayoutWork) { self.work = work }

    /// Seconds one checkpoint blocks training: weights and optimizer, written once, by all nodes together.
    package var checkpointSeconds: Double {
        let parameters = Double(plan.model.parameters().total)
        let bytes = (work.state.keptWeight + work.state.optimizer) * parameters
        let nodes = max(0, plan.devices - 1) / max(plan.cluster.devicesPerNode, 1) + 1
        return bytes / (Double(nodes) * CostConstants.checkpointBytesPerSecond)
    }

    /// Interruptions by failures and checkpoints; nil where no failures are known.
    package var goodput: Goodput? {
        guard let single = plan.cluster.meanTimeBetweenFailures, single > 0 else { return nil }
        return Goodput(
            checkpoint: checkpointSeconds, restart: CostConstants.restartSeconds,
            meanTimeBetweenFailures: single / Double(plan.devices))
    }

    /// Watts that a node draws, for each of its devices; nil where no power is known.
    var nodeWatts: Double? {
        let device = plan.cluster.device
        return device.nodeWatts ?? device.watts.map { CostConstants.nodePowerOverBoards * $0 }
    }

    /// Energy of the site over that of the nodes.
    var powerUsageEffectiveness: Double {
        plan.cluster.powerUsageEffectiveness ?? CostConstants.powerUsageEffectiveness
    }

    /// The whole run at `seconds` an iteration; nil when the plan has no token count.
    package func run(seconds: Double) -> Estimate.Run? {
        guard let tokens = plan.tokens else { return nil }
        let perStep = Double(plan.batch) * Double(plan.model.sequence)
        let steps = (tokens / perStep).rounded(.up)
        let share = goodput?.share ?? 1
        let days = steps * seconds / share / 86400
        // Devices that stay idle are paid for; what they draw is not counted.
        let gpuHours = days * 24 * Double(plan.paidDevices)
        let drawing = days * 24 * Double(plan.devices)
        let band = ErrorBand(framework: work.framework)
        return Estimate.Run(
            steps: steps, days: days, gpuHours: gpuHours, goodput: share,
            cost: plan.cluster.pricePerDeviceHour.map { $0 * gpuHours },
            energyMWh: plan.cluster.device.watts.map { drawing * $0 / 1e6 },
            wallEnergyMWh: nodeWatts.map { drawing * $0 * powerUsageEffectiveness / 1e6 },
            lowDays: days * (1 - band.low), highDays: days * (1 + band.high), confidence: ErrorBand.confidence)
    }
}
