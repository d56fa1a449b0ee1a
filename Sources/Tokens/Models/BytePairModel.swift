/// Byte-pair encoding: a word is cut into symbols, and pairs of them are merged.
struct BytePairModel: Sendable {
    /// Symbols of a word and what to do where the vocabulary lacks one.
    struct Symbols: Sendable {
        /// Of byte-level vocabularies, the token of each byte; -1: none.
        var bytes: [Int32]
        /// Of others, the tokens of single characters by code point.
        var characters: NumberTable?
        /// The tokens `<0x00>` to `<0xFF>`; -1: none. Empty: they are not used.
        var fallback: [Int32]
        /// The token of what is unknown; nil: it is left out.
        var unknown: Int32?
        /// Whether unknown symbols in a row make one token.
        var fusesUnknown: Bool
    }

    let symbols: Symbols
    let rules: MergeRules
    /// Words that are tokens are not merged from their symbols; nil: they are.
    let wholeWords: [[UInt8]: Int32]?

    /// Appends the symbols of a word.
    func start(_ word: UnsafeBufferPointer<UInt8>, _ found: inout [Int32]) {
        // An unknown symbol waits for the next known one. Bytes do not end the wait (as in the `tokenizers` package).
        var waiting = 0
        func flush() {
            guard waiting > 0, let unknown = symbols.unknown else { return }
            found.append(unknown)
            waiting = 0
        }
        func miss() {
            guard symbols.unknown != nil else { return }
            if waiting > 0, !symbols.fusesUnknown { flush() }
            waiting = 1
        }
        guard let characters = symbols.characters else {
            for byte in word {
                let id = symbols.bytes[Int(byte)]
                if id >= 0 {
                    flush()
                    found.append(id)
                } else {
                    miss()
                }
            }
            flush()
            return
        }
        var place = 0
        while place < word.count {
            let (code, length) = Scalars.next(word, place)
            let id = code == Scalars.broken ? -1 : characters.value(UInt64(code))
            if id >= 0 {
                flush()
                found.append(id)
            } else if !symbols.fallback.isEmpty,
                (place..<place + length).allSatisfy({ symbols.fallback[Int(word[$0])] >= 0 })
            {
                for inner in place..<place + length { found.append(symbols.fallback[Int(word[inner])]) }
            } else {
                miss()
            }
            place += length
        }
        flush()
    }
}
