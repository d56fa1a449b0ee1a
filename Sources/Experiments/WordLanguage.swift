internal import Numbers

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The dictionary and the pairs of a `WordText`, which write lines and know how likely each is.
package struct WordLanguage: Sendable {
    package let text: WordText
    /// The letters of every word, the most frequent first.
    package let dictionary: [[UInt8]]
    private let frequency: Zipf
    /// The successors of all words, one word after the other, and how they are chosen.
    private let next: [Int]
    private let choice: Zipf
    /// How likely a word of the dictionary begins so, by the letters that it begins with.
    private let beginnings: [[UInt8]: Double]

    /// Probabilities 1/r of ranks, made to sum to 1.
    private struct Zipf: Sendable {
        let mass: [Double]
        private let sums: [Double]

        init(_ count: Int) {
            let total = (1...count).reduce(0) { $0 + 1 / Double($1) }
            mass = (1...count).map { 1 / Double($0) / total }
            var sum = 0.0
            sums = mass.map { part in
                sum += part
                return sum
            }
        }

        /// The rank, from 0, that a fraction in [0, 1) falls on.
        func rank(_ fraction: Double) -> Int {
            var (low, high) = (0, sums.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if sums[middle] > fraction { high = middle } else { low = middle + 1 }
            }
            return low
        }
    }

    package init(_ text: WordText) {
        self.text = text
        var random = SplitMix64(seed: SplitMix64.first(seed: text.seed))
        dictionary = Self.dictionary(text.words, &random)
        let frequency = Zipf(text.words)
        self.frequency = frequency
        next = (0..<text.words * text.successors).map { _ in frequency.rank(random.next().fraction) }
        choice = Zipf(text.successors)
        var beginnings: [[UInt8]: Double] = [:]
        for (word, mass) in zip(dictionary, frequency.mass) {
            for count in 1...word.count { beginnings[Array(word[..<count]), default: 0] += mass }
        }
        self.beginnings = beginnings
    }

    /// Different words of one to four syllables, the frequent ones short.
    private static func dictionary(_ count: Int, _ random: inout SplitMix64) -> [[UInt8]] {
        func token(_ letter: Character) -> UInt8 { UInt8(WordText.alphabet.firstIndex(of: letter) ?? 0) }
        var syllables = "bcdfghjklmnpqrstvwxz".flatMap { first in "aeiou".map { [token(first), token($0)] } }
        syllables.shuffle(using: &random)
        let choice = Zipf(syllables.count)
        var (words, known): ([[UInt8]], Set<[UInt8]>) = ([], [])
        while words.count < count {
            var length = words.count < 12 ? 1 : 2
            for chance in [0.6, 0.4] where random.next().fraction < chance { length += 1 }
            let word = (0..<length).flatMap { _ in syllables[choice.rank(random.next().fraction)] }
            if known.insert(word).inserted { words.append(word) }
        }
        return words
    }

    private func successors(of word: Int) -> ArraySlice<Int> {
        next[word * text.successors..<(word + 1) * text.successors]
    }

    /// Lines of `length` tokens each: the end of the line before, then words with spaces between them. The last word is cut
    /// where the line ends. Behind the last line stands the end of a line.
    ///
    /// - Returns: the tokens, and the mean of −ln p over all tokens but the first: p is the probability of a token for who
    ///   knows the rule and has read the line so far. No model has a smaller expected loss in sequences of one line.
    package func lines(_ count: Int, length: Int, seed: UInt64) -> (tokens: [UInt8], nats: Double) {
        var random = SplitMix64(seed: SplitMix64.first(seed: SplitMix64.first(seed: seed) ^ text.seed))
        var tokens: [UInt8] = []
        tokens.reserveCapacity(count * length + 1)
        var nats = 0.0
        for _ in 0..<count {
            tokens.append(0)
            var (left, before): (Int, Int?) = (length - 1, nil)
            while left > 0 {
                let follows = random.next().fraction < text.follows
                let fraction = random.next().fraction
                var word = frequency.rank(fraction)
                if let before, follows {
                    word = successors(of: before)[before * text.successors + choice.rank(fraction)]
                }
                let written = dictionary[word].prefix(left)
                tokens += written
                nats -= log(probability(of: word, written, isWhole: dictionary[word].count < left, after: before))
                left -= written.count
                if left > 0 {
                    tokens.append(1)
                    left -= 1
                }
                before = word
            }
        }
        tokens.append(0)
        return (tokens, nats / Double(max(1, count * length)))
    }

    /// The probability of a word with the space behind it, or only of the letters with which a cut word begins.
    private func probability(of word: Int, _ letters: ArraySlice<UInt8>, isWhole: Bool, after before: Int?) -> Double {
        let base = isWhole ? frequency.mass[word] : beginnings[Array(letters)] ?? 0
        guard let before else { return base }
        let following = zip(successors(of: before), choice.mass).reduce(0.0) { sum, pair in
            let fits = isWhole ? pair.0 == word : dictionary[pair.0].starts(with: letters)
            return fits ? sum + pair.1 : sum
        }
        return (1 - text.follows) * base + text.follows * following
    }
}
