import Campaigns
import Testing

@Suite struct PaybackTests {
    /// 250 million at 5 million a customer and one customer a month are 50 months.
    @Test func onePriceAndNoCosts() {
        var inputs = Payback.Inputs([.research: 250e6, .once: 5e6, .customers: 1])
        #expect(inputs.breakEven == 50)
        #expect(inputs.balance(months: 50) == 0)
        inputs[.customers] = 4
        #expect(inputs.breakEven == 12.5)
        // Half as much left of a customer takes twice as long.
        inputs[.setup] = 2.5e6
        #expect(inputs.breakEven == 25)
    }

    /// Subscribers: 10 a month at 1,000 a month pay 10,000 · m(m + 1)/2 until month m: 550,000 after ten.
    @Test func subscriptionsAddUp() {
        let inputs = Payback.Inputs([.research: 550_000, .perMonth: 1000, .customers: 10])
        #expect(inputs.breakEven == 10)
    }

    /// Growth of 100 % a month: 1 + 2 + 4 + 8 customers are 15 in four months.
    @Test func growthAndChurn() {
        var inputs = Payback.Inputs([.research: 15, .once: 1, .customers: 1, .growth: 1])
        #expect(inputs.breakEven == 4)
        // Half of all leave each month: 1, 1.5, 1.75 pay.
        inputs = Payback.Inputs([.research: 4.25, .perMonth: 1, .customers: 1, .churn: 0.5])
        #expect(inputs.breakEven == 3)
        // Interest of 100 % a year halves what comes after twelve months.
        inputs = Payback.Inputs([.research: 1, .once: 1, .customers: 1, .discount: 1])
        #expect(abs(inputs.months(12)[11].left - 0.5) < 1e-12)
    }

    @Test func neverIsSaidWithItsReason() {
        var inputs = Payback.Inputs([.research: 1e6, .once: 10, .customers: 5, .setup: 10])
        #expect(inputs.breakEven == nil && inputs.obstacle == .margin)
        inputs = Payback.Inputs([.research: 1e6, .once: 1000, .customers: 5, .most: 100])
        #expect(inputs.breakEven == nil && inputs.obstacle == .most(100_000))
        inputs = Payback.Inputs([.research: 1e6, .once: 1000, .customers: 5, .fixed: 6000])
        #expect(inputs.breakEven == nil && inputs.obstacle == .fixed)
    }

    /// The value that each number needs makes it break even in just these months.
    @Test func neededValuesBreakEven() throws {
        let inputs = Payback.Inputs([
            .research: 250e6, .once: 5e6, .perMonth: 40e3, .customers: 1, .growth: 0.02, .most: 150, .setup: 1.2e6,
            .serving: 15e3, .fixed: 2e6,
        ])
        var found = 0
        for input in inputs.stated {
            guard let value = inputs.needed(input, months: 36) else { continue }
            var changed = inputs
            changed[input] = value
            let months = try #require(changed.breakEven, "\(input) \(value)")
            #expect(months <= 36.01, "\(input)")
            // A limit on customers may be one that is not reached.
            if input != .most { #expect(abs(months - 36) < 0.05, "\(input) \(value)") }
            found += 1
        }
        #expect(found >= 4)
        // No saving of serving cost pays 250 million in three years.
        #expect(inputs.needed(.serving, months: 36) == nil)
    }

    @Test func sensitivityIsSortedByWhatItDoes() throws {
        let payback = Payback(
            inputs: Payback.Inputs([.research: 250e6, .once: 5e6, .customers: 2, .fixed: 1e6]), within: 24,
            ranges: [.research: 200e6...300e6])
        let all = payback.sensitivities
        #expect(all.count == 4)
        let research = try #require(all.first { $0.input == .research })
        #expect(research.isStated && research.low == 200e6 && research.high == 300e6)
        // 9 million a month are left: 200 and 300 million take 22.2 and 33.3 months.
        #expect(abs((research.lowMonths ?? 0) - 200.0 / 9) < 1e-9 && abs((research.highMonths ?? 0) - 300.0 / 9) < 1e-9)
        #expect(all.last?.input == .fixed)
    }
}
