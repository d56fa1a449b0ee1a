package import Models
internal import Numbers
package import Reading
internal import Schedules

extension Layout {
    /// All rules that this layout breaks for `model`, `batch` sequences a step and `devices` devices, in the order of
    /// the degrees. Fields are dotted paths of the plan file; the reader adds lines.
    /// - Parameter unknown: keys without a valid value. A rule that reads one of them is not asked.
    package func problems(
        for model: Model, batch: Int, devices: Int, unknown: UnknownKeys = UnknownKeys()
    ) -> [PlanProblem] {
        var unknown = unknown
        var problems = degreeProblems()
        // The rules divide by the degrees and multiply them, so those that read a wrong one are not asked.
        unknown.formUnion(problems.map(\.field))
        if problems.isEmpty {
            problems = sizeProblems()
            if !problems.isEmpty {
                unknown.formUnion(
                    ["data", "tensor", "pipeline", "context", "expert", "expertTensor"].map { "layout.\($0)" })
            }
        }
        return problems
            + rules(model, batch: batch, devices: devices, unknown).flatMap { rule in
                rule.reads.contains(where: unknown.touches) ? [] : rule.problems()
            }
    }

    /// A rule between keys, and the keys that it reads.
    private struct Rule {
        var reads: [String]
        var problems: () -> [PlanProblem]

        init(_ reads: [String], _ problems: @escaping () -> [PlanProblem]) {
            self.reads = reads.map {
                $0.contains(".") || ["devices", "batch", "model"].contains($0) ? $0 : "layout.\($0)"
            }
            self.problems = problems
        }
    }

    private func rules(_ model: Model, batch: Int, devices: Int, _ unknown: UnknownKeys) -> [Rule] {
        let ranks = ["data", "context"]
        return [
            Rule(["devices", "tensor", "pipeline"] + ranks) { deviceProblems(devices) },
            Rule(["tensor", "model"]) { tensorProblems(model, unknown) },
            Rule(["sequenceParallel", "tensor"]) { sequenceParallelProblems },
            Rule(["sequenceParallel", "tensor", "context", "model.sequence"]) { sequenceProblems(model) },
            Rule(["context", "model.sequence", "model"]) { contextProblems(model) },
            Rule(["contextExchange", "context", "contextHeads"]) { contextExchangeProblems },
            Rule(["contextExchange", "context", "contextHeads", "tensor", "model.heads", "model.kvHeads", "model"]) {
                headProblems(model)
            },
            Rule(["sequenceParallel", "tensor", "context", "model.text", "model"]) { streamProblems(model) },
            Rule(["shardGroup"] + ranks) { shardProblems },
            Rule(["shardGroup", "expert", "expertTensor", "tensor"] + ranks) { expertShardProblems },
            Rule(["outerSharding", "sharding", "shardGroup"] + ranks) { outerShardingProblems },
            Rule(["vocabularyParallel", "pipeline", "sharding"]) { vocabularyProblems(model) },
            Rule(["expert", "expertTensor", "model.moe", "model"]) { expertProblems(model) },
            Rule(["expert", "expertTensor", "tensor"] + ranks) { expertRankProblems },
            Rule(["dispatcher", "model.moe", "model"]) { dispatcherProblems(model) },
            Rule(["overlap", "schedule", "recomputeModules", "recompute"]) { sharedExpertProblems },
            Rule(["overlap", "model.moe", "model"]) { missingSharedExperts(model) },
            Rule(["recompute", "recomputeLayers", "recomputeEvery", "recomputeMethod"]) { recomputeProblems(model) },
            Rule(["recomputeLayers", "pipeline", "virtualStages"]) { recomputedStageProblems },
            Rule(["recompute", "recomputeModules", "model"]) { moduleProblems(model) },
            Rule(["sharding", "outerSharding", "recompute"]) { offloadProblems(model, unknown) },
            Rule(["virtualStages", "pipeline"]) { virtualStageProblems },
            Rule(["virtualStages", "pipeline", "layersPerStage", "model.layers"]) { stageProblems(model) },
            Rule(["virtualStages", "pipeline", "layersPerStage"]) { stageCountProblems },
            Rule(["layersPerStage", "model.layers"]) { stageSumProblems(model) },
            Rule(["batch", "microbatch", "data"]) { batchProblems(batch) },
            Rule(["schedule", "virtualStages", "pipeline", "vocabularyParallel"]) {
                let isKnown = !["batch", "layout.microbatch", "layout.data"].contains(where: unknown.covers)
                return scheduleProblems(batch: isKnown ? batch : nil)
            },
        ]
    }

    /// Remarks on a layout that works but is probably not what was meant.
    package func warnings(cluster: Cluster, model: Model, batch: Int) -> [Remark] {
        var warnings: [Remark] = []
        for (place, kind) in cluster.kinds.enumerated() {
            // Ranks of a group begin with its first node.
            let own = cluster.groups.map { $0.list[place].devices } ?? devices
            guard let inner = kind.innermost, own > inner.reach, inner.reach % tensor != 0 else { continue }
            let first = inner.reach / tensor * tensor
            let ranks = cluster.groups == nil ? "" : " of cluster.groups[\(place)]"
            warnings.append(
                Remark(
                    .tensorAcrossNodes,
                    tensor > inner.reach
                        ? "tensor \(tensor) reaches beyond the \(inner.reach) devices that \(inner.name)\(ranks) joins: "
                            + "its all-reduces cross the slower network"
                        : "tensor \(tensor) does not divide the \(inner.reach) devices that \(inner.name)\(ranks) joins: "
                            + "the all-reduces of groups such as ranks \(first) to \(first + tensor - 1) cross the "
                            + "slower network"
                ))
        }
        let slice = Int.product(microbatch, data) ?? .max
        let micro = slice > 0 ? batch / slice : 0
        if pipeline > 1, micro > 0, micro < pipeline {
            warnings.append(
                Remark(
                    .pipelineUnderfilled,
                    "\(micro) micro-batches cannot fill \(pipeline) pipeline stages: most of the step is bubble"))
        }
        return warnings + idleSharding(model)
    }

    /// Remarks on sharding settings that have no effect.
    /// - Parameter place: prefix of the names of keys.
    func idleSharding(_ model: Model, _ place: String = "") -> [Remark] {
        if sharding != .none, data == 1, context == 1, !schedule.isBidirectional, !offloadsGradients {
            guard expertCopies(model) > 1 else {
                return [
                    Remark(
                        .shardingAlone,
                        "\(place)sharding \(sharding.rawValue) does nothing with one data-parallel rank")
                ]
            }
            return [
                Remark(
                    .shardingAlone,
                    "\(place)sharding \(sharding.rawValue) shares out nothing but the \(expertCopies(model)) copies "
                        + "of each expert, with one data-parallel rank")
            ]
        }
        guard let shardGroup, sharding == .none else { return [] }
        return [Remark(.shardGroupUnused, "\(place)shardGroup \(shardGroup) does nothing with sharding none")]
    }

    /// The rule of its schedule that the layout breaks, as a sentence; nil if it breaks none.
    package func scheduleProblem(microbatches: Int) -> String? {
        schedule.problem(pipelineShape(microbatches: microbatches))
    }

    private func degreeProblems() -> [PlanProblem] {
        let degrees = [
            ("data", data), ("tensor", tensor), ("pipeline", pipeline), ("virtualStages", virtualStages),
            ("context", context), ("expert", expert), ("expertTensor", expertTensor), ("microbatch", microbatch),
        ]
        return degrees.filter { !(1...1_000_000_000).contains($0.1) }.map { name, value in
            PlanProblem(
                field: "layout.\(name)", value: "\(value)", rule: "must be at least 1 and at most 1,000,000,000")
        }
    }

    /// Problems of products of degrees that exceed any machine and may pass 64 bits.
    private func sizeProblems() -> [PlanProblem] {
        func problem(_ degrees: [(String, Int)], most: Int, of what: String) -> PlanProblem {
            let written = degrees.map { "\($0.0) \(Figures.grouped($0.1))" }.joined(separator: " · ")
            return PlanProblem(
                field: "layout", value: written,
                rule: "asks for more than the \(Figures.grouped(most)) \(what), beyond any machine",
                fix: "lower one of them")
        }
        let devices = Bounds.devices.upperBound
        guard Int.product(data, tensor, pipeline, context) ?? .max <= devices else {
            let degrees = [("data", data), ("tensor", tensor), ("pipeline", pipeline), ("context", context)]
            return [problem(degrees, most: devices, of: "devices a plan may have")]
        }
        guard Int.product(expert, expertTensor) ?? .max <= devices else {
            return [
                problem(
                    [("expert", expert), ("expertTensor", expertTensor)], most: devices, of: "devices a plan may have")
            ]
        }
        return []
    }

    private func deviceProblems(_ devices: Int) -> [PlanProblem] {
        let inner = tensor * pipeline * context
        guard inner * data != devices else { return [] }
        let product =
            "data \(data) · tensor \(tensor) · pipeline \(pipeline)" + (context > 1 ? " · context \(context)" : "")
        let fix =
            devices % inner == 0
            ? "set layout.data to \(devices / inner), or devices to \(inner * data)"
            : "set devices to \(inner * data)"
        return [
            PlanProblem(
                .misfit, field: "devices", value: "\(devices)",
                rule: "must be the product of the degrees, \(product) = \(inner * data)", fix: fix)
        ]
    }

    private func tensorProblems(_ model: Model, _ unknown: UnknownKeys) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func mustDivide(_ name: String, _ value: Int) {
            guard value % tensor != 0 else { return }
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.tensor", value: "\(tensor)", rule: "must divide \(name) \(value)",
                    fix: "use \(nearestDivisors(of: value, to: tensor))"))
        }
        for width in model.widthsCutByTensor where width.name != "kvHeads" && !unknown.covers("model.\(width.name)") {
            mustDivide("model.\(width.name)", width.value)
        }
        if !unknown.covers("model.kvHeads"), let (heads, areCutWithNorms) = model.undividedKeyHeads(tensor) {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.tensor", value: "\(tensor)",
                    rule: areCutWithNorms
                        ? "must divide model.kvHeads \(heads): the norms of all keys are cut with their heads"
                        : "must divide model.kvHeads \(heads), or be a multiple of it",
                    fix: "use \(nearestDivisors(of: heads, to: tensor))"))
        }
        return problems
    }

    private var sequenceParallelProblems: [PlanProblem] {
        guard sequenceParallel, tensor == 1 else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.sequenceParallel", value: "true",
                rule: "needs tensor above 1: it splits what tensor parallelism leaves whole",
                fix: "remove it or raise layout.tensor")
        ]
    }

    private func sequenceProblems(_ model: Model) -> [PlanProblem] {
        guard sequenceParallel, tensor > 1, model.sequence % (tensor * context) != 0 else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.sequenceParallel", value: "true",
                rule: "tensor · context \(tensor * context) must divide model.sequence \(model.sequence)")
        ]
    }

    private func contextProblems(_ model: Model) -> [PlanProblem] {
        // Causal attention is balanced by giving every rank one early and one late piece of each sequence.
        guard context > 1 else { return [] }
        var problems: [PlanProblem] = []
        func refuse(_ rule: String, _ fix: String) {
            problems.append(
                PlanProblem(.misfit, field: "layout.context", value: "\(context)", rule: rule, fix: fix))
        }
        if model.isCausal {
            if model.sequence % (2 * context) != 0 {
                refuse(
                    "twice context must divide model.sequence \(model.sequence)",
                    "use \(nearestDivisors(of: max(1, model.sequence / 2), to: context))")
            }
        } else if model.sequence % context != 0 {
            refuse(
                "must divide model.sequence \(model.sequence)",
                "use \(nearestDivisors(of: model.sequence, to: context))")
        }
        if model.chunks.count > 1 {
            refuse(
                "attention along frames and along places needs exchanges between them that are not priced",
                "use context 1")
        }
        return problems
    }

    /// Problems of ranks that divide image and text apart, which have weights of their own.
    private func streamProblems(_ model: Model) -> [PlanProblem] {
        guard let text = model.text?.tokens, model.hasTwoStreams else { return [] }
        let (field, parts) =
            sequenceParallel ? ("layout.sequenceParallel", tensor * context) : ("layout.context", context)
        guard parts > 1, !model.streamsAreDivided(by: parts) else { return [] }
        let value = sequenceParallel ? "true" : "\(context)"
        let degrees = sequenceParallel ? "tensor · context \(parts)" : "context \(parts)"
        return [
            PlanProblem(
                .misfit, field: field, value: value,
                rule: "\(degrees) must divide the text's \(text) tokens: image and text are cut apart",
                fix: "use \(nearestDivisors(of: text, to: parts)), or pad the text")
        ]
    }

    private var shardProblems: [PlanProblem] {
        let ranks = data * context
        guard let shardGroup, ranks % shardGroup != 0 else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.shardGroup", value: "\(shardGroup)",
                rule: "must divide data · context, \(ranks)",
                fix: "use \(nearestDivisors(of: ranks, to: shardGroup))")
        ]
    }

    private var expertShardProblems: [PlanProblem] {
        let ranks = data * context
        let slices = Int.product(expert, expertTensor) ?? .max
        guard let shardGroup, ranks % shardGroup == 0, slices > 1, shardGroup < ranks,
            (Int.product(tensor, shardGroup) ?? 1) % slices != 0
        else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.shardGroup", value: "\(shardGroup)",
                rule: "tensor · shardGroup, \(tensor) · \(shardGroup), must be a multiple of expert · expertTensor "
                    + "\(expert) · \(expertTensor), so that each group holds all experts",
                fix: "use a larger group, or none")
        ]
    }

    /// Megatron-FSDP shards the optimizer among outer groups only where the inner ones shard parameters.
    private var outerShardingProblems: [PlanProblem] {
        guard outerSharding != .none, sharding != .parameters || shardRanks == data * context else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.outerSharding", value: outerSharding.rawValue,
                rule: "needs sharding parameters in a shardGroup smaller than data · context, \(data * context)",
                fix: "remove it, or set layout.shardGroup")
        ]
    }

    /// Problems of expert parallelism: experts are distributed over the tensor, context and data ranks of a pipeline
    /// stage.
    private func expertProblems(_ model: Model) -> [PlanProblem] {
        guard expert > 1 || expertTensor > 1 else { return [] }
        let mixtures = model.mixtures
        guard !mixtures.isEmpty else {
            return [
                PlanProblem(
                    .misfit, field: expert > 1 ? "layout.expert" : "layout.expertTensor",
                    value: "\(expert > 1 ? expert : expertTensor)", rule: "the model has no experts to spread",
                    fix: "remove it")
            ]
        }
        var problems: [PlanProblem] = []
        for experts in Set(mixtures.map(\.experts)).sorted() where experts % expert != 0 {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.expert", value: "\(expert)",
                    rule: "must divide model.moe.experts \(experts)",
                    fix: "use \(nearestDivisors(of: experts, to: expert))"))
        }
        for ffn in Set(mixtures.map(\.ffn)).sorted() where ffn % expertTensor != 0 {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.expertTensor", value: "\(expertTensor)",
                    rule: "must divide model.moe.ffn \(ffn)",
                    fix: "use \(nearestDivisors(of: ffn, to: expertTensor))"))
        }
        return problems
    }

    private var expertRankProblems: [PlanProblem] {
        let ranks = tensor * context * data
        guard expert > 1 || expertTensor > 1 else { return [] }
        guard expert > ranks || expertTensor > ranks || ranks % (expert * expertTensor) != 0 else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.expert", value: "\(expert)",
                rule: "expert · expertTensor \(expert) · \(expertTensor) must divide the \(ranks) ranks of a stage")
        ]
    }

    private func batchProblems(_ batch: Int) -> [PlanProblem] {
        let slice = microbatch * data
        guard batch >= slice, batch % slice == 0 else {
            let down = batch / slice * slice
            let up = down + slice
            let batches = [down, up].filter { $0 > 0 }.map(String.init)
            return [
                PlanProblem(
                    .misfit, field: "layout.microbatch", value: "\(microbatch)",
                    rule: "microbatch · data, \(microbatch) · \(data) = \(slice), must divide batch \(batch)",
                    fix: "a batch of \(Wording.alternatives(batches)) would do")
            ]
        }
        return []
    }

    /// The rule of the schedule that the layout breaks, with whatever micro-batches where their number is not known.
    private func scheduleProblems(batch: Int?) -> [PlanProblem] {
        let slice = Int.product(microbatch, data) ?? .max
        let known = batch.flatMap { $0 >= slice && $0 % slice == 0 ? $0 / slice : nil }
        // Every schedule takes a multiple of its ranks, if enough.
        let count = known ?? 4 * pipeline
        guard pipeline > 1 || vocabularyParallel == nil, let rule = scheduleProblem(microbatches: count) else {
            return []
        }
        return [PlanProblem(.misfit, field: "layout.schedule", value: schedule.rawValue, rule: rule)]
    }

    /// The nearest divisors of `value` below and above `wanted`, as `6 or 8`.
    private func nearestDivisors(of value: Int, to wanted: Int) -> String {
        Wording.alternatives(Divisors.near(wanted, dividing: value).map(String.init))
    }
}
