internal import Models

/// A property of a model that a plain stack of blocks with multi-head attention and a feed-forward network lacks, and other tools'
/// files may be unable to say.
struct ModelFeature: Hashable {
    /// What it is.
    enum Kind: CaseIterable {
        case kinds, expertPattern, mixer, picture, window, chunk, qkNormHead, qkNormOther, outputGate, sinks, keyValues,
            valueSize,
            queryRank,
            outputGroups, postNorms, parallelHalves, halves, notCausal, extraParameters, experts, firstDense,
            everyOther,
            sharedExperts, sharedGate, routerCorrection, nodeLimit, latentExperts, denseBesideExperts, capacity, latent,
            indexer,
            layerNorm, layerNormNoBias, nonParametric, learnedPositions, positionEntries, alibi, sinusoidal,
            noPositions, allBiases,
            inputBias, otherBiases, embeddingNorm, noFinalNorm, embeddingSize, otherParameters, mtp, gelu, relu,
            squaredRelu, silu,
            geglu, reglu, tied, tuning, packing
    }

    var kind: Kind
    /// The key of the plan, and its value.
    var field: String
    var value: String
}

extension Model {
    /// All features of the model.
    var featuresBeyondPlain: [ModelFeature] {
        var found: [ModelFeature] = []
        func add(_ isThere: Bool, _ kind: ModelFeature.Kind, _ field: String, _ value: String) {
            if isThere { found.append(ModelFeature(kind: kind, field: field, value: value)) }
        }
        let single = shapeBesideExperts
        let shapes = single.map { [$0] } ?? (kinds.isEmpty ? [block] : kinds.map(\.shape))
        add(
            !kinds.isEmpty, single == nil ? .kinds : .expertPattern, "model.kinds",
            kinds.map(\.name).joined(separator: ", "))
        add(hasPicture, .picture, image == nil ? "model.video" : "model.image", "(given)")
        for shape in shapes {
            addAttention(shape, add)
            addNetwork(shape, add)
        }
        addConventions(add)
        add(mtp != nil, .mtp, "model.mtp", "{layers: \(predictors)}")
        add(tuning != nil, .tuning, tuning?.lora == nil ? "frozen" : "lora", "(given)")
        add(documents != nil, .packing, "packing", "(given)")
        var seen: Set<ModelFeature> = []
        return found.filter { seen.insert($0).inserted }
    }

    /// The shape of the blocks with experts where the other blocks lack these alone, and so a list of blocks says what the kinds
    /// say. nil: there are no kinds, or they differ in more.
    var shapeBesideExperts: BlockShape? {
        guard !kinds.isEmpty, pattern.count == layers else { return nil }
        let shapes = Set((0..<layers).map(shape(ofBlock:)))
        let mixtures = shapes.filter { $0.moe != nil }
        guard var mixture = mixtures.first, mixtures.count == 1, shapes.count <= 2 else { return nil }
        if var dense = shapes.first(where: { $0.moe == nil }) {
            // A block with experts has no use for the width of the dense ones.
            mixture.ffn = dense.ffn
            dense.moe = mixture.moe
            guard dense == mixture else { return nil }
        }
        return mixture
    }

    /// The model with that shape as its block's. Its kinds and their pattern stay.
    var besideExperts: Model {
        var model = self
        if let shape = shapeBesideExperts { model.block = shape }
        return model
    }

    private func addAttention(_ shape: BlockShape, _ add: (Bool, ModelFeature.Kind, String, String) -> Void) {
        add(shape.mixer != nil, .mixer, "model.\(shape.mixer?.key ?? "mixer")", "(given)")
        add(shape.window != nil, .window, "model.window", "\(shape.window ?? 0)")
        add(shape.chunk != nil, .chunk, "model.chunk", "\(shape.chunk ?? 0)")
        add(shape.qkNorm == .head, .qkNormHead, "model.qkNorm", "head")
        add(shape.qkNorm == .heads || shape.qkNorm == .whole, .qkNormOther, "model.qkNorm", shape.qkNorm.rawValue)
        add(shape.outputGate != .none, .outputGate, "model.outputGate", shape.outputGate.rawValue)
        add(shape.sinks, .sinks, "model.sinks", "true")
        add(shape.keyValues != .own, .keyValues, "model.keyValues", shape.keyValues.rawValue)
        add(shape.valueSize != nil, .valueSize, "model.valueSize", "\(shape.valueSize ?? 0)")
        add(shape.queryRank != nil, .queryRank, "model.queryRank", "\(shape.queryRank ?? 0)")
        add(shape.outputGroups != nil, .outputGroups, "model.outputGroups", "\(shape.outputGroups ?? 0)")
        add(shape.norms != .pre, .postNorms, "model.norms", shape.norms.rawValue)
        add(shape.parallel != .none, .parallelHalves, "model.parallel", shape.parallel.rawValue)
        add(shape.halves != .both, .halves, "model.halves", shape.halves.rawValue)
        add(!shape.causal, .notCausal, "model.causal", "false")
        add(shape.extraParameters > 0, .extraParameters, "model.extraParameters", "\(shape.extraParameters)")
        add(shape.mla != nil, .latent, "model.mla", "(given)")
        add(shape.mla?.indexer != nil, .indexer, "model.mla.indexer", "(given)")
    }

    private func addNetwork(_ shape: BlockShape, _ add: (Bool, ModelFeature.Kind, String, String) -> Void) {
        let activations: [MLP: ModelFeature.Kind] = [
            .gelu: .gelu, .relu: .relu, .squaredRelu: .squaredRelu, .silu: .silu, .geglu: .geglu, .reglu: .reglu,
        ]
        if let kind = activations[shape.mlp] { add(true, kind, "model.mlp", shape.mlp.rawValue) }
        guard let moe = shape.moe else { return }
        add(true, .experts, "model.moe.experts", "\(moe.experts)")
        add(moe.firstDense > 0, .firstDense, "model.moe.firstDense", "\(moe.firstDense)")
        add(moe.every > 1, .everyOther, "model.moe.every", "\(moe.every)")
        add(moe.sharedWidth > 0, .sharedExperts, "model.moe.shared", "\(moe.shared)")
        add(moe.sharedGate, .sharedGate, "model.moe.sharedGate", "true")
        add(moe.routerCorrection, .routerCorrection, "model.moe.routerCorrection", "true")
        add(moe.nodeLimit != nil, .nodeLimit, "model.moe.nodeLimit", "\(moe.nodeLimit ?? 0)")
        add(moe.latentSize != nil, .latentExperts, "model.moe.latentSize", "\(moe.latentSize ?? 0)")
        add(moe.denseFfn > 0, .denseBesideExperts, "model.moe.denseFfn", "\(moe.denseFfn)")
        add(moe.capacityFactor != nil, .capacity, "model.moe.capacityFactor", "\(moe.capacityFactor ?? 0)")
    }

    private func addConventions(_ add: (Bool, ModelFeature.Kind, String, String) -> Void) {
        let own = conventions
        add(own.norm == .layerNorm, .layerNorm, "model.norm", "layerNorm")
        add(own.norm == .layerNormNoBias, .layerNormNoBias, "model.norm", "layerNormNoBias")
        add(own.norm == .nonParametric, .nonParametric, "model.norm", "nonParametric")
        add(own.positions == .learned, .learnedPositions, "model.positions", "learned")
        add(
            own.positions == .learned && (positionEntries ?? sequence) != sequence, .positionEntries,
            "model.positionEntries",
            "\(positionEntries ?? 0)")
        add(own.positions == .alibi, .alibi, "model.positions", "alibi")
        add(own.positions == .sinusoidal, .sinusoidal, "model.positions", "sinusoidal")
        add(own.positions == .none, .noPositions, "model.positions", "none")
        let written = "[\(own.biases.sorted().map(\.rawValue).joined(separator: ", "))]"
        add(own.biases == Bias.ofGPT, .allBiases, "model.biases", "all")
        add(own.biases == [.attentionInput], .inputBias, "model.biases", written)
        add(
            !own.biases.isEmpty && own.biases != Bias.ofGPT && own.biases != [.attentionInput], .otherBiases,
            "model.biases", written)
        add(embeddingNorm, .embeddingNorm, "model.embeddingNorm", "true")
        add(!hasFinalNorm, .noFinalNorm, "model.finalNorm", "false")
        add(embeddingSize != nil, .embeddingSize, "model.embeddingSize", "\(embeddingSize ?? 0)")
        add(otherParameters > 0, .otherParameters, "model.otherParameters", "\(otherParameters)")
        add(tiedEmbeddings, .tied, "model.tiedEmbeddings", "true")
    }

    /// Notes every feature outside `allowed`. No plan without it is near: it would be another model.
    func gaps(allowing allowed: Set<ModelFeature.Kind>, _ tool: String) -> [ExportGap] {
        featuresBeyondPlain.filter { !allowed.contains($0.kind) }.map {
            ExportGap($0.field, $0.value, "\(tool) has no such block or layer")
        }
    }
}
