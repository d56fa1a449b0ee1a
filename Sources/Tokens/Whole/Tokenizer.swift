/// Turns text into numbers and back. It is a value that any number of threads may read; what one thread needs while it
/// encodes is a `TokenEncoder`.
package struct Tokenizer: Sendable {
    /// How words become tokens.
    enum Model: Sendable {
        /// Every byte is a token.
        case bytes
        /// Words are bytes, cut by a rule. `prefix`: a space is put before a stretch that begins with none.
        case byteLevel(BytePairModel, rule: SplittingRule, prefix: Bool)
        /// Words are characters of normalised text.
        case pieces(BytePairModel, words: PieceWords)
        case unigram(UnigramModel, words: PieceWords)
    }

    /// How normalised text is cut into words for vocabularies of SentencePiece.
    struct PieceWords: Sendable {
        enum Prepend: String, Sendable { case always, first, never }

        /// White space ends words and goes.
        var splitsAtSpace = false
        /// The character that takes the place of a space; nil: spaces stay.
        var replacement: [UInt8]?
        var prepend = Prepend.always
        /// Whether a word begins at every replacement.
        var splits = false
        /// Whether words may be cut before `▁`, because no token has one behind another character.
        var mayCut = false
    }

    /// The steps from the texts of a vocabulary back to bytes, when tokens are decoded.
    enum DecoderStep: Sendable {
        case byteLevel
        case byteFallback
        case fuse
        case metaspace(replacement: [UInt8], dropsFirst: Bool)
        case replace([UInt8], with: [UInt8])
        case strip([UInt8], start: Int, stop: Int)
    }

    /// How it was named: a path, or `bytes`.
    package let name: String
    let model: Model
    let normalizer: [NormalizerStep]
    /// The tokens found before and after normalising.
    let (early, late): (AddedTokenFinder, AddedTokenFinder)
    package let addedTokens: [AddedToken]
    /// The text of each token; nil: the number is free.
    let texts: [[UInt8]?]
    let decoder: [DecoderStep]
    /// The bytes of each token, where they do not depend on its neighbours.
    let plainBytes: [[UInt8]]?
    /// Tokens before and after a text, where they are asked for.
    package let (prefix, suffix): ([Int32], [Int32])
    /// The token that ends a document; nil: the vocabulary has none that is known for it.
    package let endOfDocument: Int32?
    /// A number that differs between tokenizers that encode differently. It does not depend on where the file lies.
    package let digest: UInt64

    /// Numbers that a token may have: the rows that an embedding needs.
    package var vocabularySize: Int { texts.count }

    /// Every byte is a token.
    package static let bytes = Tokenizer(
        name: "bytes", model: .bytes, texts: (0...255).map { [UInt8($0)] }, decoder: [.byteLevel])

    init(
        name: String, model: Model, normalizer: [NormalizerStep] = [], added: [AddedToken] = [], texts: [[UInt8]?],
        decoder: [DecoderStep], prefix: [Int32] = [], suffix: [Int32] = [], endOfDocument: Int32? = nil,
        content: UInt64 = 0
    ) {
        self.name = name
        self.model = model
        self.normalizer = normalizer
        addedTokens = added
        self.texts = texts
        self.decoder = decoder
        (self.prefix, self.suffix) = (prefix, suffix)
        self.endOfDocument = endOfDocument
        early = AddedTokenFinder(added.filter { !$0.isNormalized }.map { ($0.content, $0) })
        late = AddedTokenFinder(
            added.filter(\.isNormalized).map { token in
                (normalizer.reduce(token.content) { $1.apply($0) }, token)
            }.filter { !$0.0.isEmpty })
        if case .bytes = model {
            plainBytes = texts.map { $0 ?? [] }
        } else if case .byteLevel? = decoder.first, decoder.count == 1 {
            var plain = texts.map { $0.map { ByteLevelAlphabet.bytes(of: $0) ?? $0 } ?? [] }
            // Added tokens are written as they stand in a text, not in the alphabet for bytes.
            for token in added where plain.indices.contains(Int(token.id)) { plain[Int(token.id)] = token.content }
            plainBytes = plain
        } else {
            plainBytes = nil
        }
        var digest = ContentDigest()
        digest.add(content)
        for text in texts { digest.add(text ?? [0xFF]) }
        self.digest = digest.value
    }

    /// The text of a token as the vocabulary writes it; nil: no token has this number.
    package func text(of id: Int32) -> String? {
        guard id >= 0, Int(id) < texts.count, let text = texts[Int(id)] else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// The token whose text this is; nil: there is none. It looks through the whole vocabulary.
    package func id(of text: String) -> Int32? {
        let bytes = Array(text.utf8)
        return texts.firstIndex { $0 == bytes }.map { Int32(truncatingIfNeeded: $0) }
    }

    /// Encodes one text. For many texts, make a `TokenEncoder` and keep it.
    /// - Parameter special: adds what the file puts before and after a text (beginning, end).
    package func encode(_ text: some Collection<UInt8>, special: Bool = false) -> [Int32] {
        let encoder = TokenEncoder(self)
        var ids: [Int32] = special ? prefix : []
        Array(text).withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
        return special ? ids + suffix : ids
    }
}

/// A digest of texts (FNV-1a), the same everywhere. It is no protection against texts made to collide.
package struct ContentDigest: Hashable, Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func add(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// Adds a text and its length.
    package mutating func add(_ bytes: [UInt8]) {
        for byte in bytes { add(byte: byte) }
        add(UInt64(bytes.count))
    }

    package mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { add(byte: UInt8(truncatingIfNeeded: number >> shift)) }
    }
}
