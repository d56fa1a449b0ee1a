extension AttentionSpec {
    /// Multi-head attention, or grouped-query attention if there are fewer key/value heads (Vaswani et al. 2017;
    /// Ainslie et al. 2023).
    ///
    /// Letters: h hidden, a heads, g key/value heads, d head size. One product computes a·d queries, g·d keys and g·d
    /// values; another projects the a·d results back to h.
    static func multiHead(_ model: Model) -> AttentionSpec {
        let h = model.hidden
        let core = model.coreAttention
        let (queries, keys) = (core.queries, core.keys)
        let projected = Extent(.all, cut: queries + 2 * keys)
        let attended = Extent(.all, cut: queries)
        let conventions = model.conventions

        var part = Part()
        part.tensors = multiHeadTensors(model)
        part.products = multiHeadProducts(model)
        part.kept = [Kept(projected), Kept(attended, role: .attended)]
        part.operands = [Stored(projected, .operand), Stored(attended, .operand)]
        part.forward.casts = [[attended]]
        part.backward.casts = [[Extent(.all, whole: h), projected]]
        part.addPositionsOrBiases(conventions, rotated: Extent(.all, cut: queries + keys), biased: projected)
        part.messages = TensorMessages(inputs: [h], results: [h])

        let words = AttentionWords(
            parameters: "2·h·a·d + 2·h·g·d" + (conventions.hasBiases ? " + a·d + 2·g·d + h" : ""),
            source: "Narayanan et al. 2021, equation 2", weights: "h·d·(2·a + 2·g)", core: "a·d", attended: "a·d",
            results: "(a + 2·g)·d", keysAndValues: "2·g·d", kept: "w·(2·a + 2·g)·d/t", operands: "(2·a + 2·g)·d",
            projected: "(a + 2·g)·d/t",
            sizes: [
                SizeSymbol("g", model.kvHeads, "key and value heads"), SizeSymbol("d", model.headSize, "head size"),
            ])
        return AttentionSpec(part: part, core: core, words: words)
    }

    static func multiHeadProducts(_ model: Model) -> [Product] {
        let core = CoreAttention.multiHead(model)
        return [
            Product(inputs: Width(whole: model.hidden), outputs: Width(cut: core.queries + core.keys + core.values)),
            Product(inputs: Width(cut: core.attended), outputs: Width(whole: model.hidden)),
        ]
    }

    static func multiHeadTensors(_ model: Model) -> [TensorSpec] {
        let (h, queries, keys) = (model.hidden, model.heads * model.headSize, model.kvHeads * model.headSize)
        guard !model.conventions.joinsProjections else {
            return model.matrix(
                "attn.c_attn.weight", bias: "attn.c_attn.bias", inputs: h, outputs: queries + 2 * keys,
                isCutByOutputs: true, groups: 3)
                + model.matrix(
                    "attn.c_proj.weight", bias: "attn.c_proj.bias", inputs: queries, outputs: h, isCutByOutputs: false)
        }
        // Queries, keys and values are adjacent in memory, so that one product computes all three.
        return model.matrix(
            "self_attn.q_proj.weight", bias: "self_attn.q_proj.bias", inputs: h, outputs: queries, isCutByOutputs: true)
            + model.matrix(
                "self_attn.k_proj.weight", bias: "self_attn.k_proj.bias", inputs: h, outputs: keys,
                isCutByOutputs: true, joinsPrevious: true)
            + model.matrix(
                "self_attn.v_proj.weight", bias: "self_attn.v_proj.bias", inputs: h, outputs: keys,
                isCutByOutputs: true, joinsPrevious: true)
            + model.matrix(
                "self_attn.o_proj.weight", bias: "self_attn.o_proj.bias", inputs: queries, outputs: h,
                isCutByOutputs: false)
    }
}

extension CoreAttention {
    static func multiHead(_ model: Model) -> CoreAttention {
        let (queries, keys) = (model.heads * model.headSize, model.kvHeads * model.headSize)
        return CoreAttention(heads: model.heads, queries: queries, keys: keys, values: keys, attended: queries)
    }
}

extension Part {
    /// Adds the kernels of rotary positions, which read and write `rotated` numbers in both passes. Without rotary
    /// positions adds the kernels of biases, whose gradients read all `biased` results once.
    mutating func addPositionsOrBiases(_ conventions: Conventions, rotated: Extent, biased: Extent) {
        if conventions.isRotary {
            forward.kernels.append([Stored(rotated, times: 2)])
            backward.kernels.append([Stored(rotated, times: 2)])
        }
        if conventions.hasBiases { backward.kernels.append([Stored(biased)]) }
        otherKernels += (conventions.isRotary ? 1 : 0) + (conventions.hasBiases ? 2 : 0)
    }
}
