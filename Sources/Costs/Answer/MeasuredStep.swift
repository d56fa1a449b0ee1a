internal import Foundation
internal import Plans

/// Steps of layouts as measurements make them known.
extension Estimate {
    /// Seconds that this very step took; nil: it was not measured.
    package var measuredSeconds: Double? {
        plan.anchor?.measured(layout, devices: plan.devices, batch: plan.batch).map { iteration.seconds * exp($0) }
    }

    /// Seconds of a step by which layouts are ranked: the measured ones, else those that measured steps make expected, else the
    /// priced ones.
    package var rankingSeconds: Double {
        guard plan.anchor != nil else { return iteration.seconds }
        if let measured = measuredSeconds { return measured }
        let band = ErrorBand(plan: plan, layout: layout, framework: plan.framework(for: layout))
        return iteration.seconds * exp(band.shift)
    }
}
