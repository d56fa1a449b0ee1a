import Foundation
import Models
import TestSupport
import Testing
import Tokens
import Training

/// Text from trained weights, beside transformers' and beside a reading without kept keys and values.
@Suite struct GenerationTests {
    /// What `scripts/generation_golden.py` wrote.
    private struct Golden: Decodable {
        var prompts: [[Int32]]
        /// The continuations of the prompts.
        var models: [String: [[Int32]]]

        init() throws {
            let data = try Data(contentsOf: URL(filePath: Checkout.root + "/Tests/Goldens/generation.json"))
            self = try JSONDecoder().decode(Golden.self, from: data)
        }
    }

    private let golden: HuggingFaceGolden
    private let continued: Golden
    init() throws { (golden, continued) = (try HuggingFaceGolden(), try Golden()) }

    private func reader(_ name: String, slots: Int, capacity: Int = .max) throws -> SequenceReader {
        let folder = try TemporaryFolder()
        try golden.model(name).write(to: folder, scale: golden.scale)
        let weights = try Checkpoint.weights(at: folder.path)
        let model = try weights.model()
        return try SequenceReader(
            model: model, weights: weights, place: GenerationPlace(layers: model.layers), slots: slots,
            capacity: capacity)
    }

    private func answers(
        _ reader: SequenceReader, _ prompts: [[Int32]], tokens: Int, temperature: Double = 0, usesCache: Bool = true
    ) throws -> [[Int32]] {
        var settings = GenerationSession.Settings(
            tokens: tokens, sampling: Sampling(temperature: temperature, topK: 20, topP: 0.95), seed: 7)
        settings.usesCache = usesCache
        return try GenerationSession(reader, settings).run(prompts).map(\.tokens)
    }

    /// Prompts of different lengths together, in fewer places than there are prompts, with and without kept keys and values.
    @Test(arguments: HuggingFaceGolden.names) func greedyTokensAreTransformers(_ name: String) throws {
        let theirs = try #require(continued.models[name])
        let count = theirs[0].count
        for slots in [2, 3] {
            #expect(try answers(reader(name, slots: slots), continued.prompts, tokens: count) == theirs, "\(slots)")
        }
        let whole = try reader(name, slots: 3)
        #expect(try answers(whole, continued.prompts, tokens: count, usesCache: false) == theirs)
        for (prompt, answer) in zip(continued.prompts, theirs) {
            #expect(try answers(whole, [prompt], tokens: count) == [answer])
        }
    }

    /// Read token by token, in uneven pieces, and at once: the logits are the same within rounding.
    @Test(arguments: HuggingFaceGolden.names) func logitsDoNotDependOnThePieces(_ name: String) throws {
        let reader = try reader(name, slots: 2)
        let tokens = golden.tokens
        func read(_ pieces: [Range<Int>], beside other: Int) throws -> [[Float]] {
            var found: [[Float]] = []
            for (number, piece) in pieces.enumerated() {
                // Another sequence goes through the same passes.
                let stranger = SequencePart(
                    sequence: 1, slot: 0, tokens: [Int32(other + number)], start: number, wanted: 0..<0)
                let own = SequencePart(
                    sequence: 0, slot: 1, tokens: Array(tokens[piece]), start: piece.lowerBound, wanted: 0..<piece.count
                )
                try reader.read([stranger, own]) { _, _, logits in found.append(Array(logits)) }
            }
            return found
        }
        let whole = try read([0..<32], beside: 3)
        let size = whole.joined().map { abs($0) }.max() ?? 0
        #expect(whole.count == 32 && size > 1)
        for pieces in [(0..<32).map { $0..<$0 + 1 }, [0..<5, 5..<6, 6..<17, 17..<18, 18..<32]] {
            let parts = try read(pieces, beside: 40)
            #expect(HuggingFaceGolden.distance(parts, whole) < 1e-5 * size)
        }
        #expect(HuggingFaceGolden.distance(golden.chosen(whole), try golden.model(name).logits) < 1e-4)
    }

    /// Beyond the model's sequence the last tokens are read again, with and without kept keys and values.
    @Test(arguments: ["gpt2", "llama3", "mistral", "mixtral"]) func longTextsSlide(_ name: String) throws {
        let reader = try reader(name, slots: 2)
        let count = reader.model.sequence + 7
        let prompts = [Array(golden.tokens.prefix(4)), golden.tokens + golden.tokens]
        let kept = try answers(reader, prompts, tokens: count)
        #expect(kept.map(\.count) == [count, count])
        #expect(try answers(reader, prompts, tokens: count, usesCache: false) == kept)
        // As a reading of the last tokens alone says.
        let text = prompts[0] + kept[0]
        let folder = try TemporaryFolder()
        try golden.model(name).write(to: folder, scale: golden.scale)
        let whole = try WholeModel(weights: folder.path)
        let window = Array(text.dropLast().suffix(whole.longest))
        let logits = try #require(try whole.logits(of: [window])[0].last)
        #expect(Sampling(temperature: 0).token(logits, random: 0) == Int(text[text.count - 1]))
    }

    /// A prompt's draws follow from the seed and its number, not from the prompts beside it.
    @Test func drawsDoNotDependOnTheNeighbours() throws {
        let prompts = continued.prompts
        let together = try answers(reader("qwen3", slots: 3), prompts, tokens: 12, temperature: 1.5)
        let others = try answers(
            reader("qwen3", slots: 2), [[1], prompts[1], [2, 3], [4]], tokens: 12, temperature: 1.5)
        #expect(together[1] == others[1])
        #expect(try answers(reader("qwen3", slots: 1), [prompts[0]], tokens: 12, temperature: 1.5) == [together[0]])
        // Equal prompts have draws of their own.
        let equal = try answers(reader("qwen3", slots: 2), [prompts[0], prompts[0]], tokens: 12, temperature: 1.5)
        #expect(equal[0] == together[0] && equal[1] != equal[0])
    }

    /// The token that ends documents is not part of the answer; a caller ends an answer behind the token it was given.
    @Test func answersEnd() throws {
        let theirs = try #require(continued.models["qwen2"])
        let end = theirs[2][6]
        var settings = GenerationSession.Settings(tokens: 9, sampling: Sampling(temperature: 0), seed: 1)
        settings.end = end
        let session = GenerationSession(try reader("qwen2", slots: 1), settings)
        var over: [Int] = []
        let found = try session.run(continued.prompts) { prompt, token in
            prompt != 1 || token != theirs[1][1]
        } end: {
            over.append($0)
        }
        #expect(over == [0, 1, 2])
        let whole = theirs[2].prefix { $0 != end }
        #expect(found[2].tokens == Array(whole) && found[2].stop == .end)
        let stop = try #require(theirs[1].firstIndex(of: theirs[1][1]))
        if !theirs[1][...stop].contains(end) {
            #expect(found[1].tokens == Array(theirs[1][...stop]) && found[1].stop == .stop)
        }
        let first = Array(theirs[0].prefix(9).prefix { $0 != end })
        #expect(found[0].tokens == first && found[0].stop == (first.count == 9 ? .length : .end))
    }

    @Test func wholeModelsReadManySequences() throws {
        let folder = try TemporaryFolder()
        try golden.model("qwen2").write(to: folder, scale: golden.scale)
        let sequences = [Array(golden.tokens.prefix(3)), golden.tokens, [], Array(golden.tokens.suffix(9)), [5]]
        let many = try WholeModel(weights: folder.path, sequences: 2).logits(of: sequences)
        let one = try WholeModel(weights: folder.path, sequences: 1, longest: 32)
        for (found, sequence) in zip(many, sequences) {
            #expect(found.count == sequence.count)
            #expect(HuggingFaceGolden.distance(found, try one.logits(of: [sequence])[0]) < 1e-4 || sequence.isEmpty)
        }
        var places: [Int] = []
        try one.forEachLogits(of: [golden.tokens], from: { _ in 29 }) { _, place, _ in places.append(place) }
        #expect(places == [29, 30, 31])
        #expect(throws: TrainingError.self) { try one.logits(of: [golden.tokens + [1]]) }
        #expect(throws: TrainingError.self) { try one.logits(of: [[96]]) }
        #expect(throws: TrainingError.self) { try one.logits(of: [[-1]]) }
    }

    // MARK: texts

    @Test func stopWordsAreFoundAcrossPieces() {
        let words = StopWords(["###", "\n\n", "##x"].map { Array($0.utf8) })
        #expect(words.first(in: Array("a#b##xc".utf8)) == 3)
        #expect(words.first(in: Array("a#b\n".utf8)) == nil)
        #expect(words.openEnd(of: Array("a##".utf8)) == 2)
        #expect(words.openEnd(of: Array("a#\n".utf8)) == 1)
        #expect(words.openEnd(of: Array("abc".utf8)) == 0)
        #expect(words.first(in: Array("..###".utf8), known: 4) == 2)
        #expect(StopWords([]).first(in: [1, 2]) == nil && StopWords([]).openEnd(of: [1]) == 0)
    }

    @Test func openCharactersAreHeld() {
        #expect(CharacterEnd.open(Array("aé".utf8)) == 0)
        #expect(CharacterEnd.open([0x61, 0xC3]) == 1)
        #expect(CharacterEnd.open([0xE2, 0x82]) == 2)
        #expect(CharacterEnd.open([0xF0, 0x9F, 0x99]) == 3)
        #expect(CharacterEnd.open(Array("🙂".utf8)) == 0)
        #expect(CharacterEnd.open([0x80, 0x80, 0x80, 0x80]) == 0)
        #expect(CharacterEnd.open([UInt8]()) == 0)
    }

    /// What is handed out piece by piece is the text of all tokens, in whole characters, for every kind of tokenizer.
    @Test(arguments: ["bytes", "gpt2", "llama3", "llama2", "mistral", "t5"]) func piecesMakeTheText(_ name: String)
        throws
    {
        let path = Checkout.root + "/Tests/Goldens/tokens/\(name).json"
        let tokenizer = try Tokenizer.read(name == "bytes" ? name : path)
        let text = "Grüße, 漢字 and 🙂🙂  two spaces. The end"
        let tokens = tokenizer.encode(Array(("Well, " + text).utf8))
        for cut in [1, 2, 5] {
            var answer = AnswerText(
                tokenizer, prompt: Array(tokens[..<cut]), stopWords: StopWords([Array("nowhere".utf8)]))
            var pieces = ""
            for token in tokens[cut...] {
                answer.add(token)
                let piece = answer.next(isOver: false)
                #expect(String(validating: piece, as: UTF8.self) != nil)
                pieces += String(decoding: piece, as: UTF8.self)
            }
            pieces += String(decoding: answer.next(isOver: true), as: UTF8.self)
            let whole = String(decoding: tokenizer.decode(tokens, skipsSpecial: true), as: UTF8.self)
            let prompt = String(decoding: tokenizer.decode(tokens[..<cut], skipsSpecial: true), as: UTF8.self)
            #expect(prompt + pieces == whole, "\(cut)")
        }
    }

    /// A stop word of many tokens ends the text before it, and nothing of it is handed out before.
    @Test func stopWordsAreNotHandedOut() {
        var answer = AnswerText(.bytes, prompt: [10], stopWords: StopWords([Array("STOP".utf8)]))
        var pieces: [String] = []
        for byte in "a ST é STO. STOP here".utf8 {
            answer.add(Int32(byte))
            pieces.append(String(decoding: answer.next(isOver: false), as: UTF8.self))
        }
        #expect(pieces.joined() == "a ST é STO. ")
        #expect(answer.isStopped && answer.bytes == Array("a ST é STO. ".utf8))
        #expect(pieces[2] == "" && pieces[3] == "" && pieces[4] == "ST ")
    }
}
