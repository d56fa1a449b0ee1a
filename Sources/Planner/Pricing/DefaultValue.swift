internal import Models
internal import Plans
internal import Schedules

/// Another value of a key that a plan leaves to its default.
struct DefaultValue {
    var layout: Layout
    /// The meaning of the default in words: `parameters are not sharded`.
    var now: String
    /// The key with the other value, as a plan states it.
    var words: String

    private init(_ layout: Layout, _ now: String, _ words: String, _ change: (inout Layout) -> Void) {
        self.layout = layout
        self.now = now
        self.words = "layout.\(words)"
        change(&self.layout)
    }

    /// The values of practice that a plan would state instead of the default.
    static func others(of key: Layout.Default, _ layout: Layout, _ plan: Plan) -> [DefaultValue] {
        switch key {
        case .tensorOverlap:
            guard !layout.overlap.tensor, layout.tensor > 1 else { return [] }
            return [
                DefaultValue(layout, "tensor collectives are not hidden", "overlap: {tensor: true}") {
                    $0.overlap.tensor = true
                }
            ]
        case .expertOverlap:
            guard !layout.overlap.expert, layout.expert * layout.expertTensor > 1, plan.model.mixtureLayers > 0 else {
                return []
            }
            return [
                DefaultValue(layout, "the experts' exchange is not hidden", "overlap: {expert: true}") {
                    $0.overlap.expert = true
                }
            ]
        case .dispatcher:
            guard layout.dispatcher == nil, layout.expert * layout.expertTensor > 1, plan.model.mixtureLayers > 0 else {
                return []
            }
            let known = plan.framework(for: layout).abilities.dispatchers
            return [Layout.Dispatcher.deepep, .hybridep].filter(known.contains).map { way in
                DefaultValue(
                    layout, "rows go to their experts by the software's own exchange", "dispatcher: \(way.rawValue)"
                ) { $0.dispatcher = way }
            }
        case .schedule:
            guard layout.pipeline > 1, layout.schedule == .oneForwardOneBackward else { return [] }
            let most = plan.model.layers / layout.pipeline
            return [2, 3, 4, 6, 8].filter { $0 <= most }.map { stages in
                DefaultValue(
                    layout, "every pipeline rank holds one stage",
                    "schedule: interleaved-1f1b with virtualStages: \(stages)"
                ) {
                    $0.schedule = .interleaved
                    $0.virtualStages = stages
                    $0.layersPerStage = nil
                }
            }
        case .microbatch:
            let share = plan.batch / max(1, layout.data)
            return [2, 4, 8, 16].filter { $0 <= share && share % $0 == 0 }.map { size in
                DefaultValue(layout, "a micro-batch is one sequence", "microbatch: \(size)") { $0.microbatch = size }
            }
        case .sequenceParallel:
            guard layout.tensor > 1, !layout.sequenceParallel else { return [] }
            return [
                DefaultValue(layout, "norms and the residual stream are not split", "sequenceParallel: true") {
                    $0.sequenceParallel = true
                }
            ]
        case .recompute:
            return [Layout.Recompute.selective, .full].map { value in
                DefaultValue(layout, "nothing is recomputed", "recompute: \(value.rawValue)") { $0.recompute = value }
            }
        case .offload:
            guard layout.offload == nil else { return [] }
            return plan.offloadSteps(anySoftware: false, for: layout).map { step in
                DefaultValue(layout, "nothing is offloaded to the host", "offload: \(step.yaml)") { $0.offload = step }
            }
        case .offloadOverlap, .layersPerStage: return []
        case .sharding:
            guard layout.hasReplicas(plan.model) else { return [] }
            return [Layout.Sharding.optimizer, .parameters].map { value in
                DefaultValue(layout, "nothing is sharded", "sharding: \(value.rawValue)") { $0.sharding = value }
            }
        }
    }
}
