internal import Models
internal import Plans
internal import Schedules

/// Writes a plan as the arguments of Megatron-LM's `pretrain_gpt.py`, and as a script that starts it.
enum MegatronExport: Exporter {
    static let target = ExportTarget.megatronLM

    static func software(_ plan: Plan) -> String? { "megatron-core" }

    /// Features of a model that the arguments can say.
    static let model: Set<ModelFeature.Kind> = [
        .qkNormHead, .experts, .expertPattern, .firstDense, .everyOther, .sharedExperts, .sharedGate, .routerCorrection,
        .nodeLimit,
        .latentExperts, .capacity, .latent, .layerNorm, .learnedPositions, .positionEntries, .noPositions, .allBiases,
        .inputBias, .mtp, .gelu, .squaredRelu, .tied, .window, .sinks,
    ]
    static let plan: Set<PlanFeature> = [
        .tensor, .noSequenceParallel, .sequenceParallel, .pipeline, .virtualStages, .unevenStages, .context,
        .contextRing,
        .contextGather, .contextHeads, .contextHeadsAndRing, .expert, .expertTensor, .otherDispatcher,
        .recomputeSelective,
        .recomputeFull, .recomputeModules, .recomputeFirst, .recomputeRuns, .optimizerSharding, .gradientSharding,
        .parameterSharding, .shardGroup, .outerSharding, .plainAttention, .halfGradients, .noDataOverlap,
        .tensorOverlap,
        .noPipelineOverlap, .expertOverlap, .sharedExpertOverlap, .optimizerOffload, .activationOffload, .fp32, .fp16,
        .eightBits, .fourBits, .recipeDetails, .otherOptimizer, .otherMoments, .otherMaster, .rampup,
    ]

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        if let growth = plan.rampup, BatchSchedule(growth, to: plan.batch) == nil {
            plan.drop(.rampup, because: "its schedule of batches would have over \(BatchSchedule.most) entries", &gaps)
        }
        plan.drop(.fusedLoss, because: "its fused cross-entropy keeps the logits in memory", &gaps)
        plan.fit(allowing: self.plan, model: model, "Megatron-LM", &gaps)
        fitTraining(&plan, &gaps)
        fitLayout(&plan, &gaps)
    }

    private static func fitTraining(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        let optimizer = plan.optimizer
        if optimizer.name == .adafactor {
            plan.drop(.otherOptimizer, because: "Megatron-LM has no Adafactor", &gaps)
        }
        let moments: [Optimizer.Moment] = [optimizer.firstMoment, optimizer.secondMoment]
        if moments.contains(.eightBit) {
            plan.drop(.otherMoments, because: "its optimizer keeps moments in fp32, fp16, bf16 or fp8", &gaps)
        } else if moments.contains(where: { $0 != .fp32 }) || optimizer.master != .fp32,
            plan.layout?.sharding == Layout.Sharding.none
        {
            let reason = "its precision-aware optimizer is a sharded one"
            plan.drop(.otherMoments, because: reason, &gaps)
            plan.drop(.otherMaster, because: reason, &gaps)
        }
        if plan.optimizer.master == .none {
            plan.drop(.otherMaster, because: "its optimizer keeps master weights in fp32 or fp16", &gaps)
        }
        let isOffloaded = plan.layout?.offload?.optimizer ?? 0 > 0
        if isPrecisionAware(plan), !isOffloaded, plan.precision != .fp16, plan.precision != .fp32,
            plan.optimizer.master == .fp32
        {
            plan.optimizer.master = .remainders
            let reason = "its precision-aware optimizer keeps of fp32 weights what bf16 weights lack"
            gaps.append(ExportGap("optimizer.master", "fp32", reason, nearest: "remainders"))
        }
        let formats: [Precision] =
            plan.precision == .fp32 ? [.fp32] : plan.precision == .fp16 ? [.fp16, .fp32] : [.fp32, .bf16]
        if let gradients = plan.layout?.gradients, !formats.contains(gradients) {
            plan.drop(.halfGradients, because: "its gradients are fp32, or those of the weights", &gaps)
        }
        if plan.precision == .fp8, plan.recipe == nil {
            // Transformer Engine's own scaling is delayed, which some recomputation excludes.
            let modules = plan.layout?.modulesAgain ?? .nothing
            let needsInputs = modules.has(.norms) || modules.has(.expertActivation)
            let scaling: Recipe.Scaling = needsInputs ? .tensorwise : .delayed
            plan.statedRecipe = Recipe(scaling)
            let reason = "it takes fp8 by a recipe, which keeps more than the plan's fp8"
            gaps.append(ExportGap("precision", "fp8", reason, nearest: "{recipe: \(scaling.rawValue)}"))
        }
        if var recipe = plan.recipe {
            if recipe.activationFuncFP8InputStore {
                recipe.activationFuncFP8InputStore = false
                plan.statedRecipe = recipe
                gaps.append(
                    ExportGap(
                        "precision.activationFuncFP8InputStore", "true",
                        "Megatron-LM takes it from a YAML configuration alone",
                        nearest: "false"))
            }
            if recipe.parameterGather, plan.layout?.sharding == Layout.Sharding.none {
                recipe.parameterGather = false
                plan.statedRecipe = recipe
                gaps.append(
                    ExportGap(
                        "precision.parameterGather", "true", "nothing is gathered without a sharded optimizer",
                        nearest: "false"))
            }
            if recipe.keepsBlocks, recipe.scaling == .delayed {
                (recipe.bf16LayersAtStart, recipe.bf16LayersAtEnd) = (0, 0)
                plan.statedRecipe = recipe
                gaps.append(
                    ExportGap(
                        "precision.bf16LayersAtStart", "(given)",
                        "Megatron-LM refuses blocks in bf16 with delayed scaling",
                        nearest: "0"))
            }
        }
    }

    private static func fitLayout(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout else { return }
        if let moe = plan.model.besideExperts.moe, let limit = moe.nodeLimit {
            let nodes = expertNodes(plan, layout)
            if limit >= nodes || moe.experts % nodes != 0 || layout.expert % nodes != 0 {
                plan.model.moe?.nodeLimit = nil
                for index in plan.model.kinds.indices { plan.model.kinds[index].shape.moe?.nodeLimit = nil }
                gaps.append(
                    ExportGap(
                        "model.moe.nodeLimit", "\(limit)",
                        "Megatron-LM limits groups of experts, and those of a block lie on \(nodes) nodes",
                        nearest: "none"))
            }
        }
        let hasExperts = plan.model.mixtureLayers > 0
        if hasExperts, layout.tensor > 1, !layout.sequenceParallel {
            plan.drop(
                .noSequenceParallel, because: "Megatron-LM trains experts under tensor parallelism only with it", &gaps)
        }
        if layout.overlap.tensor, !layout.sequenceParallel {
            plan.drop(.tensorOverlap, because: "--tp-comm-overlap needs --sequence-parallel", &gaps)
        }
        if layout.overlap.expert, layout.pipeline > 1, layout.virtualStages == 1 {
            plan.drop(
                .expertOverlap, because: "--overlap-moe-expert-parallel-comm needs virtual stages in a pipeline", &gaps)
        } else if layout.overlap.expert, layout.recompute == .full {
            plan.drop(.expertOverlap, because: "--overlap-moe-expert-parallel-comm takes no full recomputation", &gaps)
        }
        if layout.overlap.sharedExperts, layout.overlap.expert {
            plan.drop(.sharedExpertOverlap, because: "it goes with no other overlap of experts", &gaps)
        }
        if layout.offload?.activations ?? .none != .none, layout.pipeline > 1 || layout.recompute != .none {
            plan.drop(
                .activationOffload, because: "--cpu-offloading-num-layers takes neither a pipeline nor recomputation",
                &gaps)
        }
        if let share = layout.offload?.optimizer, share > 0, layout.sharding == .none {
            plan.drop(.optimizerOffload, because: "--optimizer-cpu-offload needs a sharded optimizer", &gaps)
        }
        if layout.sharding == .gradients || layout.sharding == .parameters, layout.pipeline > 1 {
            plan.drop(
                layout.sharding == .gradients ? .gradientSharding : .parameterSharding,
                because: "Megatron-FSDP runs no pipeline here", allowing: [.optimizerSharding], &gaps)
        }
        if layout.shardGroup != nil, layout.context > 1, layout.shardRanks % layout.context != 0 {
            plan.drop(.shardGroup, because: "groups of shards hold whole groups of context ranks", &gaps)
        }
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let stated = arguments(plan, layout: layout, context: context)
        let usual = usualTraining(beside: stated)
        let arguments = stated + usual
        var comments =
            PlainComment.lines(header) + [
                "# Every run needs data: say --data-path and your tokenizer in place of --mock-data and NullTokenizer."
            ]
        if !usual.isEmpty {
            comments.append("# Not in the plan, and usual: \(usual.map(\.line).joined(separator: " ")).")
        }
        let list = comments + arguments.map(\.line)
        return [
            ExportedFile("megatron-lm.args", list.joined(separator: "\n") + "\n"),
            ExportedFile(
                "megatron-lm.sh", script(plan, layout: layout, arguments: arguments, comments: comments),
                isExecutable: true),
        ]
    }

    /// An argument and its values.
    struct Argument: Hashable {
        var flag: String
        var values: [String]

        var line: String { ([flag] + values.map(ShellQuoting.quoted)).joined(separator: " ") }
    }

    /// `CUDA_DEVICE_MAX_CONNECTIONS`: 1 orders the messages of tensor and context parallelism before the products they hide
    /// behind, on devices before Blackwell; Megatron-FSDP and the experts' overlap need more.
    static func connections(_ layout: Layout) -> String? {
        if layout.overlap.expert { return "32" }
        if layout.sharding == .gradients || layout.sharding == .parameters { return nil }
        return layout.tensor > 1 || layout.context > 1 ? "1" : nil
    }

    private static func script(
        _ plan: Plan, layout: Layout, arguments: [Argument], comments: [String]
    ) -> String {
        let perNode = min(plan.devices, max(1, plan.cluster.devicesPerNode))
        let nodes = max(1, (plan.devices + perNode - 1) / perNode)
        var lines = ["#!/bin/bash"] + comments
        lines += [
            "# Start it once on every node, with NODE_RANK and MASTER_ADDR, in a checkout of Megatron-LM.",
            "set -euo pipefail", "",
        ]
        if let connections = connections(layout) { lines.append("export CUDA_DEVICE_MAX_CONNECTIONS=\(connections)") }
        lines += [
            "LAUNCH=(", "    --nproc_per_node \(perNode)", "    --nnodes \(nodes)",
            "    --node_rank \"${NODE_RANK:-0}\"",
            "    --master_addr \"${MASTER_ADDR:-localhost}\"", "    --master_port \"${MASTER_PORT:-29500}\"", ")",
            "ARGUMENTS=(",
        ]
        lines += arguments.map { "    " + $0.line }
        lines += [")", "exec torchrun \"${LAUNCH[@]}\" pretrain_gpt.py \"${ARGUMENTS[@]}\" \"$@\""]
        return lines.joined(separator: "\n") + "\n"
    }
}
