package import Models
internal import Reading

/// What a run in 8 or 4 bits computes and keeps in which format, as Transformer Engine does.
///
/// Products of the blocks' linear layers are in the low format; core attention, the router, embedding, head and norms are
/// not. Of the inputs of these products the copy that the weight gradient reads is kept for the backward. Weights stay in
/// bf16, with copies in the low format for all micro-batches of a step.
package struct Recipe: Hashable, Codable, Sendable {
    /// The scaling factors of a tensor.
    package enum Scaling: String, Hashable, Codable, Sendable, CaseIterable {
        /// One of each tensor, from the largest values of earlier steps.
        case delayed
        /// One of each tensor, from its own largest value (current scaling).
        case tensorwise
        /// fp32 ones of 128 numbers of activations and gradients and of 128 × 128 weights (DeepSeek-AI 2024,
        /// DeepSeek-V3, section 3.3.2).
        case blockwise
        /// 8-bit ones of 32 numbers (Rouhani et al. 2023).
        case mxfp8
        /// 8-bit ones of 16 numbers of 4 bits, and one of the tensor (NVIDIA 2025, arXiv 2509.25149).
        case nvfp4
    }

    package var scaling: Scaling
    /// Whether no bf16 weights are kept, and the low-precision ones are gathered (`--fp8-param-gather`).
    package var parameterGather = false
    /// Whether the inputs of SwiGLU are kept in 8 bits, and made 16-bit ones again for the backward (Megatron-Core,
    /// `activation_func_fp8_input_store`; DeepSeek-AI 2024, DeepSeek-V3, section 3.3.3).
    package var activationFuncFP8InputStore = false
    /// First and last blocks that are computed in bf16 (`--first-last-layers-bf16`).
    package var bf16LayersAtStart = 0
    package var bf16LayersAtEnd = 0

    /// The key and the value that a problem of blocks in bf16 names.
    var keyOfBlocks: (field: String, value: String) {
        bf16LayersAtStart > 0
            ? ("precision.bf16LayersAtStart", "\(bf16LayersAtStart)")
            : ("precision.bf16LayersAtEnd", "\(bf16LayersAtEnd)")
    }

    /// Whether some blocks are computed in bf16.
    package var keepsBlocks: Bool { bf16LayersAtStart + bf16LayersAtEnd > 0 }

    package init(_ scaling: Scaling) { self.scaling = scaling }

    /// The recipe that a precision implies; nil: it implies none.
    package init?(of precision: Precision) {
        switch precision {
        case .mxfp8: self.init(.mxfp8)
        case .nvfp4: self.init(.nvfp4)
        case .fp32, .fp16, .bf16, .fp8: return nil
        }
    }

    /// Bytes of a kept number that SwiGLU reads, if it is kept in 8 bits; nil: it is not. Megatron-Core casts without scaling
    /// factors (`fused_bias_swiglu.py`: `input.to(torch.float8_e4m3fn)`).
    package var activationInputBytes: Double? { activationFuncFP8InputStore ? 1 : nil }

    /// The format of the products.
    package var precision: Precision {
        switch scaling {
        case .delayed, .tensorwise, .blockwise: .fp8
        case .mxfp8: .mxfp8
        case .nvfp4: .nvfp4
        }
    }

    /// Bytes of a number in one copy of an activation or a gradient, with its part of a scaling factor.
    package var operandBytes: Double {
        switch scaling {
        case .delayed, .tensorwise: 1
        case .blockwise: 1 + 4.0 / 128
        case .mxfp8: 1 + 1.0 / 32
        case .nvfp4: 0.5 + 1.0 / 16
        }
    }

    /// Bytes of a number in one copy of a weight. The factors of 16 × 16 weights in NVFP4 are stored for every 16
    /// numbers (Transformer Engine, `NVFP4Quantizer.get_scale_shape`).
    package var weightBytes: Double { scaling == .blockwise ? 1 + 4.0 / (128 * 128) : operandBytes }

    /// Whether products along the rows and along the columns read two different copies on every device. With one factor
    /// for a tensor they do only on devices that cannot read 8-bit columns.
    package var alwaysNeedsTwoCopies: Bool { scaling != .delayed && scaling != .tensorwise }

    /// Times that a cast reads a tensor: twice if the largest value of all of it must be known first.
    package var reads: Double { scaling == .tensorwise || scaling == .nvfp4 ? 2 : 1 }

    /// Whether norms and activations write their results in the low format, so that these need no cast (Transformer
    /// Engine's norms and activations with a delayed or an MXFP8 quantizer).
    package var isFused: Bool { scaling == .delayed || scaling == .mxfp8 }

    /// Whether the result of attention is kept in the low format beside the one that attention itself needs.
    /// Megatron-Core keeps only the latter except with delayed scaling (`set_save_original_input`).
    package var keepsAttended: Bool { scaling == .delayed }

    /// Bytes of a weight in messages that gather parameters. MXFP8 gathers bf16 weights, because copies along rows and
    /// columns are rounded differently (Megatron-Core, `reuse_grad_buf_for_mxfp8_param_ag`).
    package var gatheredBytes: Double {
        guard parameterGather else { return 2 }
        return scaling == .mxfp8 ? 2 : scaling == .nvfp4 ? 0.5 + 1.0 / 16 : 1
    }
}

extension Recipe {
    /// Reads `precision:` of a plan: a word, or a map with a recipe. nil: the plan has none, or a wrong one, which was
    /// reported.
    static func read(_ plan: FieldReader) -> (precision: Precision, recipe: Recipe?)? {
        if plan.entryMap("precision") == nil {
            return plan.choice("precision", of: Precision.self).map { ($0, nil) }
        }
        guard let reader = plan.map("precision") else { return nil }
        let scaling = reader.choice("recipe", of: Scaling.self)
        reader.reportMissing("recipe", fix: "e.g. recipe: mxfp8")
        var recipe = Recipe(scaling ?? .mxfp8)
        recipe.parameterGather = reader.flag("parameterGather") ?? false
        recipe.activationFuncFP8InputStore = reader.flag("activationFuncFP8InputStore") ?? false
        recipe.bf16LayersAtStart = reader.count("bf16LayersAtStart", in: 0...Bounds.layers.upperBound) ?? 0
        recipe.bf16LayersAtEnd = reader.count("bf16LayersAtEnd", in: 0...Bounds.layers.upperBound) ?? 0
        reader.reportUnknownKeys()
        return scaling == nil ? nil : (recipe.precision, recipe)
    }

    /// The rules that the recipe breaks in a model.
    func problems(of model: Model) -> [PlanProblem] {
        let shapes = (model.kinds.isEmpty ? [model.block] : model.kinds.map(\.shape)).filter(\.halves.hasFeedForward)
        return [problem(layers: model.layers), problem(mlps: shapes.map(\.mlp))].compactMap(\.self)
    }

    /// The rule that blocks in bf16 break in a model with this many layers.
    private func problem(layers: Int) -> PlanProblem? {
        guard bf16LayersAtStart + bf16LayersAtEnd > layers else { return nil }
        return PlanProblem(
            .misfit, field: keyOfBlocks.field, value: keyOfBlocks.value,
            rule: "bf16LayersAtStart and bf16LayersAtEnd are \(bf16LayersAtStart + bf16LayersAtEnd) blocks together, "
                + "the model has \(layers)", fix: "lower one of them")
    }

    /// The rule that inputs of an activation in 8 bits break in a model whose feed-forward networks have another.
    private func problem(mlps: [Model.MLP]) -> PlanProblem? {
        guard activationFuncFP8InputStore, let other = mlps.first(where: { $0 != .swiglu }) else { return nil }
        return PlanProblem(
            field: "precision.activationFuncFP8InputStore", value: "true",
            rule: "keeps the inputs of swiglu in 8 bits, and the model's activation is \(other.rawValue)",
            fix: "remove it")
    }

    /// The recipe as the value of a plan's `precision`.
    package var yaml: String {
        var fields = ["recipe: \(scaling.rawValue)"]
        if parameterGather { fields.append("parameterGather: true") }
        if activationFuncFP8InputStore { fields.append("activationFuncFP8InputStore: true") }
        if bf16LayersAtStart > 0 { fields.append("bf16LayersAtStart: \(bf16LayersAtStart)") }
        if bf16LayersAtEnd > 0 { fields.append("bf16LayersAtEnd: \(bf16LayersAtEnd)") }
        return "{\(fields.joined(separator: ", "))}"
    }
}
