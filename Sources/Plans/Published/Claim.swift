package import Models

/// A figure that a publication states of a model or of its training, and what the publication computed it from.
package struct Claim: Hashable, Sendable {
    /// The kind of a figure. In a file its raw value is the key of the figure.
    package enum Quantity: String, Hashable, Sendable, CaseIterable {
        case parameters
        /// Parameters that one token passes through.
        case activeParameters
        /// Floating-point operations of the whole training.
        case flops
        /// Model FLOPs of a step over what the devices' datasheet rate gives in its time, as a share.
        case mfu
        case gpuHours
        case days
        case energyMWh
        case co2Tonnes
        case dollars
    }

    /// The operations that `flops` counts.
    package enum Counting: String, Hashable, Sendable, CaseIterable {
        /// 6 N D: six for each token and parameter that it passes through; attention is left out.
        case weights
        /// Forward and backward of all products, attention over the whole sequence (Korthikanti et al. 2022, appendix A).
        case model
        /// The same, and one more forward of every block (Narayanan et al. 2021, equation 3).
        case recomputed
    }

    /// What a claim is about.
    package struct Subject: Hashable, Sendable {
        package var title: String
        package var model: Model
        /// The training with the layout that its source states; nil: the source states none.
        package var stated: Plan?
        /// The training with an open layout; nil: only the model is described.
        package var open: Plan?
        /// What the published time counts.
        package var kind: PublishedWhole.Kind

        /// The training, with a layout where one is stated.
        package var training: Plan? { stated ?? open }
    }

    /// The definition by which a publication computes energy, CO2 and money.
    package struct Bill: Hashable, Sendable {
        /// Device-hours that the publication multiplies; nil: those that are predicted.
        package var hours: Double?
        /// Energy that the publication multiplies, MWh; nil: hours times power.
        package var energyMWh: Double?
        /// Power of a device; nil: that of its datasheet.
        package var watts: Double?
        /// Energy of the site over that of the devices.
        package var powerUsageEffectiveness = 1.0
        /// CO2 of the grid; nil: no CO2 is computed.
        package var gramsPerKWh: Double?
        /// Price of a device-hour; nil: that of the cluster file.
        package var dollarsPerHour: Double?
    }

    package var subject: Subject
    package var quantity: Quantity
    /// The figure, or both ends of a range.
    package var low: Double
    package var high: Double
    /// Title and address of the publication, and the place in it.
    package var source: String
    package var reference: String
    package var place: String
    /// Tokens of the training; nil: those of the run.
    package var tokens: Double?
    package var counting: Counting?
    package var bill = Bill()
    /// Why the figures differ; nil: nothing is said of it.
    package var reason: String?

    /// Whether the publication states a range.
    package var isRange: Bool { low < high }

    /// `ours` over the figure, less 1. A range has no error inside, and outside that of its nearer end.
    package func error(of ours: Double) -> Double {
        if ours < low { return ours / low - 1 }
        return ours > high ? ours / high - 1 : 0
    }
}
