import Costs
import Models
import Planner
import Plans
import Testing

/// A search asks for no width that the model has no part of.
@Suite struct UnusedWidthTests {
    private func priced(_ model: Model) throws -> [PricedLayout] {
        let plan = try Shipped.plan(model, on: "h100-80g-sxm", devices: 16, batch: 32)
        var space = SearchSpace()
        space.virtualStages.most = 2
        return pricedLayouts(space, pricer: try Pricer(plan: plan))
    }

    /// Every block has experts, so the dense width is nobody's; latent attention has no key/value heads of its own.
    @Test func theSpaceAndItsPricesStay() throws {
        var model = QuickPriceTests.mixture
        model.layers = 8
        model.moe?.firstDense = 0
        let first = try priced(model)
        #expect(first.count > 1000 && first.contains { $0.layout.tensor == 4 })
        (model.ffn, model.kvHeads, model.headSize) = (131_071, 7, 99)
        #expect(try priced(model) == first)
    }

    /// Where no block has experts there are none to spread.
    @Test func expertsThatNoBlockHasAreNotSpread() throws {
        var model = QuickPriceTests.mixture
        model.layers = 8
        model.moe?.firstDense = 8
        let layouts = try priced(model).map(\.layout)
        #expect(!layouts.isEmpty && layouts.allSatisfy { $0.expert == 1 && $0.expertTensor == 1 })
    }
}
