internal import MPI
internal import Models
internal import Numbers

/// Continues several texts at once. On the ranks of a layout every rank knows all texts and decides alike; only the logits lie on
/// some.
package final class GenerationSession {
    /// What is asked for.
    package struct Settings: Hashable, Sendable {
        /// Most tokens of an answer.
        package var tokens: Int
        package var sampling: Sampling
        /// Determines the draws.
        package var seed: UInt64
        /// Whether keys and values are kept. Without, every token reads all before it again.
        package var usesCache = true
        /// Tokens that may be drawn: those below this. nil: the model's vocabulary.
        package var vocabulary: Int?
        /// The token that ends an answer.
        package var end: Int32?

        package init(tokens: Int, sampling: Sampling, seed: UInt64) {
            (self.tokens, self.sampling, self.seed) = (tokens, sampling, seed)
        }
    }

    /// Why an answer ended.
    package enum Stop: String, Hashable, Sendable, Codable {
        /// It has as many tokens as were asked for.
        case length
        /// The caller ended it: at a stop word.
        case stop
        /// The model drew the token that ends documents.
        case end
    }

    /// A text that goes on.
    private struct Text {
        var tokens: [Int32]
        let promptCount: Int
        /// Tokens whose keys and values are kept.
        var read = 0
        var stop: Stop?

        var answer: ArraySlice<Int32> { tokens[promptCount...] }
    }

    private let reader: SequenceReader
    private let settings: Settings
    private let vocabulary: Int

    package init(_ reader: SequenceReader, _ settings: Settings) {
        (self.reader, self.settings) = (reader, settings)
        vocabulary = max(1, min(reader.model.vocab, settings.vocabulary ?? .max))
    }

    /// Goes on from every prompt. Of a text that is longer than the reader's sequences the last tokens are read, from the first
    /// position on.
    /// - Parameters:
    ///   - prompts: token lists that are not empty, with tokens of the vocabulary.
    ///   - take: is given every token that is drawn, but for the one that ends documents, and says whether the answer goes on.
    ///   - end: is told that an answer is complete.
    /// - Returns: the tokens of every answer, and why it ended.
    package func run(
        _ prompts: [[Int32]], _ take: (_ prompt: Int, _ token: Int32) throws -> Bool = { _, _ in true },
        end: (_ prompt: Int) throws -> Void = { _ in }
    ) throws -> [(tokens: [Int32], stop: Stop)] {
        var texts = prompts.map { Text(tokens: $0, promptCount: $0.count, stop: settings.tokens > 0 ? nil : .length) }
        let place = reader.place
        // By seat and slot: the text that is at work. Every seat has texts of its own.
        var active = [[Int?]](repeating: Array(repeating: nil, count: reader.slots), count: place.seats)
        var waiting = (0..<place.seats).map { seat in
            Array(stride(from: seat, to: prompts.count, by: place.seats).filter { texts[$0].stop == nil }.reversed())
        }
        while true {
            for seat in active.indices {
                for slot in active[seat].indices where active[seat][slot] == nil {
                    active[seat][slot] = waiting[seat].popLast()
                }
            }
            let passes = active.map { slots in
                ReadingPass.packed(
                    slots.enumerated().compactMap { slot, text in text.map { part(of: texts[$0], $0, slot: slot) } },
                    rows: reader.rows)
            }
            let count = passes.map(\.count).max() ?? 0
            if count == 0 { break }
            let drawn = try draw(passes[place.seat], count: count, texts)
            for seat in active.indices {
                for slot in active[seat].indices {
                    guard let text = active[seat][slot] else { continue }
                    try add(drawn[seat][slot], to: &texts[text], text, take)
                    guard texts[text].stop != nil else { continue }
                    active[seat][slot] = nil
                    try end(text)
                }
            }
        }
        return texts.map { (Array($0.answer), $0.stop ?? .length) }
    }

    /// What is still to be read of a text: one token, or all that the model can read where nothing of it is kept or can be.
    private func part(of text: Text, _ number: Int, slot: Int) -> SequencePart {
        let count = text.tokens.count
        // Beyond the model's sequence all positions change with every token.
        let isKept = settings.usesCache && count <= reader.capacity
        let start = isKept ? text.read : max(0, count - reader.capacity)
        let tokens = Array(text.tokens[start...])
        return SequencePart(
            sequence: number, slot: slot, tokens: tokens, start: isKept ? start : 0,
            wanted: tokens.count - 1..<tokens.count)
    }

    /// Reads the parts of this rank's seat and draws the next token of each.
    /// - Parameter count: the passes of all seats, in which every rank takes part.
    /// - Returns: by seat and slot.
    private func draw(_ passes: [[SequencePart]], count: Int, _ texts: [Text]) throws -> [[Int32]] {
        var drawn = [Int32](repeating: Self.none, count: reader.slots)
        for number in 0..<count {
            let parts = number < passes.count ? passes[number] : []
            let slots = Dictionary(uniqueKeysWithValues: parts.map { ($0.sequence, $0.slot) })
            try reader.read(parts) { text, _, logits in
                guard let slot = slots[text] else { return }
                drawn[slot] = token(logits, of: text, number: texts[text].answer.count)
            }
        }
        return try reader.place.share(drawn)
    }

    private static let none: Int32 = -1
    /// The logits are no numbers.
    private static let broken: Int32 = -2

    private func token(_ logits: UnsafeBufferPointer<Float>, of text: Int, number: Int) -> Int32 {
        guard logits.allSatisfy({ $0.isFinite }) else { return Self.broken }
        let random = SplitMix64.first(seed: Self.stream(settings.seed, text) &+ UInt64(number)).fraction
        return Int32(
            truncatingIfNeeded: settings.sampling.token(
                UnsafeBufferPointer(rebasing: logits.prefix(vocabulary)), random: random))
    }

    /// The seed of a prompt's draws: it does not depend on the other prompts.
    private static func stream(_ seed: UInt64, _ prompt: Int) -> UInt64 {
        prompt == 0 ? seed : SplitMix64.mixed(seed &+ SplitMix64.first(seed: UInt64(prompt)))
    }

    private func add(
        _ token: Int32, to text: inout Text, _ number: Int, _ take: (_ prompt: Int, _ token: Int32) throws -> Bool
    ) throws {
        guard token >= 0 else {
            throw TrainingError.weights(
                path: reader.path, reason: "the weights are so large that the model's answer is no number")
        }
        text.read = text.tokens.count
        if token == settings.end {
            text.stop = .end
            return
        }
        text.tokens.append(token)
        if try !take(number, token) {
            text.stop = .stop
        } else if text.answer.count >= settings.tokens {
            text.stop = .length
        }
    }
}
