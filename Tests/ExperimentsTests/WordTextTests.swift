import Experiments
import Foundation
import Testing

@Suite struct WordTextTests {
    @Test func theTextIsTheSameEverywhere() {
        let first = WordLanguage(WordText(words: 500, seed: 3))
        let second = WordLanguage(WordText(words: 500, seed: 3))
        #expect(first.dictionary == second.dictionary && Set(first.dictionary).count == 500)
        let (a, b) = (first.lines(20, length: 32, seed: 1), second.lines(20, length: 32, seed: 1))
        #expect(a.tokens == b.tokens && a.nats == b.nats)
        #expect(a.tokens != first.lines(20, length: 32, seed: 2).tokens)
        #expect(a.tokens != WordLanguage(WordText(words: 500, seed: 4)).lines(20, length: 32, seed: 1).tokens)
        // What a ladder is trained on anywhere, spelled out once.
        #expect(
            WordText.spelled(a.tokens[1..<32]) == "pupuso xo xo qe lofi qe wisohu ", "\(WordText.spelled(a.tokens))")
    }

    @Test func linesAreOfOneLength() {
        let lines = WordLanguage(WordText(words: 100)).lines(7, length: 16, seed: 1).tokens
        #expect(lines.count == 7 * 16 + 1 && lines.last == 0)
        for (place, token) in lines.enumerated() {
            #expect((token == 0) == place.isMultiple(of: 16))
            #expect(Int(token) < WordText.alphabet.count)
        }
    }

    /// Without successors words are drawn alone, and the entropy is −Σ p ln p of Zipf's law over the mean length of a word with
    /// its space. Lines so long that the cut word at their end does not matter.
    @Test func theEntropyIsThatOfZipfsLaw() {
        let language = WordLanguage(WordText(words: 200, successors: 1, follows: 0))
        let total = (1...200).reduce(0) { $0 + 1 / Double($1) }
        let mass = (1...200).map { 1 / Double($0) / total }
        let entropy = mass.reduce(0) { $0 - $1 * log($1) }
        let length = zip(mass, language.dictionary).reduce(0) { $0 + $1.0 * Double($1.1.count + 1) }
        let found = language.lines(40, length: 20_000, seed: 1).nats
        #expect(abs(found / (entropy / length) - 1) < 0.01)
    }

    /// With pairs: the entropy of the words' Markov chain, from its transition matrix and its stationary distribution.
    @Test func theEntropyOfPairsIsThatOfTheirChain() {
        let text = WordText(words: 40, successors: 3, follows: 0.6, seed: 5)
        let language = WordLanguage(text)
        // The chain as a long text shows it.
        let tokens = language.lines(1, length: 4_000_000, seed: 9).tokens
        var numbers: [[UInt8]: Int] = [:]
        for (number, word) in language.dictionary.enumerated() { numbers[word] = number }
        let words = tokens.dropFirst().split { $0 < 2 }.compactMap { numbers[Array($0)] }
        var pairs = [Int: [Int: Double]]()
        for (a, b) in zip(words, words.dropFirst()) { pairs[a, default: [:]][b, default: 0] += 1 }
        var nats = 0.0
        for row in pairs.values {
            let sum = row.values.reduce(0, +)
            nats -= row.values.reduce(0) { $0 + $1 * log($1 / sum) }
        }
        let expected = nats / Double(tokens.count)
        let found = language.lines(40, length: 20_000, seed: 1).nats
        #expect(abs(found / expected - 1) < 0.02, "\(found) and \(expected)")
    }

    /// A short line's cut word has a probability too: over all that a rest of a line may be, they sum to 1. So the mean of
    /// 1/p, weighted by p, is the number of different rests; here of one token.
    @Test func cutWordsHaveProbabilities() {
        let language = WordLanguage(WordText(words: 60, successors: 2, follows: 0.5))
        let lines = language.lines(4000, length: 2, seed: 1)
        var counts: [UInt8: Double] = [:]
        for line in 0..<4000 { counts[lines.tokens[2 * line + 1], default: 0] += 1 }
        let entropy = counts.values.reduce(0) { $0 - $1 / 4000 * log($1 / 4000) }
        // Half of the tokens are ends of lines, which are sure.
        #expect(abs(lines.nats * 2 / entropy - 1) < 0.03)
    }
}
