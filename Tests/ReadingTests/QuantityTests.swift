import Reading
import Testing

@Suite struct QuantityTests {
    /// Digits of what is counted may be grouped, wherever it is read.
    @Test(arguments: [("300,000,000,000", 3e11), ("1,024", 1024), ("4,096", 4096)])
    func countsMayBeGrouped(_ text: String, _ value: Double) throws {
        #expect(try Quantity.parse(text, as: .count) == value)
        #expect(try Double(Count(parsing: text).value) == value)
        #expect(throws: Quantity.Failure.malformed) { try Quantity.parse(text, as: .bytes) }
    }

    @Test(arguments: ["1,5", "1,500.5", "1,500K", "1,,000", ",100", "1,000,"])
    func otherCommasAreNone(_ text: String) {
        #expect(throws: Quantity.Failure.malformed) { try Quantity.parse(text, as: .count) }
    }

    @Test(arguments: [
        ("3e12", Quantity.Unit.count, 3e12), ("3T", .count, 3e12), ("100B", .count, 100e9), ("1.5M", .count, 1.5e6),
        ("4K", .count, 4000), ("1_000_000", .count, 1e6), ("-2", .count, -2), ("0.5", .plain, 0.5), (".5", .plain, 0.5),
        ("3e-4", .plain, 3e-4), ("80 GiB", .bytes, 80 * 0x1p30), ("80GB", .bytes, 80e9), ("512", .bytes, 512),
        ("900 GB/s", .bytesPerSecond, 900e9), ("200 Gb/s", .bytesPerSecond, 25e9), ("200", .gigabits, 200),
        ("400 Gbps", .gigabits, 400), ("1.6 Tb/s", .gigabits, 1600), ("989 TFLOP/s", .flops, 989e12),
        ("312T", .flops, 312e12), ("1e15", .flops, 1e15), ("90d", .seconds, 90 * 86_400), ("5 us", .seconds, 5e-6),
        ("50677 h", .seconds, 50_677 * 3600), ("76 %", .share, 0.76), ("0.76", .share, 0.76), ("0.7 kW", .watts, 700),
    ])
    func reads(_ text: String, _ unit: Quantity.Unit, _ expected: Double) throws {
        let value = try Quantity.parse(text, as: unit)
        #expect(abs(value - expected) <= abs(expected) * 1e-12)
    }

    @Test(arguments: [
        ("010", Quantity.Failure.leadingZero), ("007B", .leadingZero), ("1:30", .malformed), ("nan", .notFinite),
        (".nan", .notFinite), (".inf", .notFinite), ("-Infinity", .notFinite), ("1e999", .notFinite),
        ("12 GiB", .malformed), ("0x10", .malformed), ("", .malformed), ("-", .malformed), ("1e", .malformed),
        ("ten", .malformed), ("1.2.3", .malformed), ("1,00", .malformed), ("1 2", .malformed),
    ])
    func refuses(_ text: String, _ failure: Quantity.Failure) {
        #expect(throws: failure) { try Quantity.parse(text, as: .count) }
    }

    @Test(arguments: [
        ("1024", 1024), ("4K", 4000), ("1e3", 1000), ("1.5K", 1500), ("4,096", 4096), ("1,234,567", 1_234_567),
        ("4_096", 4096), ("-2", -2), (" 8 ", 8), ("9223372036854775807", Int.max),
        ("9007199254740993", 9_007_199_254_740_993),
    ])
    func countsAreWhole(_ text: String, _ expected: Int) throws {
        #expect(try Count(parsing: text).value == expected)
    }

    @Test(arguments: [
        "1.5", "4,09", "4,0960", "4,,096", ",096", "4096,", "1234,567", "1,5K", "0x10", "ten", "", "1e30", "1,024.5",
    ])
    func countsAreNothingElse(_ text: String) {
        #expect(throws: Quantity.Failure.malformed) { try Count(parsing: text) }
    }

    @Test(arguments: [
        ("tensro", "tensor"), ("kv_heads", "kvHeads"), ("micro-batch", "microbatch"), ("Layers", "layers"),
        ("piepline", "pipeline"),
    ])
    func findsTheWordMeant(_ typed: String, _ meant: String) {
        let known = ["tensor", "kvHeads", "microbatch", "layers", "pipeline", "data"]
        #expect(Spelling.nearest(to: typed, among: known) == meant)
    }

    @Test func findsNoWordFarAway() {
        #expect(Spelling.nearest(to: "colour", among: ["tensor", "data"]) == nil)
        #expect(Spelling.nearest(to: "", among: ["tensor"]) == nil)
        #expect(Spelling.distance("ca", "ac") == 1)
    }
}
