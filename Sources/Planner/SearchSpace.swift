package import Plans
internal import Schedules

/// The layouts a search tries. Every combination of the degrees that divide what they must is in it.
package struct SearchSpace: Hashable, Sendable {
    /// Largest tensor degree; nil: the devices of a node, whose links tensor parallelism needs.
    package var mostTensor: Int?
    /// Largest micro-batch, sequences.
    package var mostMicrobatch = 16
    /// Largest number of stages a pipeline rank holds.
    package var mostVirtualStages = 16
    package var recompute = Layout.Recompute.allCases
    package var sharding = Layout.Sharding.allCases
    package var flashAttention = true
    package var overlap = Layout.Overlap()
    package var gradients: Precision?
    /// Sequences are split among context-parallel ranks down to this many tokens.
    package var fewestContextTokens = 16384

    package init() {}

    /// Every legal layout of the plan, in a fixed order.
    ///
    /// Sharding of gradients or parameters goes without a pipeline: its reductions would follow every micro-batch.
    package func layouts(_ plan: Plan) -> [Layout] {
        let model = plan.model
        var found: [Layout] = []
        let limit = mostTensor ?? max(1, plan.cluster.devicesPerNode)
        for tensor in divisors(plan.devices, most: limit) where divides(tensor, model) {
            for context in divisors(plan.devices / tensor) where contextFits(context, model) {
                let rest = plan.devices / tensor / context
                for pipeline in divisors(rest, most: model.layers) {
                    let data = rest / pipeline
                    guard plan.batch % data == 0 else { continue }
                    for microbatch in divisors(plan.batch / data, most: mostMicrobatch) {
                        let base = Layout(
                            data: data, tensor: tensor, pipeline: pipeline, context: context, microbatch: microbatch,
                            flashAttention: flashAttention, gradients: gradients, overlap: overlap)
                        append(base, microbatches: plan.batch / data / microbatch, model: model, to: &found)
                    }
                }
            }
        }
        return found
    }

    private func append(_ base: Layout, microbatches: Int, model: Model, to found: inout [Layout]) {
        let group = base.data * base.context
        for virtual in 1...(base.pipeline > 1 ? mostVirtualStages : 1) {
            let stages = base.pipeline * virtual
            guard stages <= model.layers else { break }
            // Interleaving exists for even stages.
            guard virtual == 1 || model.layers % stages == 0 else { continue }
            let schedule: ScheduleName = virtual > 1 ? .interleaved : .oneForwardOneBackward
            let problem = schedule.problem(
                ranks: base.pipeline, virtualStages: virtual, microbatches: microbatches)
            guard problem == nil else { continue }
            for sequenceParallel in [false, true] {
                guard !sequenceParallel || (base.tensor > 1 && splitsSequence(base, model)) else { continue }
                for sharding in sharding {
                    guard sharding == .none || group > 1 else { continue }
                    let piecewise = sharding == .gradients || sharding == .parameters
                    guard !piecewise || base.pipeline == 1 else { continue }
                    for recompute in recompute {
                        // Flash attention keeps no scores: recomputing it costs time and saves nothing.
                        guard recompute != .selective || !flashAttention else { continue }
                        var layout = base
                        layout.virtualStages = virtual
                        layout.schedule = schedule
                        layout.sequenceParallel = sequenceParallel
                        layout.sharding = sharding
                        layout.recompute = recompute
                        found.append(layout)
                    }
                }
            }
        }
    }

    private func divides(_ tensor: Int, _ model: Model) -> Bool {
        model.heads % tensor == 0 && model.kvHeads % tensor == 0 && model.ffn % tensor == 0
            && model.hidden % tensor == 0
    }

    private func contextFits(_ context: Int, _ model: Model) -> Bool {
        context == 1 || (model.sequence % (2 * context) == 0 && model.sequence / context >= fewestContextTokens)
    }

    private func splitsSequence(_ layout: Layout, _ model: Model) -> Bool {
        model.sequence / layout.context % layout.tensor == 0
    }

    private func divisors(_ number: Int, most: Int = .max) -> [Int] {
        guard number > 0 else { return [] }
        var small: [Int] = []
        var large: [Int] = []
        var candidate = 1
        while candidate * candidate <= number {
            if number % candidate == 0 {
                small.append(candidate)
                if candidate != number / candidate { large.append(number / candidate) }
            }
            candidate += 1
        }
        return (small + large.reversed()).filter { $0 <= most }
    }
}
