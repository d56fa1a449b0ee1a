import Costs
import Foundation
import Models
import Numbers
import Planner
import Plans
import Reading
import Schedules

/// Speed of the search on one core, and its answer beside the layout that Calculon's exhaustive search names.
///
/// GPT-3 175B on 4,096 A100-80G, 1,536 sequences of 2,048 tokens a step. An evaluation is the time and the memory of one
/// layout that obeys the rules of divisibility; those that a schedule's rule forbids are counted apart.
var plan = Plan(
    name: "gpt3-175b-4096", model: try Model.read("gpt3-175b", library: .standard()), tokens: nil,
    cluster: try Cluster.read("a100-80g-sxm", library: .standard()), devices: 4096, batch: 1536, precision: .bf16,
    layout: nil, frameworks: try Frameworks.read(library: .standard()))
var settings = SearchSettings()
settings.threads = 1
settings.top = 1
// Every schedule there is: what is measured is the speed of pricing.
settings.space.anySoftware = true
settings.space.fewestContextTokens = 2048
// The fewest seconds of a few runs: other work on the machine only adds.
var results: [SearchResult] = []
for _ in 0..<5 { results.append(try search(plan: plan, settings: settings)) }
guard let fastest = results.min(by: { $0.effort.pricingSeconds < $1.effort.pricingSeconds }),
    let best = fastest.candidates.first
else { exit(1) }
let theirs = Layout(
    data: 32, tensor: 8, pipeline: 16, virtualStages: 6, microbatch: 1, schedule: .interleaved, recompute: .none,
    sharding: .none, sequenceParallel: true)
var sharded = theirs
sharded.sharding = .optimizer
let named = [try price(plan: plan, layout: theirs), try price(plan: plan, layout: sharded)]

func words(_ layout: Layout) -> String {
    "tensor \(layout.tensor) pipeline \(layout.pipeline) data \(layout.data) micro-batch \(layout.microbatch) "
        + "stages \(layout.virtualStages) \(layout.schedule.rawValue) recompute \(layout.recompute.rawValue) "
        + "sharding \(layout.sharding.rawValue)\(layout.sequenceParallel ? " sequence-parallel" : "")"
}

let rate = Double(fastest.effort.evaluated) / fastest.effort.pricingSeconds
print("search, GPT-3 175B on 4,096 A100-80G, one core, best of \(results.count):")
print(
    "  \(fastest.effort.evaluated) layouts priced (\(fastest.effort.feasible) fit, \(fastest.effort.rejected) more forbidden by schedules)"
)
print(
    "  \(Figures.fixed(fastest.effort.pricingSeconds, 3)) s of pricing = \(Figures.fixed(rate / 1e6, 2)) million full evaluations a second"
)
print("  \(Figures.fixed(fastest.seconds, 3)) s from question to simulated answer")
print(
    "  best     \(Figures.fixed(best.iteration.seconds, 3)) s a step, \(Figures.fixed(best.peakMemory / 0x1p30, 1)) GiB: \(words(best.layout))"
)
for estimate in named {
    print(
        "  Calculon's \(Figures.fixed(estimate.iteration.seconds, 3)) s a step, "
            + "\(Figures.fixed(estimate.peakMemory / 0x1p30, 1)) GiB: \(words(estimate.layout))")
}
