internal import Plans
internal import Schedules

/// A named way to split a model (ZeRO-1, FSDP, 3D …) as a part of the search space.
package struct Strategy: Hashable, Sendable {
    package var name: String
    /// The strategy in a few words.
    package var summary: String
    package var space: SearchSpace

    /// All strategies, in the order in which they are shown.
    package static let all: [Strategy] = {
        var found: [Strategy] = []
        func add(_ name: String, _ summary: String, _ change: (inout SearchSpace) -> Void) {
            var space = SearchSpace()
            change(&space)
            found.append(Strategy(name: name, summary: summary, space: space))
        }
        func alone(_ space: inout SearchSpace) {
            (space.tensor.fixed, space.pipeline.fixed, space.context.fixed) = (1, 1, 1)
            (space.expert.fixed, space.expertTensor.fixed) = (1, 1)
        }
        let kinds: [(String, String, [Layout.Sharding])] = [
            ("data", "every device holds everything", [.none]),
            ("zero-1", "data parallel, optimizer sharded", [.optimizer]),
            ("zero-2", "optimizer and gradients sharded", [.gradients]),
            ("zero-3", "everything sharded over all devices", [.parameters]),
        ]
        for (name, summary, sharding) in kinds {
            add(name, summary) {
                alone(&$0)
                $0.sharding = sharding
                $0.hybridSharding = false
            }
        }
        add("fsdp-hybrid", "everything sharded inside a node, nodes are replicas") {
            alone(&$0)
            $0.sharding = [.parameters]
            $0.wholeSharding = false
        }
        add("tensor", "matrices cut inside a node, data parallel outside") {
            alone(&$0)
            $0.tensor.fixed = nil
            $0.tensor.least = 2
            $0.sharding = [.none, .optimizer]
        }
        for schedule in SearchSpace.lawfulSchedules {
            add("pipeline-\(schedule.rawValue)", "layers in stages, \(schedule.rawValue)") {
                alone(&$0)
                $0.pipeline.fixed = nil
                $0.pipeline.least = 2
                $0.schedules = [schedule]
                $0.sharding = [.none, .optimizer]
            }
        }
        add("3d", "tensor inside nodes, pipeline across, data around") {
            ($0.context.fixed, $0.expert.fixed, $0.expertTensor.fixed) = (1, 1, 1)
            ($0.tensor.least, $0.pipeline.least) = (2, 2)
            $0.sharding = [.none, .optimizer]
        }
        add("context", "sequences cut among devices, all else open") {
            $0.context.least = 2
            ($0.expert.fixed, $0.expertTensor.fixed) = (1, 1)
        }
        add("expert", "experts spread over devices, all else open") {
            $0.expert.least = 2
            $0.context.fixed = 1
        }
        add(auto, "the fastest of all layouts, which plan takes") { _ in }
        return found
    }()

    /// The name of the strategy that fixes nothing.
    package static let auto = "auto"
    /// The name of the row with the plan's own layout; no strategy of this name can be asked for.
    package static let own = "yours"

    /// The strategies that `word` names: one strategy, or all of a family (`pipeline`, `zero`).
    package static func named(_ word: String) -> [Strategy] {
        let exact = all.filter { $0.name == word.lowercased() }
        return exact.isEmpty ? all.filter { $0.name.hasPrefix(word.lowercased() + "-") } : exact
    }
}
