internal import Foundation

/// Numbers as people read them: grouped, rounded to what matters, with their unit. Any value can be printed: where it is
/// no finite number, `-` stands in its place.
package enum Figures {
    /// The text where there is no number to print.
    package static let none = "-"

    // MARK: Digits

    /// `value` with `digits` decimals.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return none }
        return String(format: "%.\(digits)f", value)
    }

    /// `value` with at most `digits` significant digits, with an exponent where it is very large or small: `1.5e+08`.
    package static func general(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return none }
        return String(format: "%.\(digits)g", value)
    }

    /// `value` as it is, whole numbers below a million without decimals: `8`, `0.25`.
    package static func plain(_ value: Double) -> String {
        guard value.isFinite else { return none }
        if let whole = Int(exactly: value), whole.magnitude < 1_000_000 { return String(whole) }
        return String(value)
    }

    /// Three significant digits without an exponent.
    package static func significant(_ value: Double) -> String {
        guard value.isFinite else { return none }
        let size = abs(value)
        if size == 0 { return "0" }
        return fixed(value, size >= 100 ? 0 : (size >= 10 ? 1 : (size >= 1 ? 2 : 3)))
    }

    /// `count` units of 10^−`digits`: 1234 hundredths are `12.34`.
    package static func decimal(_ count: Int, _ digits: Int, isGrouped: Bool = false) -> String {
        let text = String(count.magnitude)
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        let whole = padded.dropLast(digits)
        return (count < 0 ? "-" : "") + (isGrouped ? grouped(whole) : String(whole)) + "." + padded.suffix(digits)
    }

    /// `value` with one decimal, halves away from zero.
    package static func tenths(_ value: Double, isGrouped: Bool = false) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return none }
        return decimal(Int(saturating: (value * 10).rounded()), 1, isGrouped: isGrouped)
    }

    // MARK: Large numbers

    /// `1,234,567`.
    package static func grouped(_ value: Int) -> String {
        (value < 0 ? "-" : "") + grouped(String(value.magnitude)[...])
    }

    /// `1,234,567`, rounded to a whole number.
    package static func grouped(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e18 else { return none }
        return (value < 0 ? "-" : "") + grouped(String(Int(saturating: abs(value).rounded()))[...])
    }

    private static func grouped(_ digits: Substring) -> String {
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return out
    }

    /// Three significant digits and a word: `3.74 million`.
    package static func words(_ value: Double) -> String {
        guard value.isFinite else { return none }
        for (name, size) in [("trillion", 1e12), ("billion", 1e9), ("million", 1e6)] where abs(value) >= size {
            return significant(value / size) + " " + name
        }
        return abs(value) < 100 && value != value.rounded() ? significant(value) : grouped(value)
    }

    /// `100B`, `3T`, `1.5M`.
    package static func magnitude(_ value: Double) -> String {
        guard value.isFinite else { return none }
        for (unit, size) in [("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)] where value >= size {
            let rounded = (value / size * 100).rounded() / 100
            return (rounded == rounded.rounded() ? String(Int(saturating: rounded)) : String(rounded)) + unit
        }
        return plain(value)
    }

    // MARK: Shares, times and sizes

    /// A share of one with one decimal: `43.2 %`.
    package static func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }

    /// A share of one without decimals: `43 %`.
    package static func wholePercent(_ share: Double) -> String {
        guard share.isFinite else { return none + " %" }
        return "\(Int(saturating: (100 * share).rounded())) %"
    }

    /// `1.25 s`, `340 ms`, `12.5 µs`.
    package static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite else { return none }
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

    /// Time left on a clock: `4:05`, `2:03:09`.
    package static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite else { return none }
        let whole = Int(saturating: seconds.rounded())
        return whole >= 3600
            ? String(format: "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60)
            : String(format: "%ld:%02ld", whole / 60, whole % 60)
    }

    /// Bytes in units of 2³⁰.
    package static func gib(_ bytes: Double) -> Double { bytes / 0x1p30 }

    /// GiB with one decimal, without the unit.
    package static func gibibytes(_ bytes: Double, isGrouped: Bool = false) -> String {
        tenths(gib(bytes), isGrouped: isGrouped)
    }

    /// GiB, or MiB where that would all be zeros.
    package static func memory(_ bytes: Double) -> String {
        bytes >= 0x1p30 ? fixed(gib(bytes), 1) + " GiB" : fixed(bytes / 0x1p20, 0) + " MiB"
    }

    // MARK: Lists

    /// Equal numbers in a row as one: `3 × 12`, `2 × 11`.
    package static func runs(_ values: [Int]) -> [String] {
        var parts: [(count: Int, value: Int)] = []
        for value in values {
            if parts.last?.value == value { parts[parts.count - 1].count += 1 } else { parts.append((1, value)) }
        }
        return parts.map { $0.count == 1 ? "\($0.value)" : "\($0.count) × \($0.value)" }
    }
}
