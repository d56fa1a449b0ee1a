extension AttentionSpec {
    /// Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2, section 2.1): keys and values are computed from a
    /// latent vector, and so are queries if `queryRank` is above 0.
    ///
    /// Letters: h hidden, a heads, r_q and r_k ranks of the latents, d_n, d_r and d_v sizes of a head's part without a
    /// position, of its rotary part and of its value. Every tensor rank computes the down-projections, with sequence
    /// parallelism for its rows only. The up-projections are cut by heads (Megatron-Core, `multi_latent_attention.py`).
    /// All heads share the rotary part of the keys, which is computed directly from the residual stream.
    ///
    /// With an indexer (DeepSeek-AI 2025, DeepSeek-V3.2, section 2.1; letters a_i heads of size d_i) every tensor rank
    /// computes the indexer's queries from the latent queries, its one key from the residual stream and a weight for
    /// each of its heads. Scores of all keys before a token choose the keys that the core attention sees.
    ///
    /// With an output gate, a product of the residual stream gives the gate's numbers, one for each number of the result
    /// or one for each head.
    static func latent(_ model: Model, _ mla: Model.LatentAttention) -> AttentionSpec {
        let (h, a) = (model.hidden, model.heads)
        let heads = a * mla.queryHead
        let values = a * mla.valueSize
        let gate = model.block.outputGate.width(heads: a, attended: values)
        let hasQueries = mla.queryRank > 0
        let conventions = model.conventions

        var part = Part()
        part.tensors = latentTensors(model, mla)
        part.products = latentProducts(model, mla)

        let attended = Extent(.all, cut: values)
        let results = Extent(.all, cut: 2 * heads + values + gate)
        // Queries, keys and values.
        let meeting = Extent(.all, cut: 2 * heads + values)
        // Latents, the results of their norms, and the rotary part of the keys.
        let latents = Extent(.scattered, whole: 2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize)
        // The results of norms are inputs of the products that widen them.
        let block = model.block
        let unread =
            (block.learns("self_attn.q_b_proj", "self_attn.indexer.wq_b") ? 0 : mla.queryRank)
            + (block.learns("self_attn.kv_b_proj") ? 0 : mla.kvRank)
        let keptLatents = Extent(.scattered, whole: latents.width.whole - unread)
        part.kept = [
            Kept(meeting, madeBy: .latentProjections), Kept(attended, role: .attended), Kept(keptLatents),
        ]
        if gate > 0 { part.kept.append(Kept(Extent(.all, cut: gate))) }
        // All heads share one gradient of the keys' rotary part.
        part.operands = [
            Stored(Extent(.all, cut: 2 * heads + values + gate - a * mla.ropeSize), .operand),
            Stored(attended, .operand),
            Stored(latents, .operand),
        ]

        // Each head is joined from two parts, and the latents are normalised.
        let copies = [
            [Stored(Extent(.all, cut: heads), times: 4)],
            [Stored(Extent(.scattered, whole: mla.queryRank + mla.kvRank), times: 2)],
        ]
        part.forward = Elementwise(copies, casts: [[attended]])
        part.backward = Elementwise(copies, casts: [[Extent(.all, whole: h), results]])
        part.addPositionsOrBiases(
            conventions, rotated: Extent(.all, cut: a * mla.ropeSize, whole: mla.ropeSize),
            biased: Extent(.scattered, whole: mla.queryRank + mla.kvRank + mla.ropeSize))
        part.otherKernels += 2
        part.addGate(gate, attended: attended)
        if let indexer = mla.indexer {
            // Its queries and its key, also as operands, and the weights of its heads; the input of the key's norm; and
            // the places of the chosen keys, 4 bytes each, which the core attention of every rank reads.
            let index = Extent(.scattered, whole: indexer.heads * (indexer.headSize + 1) + indexer.headSize)
            part.kept += [
                Kept(index), Kept(Extent(.scattered, whole: indexer.headSize)),
                Kept(Extent(.all, whole: min(indexer.topK, model.sequence)), .single),
            ]
            part.operands.append(Stored(index, .operand))
            part.forward.kernels.append([Stored(index, times: 2)])
            part.backward.kernels.append([Stored(index, times: 3)])
            part.otherKernels += 2
        }
        part.messages = TensorMessages(
            inputs: (hasQueries ? [mla.queryRank] : []) + (hasQueries && gate == 0 ? [] : [h]) + [mla.kvRank],
            gatheredOnce: [mla.ropeSize].filter { $0 > 0 },
            results: [h])

        part.recomputations = [projectionsAgain(model, mla)]
        return AttentionSpec(
            part: part, core: model.coreAttention, results: 2 * heads + values + gate, words: words(model, mla))
    }

    /// The work that computes queries, keys and values again from their latents, and their rotary positions (Megatron-Core,
    /// multi_latent_attention.py: qkv_up_proj_and_rope_apply).
    private static func projectionsAgain(_ model: Model, _ mla: Model.LatentAttention) -> Recomputation {
        let (h, a) = (model.hidden, model.heads)
        let heads = a * mla.queryHead
        let queries = mla.queryRank > 0 ? mla.queryRank : h
        var rotated = Part()
        rotated.addPositionsOrBiases(
            model.conventions, rotated: Extent(.all, cut: a * mla.ropeSize, whole: mla.ropeSize), biased: Extent(.all))
        return Recomputation(
            .latentProjections,
            products: [
                Product(inputs: Width(whole: queries), outputs: Width(cut: heads)),
                Product(inputs: Width(whole: mla.kvRank), outputs: Width(cut: a * (mla.nopeSize + mla.valueSize))),
            ],
            work: Elementwise([[Stored(Extent(.all, cut: heads), times: 4)]] + rotated.forward.kernels),
            messages: TensorMessages(inputs: [queries, mla.kvRank]), freed: "w·a·(2·d_n + 2·d_r + d_v)/t",
            weights: [(mla.queryRank > 0 ? "r_q" : "h") + "·a·(d_n + d_r)", "r_k·a·(d_n + d_v)"])
    }

    private static func words(_ model: Model, _ mla: Model.LatentAttention) -> AttentionWords {
        let hasQueries = mla.queryRank > 0
        let biases = model.conventions.biases
        let outputBias = biases.contains(.attentionOutput) ? "h" : nil
        let index = mla.indexer.map { IndexerWords($0, hasLatentQueries: hasQueries) }
        let span = model.seenWords
        let inputBias =
            biases.contains(.attentionInput) ? (hasQueries ? "r_q + r_k + d_r" : "r_k + d_r") : nil
        let gate = model.block.outputGate.words(attended: "a·d_v")
        let gateWeights = gate.map { " + h·\($0)" } ?? ""
        return AttentionWords(
            parameters: (hasQueries ? "(h + 1)·r_q + r_q·a·(d_n + d_r)" : "h·a·(d_n + d_r)")
                + " + h·(r_k + d_r) + r_k + r_k·a·(d_n + d_v) + a·d_v·h" + gateWeights
                + (inputBias.map { " + \($0)" } ?? "") + (outputBias.map { " + \($0)" } ?? "")
                + (index.map { " + \($0.parameters)" } ?? ""),
            source: "DeepSeek-AI 2024, DeepSeek-V2, section 2.1",
            wholeParameters: sum(inputBias, outputBias, "(h + 1)·(r_q + r_k) + h·d_r", index?.parameters),
            weights: (hasQueries ? "(h + a·(d_n + d_r))·r_q" : "h·a·(d_n + d_r)")
                + " + h·(r_k + d_r) + r_k·a·(d_n + d_v) + a·d_v·h" + gateWeights
                + (index.map { " + \($0.weights)" } ?? ""),
            core: index.map { "(a·(d_n + d_r + d_v)/2\(span) + \($0.core))" } ?? "a·(d_n + d_r + d_v)/2\(span)",
            attended: "a·d_v", results: "a·(2·d_n + 2·d_r + d_v)",
            keysAndValues: "a·(d_n + d_r + d_v)",
            kept: "w·2·a·(d_n + d_r + d_v)/t" + (gate.map { " + w·(\($0) + a·d_v)/t" } ?? "")
                + " + w·(2·r_q + 2·r_k + d_r)/σ"
                + (index.map { " + w·(\($0.rows) + d_i)/σ + 4·min(w_k, s)" } ?? ""),
            operands: gate.map { "(a·(2·d_n + d_r + 2·d_v) + \($0))" } ?? "a·(2·d_n + d_r + 2·d_v)",
            scatteredOperands: index.map { "(2·r_q + 2·r_k + d_r + \($0.rows))" } ?? "(2·r_q + 2·r_k + d_r)",
            projected: "(r_q + r_k + d_r)/σ + a·(2·d_n + d_r + d_v)/t" + (gate.map { " + \($0)/t" } ?? "")
                + (index.map { " + \($0.rows)/σ" } ?? ""),
            sizes: [
                SizeSymbol("r_q", mla.queryRank, "size of the latent queries"),
                SizeSymbol("r_k", mla.kvRank, "size of the latent keys and values"),
                SizeSymbol("d_n", mla.nopeSize, "part of a query or key head without a position"),
                SizeSymbol("d_r", mla.ropeSize, "part of a query or key head with a rotary position"),
                SizeSymbol("d_v", mla.valueSize, "size of a value head"),
            ] + (index?.sizes ?? []) + model.seenSizes,
            messagesSource: "latents as in Megatron-Core, multi_latent_attention.py")
    }

    static func latentProducts(_ model: Model, _ mla: Model.LatentAttention) -> [Product] {
        let (h, a) = (model.hidden, model.heads)
        let heads = Width(cut: a * mla.queryHead)
        let gate = model.block.outputGate.width(heads: a, attended: a * mla.valueSize)
        let hasQueries = mla.queryRank > 0
        let queries =
            hasQueries
            ? [
                Product(.scattered, inputs: Width(whole: h), outputs: Width(whole: mla.queryRank)),
                Product(inputs: Width(whole: mla.queryRank), outputs: heads),
            ] : [Product(inputs: Width(whole: h), outputs: heads)]
        return queries + [
            Product(.scattered, inputs: Width(whole: h), outputs: Width(whole: mla.kvRank + mla.ropeSize)),
            Product(inputs: Width(whole: mla.kvRank), outputs: Width(cut: a * (mla.nopeSize + mla.valueSize))),
        ]
            + (gate == 0 ? [] : [Product(inputs: Width(whole: h), outputs: Width(cut: gate))]) + [
                Product(inputs: Width(cut: a * mla.valueSize), outputs: Width(whole: h))
            ] + (mla.indexer.map { $0.products(hidden: h, queries: hasQueries ? mla.queryRank : h) } ?? [])
    }

    /// Tensors of latent attention, with Hugging Face's names of DeepSeek-V2 and V3. Biases of the attention's input are
    /// those of the down-projections; the products that widen latents have none, and nor has a query without a latent.
    static func latentTensors(_ model: Model, _ mla: Model.LatentAttention) -> [TensorSpec] {
        let (h, a) = (model.hidden, model.heads)
        let gate = model.block.outputGate.width(heads: a, attended: a * mla.valueSize)
        func whole(_ name: String, _ outputs: Int, from inputs: Int? = nil) -> TensorSpec {
            let inputs = inputs ?? h
            return TensorSpec(
                name: name, shape: model.conventions.isTransposed ? [outputs, inputs] : [inputs, outputs],
                start: .normal(Model.startDeviation), seesStreamRows: true)
        }
        func down(_ name: String, _ outputs: Int) -> [TensorSpec] {
            let bias = TensorSpec(name: "\(name).bias", shape: [outputs], start: .zeros, seesStreamRows: true)
            return [whole("\(name).weight", outputs)]
                + (model.conventions.biases.contains(.attentionInput) ? [bias] : [])
        }
        func norm(_ name: String, _ width: Int) -> TensorSpec {
            TensorSpec(name: name, shape: [width], start: .ones, seesStreamRows: true)
        }
        let queries =
            mla.queryRank > 0
            ? down("self_attn.q_a_proj", mla.queryRank)
                + [norm("self_attn.q_a_layernorm.weight", mla.queryRank)]
                + model.matrix(
                    "self_attn.q_b_proj.weight", bias: "", inputs: mla.queryRank, outputs: a * mla.queryHead,
                    isCutByOutputs: true, biased: nil)
            : model.matrix(
                "self_attn.q_proj.weight", bias: "", inputs: h, outputs: a * mla.queryHead, isCutByOutputs: true,
                biased: nil)
        return queries + down("self_attn.kv_a_proj_with_mqa", mla.kvRank + mla.ropeSize)
            + [norm("self_attn.kv_a_layernorm.weight", mla.kvRank)]
            + model.matrix(
                "self_attn.kv_b_proj.weight", bias: "", inputs: mla.kvRank,
                outputs: a * (mla.nopeSize + mla.valueSize), isCutByOutputs: true, biased: nil)
            + (gate == 0
                ? []
                : model.matrix(
                    "self_attn.g_proj.weight", bias: "", inputs: h, outputs: gate, isCutByOutputs: true, biased: nil))
            + model.matrix(
                "self_attn.o_proj.weight", bias: "self_attn.o_proj.bias", inputs: a * mla.valueSize, outputs: h,
                isCutByOutputs: false, biased: .attentionOutput)
            + (mla.indexer.map { indexer in
                let queries = mla.queryRank > 0 ? mla.queryRank : h
                return [
                    whole("self_attn.indexer.wq_b.weight", indexer.heads * indexer.headSize, from: queries),
                    whole("self_attn.indexer.wk.weight", indexer.headSize),
                    norm("self_attn.indexer.k_norm.weight", indexer.headSize),
                    norm("self_attn.indexer.k_norm.bias", indexer.headSize),
                    whole("self_attn.indexer.weights_proj.weight", indexer.heads),
                ]
            } ?? [])
    }
}

extension CoreAttention {
    static func latent(_ model: Model, _ mla: Model.LatentAttention) -> CoreAttention {
        let (heads, values) = (model.heads * mla.queryHead, model.heads * mla.valueSize)
        var core = CoreAttention(heads: model.heads, queries: heads, keys: heads, values: values, attended: values)
        core.span = Span(model.block)
        // One product of each head's query with the key, and the weighted sum over heads.
        if let indexer = mla.indexer { core.indexWidth = Double(indexer.heads * (indexer.headSize + 1)) / 2 }
        return core
    }
}

extension Model.Indexer {
    /// Products that give the indexer's queries, its key and the weights of its heads, on every tensor rank for its own
    /// rows.
    /// - Parameter queries: width of the latent queries, or the hidden size.
    fileprivate func products(hidden: Int, queries: Int) -> [Product] {
        [
            Product(.scattered, inputs: Width(whole: queries), outputs: Width(whole: heads * headSize)),
            Product(.scattered, inputs: Width(whole: hidden), outputs: Width(whole: headSize)),
            Product(.scattered, inputs: Width(whole: hidden), outputs: Width(whole: heads)),
        ]
    }
}

/// Terms of an indexer in formulas.
private struct IndexerWords {
    let weights: String
    var parameters: String { weights + " + 2·d_i" }
    let core = "a_i·(d_i + 1)/2"
    let rows = "(a_i·(d_i + 1) + d_i)"
    let sizes: [SizeSymbol]

    init(_ indexer: Model.Indexer, hasLatentQueries: Bool) {
        weights = (hasLatentQueries ? "r_q" : "h") + "·a_i·d_i + h·(d_i + a_i)"
        sizes = [
            SizeSymbol("a_i", indexer.heads, "heads of the indexer"),
            SizeSymbol("d_i", indexer.headSize, "size of the indexer's heads"),
        ]
    }
}
