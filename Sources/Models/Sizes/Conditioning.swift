internal import Reading

extension Model {
    /// A text that another model has encoded, which an image or a video is made or read with.
    package struct Text: Hashable, Codable, Sendable {
        /// Tokens of a sample's text.
        package var tokens: Int
        /// Numbers of a token as the text encoder gives it.
        package var width: Int
        package var projection = Projection.linear
        /// Blocks that refine the text before it joins the sequence (HunyuanVideo, section 4.2).
        package var refinerLayers = 0

        package init(tokens: Int, width: Int) {
            self.tokens = tokens
            self.width = width
        }

        /// The way from the encoder's width to the hidden size.
        package enum Projection: String, Hashable, Codable, Sendable, CaseIterable {
            /// Blocks read the encoder's rows as they are.
            case none
            case linear
            /// Two linear layers (PixArt, Wan).
            case mlp
        }

        /// The keys of `text:`, in the order of a written plan.
        static let keys: [ShapeKey<Text>] = [
            .count("tokens", in: Bounds.sequence, \.tokens, example: "of a sample, e.g. 512"),
            .count("width", in: Bounds.hidden, \.width, example: "of the text encoder, e.g. 4096"),
            .choice("projection", \.projection, standard: .linear),
            .count("refinerLayers", in: 0...Bounds.layers.upperBound, \.refinerLayers, standard: 0),
        ]
    }

    /// What a diffusion model is told beside its input, and what it gives. Each sample has a vector that the scalars, the
    /// label and the pooled text are embedded to and added up in (Peebles and Xie 2022, section 3.2).
    package struct Diffusion: Hashable, Codable, Sendable {
        /// Scalars of a sample: the time step, and such as guidance or the frame rate. Two linear layers embed each.
        package var scalars = 1
        /// Numbers of the sinusoids that stand for a scalar.
        package var scalarSize = 256
        /// Entries of a table of labels; 0 without labels.
        package var labels = 0
        /// Width of one vector for the whole text, which two linear layers embed; 0 without such a vector.
        package var pooledText = 0
        /// Numbers of the vector; nil: the hidden size.
        package var conditionSize: Int?
        /// Whether one linear layer computes the modulation of all blocks, to which each adds a table of its own (Chen et
        /// al. 2023, PixArt-α, section 2.3).
        package var sharedModulation = false
        /// Channels of the output; nil: those of the input.
        package var outputChannels: Int?

        package init() {}

        /// The keys of `diffusion:`, in the order of a written plan.
        static let keys: [ShapeKey<Diffusion>] = [
            .count("scalars", in: Bounds.heads, \.scalars), .count("scalarSize", in: Bounds.hidden, \.scalarSize),
            .count("labels", in: 0...Bounds.vocab.upperBound, \.labels, standard: 0),
            .count("pooledText", in: 0...Bounds.hidden.upperBound, \.pooledText, standard: 0),
            .limit("conditionSize", in: Bounds.hidden, \.conditionSize),
            .flag("sharedModulation", \.sharedModulation),
            .limit("outputChannels", in: Bounds.heads, \.outputChannels),
        ]
    }

    /// The keys of a model of images or videos beside those of its blocks.
    package struct Visual: Hashable, Codable, Sendable {
        var image: Picture?
        var video: Picture?
        var text: Text?
        var diffusion: Diffusion?
        var classes: Int?

        var isEmpty: Bool { self == Visual() }
    }

    private func visual<Value>(_ path: KeyPath<Visual, Value?>) -> Value? {
        visuals.first.flatMap { $0[keyPath: path] }
    }

    private mutating func set<Value>(_ path: WritableKeyPath<Visual, Value?>, _ value: Value?) {
        var visual = visuals.first ?? Visual()
        visual[keyPath: path] = value
        visuals = visual.isEmpty ? [] : [visual]
    }

    package var image: Picture? {
        get { visual(\.image) }
        set { set(\.image, newValue) }
    }
    package var video: Picture? {
        get { visual(\.video) }
        set { set(\.video, newValue) }
    }
    package var text: Text? {
        get { visual(\.text) }
        set { set(\.text, newValue) }
    }
    package var diffusion: Diffusion? {
        get { visual(\.diffusion) }
        set { set(\.diffusion, newValue) }
    }
    /// Classes of a head that tells what an image shows.
    package var classes: Int? {
        get { visual(\.classes) }
        set { set(\.classes, newValue) }
    }
}

extension Model {
    /// The image or the video that tokens are cut from; nil: tokens of a text.
    package var picture: Picture? { visuals.isEmpty ? nil : image ?? video }

    private var shapes: [BlockShape] { kinds.isEmpty ? [block] : kinds.map(\.shape) }

    /// Whether the text is part of the sequence.
    package var textJoins: Bool { text != nil && shapes.contains { $0.stream != .none } }

    /// Tokens of a sequence that the image or the video makes, with those of a text that joins them.
    var tokensOfPicture: Int? {
        guard let picture else { return nil }
        let (tokens, isOver) = picture.tokens.addingReportingOverflow(textJoins ? text?.tokens ?? 0 : 0)
        return isOver ? .max : tokens
    }

    /// Whether any block hides keys behind a query.
    package var isCausal: Bool {
        let hides = { (shape: BlockShape) in shape.causal && shape.halves.hasAttention }
        return kinds.isEmpty ? hides(block) : kinds.contains { hides($0.shape) }
    }

    /// Whether any block has weights of its own for image and text.
    package var hasTwoStreams: Bool { !visuals.isEmpty && shapes.contains { $0.stream.isDouble } }

    /// The sizes of the chunks in which blocks without a mask attend, each once.
    package var chunks: [Int] {
        kinds.isEmpty ? [] : Set(kinds.map(\.shape).filter { !$0.causal }.compactMap(\.chunk)).sorted()
    }

    /// Whether `context` ranks can divide the sequence. Under a causal mask each gets an early and a late piece of it.
    package func isDivided(byContext context: Int) -> Bool {
        context == 1
            || sequence % (isCausal ? 2 * context : context) == 0 && chunks.count < 2 && streamsAreDivided(by: context)
    }

    /// Whether `ranks` can divide the rows of image and text apart, where these have weights of their own.
    package func streamsAreDivided(by ranks: Int) -> Bool { !hasTwoStreams || (text?.tokens ?? 0) % ranks == 0 }

    /// Numbers of a row of the text as blocks read it.
    package var textWidth: Int { text.map { $0.projection == .none ? $0.width : hidden } ?? 0 }

    /// Numbers of the vector that blocks are modulated by.
    package var conditionSize: Int { diffusion?.conditionSize ?? hidden }

    /// Sets the sizes that follow from an image or a video: it has its own number of tokens, and no vocabulary.
    mutating func settlePicture() {
        guard let tokens = tokensOfPicture else { return }
        (sequence, vocab, tiedEmbeddings) = (tokens, 0, false)
    }
}

/// Attention to a text beside the attention of the sequence.
package struct CrossAttention: Hashable, Codable, Sendable {
    package var norm = InputNorm.none
    /// The norms of its queries and keys.
    package var qkNorm = BlockShape.QKNorm.none

    package init() {}

    /// The norm of the rows that it reads.
    package enum InputNorm: String, Hashable, Codable, Sendable, CaseIterable {
        case none, layerNorm, rmsNorm, layerNormNoBias, nonParametric

        var kind: Norm? { Norm(rawValue: rawValue) }
    }

    /// The keys of `crossAttention:`, in the order of a written plan.
    static let keys: [ShapeKey<CrossAttention>] = [
        .choice("norm", \.norm), .choice("qkNorm", \.qkNorm, standard: BlockShape.QKNorm.none),
    ]
}

extension BlockShape {
    /// How the rows of a text are treated that are part of the sequence (Esser et al. 2024, Stable Diffusion 3, section 4).
    package enum StreamKind: String, Hashable, Codable, Sendable, CaseIterable {
        /// There is no text in the sequence.
        case none
        /// Text and image have the same weights.
        case single
        /// Text and image each have weights of their own, and meet in the attention.
        case double
        /// As `double`, and the block is the last that text passes: it has only queries, keys and values of it.
        case lastDouble

        var isDouble: Bool { self == .double || self == .lastDouble }
    }

    package var crossAttention: CrossAttention? {
        get { crossAttentions.first }
        set { crossAttentions = newValue.map { [$0] } ?? [] }
    }
}
