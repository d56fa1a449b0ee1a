import Costs
import Models
import Planner
import Plans
import PricingSupport
import TestSupport
import Testing

/// The exchange among context ranks that a search takes.
@Suite struct ContextExchangeSearchTests {
    private func best(
        _ exchanges: [Layout.ContextExchange], context: Int = 8, tensor: Int? = nil
    ) throws -> Estimate? {
        var model = Shipped.llama8B
        model.sequence = 65536
        var plan = try Shipped.plan(model, on: "h100-80g-sxm", devices: 64, batch: 64)
        plan.frameworks = try Frameworks.read(library: Checkout.library)
        var settings = SearchSettings()
        settings.space.contextExchanges = exchanges
        settings.space.context.fixed = context
        settings.space.tensor.fixed = tensor
        settings.top = 1
        settings.explainsMisfit = false
        return try? search(plan: plan, settings: settings).candidates.first
    }

    /// With a choice the search is no slower than with any one exchange, beyond what closed forms are off.
    @Test func takesTheOneThatExposesLeast() throws {
        let all = try #require(try best(Layout.ContextExchange.allCases))
        for exchange in Layout.ContextExchange.allCases {
            let one = try #require(try best([exchange]))
            #expect(one.layout.contextExchange == exchange)
            #expect(all.iteration.seconds <= one.iteration.seconds * 1.01)
        }
    }

    /// 32 heads are not exchanged among 64 ranks, and two levels need more than one group.
    @Test func keepsToTheRules() throws {
        #expect(try best([.heads], context: 16, tensor: 4) == nil)
        #expect(try best([.headsAndRing], context: 2) == nil)
        let two = try #require(try best([.headsAndRing], context: 16, tensor: 2))
        #expect(two.layout.contextHeads == 4)
    }
}
