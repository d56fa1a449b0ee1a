internal import Models
package import Reading

extension Plan {
    /// Choices that are priced by themselves and not together: no formula holds for both at once.
    /// - Parameter divided: the layout with the division of the blocks that is priced, where the plan does not state it; nil:
    ///   `layout` has it.
    package func combinationProblems(_ layout: Layout?, divided: Layout? = nil) -> [PlanProblem] {
        recipeProblems(layout, divided: divided) + tuningProblems(layout) + pictureProblems(layout)
            + dividedVocabularyProblems(layout)
            + offloadProblems(layout)
    }

    // MARK: - Recipes

    private func recipeProblems(_ layout: Layout?, divided: Layout?) -> [PlanProblem] {
        guard let layout, let recipe else { return [] }
        return delayedProblems(layout, recipe) + bf16BlockProblems(divided ?? layout, recipe)
    }

    /// Problems of norms and activations that are recomputed by themselves. They give back results in 16 bits, which products
    /// with delayed scaling do not keep (Megatron-Core, transformer_config.py; Transformer Engine, `save_original_input`).
    private func delayedProblems(_ layout: Layout, _ recipe: Recipe) -> [PlanProblem] {
        let modules = layout.modulesAgain
        guard recipe.scaling == .delayed, modules.has(.norms) || modules.has(.expertActivation) else { return [] }
        return [
            PlanProblem(
                field: "layout.recomputeModules", value: modules.written,
                rule:
                    "layernorm and moe_act cannot be recomputed with delayed scaling, whose products keep their inputs "
                    + "in 8 bits alone", fix: "use another recipe, or remove them")
        ]
    }

    /// Problems of blocks at the ends of the model that a recipe leaves in bf16.
    private func bf16BlockProblems(_ layout: Layout, _ recipe: Recipe) -> [PlanProblem] {
        guard recipe.keepsBlocks else { return [] }
        let sizes = StagePartition(layout, model: model).sizes
        guard sizes.allSatisfy({ $0 >= 0 }), layout.stages <= max(model.layers, sizes.count) else { return [] }
        let ends = [
            ("precision.bf16LayersAtStart", recipe.bf16LayersAtStart, "first", sizes.first),
            ("precision.bf16LayersAtEnd", recipe.bf16LayersAtEnd, "last", sizes.last),
        ]
        return ends.compactMap { field, count, stage, held in
            guard let held, count > held else { return nil }
            return PlanProblem(
                .misfit, field: field, value: "\(count)",
                rule: "blocks in bf16 are priced on the \(stage) stage, which holds \(held)",
                fix: "lower it, or give that stage more blocks")
        }
    }

    // MARK: - Adapters and frozen weights, pictures, documents

    private func tuningProblems(_ layout: Layout?) -> [PlanProblem] {
        guard let tuning = model.tuning else { return [] }
        let choices: [Choice?] =
            modelChoices
            + (layout.map { [outerShardingChoice($0), keyHeadsChoice($0)] } ?? [])
        return problems(choices, beside: tuning.key) + lowTuningProblems(tuning)
    }

    /// Problems of frozen weights in a run of 8 or 4 bits.
    private func lowTuningProblems(_ tuning: Tuning) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        // Products in fp8 may name no recipe.
        if tuning.quantized != nil, recipe != nil || precision == .fp8 {
            problems.append(
                PlanProblem(
                    field: "quantized", value: "(given)",
                    rule: "weights in NF4 are made whole for products in 16 bits, not for those of 8 or 4",
                    fix: "use precision: bf16, or remove it"))
        }
        if recipe?.parameterGather == true {
            problems.append(
                PlanProblem(
                    field: "precision.parameterGather", value: "true",
                    rule: "gathers weights after their update, which frozen weights have not", fix: "remove it"))
        }
        return problems
    }

    private func pictureProblems(_ layout: Layout?) -> [PlanProblem] {
        guard model.hasPicture else { return [] }
        let choices: [Choice?] =
            modelChoices + [lossChoice, recipeChoice]
            + (layout.map { [modulesChoice($0), keyHeadsChoice($0)] } ?? [])
        return problems(choices, beside: model.image != nil ? "model.image" : "model.video")
    }

    /// The output layer in parts, beside other ways to compute it or to hold its tables.
    private func dividedVocabularyProblems(_ layout: Layout?) -> [PlanProblem] {
        guard let layout, layout.vocabularyParallel != nil, !model.hasPicture else { return [] }
        let head: Choice? =
            model.conventions.biases.contains(.head)
            ? Choice(field: "model.biases", value: "[head]", fix: "remove head from it") : nil
        let narrow = model.embeddingSize.map {
            Choice(field: "model.embeddingSize", value: "\($0)", fix: "remove it")
        }
        let norm: Choice? =
            model.embeddingNorm ? Choice(field: "model.embeddingNorm", value: "true", fix: "remove it") : nil
        let kept = recipe.flatMap { recipe -> Choice? in
            guard recipe.keepsBlocks else { return nil }
            let (field, value) = recipe.keyOfBlocks
            return Choice(field: field, value: value, fix: "remove it")
        }
        return problems(
            [tuningChoice, predictionChoice, head, narrow, norm, kept, lossChoice, optimizerChoice],
            beside: "layout.vocabularyParallel")
    }

    private var tuningChoice: Choice? {
        model.tuning.map {
            Choice(field: $0.key, value: "(given)", fix: "remove it, or layout.vocabularyParallel")
        }
    }

    /// A choice of the plan that differs from the usual one.
    private struct Choice {
        var field: String
        var value: String
        var fix: String
    }

    private func problems(_ choices: [Choice?], beside other: String) -> [PlanProblem] {
        choices.compactMap(\.self).map { choice in
            PlanProblem(
                field: choice.field, value: choice.value, rule: "is not priced together with \(other)",
                fix: choice.fix)
        }
    }

    // MARK: - Choices

    /// Choices of the model.
    private var modelChoices: [Choice?] { [predictionChoice, capacityChoice] }

    private var predictionChoice: Choice? {
        guard let mtp = model.mtp else { return nil }
        return Choice(field: "model.mtp", value: "layers \(mtp.layers)", fix: "remove it")
    }

    private var capacityChoice: Choice? {
        guard let factor = model.mixtures.lazy.compactMap(\.capacityFactor).first else { return nil }
        return Choice(field: "model.moe.capacityFactor", value: "\(factor)", fix: "remove it")
    }

    private var lossChoice: Choice? {
        loss.kind == .standard ? nil : Choice(field: "loss", value: loss.kind.rawValue, fix: "use loss: standard")
    }

    private var recipeChoice: Choice? {
        recipe == nil
            ? nil : Choice(field: "precision", value: precision.rawValue, fix: "use bf16, or fp8 without a recipe")
    }

    private var optimizerChoice: Choice? {
        switch optimizer.name {
        case .muon, .adafactor:
            Choice(field: "optimizer", value: optimizer.name.rawValue, fix: "use adamw, lion or sgd")
        default: nil
        }
    }

    private func modulesChoice(_ layout: Layout) -> Choice? {
        let names = layout.modulesAgain.names
        guard names.contains(where: { $0 != .coreAttention }) else { return nil }
        return Choice(
            field: "layout.recomputeModules", value: layout.modulesAgain.written,
            fix: "use [core_attn], or recompute full")
    }

    /// Tensor ranks that share heads of keys.
    private func keyHeadsChoice(_ layout: Layout) -> Choice? {
        let tensor = layout.tensor
        guard model.widthsCutByTensor.contains(where: { $0.name == "kvHeads" && $0.value % tensor != 0 }) else {
            return nil
        }
        return Choice(
            field: "layout.tensor", value: "\(tensor), of which several share a head of keys",
            fix: "use a divisor of model.kvHeads")
    }

    private func outerShardingChoice(_ layout: Layout) -> Choice? {
        layout.outerSharding == .none
            ? nil : Choice(field: "layout.outerSharding", value: layout.outerSharding.rawValue, fix: "remove it")
    }
}
