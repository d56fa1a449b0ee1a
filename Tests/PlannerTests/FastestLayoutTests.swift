import Costs
import Models
import Numbers
import Planner
import Plans
import Schedules
import Simulator
import TestSupport
import Testing

/// What a search leaves out when only the fastest layout is asked for.
@Suite struct FastestLayoutTests {
    /// No pipeline ends before its bound, whatever its stages take; of equal stages 1F1B ends exactly then.
    @Test func noPipelineEndsBeforeItsBound() throws {
        var random = SplitMix64(seed: 7)
        func time() -> Double { 0.5 + Double.random(in: 0..<1, using: &random) }
        var timed = 0
        for schedule in ScheduleName.allCases {
            for (ranks, stages, microbatches) in [(2, 1, 4), (4, 1, 8), (4, 2, 8), (3, 2, 12), (4, 3, 16)] {
                let shape = PipelineShape(ranks: ranks, virtualStages: stages, microbatches: microbatches)
                guard schedule.problem(shape) == nil else { continue }
                let lists = try schedule.schedule(shape)
                for isEqual in [true, false] {
                    let number = lists.stages
                    func times(_ equal: Double) -> [Double] { (0..<number).map { _ in isEqual ? equal : time() } }
                    for transfer in [0, 0.3] {
                        let costs = ActionCosts(
                            forward: times(1), backwardInput: times(1), backwardWeight: times(1), transfer: transfer)
                        let least = Simulator.leastMakespan(schedule, shape, costs: costs)
                        let end = try Simulator.makespan(lists, costs: costs)
                        #expect(least <= end * (1 + 1e-12), "\(schedule) \(shape)")
                        timed += 1
                        if schedule == .oneForwardOneBackward, isEqual, transfer == 0 {
                            #expect(abs(least - end) < 1e-9 * end)
                            #expect(end == 3 * Double(microbatches + ranks - 1))
                        }
                    }
                }
            }
        }
        #expect(timed > 100)
    }

    /// The fastest layout is the first of twenty, with all of its figures.
    @Test(arguments: [(32, 64), (96, 192)])
    func theFastestIsTheFirstOfMany(_ devices: Int, _ batch: Int) throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: devices, batch: batch, tokens: 1e12)
        for pipelines in [1, 2] {
            for anySoftware in [false, true] {
                var settings = SearchSettings()
                settings.space.anySoftware = anySoftware
                settings.space.pipeline.least = pipelines
                settings.space.microbatch.most = 4
                settings.top = 20
                let many = try search(plan: plan, settings: settings)
                settings.top = 1
                let one = try search(plan: plan, settings: settings)
                #expect(one.candidates.count == 1)
                #expect(one.candidates.first == many.candidates.first)
                #expect(one.effort.evaluated == many.effort.evaluated)
            }
        }
    }

    /// Compute and tensor collectives of a whole model are those of the answer, whatever the degrees.
    @Test(arguments: ["mixtral-8x22b-v0.1", "llama3-8b"])
    func wholePassesAreThoseOfSteps(_ name: String) throws {
        var plan = try Shipped.plan(
            Model.read(name, library: Checkout.library), on: "h100-80g-sxm", devices: 1, batch: 1, tokens: 1e12)
        var passes = WholePasses(plan, options: CostOptions())
        let isMixture = !plan.model.mixtures.isEmpty
        for tensor in [1, 2, 8] {
            for expert in isMixture ? [1, 4] : [1] {
                for expertTensor in Set([1, isMixture ? tensor : 1]) {
                    for microbatch in [1, 4] {
                        for isSequenceParallel in [false, tensor > 1] {
                            let layout = Layout(
                                data: expert, tensor: tensor, expert: expert,
                                expertTensor: expertTensor, microbatch: microbatch, sequenceParallel: isSequenceParallel
                            )
                            (plan.devices, plan.batch) = (layout.devices, expert * microbatch)
                            let parts = IterationTime(try Pricer(plan: plan).work(layout)).breakdown
                            let found = passes.pass(layout)
                            let pass = try #require(found)
                            #expect(abs(pass.compute - parts.compute) <= 1e-12 * parts.compute)
                            #expect(abs(pass.tensorComm - parts.tensorComm) <= 1e-12 * parts.compute)
                        }
                    }
                }
            }
        }
    }
}
