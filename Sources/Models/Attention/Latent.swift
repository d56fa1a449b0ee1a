extension AttentionSpec {
    /// Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2, section 2.1): keys and values are computed from a
    /// latent vector, and so are queries if `queryRank` is above 0.
    ///
    /// Letters: h hidden, a heads, r_q and r_k ranks of the latents, d_n, d_r and d_v sizes of a head's part without a
    /// position, of its rotary part and of its value. Every tensor rank computes the down-projections, with sequence
    /// parallelism for its rows only. The up-projections are cut by heads (Megatron-Core, `multi_latent_attention.py`).
    /// All heads share the rotary part of the keys, which is computed directly from the residual stream.
    static func latent(_ model: Model, _ mla: Model.LatentAttention) -> AttentionSpec {
        let (h, a) = (model.hidden, model.heads)
        let heads = a * mla.queryHead
        let values = a * mla.valueSize
        let hasQueries = mla.queryRank > 0
        let conventions = model.conventions

        var part = Part()
        part.tensors = latentTensors(model, mla)
        part.products = latentProducts(model, mla)

        let widths = Extent(.all, cut: 2 * heads + values)
        let attended = Extent(.all, cut: values)
        // Latents, the results of their norms, and the rotary part of the keys.
        let latents = Extent(.scattered, whole: 2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize)
        part.kept = [Kept(widths), Kept(attended, role: .attended), Kept(latents)]
        // All heads share one gradient of the keys' rotary part.
        part.operands = [
            Stored(Extent(.all, cut: 2 * heads + values - a * mla.ropeSize), .operand), Stored(attended, .operand),
            Stored(latents, .operand),
        ]

        // Each head is joined from two parts, and the latents are normalised.
        let copies = [
            [Stored(Extent(.all, cut: heads), times: 4)],
            [Stored(Extent(.scattered, whole: mla.queryRank + mla.kvRank), times: 2)],
        ]
        part.forward = Elementwise(copies, casts: [[attended]])
        part.backward = Elementwise(copies, casts: [[Extent(.all, whole: h), widths]])
        part.addPositionsOrBiases(
            conventions, rotated: Extent(.all, cut: a * mla.ropeSize, whole: mla.ropeSize), biased: widths)
        part.otherKernels += 2
        part.messages = TensorMessages(
            inputs: [hasQueries ? mla.queryRank : h, mla.kvRank], gatheredOnce: [mla.ropeSize].filter { $0 > 0 },
            results: [h])

        return AttentionSpec(part: part, core: model.coreAttention, words: words(model, mla))
    }

    private static func words(_ model: Model, _ mla: Model.LatentAttention) -> AttentionWords {
        let hasQueries = mla.queryRank > 0
        return AttentionWords(
            parameters: (hasQueries ? "(h + 1)·r_q + r_q·a·(d_n + d_r)" : "h·a·(d_n + d_r)")
                + " + h·(r_k + d_r) + r_k + r_k·a·(d_n + d_v) + a·d_v·h"
                + (model.conventions.hasBiases ? " + a·(2·d_n + d_r + d_v) + h" : ""),
            source: "DeepSeek-AI 2024, DeepSeek-V2, section 2.1", wholeParameters: "(h + 1)·(r_q + r_k) + h·d_r",
            weights: (hasQueries ? "(h + a·(d_n + d_r))·r_q" : "h·a·(d_n + d_r)")
                + " + h·(r_k + d_r) + r_k·a·(d_n + d_v) + a·d_v·h",
            core: "a·(d_n + d_r + d_v)/2", attended: "a·d_v", results: "a·(2·d_n + 2·d_r + d_v)",
            keysAndValues: "a·(d_n + d_r + d_v)",
            kept: "w·2·a·(d_n + d_r + d_v)/t + w·(2·r_q + 2·r_k + d_r)/σ",
            operands: "a·(2·d_n + d_r + 2·d_v)", scatteredOperands: "(2·r_q + 2·r_k + d_r)",
            projected: "(r_q + r_k + d_r)/σ + a·(2·d_n + d_r + d_v)/t",
            sizes: [
                SizeSymbol("r_q", mla.queryRank, "size of the latent queries"),
                SizeSymbol("r_k", mla.kvRank, "size of the latent keys and values"),
                SizeSymbol("d_n", mla.nopeSize, "part of a query or key head without a position"),
                SizeSymbol("d_r", mla.ropeSize, "part of a query or key head with a rotary position"),
                SizeSymbol("d_v", mla.valueSize, "size of a value head"),
            ], messagesSource: "latents as in Megatron-Core, multi_latent_attention.py")
    }

    static func latentProducts(_ model: Model, _ mla: Model.LatentAttention) -> [Product] {
        let (h, a) = (model.hidden, model.heads)
        let heads = Width(cut: a * mla.queryHead)
        let queries =
            mla.queryRank > 0
            ? [
                Product(.scattered, inputs: Width(whole: h), outputs: Width(whole: mla.queryRank)),
                Product(inputs: Width(whole: mla.queryRank), outputs: heads),
            ] : [Product(inputs: Width(whole: h), outputs: heads)]
        return queries + [
            Product(.scattered, inputs: Width(whole: h), outputs: Width(whole: mla.kvRank + mla.ropeSize)),
            Product(inputs: Width(whole: mla.kvRank), outputs: Width(cut: a * (mla.nopeSize + mla.valueSize))),
            Product(inputs: Width(cut: a * mla.valueSize), outputs: Width(whole: h)),
        ]
    }

    /// Tensors of latent attention, with Hugging Face's names of DeepSeek-V2 and V3. The down-projections and the norms
    /// of the latents have no biases.
    static func latentTensors(_ model: Model, _ mla: Model.LatentAttention) -> [TensorSpec] {
        let (h, a) = (model.hidden, model.heads)
        func down(_ name: String, _ outputs: Int) -> TensorSpec {
            TensorSpec(
                name: name, shape: model.conventions.isTransposed ? [outputs, h] : [h, outputs],
                start: .normal(Model.startDeviation), seesStreamRows: true)
        }
        func norm(_ name: String, _ width: Int) -> TensorSpec {
            TensorSpec(name: name, shape: [width], start: .ones, seesStreamRows: true)
        }
        let queries =
            mla.queryRank > 0
            ? [
                down("self_attn.q_a_proj.weight", mla.queryRank),
                norm("self_attn.q_a_layernorm.weight", mla.queryRank),
            ]
                + model.matrix(
                    "self_attn.q_b_proj.weight", bias: "self_attn.q_b_proj.bias", inputs: mla.queryRank,
                    outputs: a * mla.queryHead, isCutByOutputs: true)
            : model.matrix(
                "self_attn.q_proj.weight", bias: "self_attn.q_proj.bias", inputs: h, outputs: a * mla.queryHead,
                isCutByOutputs: true)
        return queries + [
            down("self_attn.kv_a_proj_with_mqa.weight", mla.kvRank + mla.ropeSize),
            norm("self_attn.kv_a_layernorm.weight", mla.kvRank),
        ]
            + model.matrix(
                "self_attn.kv_b_proj.weight", bias: "self_attn.kv_b_proj.bias", inputs: mla.kvRank,
                outputs: a * (mla.nopeSize + mla.valueSize), isCutByOutputs: true)
            + model.matrix(
                "self_attn.o_proj.weight", bias: "self_attn.o_proj.bias", inputs: a * mla.valueSize, outputs: h,
                isCutByOutputs: false)
    }
}

extension CoreAttention {
    static func latent(_ model: Model, _ mla: Model.LatentAttention) -> CoreAttention {
        let (heads, values) = (model.heads * mla.queryHead, model.heads * mla.valueSize)
        return CoreAttention(heads: model.heads, queries: heads, keys: heads, values: values, attended: values)
    }
}
