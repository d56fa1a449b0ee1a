package import Models
package import Reading
internal import Schedules

extension Layout {
    /// All rules of a real run that the layout breaks, beyond `problems(for:batch:devices:)`: cases that the planner
    /// can price, or other software can run, but the runtime cannot.
    package func problemsOfARun(_ model: Model, batch: Int) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func refuse(_ field: String, _ value: String, _ rule: String, _ fix: String = "") {
            problems.append(PlanProblem(.misfit, field: field, value: value, rule: rule, fix: fix))
        }
        if model.vocab % tensor != 0 {
            refuse(
                "layout.tensor", "\(tensor)", "must divide model.vocab \(model.vocab): every rank holds a slice of it",
                "raise model.vocab to \((model.vocab + tensor - 1) / tensor * tensor)")
        }
        if tensor > 1, model.block.kvHeads % tensor != 0 {
            refuse(
                "layout.tensor", "\(tensor)",
                "must divide model.kvHeads \(model.block.kvHeads) in a real run: no ranks share a head of keys")
        }
        if context > 1, let window = model.block.window {
            refuse(
                "layout.context", "\(context)", "must be 1 with model.window \(window): rings pass whole pieces of keys"
            )
        }
        problems += problemsOfFixedWays()
        if let moe = model.moe {
            if moe.sharedWidth % tensor != 0 {
                refuse(
                    "layout.tensor", "\(tensor)",
                    "must divide the shared experts' \(moe.sharedWidth) columns (moe.shared · moe.sharedFfn)",
                    "raise model.moe.sharedFfn")
            }
            let tokens = microbatch * model.sequence / context
            if tokens % tensor != 0 {
                refuse(
                    "layout.tensor", "\(tensor)",
                    "must divide a micro-batch's \(tokens) tokens (microbatch · sequence / context): "
                        + "every tensor rank routes its own", "raise layout.microbatch to a multiple of \(tensor)")
            }
        }
        if sharding != .none, shardRanks < data * context {
            refuse(
                "layout.shardGroup", "\(shardRanks)",
                "must be data · context, \(data * context), in a real run: "
                    + "the runtime shards over all of them", "remove it")
        }
        if let vocabularyParallel {
            refuse(
                "layout.vocabularyParallel", vocabularyParallel.rawValue,
                "must be left out in a real run: the last stage runs the whole output layer", "remove it")
        }
        if outerSharding != .none {
            refuse(
                "layout.outerSharding", outerSharding.rawValue,
                "must be none in a real run: the runtime has one level of shards", "remove it")
        }
        let shardsGradients = sharding == .gradients || sharding == .parameters
        let microbatches = batch / max(1, data * microbatch)
        if shardsGradients, !mirroredRanksRunInStep(microbatches: microbatches) {
            refuse(
                "layout.sharding", sharding.rawValue,
                "needs an even number of micro-batches with \(schedule.rawValue), not \(microbatches): "
                    + "the two copies of a stage must finish together", "change batch, or use optimizer or none")
        }
        return problems
    }

    /// Problems of settings for which the runtime has only one way and the layout asks for another.
    private func problemsOfFixedWays() -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func refuse(_ field: String, _ value: String, _ rule: String, _ fix: String) {
            problems.append(PlanProblem(field: "layout.\(field)", value: value, rule: rule, fix: fix))
        }
        if !flashAttention {
            refuse(
                "flashAttention", "false", "must be true in a real run: the runtime's attention keeps no scores",
                "remove it")
        }
        if let gradients, gradients != .fp32 {
            refuse(
                "gradients", gradients.rawValue, "must be fp32 in a real run: the runtime adds gradients up in fp32",
                "remove it")
        }
        if !recomputeModules.isSubset(of: .coreAttention) {
            refuse(
                "recomputeModules", recomputeModules.written,
                "must be [core_attn] in a real run: the runtime recomputes core attention or whole blocks",
                "use core_attn alone, or recompute full")
        }
        if case .runs(let length) = recomputed {
            refuse(
                "recomputeMethod", "uniform",
                "must keep the input of every block in a real run, not of every run of \(length)",
                "set recomputeLayers to 1, or remove both")
        }
        if contextExchange != .ring {
            refuse(
                "contextExchange", contextExchange.rawValue,
                "must be ring in a real run: the runtime passes keys and values on", "remove it")
        }
        if let dispatcher, dispatcher != .alltoall {
            refuse(
                "dispatcher", dispatcher.rawValue,
                "must be alltoall in a real run: the runtime sends a copy of a row to each of its experts", "remove it")
        }
        if let offload {
            refuse(
                "offload", offload.yaml,
                "must be absent in a real run: the runtime keeps all state and activations in its processes' own memory",
                "remove it")
        }
        let ways: [(String, WritableKeyPath<Overlap, Bool>, String)] = [
            ("data", \.data, "gradients are reduced behind the backward as soon as they are complete"),
            ("tensor", \.tensor, "the sums of tensor ranks are waited for"),
            ("pipeline", \.pipeline, "messages between stages travel beside compute"),
            ("expert", \.expert, "the exchanges of experts are waited for"),
            ("sharedExperts", \.sharedExperts, "the exchanges of experts are waited for"),
        ]
        for (name, path, way) in ways where overlap[keyPath: path] != Self.overlapOfARun[keyPath: path] {
            refuse(
                "overlap.\(name)", "\(overlap[keyPath: path])",
                "must be \(Self.overlapOfARun[keyPath: path]) in a real run: \(way)", "remove it")
        }
        return problems
    }

    /// Communication that the runtime overlaps with compute.
    package static let overlapOfARun = Overlap(data: true, tensor: false, pipeline: true, expert: false)

    private func mirroredRanksRunInStep(microbatches: Int) -> Bool {
        guard schedule.isBidirectional else { return true }
        let made = try? schedule.schedule(ranks: pipeline, virtualStages: virtualStages, microbatches: microbatches)
        return made?.mirroredRanksRunInStep ?? true
    }
}
