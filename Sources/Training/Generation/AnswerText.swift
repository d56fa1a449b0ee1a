package import Tokens

/// The text of an answer as its tokens come: decoded beside the tokens before it, and handed out in whole characters that no stop
/// word can begin with any more.
package struct AnswerText {
    private let tokenizer: Tokenizer
    private let stopWords: StopWords
    /// The last tokens of the prompt, then those of the answer.
    private var tokens: [Int32]
    /// The answer so far. A stop word and what follows it are not in it.
    package private(set) var bytes: [UInt8] = []
    private var handedOut = 0
    /// Whether a stop word has ended it.
    package private(set) var isStopped = false

    /// Tokens before a new one that may change how it is written.
    private static let context = 8

    package init(_ tokenizer: Tokenizer, prompt: [Int32], stopWords: StopWords) {
        (self.tokenizer, self.stopWords) = (tokenizer, stopWords)
        tokens = Array(prompt.suffix(Self.context))
    }

    /// Adds a token.
    package mutating func add(_ token: Int32) {
        guard !isStopped else { return }
        let before = tokens.suffix(Self.context)
        // The first word of a text is written without the space before it: a token is decoded behind those before it.
        let known = tokenizer.decode(before, skipsSpecial: true)
        let whole = tokenizer.decode(before + [token], skipsSpecial: true)
        tokens.append(token)
        let same = zip(known, whole).prefix { $0 == $1 }.count
        let old = bytes.count
        bytes += whole[same...]
        guard let stop = stopWords.first(in: bytes, known: old) else { return }
        isStopped = true
        bytes.removeLast(bytes.count - stop)
    }

    /// The next bytes that are certain. The concatenated texts of all of them are the text of `bytes`.
    /// - Parameter isOver: whether the answer has ended.
    package mutating func next(isOver: Bool) -> [UInt8] {
        let rest = bytes[handedOut...]
        let held = isOver || isStopped ? 0 : max(CharacterEnd.open(rest), stopWords.openEnd(of: bytes))
        // A character that a stop word may begin with is whole, or both are held.
        var end = max(handedOut, bytes.count - held)
        end -= isOver || isStopped ? 0 : CharacterEnd.open(bytes[handedOut..<end])
        defer { handedOut = end }
        return Array(bytes[handedOut..<end])
    }
}
