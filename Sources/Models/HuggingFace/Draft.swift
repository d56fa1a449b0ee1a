internal import Reading

/// A model as a Hugging Face configuration describes it, block by block.
struct Draft {
    var hidden: Int
    var vocab: Int
    /// Longest sequence that the configuration states.
    var longest: Int
    var isTied: Bool
    var norm = Norm.rmsNorm
    var positions = Positions.rotary
    /// Entries of a table of learned positions.
    var positionEntries: Int?
    var biases: Set<Bias> = []
    var embeddingNorm = false
    var hasFinalNorm = true
    var embeddingSize: Int?
    var otherParameters = 0
    var blocks: [BlockShape]
    /// Remarks on the count of parameters.
    var notes: [String] = []

    /// A Llama (Touvron et al. 2023): the common keys of decoders.
    ///
    /// `head_dim` counts if the type has it. Key/value heads are the heads if none are given.
    /// - Parameters:
    ///   - attentionBias: key of the biases of queries, keys, values and the output; empty: there are none.
    ///   - mlpBias: key of the biases of the feed-forward network; empty: there are none.
    ///   - ffn: size of the feed-forward network; nil: that of `intermediate_size`.
    ///   - headSize: size of a head; nil: that of `head_dim`.
    init(
        _ c: Configuration, attentionBias: String = "attention_bias", mlpBias: String = "mlp_bias", ffn: Int? = nil,
        headSize: Int? = nil
    ) {
        let (hidden, heads) = (c.count("hidden_size"), c.count("num_attention_heads"))
        let stated = headSize ?? (c.facts.knows("head_dim") ? c.optional("head_dim", from: 1) : nil)
        let inner = ffn ?? c.optional("intermediate_size", from: 1) ?? product(4, hidden)
        self.init(
            c, hidden: hidden, layers: c.count("num_hidden_layers"),
            block: BlockShape(
                heads: heads, kvHeads: c.optional("num_key_value_heads", from: 1) ?? heads,
                headSize: stated ?? max(1, hidden / heads), ffn: inner, mlp: c.gated()))
        if !attentionBias.isEmpty, c.flag(attentionBias) { biases.formUnion([.attentionInput, .attentionOutput]) }
        if !mlpBias.isEmpty, c.flag(mlpBias) { biases.formUnion([.feedForward, .sharedExperts]) }
    }

    /// A decoder whose blocks all have the shape `block`.
    /// - Parameter vocab: entries of the table; nil: those of `vocab_size`.
    init(_ c: Configuration, hidden: Int, layers: Int, block: BlockShape, vocab: Int? = nil) {
        self.hidden = hidden
        self.vocab = vocab ?? c.count("vocab_size")
        longest = c.optional("max_position_embeddings", from: 1) ?? 2048
        isTied = c.flag("tie_word_embeddings", c.facts.isTied ?? true) && !c.facts.isNeverTied
        let bounds = Bounds.layers
        if !bounds.contains(layers) {
            c.report(
                "num_hidden_layers", value: "\(layers)", rule: "must be a whole number from 1 to \(bounds.upperBound)")
        }
        blocks = Array(repeating: block, count: min(layers, bounds.upperBound))
    }

    /// Changes every block, which is given with its number.
    mutating func each(_ change: (_ layer: Int, _ block: inout BlockShape) -> Void) {
        for layer in blocks.indices { change(layer, &blocks[layer]) }
    }

    /// Changes every block.
    mutating func each(_ change: (_ block: inout BlockShape) -> Void) { each { _, block in change(&block) } }

    /// Gives every block the window of its place: `layer_types` where a configuration has it, else that of `isLocal`.
    mutating func setWindows(_ c: Configuration, isLocal: (_ layer: Int) -> Bool) {
        let types = c.words("layer_types")
        let window = c.optional("sliding_window", from: 1)
        let chunk = c.optional("attention_chunk_size", from: 1)
        c.checkLength(of: types, "layer_types", blocks.count)
        each { layer, block in
            switch types.flatMap({ layer < $0.count ? $0[layer] : nil }) {
            case "sliding_attention": block.window = window
            case "chunked_attention": block.chunk = chunk
            case nil: if isLocal(layer) { block.window = window }
            default: break
            }
        }
    }
}

extension Configuration {
    /// The activation of a gated feed-forward network.
    func gated() -> Model.MLP {
        let name = activation
        return name.hasPrefix("gelu") || name.hasPrefix("quick_gelu")
            ? .geglu : name.hasPrefix("relu") ? .reglu : .swiglu
    }

    /// The activation of a feed-forward network without a gate.
    func plain() -> Model.MLP {
        let name = activation
        if name == "relu2" { return .squaredRelu }
        return name.hasPrefix("relu") ? .relu : name == "silu" || name == "swish" ? .silu : .gelu
    }

    private var activation: String {
        for key in ["hidden_act", "hidden_activation", "activation_function", "activation", "mlp_hidden_act"] {
            if let name = text(key) { return name }
        }
        return ""
    }

    /// The kind of layer `layer` in a list of words; nil: the list ends before.
    func word(_ words: [String]?, _ layer: Int) -> String? { words.flatMap { layer < $0.count ? $0[layer] : nil } }

    /// Reports a list that has fewer entries than there are layers.
    func checkLength(of list: [some Any]?, _ key: String, _ layers: Int) {
        guard let list, list.count < layers else { return }
        report(
            key, value: "\(list.count) entries", rule: "must have an entry for each of the \(layers) layers",
            fix: "or correct num_hidden_layers", kind: .misfit)
    }
}
