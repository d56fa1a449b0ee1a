internal import Foundation

/// Numbers as text for people: grouped, rounded to the digits that matter, with their units. Every value can be
/// printed: a value that is not finite becomes `-`.
package enum Figures {
    /// The text for a value that is not finite.
    package static let none = "-"

    // MARK: Digits

    /// `value` with `digits` decimals.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return none }
        let text = String(format: "%.\(digits)f", value)
        // What rounds to nothing has no sign.
        let isNothing = !text.contains { ("1"..."9").contains($0) }
        return isNothing && text.hasPrefix("-") ? String(text.dropFirst()) : text
    }

    /// `value` with at most `digits` significant digits, and with an exponent if it is very large or small: `1.5e+08`.
    package static func general(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return none }
        return String(format: "%.\(digits)g", value)
    }

    /// `value` unrounded; whole numbers below a million have no decimals: `8`, `0.25`.
    package static func plain(_ value: Double) -> String {
        guard value.isFinite else { return none }
        if let whole = Int(exactly: value), whole.magnitude < 1_000_000 { return String(whole) }
        return String(value)
    }

    /// The price of one thing, with as many decimals as it has and six digits at most: `2.5`, `1.78873`.
    package static func price(_ value: Double) -> String { plain(Double(general(value, 6)) ?? value) }

    /// `value` with three significant digits and without an exponent.
    package static func significant(_ value: Double) -> String {
        guard value.isFinite else { return none }
        let size = abs(value)
        if size == 0 { return "0" }
        return fixed(value, size >= 100 ? 0 : (size >= 10 ? 1 : (size >= 1 ? 2 : 3)))
    }

    /// Digits with zeros before them, so that there are `count` at least.
    package static func padded(_ digits: String, to count: Int) -> String {
        String(repeating: "0", count: max(0, count - digits.count)) + digits
    }

    /// The decimal number `count` · 10^−`digits`: 1234 hundredths are `12.34`.
    package static func decimal(_ count: Int, _ digits: Int, isGrouped: Bool = false) -> String {
        let text = String(count.magnitude)
        let padded = Self.padded(text, to: digits + 1)
        let whole = padded.dropLast(digits)
        return (count < 0 ? "-" : "") + (isGrouped ? grouped(whole) : String(whole)) + "." + padded.suffix(digits)
    }

    /// `value` with one decimal, halves rounded away from zero.
    package static func tenths(_ value: Double, isGrouped: Bool = false) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return none }
        return decimal(Int(saturating: (value * 10).rounded()), 1, isGrouped: isGrouped)
    }

    // MARK: Large numbers

    /// `value` with grouped digits: `1,234,567`.
    package static func grouped(_ value: Int) -> String {
        (value < 0 ? "-" : "") + grouped(String(value.magnitude)[...])
    }

    /// `value` rounded to a whole number, with grouped digits: `1,234,567`.
    package static func grouped(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e18 else { return none }
        let whole = Int(saturating: abs(value).rounded())
        return (value < 0 && whole > 0 ? "-" : "") + grouped(String(whole)[...])
    }

    private static func grouped(_ digits: Substring) -> String {
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return out
    }

    /// How many there are of something: `1 device`, `1,024 devices`.
    /// - Parameter many: the word for several; nil: `one` with an s.
    package static func count(_ value: Int, _ one: String, _ many: String? = nil) -> String {
        "\(grouped(value)) \(value == 1 ? one : many ?? one + "s")"
    }

    /// `1 device`, `1,024 devices`.
    package static func devices(_ value: Int) -> String { count(value, "device") }

    /// `value` with three significant digits and a word: `3.74 million`.
    package static func words(_ value: Double) -> String {
        guard value.isFinite else { return none }
        for (name, size) in [("trillion", 1e12), ("billion", 1e9), ("million", 1e6)] where abs(value) >= size {
            return significant(value / size) + " " + name
        }
        return abs(value) < 100 && value != value.rounded() ? significant(value) : grouped(value)
    }

    /// `value` with a suffix for its magnitude: `100B`, `3T`, `1.5M`.
    package static func magnitude(_ value: Double) -> String {
        guard value.isFinite else { return none }
        for (unit, size) in [("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)] where value >= size {
            let rounded = (value / size * 100).rounded() / 100
            return (rounded == rounded.rounded() ? String(Int(saturating: rounded)) : String(rounded)) + unit
        }
        return plain(value)
    }

    // MARK: Shares, times and sizes

    /// A fraction as a percentage with one decimal: `43.2 %`.
    package static func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }

    /// A fraction as a percentage without decimals: `43 %`.
    package static func wholePercent(_ share: Double) -> String {
        guard share.isFinite else { return none + " %" }
        return "\(Int(saturating: (100 * share).rounded())) %"
    }

    /// Seconds in the unit of their magnitude: `1.25 s`, `340 ms`, `12.5 µs`.
    package static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite else { return none }
        if seconds == 0 { return "0 s" }
        if abs(seconds) < 1e-3 { return significant(seconds * 1e6) + " µs" }
        if abs(seconds) < 1 { return significant(seconds * 1e3) + " ms" }
        return fixed(seconds, seconds >= 100 ? 0 : 2) + " s"
    }

    /// The length of a run in a natural unit: days, or hours, minutes and smaller units if it is short.
    /// - Parameter like: a length whose unit is used instead, so that both ends of a range have one unit.
    package static func duration(days: Double, like: Double? = nil) -> String {
        let like = like ?? days
        if like >= 2 { return (like >= 100 ? grouped(days) : fixed(days, 1)) + " days" }
        if like * 24 >= 1 { return fixed(days * 24, 1) + " hours" }
        if like * 1440 >= 3 { return fixed(days * 1440, 1) + " minutes" }
        let seconds = days * 86_400
        if like * 86_400 >= 1 { return fixed(seconds, like * 86_400 >= 100 ? 0 : 2) + " s" }
        if like * 86_400 >= 1e-3 { return significant(seconds * 1e3) + " ms" }
        return Figures.seconds(seconds)
    }

    /// Remaining time as on a clock: `4:05`, `2:03:09`.
    package static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite else { return none }
        let whole = Int(saturating: seconds.rounded())
        return whole >= 3600
            ? String(format: "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60)
            : String(format: "%ld:%02ld", whole / 60, whole % 60)
    }

    /// Bytes in units of 2³⁰.
    package static func gib(_ bytes: Double) -> Double { bytes / 0x1p30 }

    /// Bytes in GiB with one decimal, without the unit.
    package static func gibibytes(_ bytes: Double, isGrouped: Bool = false) -> String {
        tenths(gib(bytes), isGrouped: isGrouped)
    }

    /// Bytes in GiB, or in MiB below 1 GiB, with the unit.
    package static func memory(_ bytes: Double) -> String {
        bytes >= 0x1p30 ? fixed(gib(bytes), 1) + " GiB" : fixed(bytes / 0x1p20, 0) + " MiB"
    }

    /// Bytes in the unit that fits: GiB, MiB, KiB or bytes.
    package static func size(_ bytes: Int) -> String {
        let value = Double(bytes)
        for (unit, name) in [(0x1p30, "GiB"), (0x1p20, "MiB"), (0x1p10, "KiB")] where value >= unit {
            return fixed(value / unit, value >= 100 * unit ? 0 : 1) + " " + name
        }
        return "\(bytes) byte\(bytes == 1 ? "" : "s")"
    }

    // MARK: Lists

    /// Values with equal neighbours counted: `3 × 12`, `2 × 11`.
    package static func runs(_ values: [Int]) -> [String] {
        var parts: [(count: Int, value: Int)] = []
        for value in values {
            if parts.last?.value == value { parts[parts.count - 1].count += 1 } else { parts.append((1, value)) }
        }
        return parts.map { $0.count == 1 ? "\($0.value)" : "\($0.count) × \($0.value)" }
    }
}
