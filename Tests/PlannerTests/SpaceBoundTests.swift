import Costs
import Models
import Planner
import Plans
import Schedules
import TestSupport
import Testing

/// The bounds that let a search of many numbers of devices leave layouts out.
@Suite struct SpaceBoundTests {
    /// 16 blocks, the first dense, 32 experts of which a token takes 4.
    private static func mixture() throws -> Model {
        var model = try Model.read("deepseek-v3", library: Checkout.library)
        model.layers = 16
        model.moe?.experts = 32
        model.moe?.topK = 4
        return model
    }

    private static func plan(_ cluster: String, devices: Int, batch: Int, isMixture: Bool) throws -> Plan {
        try Shipped.plan(
            isMixture ? mixture() : Shipped.llama8B, on: cluster, devices: devices, batch: batch, tokens: 1e12)
    }

    /// No layout of any mesh is faster or smaller than its bound says.
    @Test(arguments: ["h100-80g-sxm", "gb200-nvl72", "v100-32g-sxm", "laptop"], [true, false])
    func noPriceIsBelowItsBound(cluster: String, isMixture: Bool) throws {
        for (devices, batch) in [(24, 48), (144, 288)] where cluster != "laptop" || devices < 100 {
            var plan = try Self.plan(cluster, devices: devices, batch: batch, isMixture: isMixture)
            plan.precision = plan.cluster.device.trainingPrecision
            var space = SearchSpace()
            space.anySoftware = true
            space.microbatch.most = 4
            space.virtualStages.most = 4
            let pricer = try Pricer(plan: plan)
            let choices = space.choices(pricer.plan)
            var passes = LeastPasses()
            passes.turn(to: pricer, choices: choices)
            let prices = pricedLayouts(space, pricer: pricer)
            #expect(prices.count > 1000)
            var (closest, isBelow) = (Double.infinity, true)
            for price in prices {
                let layout = price.layout
                var mesh = space.base
                (mesh.tensor, mesh.context, mesh.pipeline) = (layout.tensor, layout.context, layout.pipeline)
                (mesh.data, mesh.expert, mesh.expertTensor) = (layout.data, layout.expert, layout.expertTensor)
                let step = passes.step(mesh, microbatch: layout.microbatch, choices: choices, pricer: pricer)
                isBelow = isBelow && step.least <= price.seconds
                let state = passes.stateBytes(mesh, choices: choices)
                isBelow = isBelow && state <= price.peak
                // A layout is never ruled out where its own memory and time are the limits.
                var limit = MeshPricer.Limit()
                limit.seconds = price.seconds
                let fitting = passes.step(
                    mesh, microbatch: layout.microbatch, choices: choices, pricer: pricer,
                    within: price.peak - state, below: limit)
                isBelow = isBelow && fitting.least <= price.seconds
                closest = min(closest, price.seconds / step.least)
            }
            #expect(isBelow)
            #expect(closest < 1.25, "the bounds rule little out")
        }
    }

    /// A search that leaves out what cannot win answers as one that leaves out nothing, on every number of devices.
    @Test(arguments: ["h100-80g-sxm", "gb200-nvl72"], [true, false])
    func nothingThatWinsIsLeftOut(cluster: String, anySoftware: Bool) throws {
        let plan = try Self.plan(cluster, devices: 160, batch: 480, isMixture: true)
        var settings = SearchSettings()
        settings.top = 1
        settings.explainsMisfit = false
        settings.space.anySoftware = anySoftware
        settings.space.virtualStages.most = 4
        settings.space.microbatch.most = 4
        var shortest: (days: Double, layout: Layout)?
        var evaluated = 0
        for count in DeviceCounts(plan).between(1, plan.devices) {
            guard let all = try? search(plan: plan.using(count), settings: settings) else { continue }
            evaluated += all.effort.evaluated
            let best = try #require(all.candidates.first)
            let days = try #require(best.run?.days)
            if days < shortest?.days ?? .infinity { shortest = (days, best.layout) }
            var bounds: SpaceBounds? = SpaceBounds()
            let some = try search(plan: plan.using(count), settings: settings, options: CostOptions(), bounds: &bounds)
            #expect(some.candidates == all.candidates)
        }
        let found = try searchBestDeviceCount(plan: plan, settings: settings)
        #expect(found.candidates.first?.run?.days == shortest?.days)
        #expect(found.candidates.first?.layout == shortest?.layout)
        #expect(10 * found.effort.evaluated < evaluated)
    }

    /// The number of layouts that are priced does not depend on the number of threads.
    @Test func effortIsTheSameOnAnyNumberOfCores() throws {
        let plan = try Self.plan("h100-80g-sxm", devices: 96, batch: 192, isMixture: true)
        func effort(_ threads: Int) throws -> [Int] {
            var settings = SearchSettings()
            settings.threads = threads
            settings.top = 1
            let effort = try searchBestDeviceCount(plan: plan, settings: settings).effort
            return [effort.evaluated, effort.feasible, effort.ruledOut]
        }
        #expect(try effort(1) == effort(4))
    }

    /// Mixtures of experts have the most layouts: these were 17.6 million before bounds were told of every mesh.
    @Test(arguments: [("gb200-nvl72", 10_402), ("h800-80g-sxm", 20_000)])
    func tenThousandDevicesNeedFewPrices(cluster: String, devices: Int) throws {
        let model = try Model.read("deepseek-v3", library: Checkout.library)
        let wanted = Model.defaultBatch(parameters: Double(model.parameters().total), sequence: model.sequence)
        var plan = try Shipped.plan(model, on: cluster, devices: devices, batch: wanted, tokens: 15e12)
        plan.wantedBatch = wanted
        var settings = SearchSettings()
        settings.top = 1
        let effort = try searchBestDeviceCount(plan: plan, settings: settings).effort
        #expect(effort.evaluated < 100_000)
        #expect(effort.ruledOut > 10_000)
    }
}
