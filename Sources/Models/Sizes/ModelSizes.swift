internal import Reading

extension Model {
    /// A mixture of experts: feed-forward networks of which every token passes through a few.
    package struct Mixture: Hashable, Codable, Sendable {
        /// Routed experts of a block.
        package var experts: Int
        /// Routed experts that a token passes through.
        package var topK: Int
        /// Feed-forward size of a routed expert.
        package var ffn: Int
        /// Shared experts: those that every token passes through.
        package var shared: Int
        /// Feed-forward size of a shared expert.
        package var sharedFfn: Int
        /// Blocks at the start of the model that stay dense.
        package var firstDense: Int
        /// Period of blocks with experts: the last block of every group of this many has experts (1: all blocks).
        package var every: Int
        /// Tokens of the fullest expert rank over the mean of all; 1 is balanced routing.
        package var imbalance: Double
        /// Largest number of nodes that the experts of one token may lie on (DeepSeek-V3, section 2.1.2). nil: any
        /// number.
        package var nodeLimit: Int?
        /// Whether a sigmoid gate, one number a token, multiplies the shared experts' result.
        package var sharedGate = false
        /// Whether the checkpoint holds a bias of the router's choice, one number an expert, that no gradient changes
        /// (DeepSeek-V3, section 2.1.2).
        package var routerCorrection = false
        /// Size of the rows that experts work on, if they are projected to it and back (latent experts); nil: the hidden
        /// size.
        package var latentSize: Int?
        /// Size of a dense feed-forward network that runs beside the experts in the same block; 0 if there is none.
        package var denseFfn = 0
        /// Rows that an expert takes of each rank's, over the mean; nil: all that are routed to it (`capacity`).
        package var capacityFactor: Double?
        /// Whether every expert works on as many rows as it may take, with zeros where fewer are routed to it.
        package var padToCapacity = false
        package var tokenDropPolicy = TokenDropPolicy.probs

        package init(
            experts: Int, topK: Int, ffn: Int, shared: Int = 0, sharedFfn: Int? = nil, firstDense: Int = 0,
            every: Int = 1, imbalance: Double = 1, nodeLimit: Int? = nil
        ) {
            self.nodeLimit = nodeLimit
            self.imbalance = imbalance
            self.experts = experts
            self.topK = topK
            self.ffn = ffn
            self.shared = shared
            self.sharedFfn = sharedFfn ?? ffn
            self.firstDense = firstDense
            self.every = every
        }

        /// Feed-forward size of all shared experts together.
        package var sharedWidth: Int { shared * sharedFfn }

        /// Number of blocks with experts among the first `layers`.
        package func blocks(before layers: Int) -> Int { max(0, layers - firstDense) / max(1, every) }

        /// Whether block `layer` has experts.
        func hasExperts(_ layer: Int) -> Bool { blocks(before: layer + 1) > blocks(before: layer) }
    }

    /// Multi-head latent attention, whose keys and values are computed from a shared latent vector (DeepSeek-V2,
    /// section 2.1).
    package struct LatentAttention: Hashable, Codable, Sendable {
        /// Size of the latent queries. 0: queries are projected directly.
        package var queryRank: Int
        /// Size of the latent keys and values.
        package var kvRank: Int
        /// Part of a query or key head without a position.
        package var nopeSize: Int
        /// Part of a query or key head with a rotary position. All heads share that of the keys.
        package var ropeSize: Int
        /// Size of a value head.
        package var valueSize: Int
        /// The indexer that chooses the keys of a query; nil: a query sees all keys before it.
        package var indexer: Indexer?

        package init(queryRank: Int, kvRank: Int, nopeSize: Int, ropeSize: Int, valueSize: Int) {
            self.queryRank = queryRank
            self.kvRank = kvRank
            self.nopeSize = nopeSize
            self.ropeSize = ropeSize
            self.valueSize = valueSize
        }

        /// Size of a query or key head.
        package var queryHead: Int { nopeSize + ropeSize }
    }

    /// The widths that tensor parallelism cuts, by their names in a plan, for the kinds of block the model has. Latent
    /// attention has keys and values for every head. Tensor ranks beyond the heads of keys may share them
    /// (`sharesKeyHeads`).
    package var widthsCutByTensor: [(name: String, value: Int)] {
        var widths: [(name: String, value: Int)] = []
        func add(_ name: String, _ value: Int) {
            if !widths.contains(where: { $0.name == name && $0.value == value }) { widths.append((name, value)) }
        }
        let shapes = kinds.isEmpty ? [block] : kinds.map(\.shape)
        for shape in shapes where shape.halves.hasAttention {
            if let mixer = shape.mixer {
                for (key, value) in mixer.cutSizes { add("\(mixer.key).\(key)", value) }
                if case .shortConvolution = mixer { add("hidden", hidden) }
            }
            guard shape.hasSoftmax else { continue }
            add("heads", shape.heads)
            if shape.mla == nil, shape.kvHeads != shape.heads { add("kvHeads", shape.kvHeads) }
        }
        if kinds.isEmpty {
            if denseLayers > 0, block.halves.hasFeedForward { add("ffn", ffn) }
        } else {
            for shape in BlockKinds(self).shapes where shape.moe == nil && shape.halves.hasFeedForward {
                add("ffn", shape.ffn)
            }
        }
        // The projection of multi-token prediction.
        if mtp != nil { add("hidden", hidden) }
        return widths
    }

    /// Whether every tensor rank of `tensor` holds whole heads of keys and values, and as many as others. Ranks beyond
    /// the heads share them, unless norms with weights of all heads are cut with the heads.
    package func dividesKeyHeads(_ tensor: Int) -> Bool { undividedKeyHeads(tensor) == nil }

    /// The first number of heads of keys and values that `tensor` ranks cannot divide among them; nil: there is none.
    package func undividedKeyHeads(_ tensor: Int) -> (heads: Int, areCutWithNorms: Bool)? {
        for shape in kinds.isEmpty ? [block] : kinds.map(\.shape)
        where shape.halves.hasAttention && shape.hasSoftmax && shape.mla == nil && shape.kvHeads != shape.heads
            && shape.kvHeads % tensor != 0
        {
            let cutsNorms = shape.qkNorm == .heads || shape.qkNorm == .whole
            if tensor % max(1, shape.kvHeads) != 0 || cutsNorms { return (shape.kvHeads, cutsNorms) }
        }
        return nil
    }
}

extension Model {
    /// The experts of the blocks, each kind once; empty for a dense model.
    package var mixtures: [Mixture] {
        guard !kinds.isEmpty else { return mixtureLayers > 0 ? [moe].compactMap { $0 } : [] }
        var mixtures: [Mixture] = []
        for case let mixture? in BlockKinds(self).shapes.map(\.moe) where !mixtures.contains(mixture) {
            mixtures.append(mixture)
        }
        return mixtures
    }
}

extension Model.Mixture {
    /// The keys of `moe:`, in the order of a written plan. `sharedFfn` 0 stands for the size of a routed expert.
    static let sizes: [ShapeKey<Model.Mixture>] =
        [
            .count("experts", in: Bounds.heads, \.experts, example: "e.g. 8"),
            .count("topK", in: Bounds.heads, \.topK, example: "e.g. 2"),
            .count("ffn", in: Bounds.ffn, \.ffn, example: "of one expert, e.g. 14336"),
            .count("shared", in: 0...Bounds.heads.upperBound, \.shared),
            .count("sharedFfn", in: 0...Bounds.ffn.upperBound, \.sharedFfn),
            .count("firstDense", in: 0...Bounds.layers.upperBound, \.firstDense),
            .count("every", in: Bounds.layers, \.every), .number("imbalance", in: 1...1000, \.imbalance),
            .limit("nodeLimit", in: Bounds.heads, \.nodeLimit),
        ] + features

    /// Keys of the parts that an ordinary mixture of experts lacks.
    package static let features: [ShapeKey<Model.Mixture>] = [
        .flag("sharedGate", \.sharedGate), .flag("routerCorrection", \.routerCorrection),
        .limit("latentSize", in: Bounds.hidden, \.latentSize),
        .count("denseFfn", in: 0...Bounds.ffn.upperBound, \.denseFfn, standard: 0),
        .ratio("capacityFactor", in: 0.01...100, \.capacityFactor), .flag("padToCapacity", \.padToCapacity),
        .choice("tokenDropPolicy", \.tokenDropPolicy, standard: .probs),
    ]
}

extension Model {
    /// A small attention that scores all keys before a query and leaves it the best of them (DeepSeek-AI 2025,
    /// DeepSeek-V3.2, section 2.1).
    package struct Indexer: Hashable, Codable, Sendable {
        package var heads: Int
        package var headSize: Int
        /// Keys that a query sees.
        package var topK: Int

        package init(heads: Int, headSize: Int, topK: Int) {
            self.heads = heads
            self.headSize = headSize
            self.topK = topK
        }

        /// The keys of `indexer:`, in the order of a written plan.
        static let sizes: [ShapeKey<Indexer>] = [
            .count("heads", in: Bounds.heads, \.heads, example: "e.g. 64"),
            .count("headSize", in: Bounds.headSize, \.headSize, example: "e.g. 128"),
            .count("topK", in: Bounds.sequence, \.topK, example: "keys of a query, e.g. 2048"),
        ]
    }
}

extension Model.LatentAttention {
    /// The keys of `mla:`, in the order of a written plan.
    static let sizes: [ShapeKey<Model.LatentAttention>] = [
        .count("queryRank", in: 0...Bounds.hidden.upperBound, \.queryRank),
        .count("kvRank", in: Bounds.hidden, \.kvRank, example: "e.g. 512"),
        .count("nopeSize", in: Bounds.headSize, \.nopeSize, example: "e.g. 128"),
        .count("ropeSize", in: 0...Bounds.headSize.upperBound, \.ropeSize, example: "e.g. 64"),
        .count("valueSize", in: Bounds.headSize, \.valueSize, example: "e.g. 128"),
        .map(
            "indexer", \.indexer, keys: Model.Indexer.sizes, empty: Model.Indexer(heads: 0, headSize: 0, topK: 0)),
    ]
}
