internal import Numbers

/// A day of the Gregorian calendar, as a number of days since 1970-01-01.
package struct CalendarDay: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var number: Int

    package init(number: Int) { self.number = number }

    /// The day written as `2027-01-15`; nil: there is no such day.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [4, 2, 2], parts.allSatisfy({ $0.allSatisfy { $0.isASCII && $0.isNumber } }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month),
            day >= 1
        else { return nil }
        self.init(year: year, month: month, day: day)
        guard description == text else { return nil }
    }

    /// Days from civil, by Howard Hinnant (chrono-compatible low-level date algorithms, 2013).
    package init(year: Int, month: Int, day: Int) {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        number = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Civil from days, by the same source.
    package var parts: (year: Int, month: Int, day: Int) {
        let z = number + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted + (shifted < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// The day that begins or runs `days` later. At most 10,000 years later.
    package func after(days: Double) -> CalendarDay {
        CalendarDay(number: number + Int(saturating: min(max(days, -3.65e6), 3.65e6).rounded(.down)))
    }

    package static func < (a: CalendarDay, b: CalendarDay) -> Bool { a.number < b.number }

    package var description: String {
        let (year, month, day) = parts
        return "\(Figures.padded(String(year), to: 4))-\(Figures.padded(String(month), to: 2))-"
            + Figures.padded(String(day), to: 2)
    }
}
