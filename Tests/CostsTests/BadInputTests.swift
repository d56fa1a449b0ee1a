import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

@Suite struct BadInputTests {
    private let plan = Plan(
        name: "test", model: TestModel.llama70B, tokens: nil, cluster: TestCluster.a100(), devices: 64, batch: 256,
        precision: .bf16, layout: nil)

    private func message(_ layout: Layout) -> String {
        do {
            _ = try estimate(plan: plan, layout: layout)
            return "priced"
        } catch { return error.description }
    }

    @Test func degreesBelowOne() {
        #expect(message(Layout(data: 0, tensor: 8)).contains("at least 1"))
        #expect(message(Layout(data: 64, microbatch: -1)).contains("at least 1"))
    }

    @Test func devicesThatAreNotTheProduct() {
        #expect(message(Layout(data: 4, tensor: 8)).contains("32 devices"))
    }

    @Test func microbatchThatDoesNotDivide() {
        #expect(message(Layout(data: 8, tensor: 8, microbatch: 3)).contains("not a multiple"))
    }

    @Test func moreStagesThanLayers() {
        let layout = Layout(pipeline: 64, virtualStages: 2, schedule: .interleaved)
        #expect(message(layout).contains("128 stages for 80 layers"))
    }

    @Test func stagesThatAreNotTheModel() {
        #expect(message(Layout(data: 8, pipeline: 8, layersPerStage: [80])).contains("layers of the stages"))
        #expect(
            message(Layout(data: 8, pipeline: 8, layersPerStage: [10, 10, 10, 10, 10, 10, 10, 11]))
                .contains("layers of the stages"))
    }

    @Test func scheduleThatDoesNotExistForTheShape() {
        #expect(message(Layout(data: 8, pipeline: 8, virtualStages: 2)) != "priced")
    }

    @Test func precisionTheDeviceLacks() {
        var plan = plan
        plan.precision = .fp8
        #expect(throws: CostError.noRate(precision: "fp8", device: "A100-SXM4-80GB")) { try Pricer(plan: plan) }
    }

    @Test func devicesWithoutANetwork() {
        var plan = plan
        plan.cluster.networks = []
        #expect(throws: CostError.self) { try Pricer(plan: plan) }
    }

    @Test func emptyPlan() {
        var plan = plan
        plan.batch = 0
        #expect(throws: CostError.self) { try Pricer(plan: plan) }
    }
}
