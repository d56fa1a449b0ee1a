import Foundation
import Plans
import Reading
import TestSupport
import Testing
import Tokens
import Training

/// Corpora of several files, of files of tokens, with documents and with text that is held out.
@Suite struct CorpusFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Writes Megatron-LM's pair by the format's own words: documents of 32-bit tokens.
    private func writePair(_ documents: [[Int32]], as name: String) throws -> String {
        var index = Data("MMIDIDX\0\0".utf8)
        func add<Number: FixedWidthInteger>(_ number: Number, to data: inout Data) {
            withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) }
        }
        add(UInt64(1), to: &index)
        add(UInt8(4), to: &index)
        add(UInt64(documents.count), to: &index)
        add(UInt64(documents.count + 1), to: &index)
        for document in documents { add(Int32(document.count), to: &index) }
        var place = 0
        for document in documents {
            add(Int64(place), to: &index)
            place += 4 * document.count
        }
        for end in 0...documents.count { add(Int64(end), to: &index) }
        var tokens = Data()
        for token in documents.joined() { add(token, to: &tokens) }
        try folder.write(index, as: name + ".idx")
        try folder.write(tokens, as: name + ".bin")
        return folder[name]
    }

    /// Writes a data file of llm.c with 16-bit tokens.
    private func writePlain(_ tokens: [UInt16], as name: String) throws -> String {
        var header = [Int32](repeating: 0, count: 256)
        (header[0], header[1], header[2]) = (20_240_520, 1, Int32(tokens.count))
        var data = Data()
        for number in header { withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) } }
        for token in tokens { withUnsafeBytes(of: token.littleEndian) { data.append(contentsOf: $0) } }
        return try folder.write(data, as: name)
    }

    /// A byte-level tokenizer of the 256 bytes, `ab`, and a token that ends documents.
    private func writeTokenizer() throws -> String {
        var vocabulary: [String: Int] = [:]
        for byte in 0..<256 {
            let isPrintable = (33...126).contains(byte) || byte >= 161 && byte != 173
            let code =
                isPrintable
                ? byte
                : 256 + (0..<byte).count { !((33...126).contains($0) || $0 >= 161 && $0 != 173) }
            vocabulary[String(Unicode.Scalar(UInt32(code))!)] = byte
        }
        vocabulary["ab"] = 256
        let json: [String: Any] = [
            "version": "1.0", "truncation": NSNull(), "padding": NSNull(),
            "added_tokens": [
                [
                    "id": 257, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                ] as [String: Any]
            ],
            "normalizer": NSNull(), "post_processor": NSNull(),
            "pre_tokenizer": [
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
            ] as [String: Any],
            "decoder": [
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
            ] as [String: Any],
            "model": [
                "type": "BPE", "dropout": NSNull(), "unk_token": NSNull(), "continuing_subword_prefix": NSNull(),
                "end_of_word_suffix": NSNull(), "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": [["a", "b"]],
            ] as [String: Any],
        ]
        return try folder.write(try JSONSerialization.data(withJSONObject: json), as: "tokenizer.json")
    }

    private func settings(
        _ files: [(path: String, weight: Double)], order: TrainSettings.Order = .sequential,
        _ change: (inout TrainSettings) -> Void = { _ in }
    ) -> TrainSettings {
        var settings = TrainSettings(data: files[0].path, order: order, steps: 1, seed: 5)
        settings.corpus = files.map { TrainSettings.CorpusFile(path: $0.path, weight: $0.weight) }
        change(&settings)
        return settings
    }

    private func refusal(_ settings: TrainSettings, sequence: Int = 4, vocabulary: Int = 300) -> String {
        do {
            _ = try Corpus(settings, sequence: sequence, batch: 2, vocabulary: vocabulary)
            return "is not refused"
        } catch {
            return error.description.replacing(folder.path + "/", with: "")
        }
    }

    @Test func tokensOfEveryKindOfFileAreThoseWritten() throws {
        let pair = try writePair([[1, 2, 3], [4, 5, 6, 7], [8, 9]], as: "pair")
        let plain = try writePlain([1, 2, 3, 4, 5, 6, 7, 8, 9], as: "plain.bin")
        try folder.write(Data([1, 2, 3, 4, 5, 6, 7, 8, 9]), as: "text")
        for path in [pair, pair + ".bin", pair + ".idx", plain, folder["text"]] {
            let corpus = try Corpus(settings([(path, 1)]), sequence: 4, batch: 1, vocabulary: 300)
            #expect(corpus.tokens == 9)
            #expect(try corpus.tokens(0).inputs == [1, 2, 3, 4])
            #expect(try corpus.tokens(0).targets == [2, 3, 4, 5])
        }
    }

    @Test func aTextIsEncodedAtTheStart() throws {
        let tokenizer = try writeTokenizer()
        try folder.write("abab ab<|endoftext|>cab", as: "text")
        let corpus = try Corpus(
            settings([(folder["text"], 1)]) { $0.tokenizer = tokenizer }, sequence: 6, batch: 1, vocabulary: 300)
        #expect(corpus.tokens == 7 && corpus.endOfDocument == 257)
        #expect(try corpus.tokens(0).inputs == [256, 256, 32, 256, 257, 99])
        #expect(try corpus.tokens(0).targets == [256, 32, 256, 257, 99, 256])
    }

    /// After any number of sequences no file is a whole sequence away from its share (Tijdeman 1980).
    @Test(arguments: [[1.0], [1, 1], [0.7, 0.2, 0.1], [1, 0, 3], [5, 1, 1, 1, 1, 1, 1, 1, 1, 1], [1e-3, 1, 1e3]])
    func sharesAreThoseOfTheWeights(weights: [Double]) {
        var blend = Blend(weights: weights)
        var counts = weights.map { _ in 0 }
        let sum = weights.reduce(0, +)
        for serial in 0..<10_000 {
            let place = blend.place(serial)
            #expect(place.number == counts[place.file])
            counts[place.file] += 1
            for (file, weight) in weights.enumerated() {
                #expect(abs(Double(counts[file]) - weight / sum * Double(serial + 1)) < 1)
            }
        }
        // Asked for in another order, the answers are the same.
        var again = Blend(weights: weights)
        var first = Blend(weights: weights)
        for serial in [9_000, 3, 5_000, 4_999, 9_999, 0] { #expect(again.place(serial) == first.place(serial)) }
        var afresh = Blend(weights: weights)
        #expect(afresh.place(9_999) == blend.place(9_999))
    }

    /// What a sequence is depends on its number alone: not on how a batch is shared, nor on where the run went on.
    @Test(arguments: TrainSettings.Order.allCases) func sequencesFollowFromTheirNumbers(
        order: TrainSettings.Order
    ) throws {
        try folder.write(Data((0..<101).map { UInt8($0) }), as: "a")
        try folder.write(Data((100..<201).map { UInt8($0) }), as: "b")
        let settings = settings([(folder["a"], 3), (folder["b"], 1), (folder["a"], 1)], order: order)
        let whole = try Corpus(settings, sequence: 10, batch: 4, vocabulary: 256)
        let all = try (0..<200).map { try whole.tokens($0) }
        let second = try Corpus(settings, sequence: 10, batch: 4, vocabulary: 256)
        second.origin = (30, 120)
        #expect(second.sequences(before: 31) == 124)
        for serial in (0..<200).reversed() {
            #expect(try second.tokens(serial).inputs == all[serial].inputs)
        }
        #expect(all[..<100].count { $0.inputs[0] < 100 } == 80)
        guard order == .shuffled else { return }
        // Every file is shuffled by itself: all its sequences come once an epoch.
        var ofB = all.indices.filter { whole.training.place($0).file == 1 }
        ofB = Array(ofB.prefix(10))
        #expect(Set(ofB.map { all[$0].inputs[0] }).count == 10)
        // A file that is named twice comes in two orders.
        func starts(_ file: Int) -> [Int] {
            all.indices.map(whole.training.place).filter { $0.file == file }.prefix(10).map(\.span.start)
        }
        #expect(starts(0) != starts(2))
    }

    @Test func documentsApartFillUpTheirSequences() throws {
        let pair = try writePair([[1, 2, 3], [4], [10, 11, 12, 13, 14, 15, 16], []], as: "pair")
        let corpus = try Corpus(
            settings([(pair, 1)]) { $0.documents = .apart }, sequence: 4, batch: 3, vocabulary: 300)
        let tokens = try (0..<3).map { try corpus.tokens($0) }
        #expect(tokens[0].inputs == [1, 2, 0, 0] && tokens[0].targets == [2, 3, -1, -1])
        #expect(tokens[1].inputs == [10, 11, 12, 13] && tokens[1].targets == [11, 12, 13, 14])
        #expect(tokens[2].inputs == [14, 15, 0, 0] && tokens[2].targets == [15, 16, -1, -1])
        #expect(corpus.predictions(of: 0) == 2 + 4 + 2)
        // A token ends a document, and belongs to it.
        try folder.write(Data([1, 2, 10, 3, 4, 5, 10, 6]), as: "text")
        let text = try Corpus(
            settings([(folder["text"], 1)]) { ($0.documents, $0.endOfDocument) = (.apart, 10) }, sequence: 4, batch: 2,
            vocabulary: 256)
        #expect(try text.tokens(0).inputs == [1, 2, 10, 10] && text.tokens(0).targets == [2, 10, -1, -1])
        #expect(try text.tokens(1).targets == [4, 5, 10, -1])
    }

    /// The last sequences are held out whole: none of what is predicted in them is ever predicted in training.
    @Test(arguments: TrainSettings.Order.allCases) func whatIsHeldOutIsNotTrainedOn(
        order: TrainSettings.Order
    ) throws {
        try folder.write(Data((0..<206).map { UInt8($0) }), as: "text")
        let corpus = try Corpus(
            settings([(folder["text"], 1)], order: order) { $0.validation = .init(share: 0.2, batches: 3) },
            sequence: 10,
            batch: 2, vocabulary: 256)
        let held = try #require(corpus.validation)
        #expect(held.batches == 2 && held.sequences == 4 && held.predictions == 40)
        var predicted: Set<Int32> = []
        for serial in 0..<100 { predicted.formUnion(try corpus.tokens(serial).targets) }
        // The sequential order ends before the last sequence, by its formula.
        #expect(predicted.max() == (order == .shuffled ? 160 : 150))
        for serial in 0..<4 {
            #expect(try corpus.tokens(serial, of: held.stream).targets.first == Int32(161 + 10 * serial))
        }
    }

    /// A file with a large weight and little text ends the validation, before a sequence of it comes again.
    @Test func noHeldOutSequenceComesTwice() throws {
        try folder.write(Data((0..<45).map { UInt8($0) }), as: "small")
        try folder.write(Data((0..<205).map { UInt8($0) }), as: "large")
        func validation(_ weights: (Double, Double), batches: Int) throws -> Corpus.Validation {
            let files = [(folder["small"], weights.0), (folder["large"], weights.1)].map {
                TrainSettings.CorpusFile(path: $0.0, weight: $0.1)
            }
            return try #require(
                try Corpus(
                    settings([(folder["large"], 1)]) { $0.validation = .init(files: files, batches: batches) },
                    sequence: 4, batch: 2, vocabulary: 256
                ).validation)
        }
        // 11 sequences of the small file and 51 of the large one.
        for (weights, batches) in [((1.0, 1.0), 11), ((9, 1), 6), ((0, 1), 25), ((1, 9), 28)] {
            let found = try validation(weights, batches: 100)
            #expect(found.batches == batches, "\(weights)")
            var seen: Set<[Int]> = []
            for serial in 0..<found.sequences {
                let place = found.stream.place(serial)
                #expect(seen.insert([place.file, place.span.start]).inserted, "\(weights): \(serial)")
            }
            #expect(try validation(weights, batches: 3).batches == 3)
        }
    }

    @Test func badFilesSayWhatIsWrong() throws {
        try folder.write(Data((0..<40).map { UInt8($0) }), as: "text")
        let text = folder["text"]
        let pair = try writePair([[1, 2, 299], [4, 5, 300]], as: "pair")
        #expect(
            refusal(settings([(pair, 1)]))
                == "pair: train.data: token 5 lies beyond the vocabulary: model.vocab is 300 (found 300); raise model.vocab, or "
                + "take the file that goes with the model")
        #expect(
            refusal(settings([(pair, 1)]), sequence: 6, vocabulary: 301).contains("6 tokens, at least 7 are needed"))
        let bytes = try Data(contentsOf: URL(filePath: pair + ".bin"))
        try folder.write(bytes.dropLast(4), as: "pair.bin")
        let cut = refusal(settings([(text, 1), (pair, 1)]))
        #expect(cut.hasPrefix("pair.idx: sequence 1: 3 tokens from byte 12 lie beyond the 20 bytes of"), "\(cut)")
        try folder.write(Data([1, 2, 3]), as: "alone.bin")
        #expect(
            refusal(settings([(folder["alone.bin"], 1)])).contains(
                "is neither a data file of llm.c, nor is there an index"))
        let tokenizer = try writeTokenizer()
        #expect(
            refusal(settings([(text, 1)]) { $0.tokenizer = tokenizer }, vocabulary: 257)
                == "tokenizer.json: train.tokenizer: has 258 tokens, and model.vocab is 257; raise model.vocab to 258 at least, "
                + "or take another tokenizer")
        #expect(
            refusal(settings([(text, 1)]) { $0.tokenizer = "/nowhere/tokenizer.json" }).contains("no such tokenizer"))
        let other = try writePair([[1, 2, 258, 4, 5]], as: "other")
        #expect(
            refusal(settings([(text, 1), (other, 1)]))
                == "other: train.tokenizer: has token 258, which is no byte, and text would be read as bytes (found bytes); name "
                + "the tokenizer that the file was made with")
        #expect(refusal(settings([(other, 1)])) == "is not refused")
        #expect(
            refusal(settings([(other, 1)]) { $0.tokenizer = tokenizer })
                == "other: train.data: token 2 is none of the 258 of train.tokenizer (found 258); name the tokenizer that the "
                + "file was made with")
        #expect(
            refusal(
                settings([(text, 1)]) {
                    ($0.tokenizer, $0.validation) = (tokenizer, .init(files: [.init(path: other)]))
                }
            ).hasPrefix("other: train.validation.data: token 2 is none of"))
        #expect(
            refusal(settings([(text, 1)]) { $0.validation = .init(share: 0.9) }, sequence: 20)
                == "text: train.validation.share: holds out 1 of 1 sequence, and leaves none to train on (found 0.9); give a "
                + "longer file, a smaller model.sequence or a smaller share")
        #expect(
            refusal(settings([(text, 1)]) { $0.documents = .packed })
                == "train.documents: needs the token that ends documents (found packed); give train.endOfDocument, or a "
                + "train.tokenizer that has one")
    }

    /// A file of tokens that is cut while the run goes on is an error; one that is removed is not.
    @Test func aFileOfTokensThatIsCutIsAnError() throws {
        let plain = try writePlain((0..<50_000).map { UInt16($0 % 200) }, as: "plain.bin")
        let corpus = try Corpus(settings([(plain, 1)]), sequence: 10, batch: 1, vocabulary: 300)
        _ = try corpus.tokens(4_000)
        #expect(truncate(plain, 5_000) == 0)
        #expect(throws: TrainingError.textChanged(path: plain, reason: "it was cut from 101024 to 5000 bytes")) {
            try corpus.tokens(4_000)
        }
        let other = try writePlain((0..<5_000).map { UInt16($0 % 200) }, as: "other.bin")
        let removed = try Corpus(settings([(other, 1)]), sequence: 10, batch: 1, vocabulary: 300)
        unlink(other)
        #expect(try removed.tokens(3).inputs.first == 30)
    }

    @Test func digestsTellCorporaApart() throws {
        let (one, two) = (
            try writePair([[1, 2, 3, 4, 5]], as: "one"), try writePair([[1, 2], [3, 4, 5]], as: "two")
        )
        try folder.write(Data([1, 2, 3, 4, 5]), as: "text")
        let tokenizer = try writeTokenizer()
        func digest(_ files: [String], tokenizer: String = "bytes") throws -> UInt64 {
            try Corpus(
                settings(files.map { ($0, 1) }) { $0.tokenizer = tokenizer }, sequence: 2, batch: 1, vocabulary: 300
            ).digest
        }
        let all = [
            try digest([one]), try digest([two]), try digest([one, two]), try digest([two, one]),
            try digest([folder["text"]]), try digest([folder["text"]], tokenizer: tokenizer),
            try digest([one], tokenizer: tokenizer),
        ]
        #expect(Set(all).count == all.count)
        #expect(try digest([one]) == all[0])
        // The token that ends documents counts where they do, whoever names it.
        func digest(_ rule: TrainSettings.DocumentRule, end: Int) throws -> UInt64 {
            try Corpus(
                settings([(one, 1)]) { ($0.documents, $0.endOfDocument) = (rule, end) }, sequence: 2, batch: 1,
                vocabulary: 300
            ).digest
        }
        #expect(try digest(.packed, end: 3) != digest(.packed, end: 4))
        #expect(try digest(.joined, end: 3) == all[0])
    }
}
