import Models
import Plans
import Schedules
import TestSupport
import Testing
import Training

@Suite struct RuntimeSupportTests {
    private func refusal(_ layout: Layout, _ change: (inout Plan) -> Void = { _ in }) throws -> String? {
        var plan = try Plan.read(path: "\(Checkout.root)/plans/tiny-gpt.yaml")
        change(&plan)
        do throws(TrainingError) {
            try RuntimeSupport.check(plan: plan, layout: layout, processes: layout.devices)
        } catch {
            return "\(error)"
        }
        return nil
    }

    @Test(arguments: ScheduleName.allCases)
    func everyScheduleRuns(_ name: ScheduleName) throws {
        #expect(try refusal(Layout(pipeline: 2, virtualStages: name.fixedVirtualStages ?? 1, schedule: name)) == nil)
    }

    @Test func whatCannotBeSplitIsNamed() throws {
        let slices = try #require(try refusal(Layout(tensor: 4)) { $0.model.vocab = 258 })
        #expect(slices.contains("layout.tensor: must divide model.vocab 258"))
        #expect(slices.contains("raise model.vocab to 260"))
        let tokens = try #require(
            try refusal(Layout(tensor: 2)) {
                $0.model = Model(
                    family: .llama, layers: 2, hidden: 32, heads: 2, ffn: 48, vocab: 256, sequence: 15,
                    moe: Model.Mixture(experts: 4, topK: 2, ffn: 24))
            })
        #expect(tokens.contains("layout.tensor: must divide a micro-batch's 15 tokens"), "\(tokens)")
        #expect(tokens.contains("raise layout.microbatch to a multiple of 2"))
        for sharding in [Layout.Sharding.gradients, .parameters] {
            for schedule in [ScheduleName.dualPipe, .chimera] {
                let layout = Layout(
                    data: 2, pipeline: 2, virtualStages: 2, microbatch: 2, schedule: schedule, sharding: sharding)
                #expect(try refusal(layout) == nil)
                // With an odd number one direction has a micro-batch more.
                guard schedule == .chimera else { continue }
                let words = try #require(try refusal(layout) { $0.batch = 12 })
                #expect(
                    words.contains("layout.sharding: needs an even number of micro-batches with chimera, not 3"),
                    "\(words)")
            }
        }
    }
}
