internal import Foundation
package import MPI
internal import Models
internal import Tokens

/// Continues texts with trained weights: prompts in, answers out, a piece at a time.
package struct TextGeneration {
    /// An answer.
    package struct Answer: Hashable, Sendable, Encodable {
        package var prompt: String
        package var text: String
        /// Every token that was drawn, those of a stop word too, but not the one that ends documents.
        package var tokens: [Int32]
        package var stopped: GenerationSession.Stop
    }

    package let source: GenerationSource
    package let settings: GenerationSession.Settings
    package let prompts: [String]
    /// The tokens of every prompt.
    private let tokens: [[Int32]]
    private let stopWords: StopWords

    /// Sequences that a process keeps at once; more prompts wait for a place.
    private static let mostSlots = 32

    /// - Throws: `TrainingError` for a prompt that the model cannot read.
    package init(
        _ source: GenerationSource, _ settings: GenerationSession.Settings, prompts: [String], stopWords: [String]
    ) throws {
        self.source = source
        self.prompts = prompts
        self.stopWords = StopWords(stopWords.map { Array($0.utf8) })
        var settings = settings
        settings.vocabulary = source.vocabulary
        settings.end = source.tokenizer.endOfDocument
        self.settings = settings
        tokens = try prompts.map { prompt in try source.tokens(of: prompt) }
    }

    /// A prompt of which the model cannot read all: its number and its tokens; nil: there is none.
    package var longPrompt: (number: Int, tokens: Int)? {
        tokens.indices.first { tokens[$0].count > source.model.sequence }.map { ($0, tokens[$0].count) }
    }

    /// Generates all answers. On the ranks of a layout every rank calls it.
    /// - Parameters:
    ///   - world: the ranks of the layout in which the checkpoint's run was; nil: this process alone.
    ///   - emit: is given pieces of the answers, in whole characters, and told with the last piece of an answer that it is over.
    /// - Returns: all answers, and the seconds from the first token read to the last one drawn.
    package func run(
        over world: Communicator?, emit: (_ prompt: Int, _ text: String, _ isOver: Bool) throws -> Void
    ) throws -> (answers: [Answer], seconds: Double) {
        let place: GenerationPlace
        if let world, let manifest = source.manifest {
            place = try GenerationPlace(manifest, path: source.path, world: world)
        } else {
            place = GenerationPlace(layers: source.model.layers)
        }
        let longest = tokens.map(\.count).max() ?? 1
        let (wanted, isLarge) = longest.addingReportingOverflow(max(0, settings.tokens))
        let slots = min(Self.mostSlots, (tokens.count + place.seats - 1) / place.seats)
        let reader = try SequenceReader(
            model: source.model, weights: source.weights, place: place, slots: slots,
            capacity: isLarge ? .max : wanted)
        var texts = tokens.map { AnswerText(source.tokenizer, prompt: $0, stopWords: stopWords) }
        let start = MonotonicClock.seconds()
        let found = try GenerationSession(reader, settings).run(tokens) { prompt, token in
            texts[prompt].add(token)
            try emit(prompt, String(decoding: texts[prompt].next(isOver: false), as: UTF8.self), false)
            return !texts[prompt].isStopped
        } end: { prompt in
            try emit(prompt, String(decoding: texts[prompt].next(isOver: true), as: UTF8.self), true)
        }
        let seconds = MonotonicClock.seconds() - start
        let answers = found.indices.map { index in
            Answer(
                prompt: prompts[index], text: String(decoding: texts[index].bytes, as: UTF8.self),
                tokens: found[index].tokens, stopped: found[index].stop)
        }
        return (answers, seconds)
    }
}
