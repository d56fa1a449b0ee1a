import Costs
import Planner
import Plans
import Schedules
import Testing

/// Running communication beside compute is never dearer than waiting for it, whatever else the layout says.
@Suite struct OverlapTests {
    enum Flag: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case data, tensor, pipeline, expert

        var testDescription: String { rawValue }

        var path: WritableKeyPath<Layout.Overlap, Bool> {
            switch self {
            case .data: \.data
            case .tensor: \.tensor
            case .pipeline: \.pipeline
            case .expert: \.expert
            }
        }
    }

    @Test(arguments: Flag.allCases)
    func neverDearerThanNone(_ flag: Flag) throws {
        var plans = try RandomLayouts(
            seed: 11, clusters: ["a100-80g-sxm", "h100-80g-sxm", "gb200-nvl72", "mi300x"])
        var faster = 0
        for _ in 0..<300 {
            let (plan, random) = plans.next(devices: [8, 16, 24, 48, 64, 96, 128])
            var (on, off) = (random, random)
            on.overlap[keyPath: flag.path] = true
            off.overlap[keyPath: flag.path] = false
            let pricer = try Pricer(plan: plan)
            let laws = (try IterationTime(pricer.work(on)).seconds, try IterationTime(pricer.work(off)).seconds)
            #expect(laws.0 <= laws.1 * (1 + 1e-12), "by closed form: \(plan.said) \(on)")
            let simulated = (
                try price(plan: plan, layout: on).iteration.seconds,
                try price(plan: plan, layout: off).iteration.seconds
            )
            #expect(simulated.0 <= simulated.1 * (1 + 1e-12), "simulated: \(plan.said) \(on)")
            if simulated.0 < simulated.1 * (1 - 1e-9) { faster += 1 }
        }
        #expect(faster > 20)
    }

    /// A plan that never leaves its node costs the same whatever the network between nodes is.
    @Test func oneNodeNeedsNoCards() throws {
        var plans = try RandomLayouts(seed: 12, clusters: ["a100-80g-sxm", "h100-80g-sxm", "mi300x"])
        for _ in 0..<300 {
            let (plan, layout) = plans.next(devices: [2, 3, 4, 5, 6, 7, 8])
            var slow = plan
            slow.cluster.networks[1].bytesPerSecond /= 100
            slow.cluster.networks[1].latencySeconds *= 100
            let seconds = try price(plan: plan, layout: layout).iteration.seconds
            #expect(try price(plan: slow, layout: layout).iteration.seconds == seconds, "\(plan.said) \(layout)")
            let work = try Pricer(plan: plan).work(layout)
            #expect(NetworkTraffic.sent(work, rank: 0)[1].bytes == 0)
        }
    }

    /// A slower network between nodes never makes a step faster, and neither does a slower one inside; what waiting for
    /// the slowest node adds falls a little where a rank that does not set the pace gets slower.
    @Test func slowerNetworksAreNeverFaster() throws {
        var plans = try RandomLayouts(seed: 13, clusters: ["a100-80g-sxm", "h100-80g-sxm", "gb200-nvl72"])
        for _ in 0..<200 {
            let (plan, layout) = plans.next(devices: [12, 24, 40, 60, 96, 144])
            let seconds = try price(plan: plan, layout: layout).iteration.seconds
            for level in 0..<2 {
                var slow = plan
                slow.cluster.networks[level].bytesPerSecond /= 2
                #expect(
                    try price(plan: slow, layout: layout).iteration.seconds >= seconds
                        * (1 - (level == 0 ? 1e-3 : 1e-12)),
                    "level \(level): \(plan.said) \(layout)")
            }
        }
    }
}
