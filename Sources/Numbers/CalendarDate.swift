/// A day of the Gregorian calendar, without a time zone.
package struct CalendarDate: Hashable, Codable, Sendable, Comparable, CustomStringConvertible {
    /// Days since 1970-01-01.
    package var days: Int

    package init(days: Int) { self.days = days }

    /// The date of a text such as `2027-01-15`, from 1900 to 9999. nil: there is no such day.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2,
            parts.allSatisfy({ $0.allSatisfy { $0.isASCII && $0.isNumber } }), let year = Int(parts[0]),
            let month = Int(parts[1]), let day = Int(parts[2]), (1900...9999).contains(year)
        else { return nil }
        self.init(days: Self.days(year, month, day))
        // A day that the month does not have is another one of the calendar.
        guard self.year == year, self.month == month, self.day == day else { return nil }
    }

    package init?(year: Int, month: Int, day: Int) {
        guard (1...12).contains(month) else { return nil }
        self.init(days: Self.days(year, month, day))
    }

    /// Days from 1970-01-01, counted in eras of 400 years that begin in March (Hinnant, chrono-compatible low-level date
    /// algorithms, days_from_civil).
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Year, month and day (Hinnant, civil_from_days).
    private var civil: (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let place = (5 * dayOfYear + 2) / 153
        let month = place < 10 ? place + 3 : place - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * place + 2) / 5 + 1)
    }

    package var year: Int { civil.year }
    package var month: Int { civil.month }
    package var day: Int { civil.day }

    /// The day on which something ends that begins on this one and takes `days`; nil: beyond the year 9999.
    package func adding(days more: Double) -> CalendarDate? {
        guard more.isFinite, abs(more) < 4e6 else { return nil }
        let end = CalendarDate(days: days + Int(more.rounded(.down)))
        return end.year <= 9999 ? end : nil
    }

    package static func < (one: CalendarDate, other: CalendarDate) -> Bool { one.days < other.days }

    /// `2027-01-15`.
    package var description: String {
        let (year, month, day) = civil
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year)-\(two(month))-\(two(day))"
    }
}
