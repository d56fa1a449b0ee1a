package import Costs
internal import Foundation
internal import Numbers
package import Plans
internal import Reading
internal import Schedules

/// Numbers as people read them: grouped, rounded to what matters, with their unit.
package enum Figures {
    /// `value` with `digits` decimals.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        return String(format: "%.\(digits)f", value)
    }

    /// `1,234,567`.
    package static func grouped(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e18 else { return "-" }
        let digits = String(Int(saturating: abs(value).rounded()))
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return (value < 0 ? "-" : "") + out
    }

    package static func grouped(_ value: Int) -> String { grouped(Double(value)) }

    /// `1,024`, or `992 of 1,000` where some stay idle.
    package static func devices(_ plan: Plan) -> String {
        plan.idleDevices > 0 ? "\(grouped(plan.devices)) of \(grouped(plan.paidDevices))" : grouped(plan.devices)
    }

    /// Three significant digits and a word: `3.74 million`.
    package static func words(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        for (name, size) in [("trillion", 1e12), ("billion", 1e9), ("million", 1e6)] where abs(value) >= size {
            return significant(value / size) + " " + name
        }
        return abs(value) < 100 && value != value.rounded() ? significant(value) : grouped(value)
    }

    /// Three significant digits without an exponent.
    package static func significant(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let size = abs(value)
        if size == 0 { return "0" }
        return fixed(value, size >= 100 ? 0 : (size >= 10 ? 1 : (size >= 1 ? 2 : 3)))
    }

    package static func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }

    package static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "-" }
        if seconds == 0 { return "0 s" }
        if abs(seconds) < 1e-3 { return significant(seconds * 1e6) + " µs" }
        if abs(seconds) < 1 { return significant(seconds * 1e3) + " ms" }
        return fixed(seconds, seconds >= 100 ? 0 : 2) + " s"
    }

    /// A run's length in the unit it is spoken of: days, or hours and less when short.
    /// - Parameter like: a length whose unit is taken, so that a range reads in one.
    package static func duration(days: Double, like: Double? = nil) -> String {
        let like = like ?? days
        if like >= 2 { return (like >= 100 ? grouped(days) : fixed(days, 1)) + " days" }
        if like * 24 >= 1 { return fixed(days * 24, 1) + " hours" }
        let seconds = days * 86_400
        if like * 86_400 >= 1 { return fixed(seconds, like * 86_400 >= 100 ? 0 : 2) + " s" }
        if like * 86_400 >= 1e-3 { return significant(seconds * 1e3) + " ms" }
        return Figures.seconds(seconds)
    }

    /// Equal numbers in a row as one: `3 × 12, 2 × 11`.
    package static func runs(_ values: [Int]) -> String { Wording.runs(values).joined(separator: ", ") }

    package static func gpuMonths(_ run: Estimate.Run?) -> String {
        (run?.ended).map { words($0.gpuMonths) } ?? "-"
    }

    package static func cost(_ run: Estimate.Run?) -> String { (run?.ended?.cost).map(words) ?? "-" }

    /// A run's days in a table.
    package static func days(_ run: Estimate.Run?) -> String {
        guard let run else { return "-" }
        return run.ends ? fixed(run.days, 1) : "never"
    }

    package static func gib(_ bytes: Double) -> Double { bytes / 0x1p30 }

    /// GiB, or MiB where that would all be zeros.
    package static func memory(_ bytes: Double) -> String {
        bytes >= 0x1p30 ? fixed(gib(bytes), 1) + " GiB" : fixed(bytes / 0x1p20, 0) + " MiB"
    }
}
