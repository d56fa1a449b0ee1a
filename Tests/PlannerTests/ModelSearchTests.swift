import Costs
import Models
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Searches with bounds find what searches of every layout find, for every shipped model.
@Suite struct ModelSearchTests {
    private static let models = Checkout.library.modelNames.sorted()

    @Test(arguments: models)
    func boundsLeaveTheFastestLayoutIn(_ name: String) throws {
        let model = try Model.read(name, library: Checkout.library)
        let text = """
            model: \(name)
            tokens: 1T
            cluster: h100-80g-sxm
            devices: 64
            batch: \(model.hasPicture ? 64 : 256)
            layout: auto
            """
        let plan = try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
        var settings = SearchSettings()
        settings.top = 1
        settings.explainsMisfit = false
        let found: SearchResult
        do { found = try searchBestDeviceCount(plan: plan, settings: settings) } catch PlannerError.nothingFits {
            // No layout of any size fits, with bounds or without.
            #expect(throws: PlannerError.self) { try search(plan: plan, settings: settings) }
            return
        }
        let best = try #require(found.candidates.first)
        let all = try search(plan: plan.using(best.plan.devices, of: 64), settings: settings)
        let first = try #require(all.candidates.first)
        #expect(best.iteration.seconds <= first.iteration.seconds * (1 + 1e-12))
        #expect(best.fits)
    }
}
