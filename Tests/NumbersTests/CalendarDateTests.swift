import Numbers
import Testing

@Suite struct CalendarDateTests {
    /// Python's `datetime.date(…).toordinal() - 719163`.
    @Test(arguments: [
        ("1970-01-01", 0), ("2000-02-29", 11_016), ("2027-01-15", 20_833), ("1900-03-01", -25_508),
        ("9999-12-31", 2_932_896),
    ]) func daysAreThoseOfPython(text: String, days: Int) throws {
        let date = try #require(CalendarDate(text))
        #expect(date.days == days)
        #expect(date.description == text)
    }

    @Test(arguments: [
        "2027-02-29", "2027-13-01", "2027-00-10", "2027-1-15", "27-01-15", "2027/01/15", "2027-01-32", "", "1899-12-31",
        "-2027-01-01", "２０２７-01-01",
    ]) func otherTextsAreNoDays(text: String) { #expect(CalendarDate(text) == nil) }

    @Test func everyDayOfFourHundredYearsReadsBack() {
        for days in stride(from: 0, through: 146_097, by: 1) {
            let date = CalendarDate(days: days)
            #expect(CalendarDate(date.description)?.days == days)
        }
    }

    @Test func endsAreOnTheDayInWhichTheyFall() throws {
        let start = try #require(CalendarDate("2027-01-15"))
        #expect(start.adding(days: 0.9)?.description == "2027-01-15")
        #expect(start.adding(days: 45)?.description == "2027-03-01")
        #expect(start.adding(days: .infinity) == nil)
        #expect(start.adding(days: 3.9e6) == nil)
    }
}
