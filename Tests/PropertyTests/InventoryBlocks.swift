import Models

extension Model {
    /// Whether results of such products have a bias added: what the model lists, else GPT-2's products have one and
    /// Llama's none.
    func adds(_ bias: Bias) -> Bool {
        let ofGPT: [Bias] = [.attentionInput, .attentionOutput, .feedForward]
        return (biases ?? (family == .gpt ? ofGPT : [])).contains(bias)
    }

    /// Numbers in a row of the word table.
    var tableNumbers: Int { embeddingSize ?? hidden }
}

extension BlockShape {
    var hasCore: Bool { halves != .feedForward }
    var hasNetwork: Bool { halves != .attention }
    /// Whether both halves read the same stream and their results are added at once.
    var isJoined: Bool { halves == .both && parallel != .none }
    /// Whether halves side by side read the result of one norm.
    var readsOneNorm: Bool { parallel == .oneNorm || parallel == .fused }
    var valueHead: Int { valueSize ?? headSize }
    /// Keys and values that the block projects itself; shared ones an earlier block has projected, and keys that serve
    /// as values are projected once.
    var projectsKeys: Bool { keyValues != .shared }
    var projectsValues: Bool { keyValues == .own }
    /// Numbers of a row of gates.
    var gates: Int {
        switch outputGate {
        case .none: 0
        case .elementwise: heads * valueHead
        case .head: heads
        }
    }
    /// Matrices of a network that lead to its activation.
    var ways: Int { [.swiglu, .geglu, .reglu].contains(mlp) ? 2 : 1 }
}

extension Inventory {
    static func block(_ model: Model, _ shape: BlockShape, mixture: Bool) -> [ParameterTensor] {
        guard shape.stream == .double || shape.stream == .lastDouble else {
            return stream(model, shape, mixture: mixture, ofText: false)
        }
        return stream(model, shape, mixture: mixture, ofText: false).map(\.ofImage)
            + stream(model, shape, mixture: mixture, ofText: true)
    }

    /// The tensors of a block, or those of one of its two streams (Stable Diffusion 3's `JointTransformerBlock`: the last
    /// block, `context_pre_only`, has of the text a norm with two vectors, queries, keys and values).
    private static func stream(
        _ model: Model, _ shape: BlockShape, mixture: Bool, ofText: Bool
    ) -> [ParameterTensor] {
        let endsHere = ofText && shape.stream == .lastDouble
        var tensors = modulation(model, vectors: endsHere ? min(2, shape.modulation) : shape.modulation)
        if let cross = shape.crossAttention { tensors += crossAttention(model, shape, cross) }
        if endsHere {
            tensors += attention(model, shape).filter { !$0.name.hasPrefix("attention output") }
            return (tensors + norm(model, "norm", model.hidden)).map(\.ofText)
        }
        tensors += half(model, shape, mixture: mixture)
        return ofText ? tensors.map(\.ofText) : tensors
    }

    private static func half(_ model: Model, _ shape: BlockShape, mixture: Bool) -> [ParameterTensor] {
        var tensors = given("small tensors", shape.extraParameters)
        if shape.hasCore { tensors += attention(model, shape) }
        if shape.hasNetwork {
            tensors +=
                mixture
                ? experts(model, shape)
                : network(model, shape, "feed-forward", shape.ffn, .tensor, bias: .feedForward)
        }
        // PaLM's and GPT-J's halves share a norm, GPT-NeoX's have one each. OLMo 2's norms stand behind the halves, Gemma
        // 2's before and behind.
        let halves = shape.isJoined && shape.readsOneNorm ? 1 : shape.halves == .both ? 2 : 1
        let norms = halves * (shape.norms == .both ? 2 : 1)
        return tensors + (0..<norms).flatMap { norm(model, "norm \($0)", model.hidden) }
    }

    /// LayerNorm has a scale and a shift, RMSNorm a scale, OLMo's norm of 2024 no weights at all.
    static func norm(
        _ model: Model, _ name: String, _ width: Int, _ split: ParameterTensor.Split = .whole, kind: Norm? = nil
    ) -> [ParameterTensor] {
        let tensors =
            switch kind ?? model.norm ?? (model.family == .gpt ? .layerNorm : .rmsNorm) {
            case .layerNorm: 2
            case .rmsNorm, .layerNormNoBias: 1
            case .nonParametric: 0
            }
        return (0..<tensors).map { ParameterTensor("\(name) \($0)", [width], split) }
    }

    /// Tensors of which only the number of parameters is known.
    static func given(_ name: String, _ parameters: Int) -> [ParameterTensor] {
        parameters > 0 ? [ParameterTensor(name, [parameters], .whole)] : []
    }

    /// A matrix of `rows` outputs and its bias, where the model has such: cut with the outputs, whole where the inputs
    /// are cut. Biases of experts are taken to be cut like their matrices.
    static func linear(
        _ model: Model, _ name: String, _ rows: Int, _ columns: Int, _ split: ParameterTensor.Split, bias: Bias?,
        biasIsCut: Bool, count: Int = 1, used: Int? = nil
    ) -> [ParameterTensor] {
        let matrix = ParameterTensor(name, [rows, columns], split, count: count, used: used)
        guard let bias, model.adds(bias) else { return [matrix] }
        let biasSplit: ParameterTensor.Split = split == .tensor && !biasIsCut ? .whole : split
        return [matrix, ParameterTensor("\(name) bias", [rows], biasSplit, count: count, used: used)]
    }

    // MARK: - Attention

    private static func attention(_ model: Model, _ shape: BlockShape) -> [ParameterTensor] {
        if let mla = shape.mla { return latent(model, shape, mla) }
        let (h, a, g, d) = (model.hidden, shape.heads, shape.kvHeads, shape.headSize)
        func inward(_ name: String, _ rows: Int) -> [ParameterTensor] {
            linear(model, name, rows, h, .tensor, bias: .attentionInput, biasIsCut: true)
        }
        var tensors = inward("query", a * d)
        if shape.projectsKeys { tensors += inward("key", g * d) }
        if shape.projectsValues { tensors += inward("value", g * shape.valueHead) }
        // Qwen3-Next's gate comes out of the query's projection, Step 3.5's out of one of its own.
        if shape.gates > 0 { tensors += inward("gate", shape.gates) }
        // FLUX's single blocks project both halves back by one layer, whose one bias is counted with the network.
        tensors += linear(
            model, "attention output", h, a * shape.valueHead, .tensor,
            bias: shape.isJoined && shape.parallel == .fused ? nil : .attentionOutput, biasIsCut: false)
        // Qwen 3's norms are as wide as a head, whose weights all heads share; Cohere's have weights for every head, OLMo
        // 2's span all heads. Both of these are cut with the heads.
        for heads in [a] + (shape.projectsKeys ? [g] : []) {
            switch shape.qkNorm {
            case .none: break
            case .head: tensors += norm(model, "norm of a head", d, kind: model.qkNormKind)
            case .heads, .whole:
                tensors += norm(model, "norm of heads", heads * d, .tensor, kind: model.qkNormKind)
            }
        }
        // gpt-oss: a learned score of every head.
        if shape.sinks { tensors.append(ParameterTensor("sinks", [a], .tensor)) }
        return tensors
    }

    /// Hugging Face's `deepseek_v3`: with biases, the projections to the latents and the output have them, the ones that
    /// widen the latents do not. The norms of the latents have a scale.
    private static func latent(
        _ model: Model, _ shape: BlockShape, _ mla: Model.LatentAttention
    ) -> [ParameterTensor] {
        let (h, a) = (model.hidden, shape.heads)
        let head = mla.nopeSize + mla.ropeSize
        func down(_ name: String, _ rows: Int) -> [ParameterTensor] {
            linear(model, name, rows, h, .whole, bias: .attentionInput, biasIsCut: false)
        }
        var tensors: [ParameterTensor] = []
        if mla.queryRank > 0 {
            tensors += down("query latent", mla.queryRank)
            tensors += [
                ParameterTensor("query latent norm", [mla.queryRank], .whole),
                ParameterTensor("query", [a * head, mla.queryRank], .tensor),
            ]
        } else {
            tensors.append(ParameterTensor("query", [a * head, h], .tensor))
        }
        tensors += down("key-value latent", mla.kvRank + mla.ropeSize)
        tensors += [
            ParameterTensor("key-value latent norm", [mla.kvRank], .whole),
            ParameterTensor("key", [a * mla.nopeSize, mla.kvRank], .tensor),
            ParameterTensor("value", [a * mla.valueSize, mla.kvRank], .tensor),
        ]
        tensors += linear(
            model, "attention output", h, a * mla.valueSize, .tensor, bias: .attentionOutput, biasIsCut: false)
        guard let indexer = mla.indexer else { return tensors }
        // DeepSeek-V3.2's lightning indexer: wq_b, wk, k_norm (a LayerNorm) and weights_proj, which every rank has whole.
        return tensors + [
            ParameterTensor("indexer's query", [indexer.heads * indexer.headSize, mla.queryRank], .whole),
            ParameterTensor("indexer's key", [indexer.headSize, h], .whole),
            ParameterTensor("indexer's key norm", [indexer.headSize], .whole, count: 2),
            ParameterTensor("indexer's weights", [indexer.heads, h], .whole),
        ]
    }

    // MARK: - Feed-forward

    private static func network(
        _ model: Model, _ shape: BlockShape, _ name: String, _ width: Int, _ split: ParameterTensor.Split, bias: Bias,
        rows: Int? = nil, count: Int = 1, used: Int? = nil
    ) -> [ParameterTensor] {
        let rows = rows ?? model.hidden
        return (0..<shape.ways).flatMap {
            linear(
                model, "\(name) way \($0)", width, rows, split, bias: bias, biasIsCut: true, count: count, used: used)
        } + linear(model, "\(name) down", rows, width, split, bias: bias, biasIsCut: false, count: count, used: used)
    }

    /// A router, routed experts, and the shared ones as one network of their widths together (DeepSeek-V2; Megatron-Core's
    /// SharedExpertMLP, which tensor parallelism cuts like any other). Qwen2's gate of the shared ones is a row of
    /// weights; Gemma 4 keeps a dense network beside the experts.
    private static func experts(_ model: Model, _ shape: BlockShape) -> [ParameterTensor] {
        guard let moe = shape.moe else { return [] }
        var tensors = linear(model, "router", moe.experts, model.hidden, .whole, bias: .router, biasIsCut: false)
        // DeepSeek-V3 corrects the choice by numbers that no token is multiplied by.
        if moe.routerCorrection { tensors.append(ParameterTensor("correction", [moe.experts], .whole, used: 0)) }
        // Nemotron 3's experts work on rows that are projected to them and back.
        if let rows = moe.latentSize {
            tensors += [
                ParameterTensor("to latent rows", [rows, model.hidden], .whole),
                ParameterTensor("from latent rows", [model.hidden, rows], .whole),
            ]
        }
        tensors += network(
            model, shape, "expert", moe.ffn, .expert, bias: .experts, rows: moe.latentSize, count: moe.experts,
            used: moe.topK)
        for (name, width) in [("shared expert", moe.shared * moe.sharedFfn), ("beside", moe.denseFfn)] where width > 0 {
            tensors += network(model, shape, name, width, .tensor, bias: .sharedExperts)
        }
        if moe.sharedGate { tensors.append(ParameterTensor("gate of shared experts", [1, model.hidden], .whole)) }
        return tensors
    }
}
