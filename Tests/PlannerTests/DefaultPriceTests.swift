import Costs
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Defaults that decide much of the time are said, with the time they cost.
@Suite struct DefaultPriceTests {
    private func text(_ layout: String, tokens: String = "tokens: 14.8T") -> String {
        """
        model: deepseek-v3
        \(tokens)
        cluster: h800-80g-sxm
        devices: 2048
        batch: 15360
        precision: fp8
        layout: {pipeline: 16, expert: 64, data: 128, \(layout)}
        """
    }

    private func read(_ text: String) throws -> Plan {
        try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
    }

    private func remarks(_ text: String) throws -> [String] {
        let plan = try read(text)
        let layout = try #require(plan.layout)
        let estimate = try price(plan: plan, layout: layout)
        return try estimate.defaultRemarks().filter { $0.code == .defaultDecides }.map(\.text)
    }

    /// The time named is that of the plan with the other value.
    @Test func anExchangeThatIsNotHiddenIsPriced() throws {
        let said = try remarks(text("schedule: 1f1b"))
        #expect(said.count == 1)
        func days(_ layout: String) throws -> Double {
            let plan = try read(text(layout))
            let chosen = try #require(plan.layout)
            let run = try price(plan: plan, layout: chosen).run
            return try #require(run?.days)
        }
        let less = try days("schedule: 1f1b") - days("schedule: 1f1b, overlap: {expert: true}")
        let number = try #require(said.first?.firstMatch(of: #/−([0-9.]+) days/#)?.1)
        let named = try #require(Double(number))
        #expect(abs(named / less - 1) < 0.01)
        #expect(said.first?.contains("layout.overlap: {expert: true}") == true)
        #expect(try remarks(text("schedule: 1f1b", tokens: "")).first?.contains("a step") == true)
    }

    /// A plan that says which transfers are hidden has chosen.
    @Test func statedTransfersAreNotRemarkedOn() throws {
        #expect(try remarks(text("schedule: 1f1b, overlap: {expert: false}")).isEmpty)
        #expect(try remarks(text("schedule: 1f1b, overlap: {expert: true}")).isEmpty)
    }

    /// Schedules that fuse passes hide the exchange by default, on the software that has them.
    @Test(arguments: ["dualpipe", "dualpipev"])
    func fusedPassesHideTheExchange(_ schedule: String) throws {
        let plan = try read(text("schedule: \(schedule)"))
        #expect(plan.layout?.overlap.expert == true)
        #expect(plan.framework(for: plan.layout).name == "deepseek-2024")
        #expect(try remarks(text("schedule: \(schedule)")).isEmpty)
        let off = try read(text("schedule: \(schedule), overlap: {expert: false}"))
        #expect(off.layout?.overlap.expert == false)
    }

    /// A plan in DeepSeek's own layout that names neither software nor overlap is not far from the shipped one.
    @Test func theNaturalPlanIsNearTheShippedOne() throws {
        let shipped = try Plan.read(path: "\(Checkout.root)/plans/deepseek-v3-2048-h800.yaml")
        var natural = shipped
        natural.frameworks.named = nil
        let layout = try #require(shipped.layout)
        let (a, b) = (try price(plan: shipped, layout: layout), try price(plan: natural, layout: layout))
        #expect(abs(b.iteration.seconds / a.iteration.seconds - 1) < 0.05)
    }
}
