import Numbers
import Testing

/// Numbers as people read them.
struct FiguresTests {
    /// Everything that prints a `Double`.
    private static let printers: [(name: String, print: @Sendable (Double) -> String)] = [
        ("fixed", { Figures.fixed($0, 2) }), ("general", { Figures.general($0, 4) }), ("plain", Figures.plain),
        ("significant", Figures.significant), ("tenths", { Figures.tenths($0) }), ("grouped", Figures.grouped),
        ("words", Figures.words), ("magnitude", Figures.magnitude), ("percent", Figures.percent),
        ("wholePercent", Figures.wholePercent), ("seconds", Figures.seconds), ("clock", Figures.clock),
        ("duration", { Figures.duration(days: $0) }), ("like", { Figures.duration(days: 3, like: $0) }),
        ("price", Figures.price), ("gibibytes", { Figures.gibibytes($0) }), ("memory", Figures.memory),
    ]

    /// Nothing traps, and what is no number is not printed as one.
    @Test(arguments: printers.map(\.name))
    func anyValueCanBePrinted(name: String) throws {
        let print = try #require(Self.printers.first { $0.name == name }).print
        for value in [Double.infinity, -.infinity, .nan] where name != "like" {
            #expect(print(value).hasPrefix(Figures.none), "\(value)")
            #expect(!print(value).contains { $0.isNumber }, "\(value)")
        }
        let huge = [.greatestFiniteMagnitude, 0x1p63, 0x1p64, 9e18, 1e15, .leastNonzeroMagnitude, 0, -0.0]
        for value in huge + [.infinity, .nan] { #expect(!print(value).isEmpty && !print(-value).isEmpty) }
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-45_000, "-45,000"),
        (9_007_199_254_740_993, "9,007,199,254,740,993"), (.min, "-9,223,372,036,854,775,808"),
    ])
    func wholeNumbersAreGrouped(value: Int, text: String) { #expect(Figures.grouped(value) == text) }

    @Test(arguments: [(1_499.5, "1,500"), (-1_000.0, "-1,000"), (0.4, "0"), (9e18, "-")])
    func roundedNumbersAreGrouped(value: Double, text: String) { #expect(Figures.grouped(value) == text) }

    @Test(arguments: [
        (1234, 2, "12.34"), (5, 2, "0.05"), (-5, 1, "-0.5"), (100, 1, "10.0"), (0, 3, "0.000"),
        (.min, 1, "-922337203685477580.8"),
    ])
    func unitsOfTheLastDigit(count: Int, digits: Int, text: String) { #expect(Figures.decimal(count, digits) == text) }

    /// Halves go away from zero, where `fixed` takes the nearest of the binary number.
    @Test func tenthsRoundHalvesUp() {
        #expect(Figures.tenths(0.25) == "0.3")
        #expect(Figures.fixed(0.25, 1) == "0.2")
        #expect(Figures.tenths(-1.25) == "-1.3")
        #expect(Figures.tenths(12_345.6, isGrouped: true) == "12,345.6")
        #expect(Figures.tenths(1e15) == "-")
    }

    @Test(arguments: [
        (8.0, "8"), (0.25, "0.25"), (-3.0, "-3"), (999_999, "999999"), (1_000_000, "1000000.0"), (1e21, "1e+21"),
    ])
    func wholeValuesHaveNoDecimals(value: Double, text: String) { #expect(Figures.plain(value) == text) }

    @Test(arguments: [
        (1e11, "100B"), (3e12, "3T"), (1.5e6, "1.5M"), (2048, "2.05K"), (12, "12"), (0.5, "0.5"),
        (-2e9, "-2000000000.0"),
    ])
    func magnitudes(value: Double, text: String) { #expect(Figures.magnitude(value) == text) }

    @Test(arguments: [(0.0, "0:00"), (65, "1:05"), (3599.4, "59:59"), (3600, "1:00:00"), (360_000, "100:00:00")])
    func clocks(seconds: Double, text: String) { #expect(Figures.clock(seconds) == text) }

    @Test func runsOfEqualNumbers() {
        #expect(Figures.runs([12, 12, 12, 11, 12]) == ["3 × 12", "11", "12"])
        #expect(Figures.runs([]).isEmpty)
    }

    /// What rounds to nothing has no sign, whichever way it is printed.
    @Test(arguments: [-0.0, -1e-9, -0.04])
    func nothingHasNoSign(value: Double) {
        #expect(Figures.fixed(value, 1) == "0.0" && Figures.fixed(value, 0) == "0")
        #expect(Figures.percent(value / 100) == "0.0 %" && Figures.wholePercent(value / 100) == "0 %")
        #expect(Figures.grouped(value) == "0")
        #expect(!Figures.tenths(value).hasPrefix("-"))
        #expect(Figures.fixed(-0.06, 1) == "-0.1" && Figures.grouped(-0.6) == "-1")
    }

    @Test func countsHaveTheirWord() {
        #expect(Figures.devices(1) == "1 device" && Figures.devices(1024) == "1,024 devices")
        #expect(Figures.count(1, "search", "searches") == "1 search" && Figures.count(0, "job") == "0 jobs")
    }

    @Test func timesHaveTheirUnit() {
        let minute = 1.0 / 1440
        #expect(Figures.duration(days: 18.2 * minute) == "18.2 minutes")
        #expect(Figures.duration(days: 59 * minute) == "59.0 minutes")
        #expect(Figures.duration(days: 61 * minute) == "1.0 hours")
        #expect(Figures.duration(days: 2 * minute) == "120 s")
    }

    /// 12.7 yuan at 7.1 a dollar are 1.78873 dollars, not sixteen digits of them.
    @Test func pricesHaveSixDigits() {
        #expect(Figures.price(12.7 / 7.1) == "1.78873")
        #expect(Figures.price(2.5) == "2.5" && Figures.price(30_000) == "30000" && Figures.price(.nan) == Figures.none)
    }
}
