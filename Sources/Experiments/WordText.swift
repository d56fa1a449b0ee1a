/// A text of invented words, made by a rule: what it takes to make the same text everywhere.
///
/// A dictionary of `words` words has frequencies by Zipf's law: the word of rank r comes r to the power of −1 as often as the
/// first. Every word also has `successors` of its own, drawn from the dictionary by the same law. The next word is one of them
/// with probability `follows`, the k-th k to the power of −1 as likely as the first; otherwise it is drawn from the whole
/// dictionary. So there is always a rarer word, and a rarer pair, to learn: more tokens show them, and more parameters hold
/// them. It is no natural language.
package struct WordText: Hashable, Codable, Sendable {
    package var words: Int
    package var successors: Int
    package var follows: Double
    package var seed: UInt64

    package static let wordBounds = 20...200_000
    package static let successorBounds = 1...64

    package init(words: Int = 20_000, successors: Int = 4, follows: Double = 0.4, seed: UInt64 = 1) {
        (self.words, self.successors, self.follows, self.seed) = (words, successors, follows, seed)
    }

    /// The tokens: the end of a line, the space, and the letters that words have.
    package static let alphabet: [Character] = Array("\n abcdefghijklmnopqrstuvwxyz")

    /// Tokens as text.
    package static func spelled(_ tokens: some Sequence<UInt8>) -> String {
        String(tokens.map { alphabet.indices.contains(Int($0)) ? alphabet[Int($0)] : "?" })
    }
}
