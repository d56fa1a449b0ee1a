import Foundation
import Testing
import Tokens

/// Learned merges are those of the `tokenizers` package.
@Suite struct BytePairTrainingTests {
    struct File: Decodable {
        struct Model: Decodable {
            var vocab: [String: Int]
            var merges: [[String]]
        }
        var model: Model
    }

    static func counts(_ text: [UInt8], _ rule: SplittingRule) -> WordCounts {
        var counts = WordCounts(rule: rule)
        text.withUnsafeBufferPointer { counts.add($0) }
        return counts
    }

    static func train(_ rule: SplittingRule, _ vocabulary: Int, _ special: [String]) throws -> BytePairTraining.Result {
        BytePairTraining.train(
            counts(try GoldenTests.sample.get(), rule), vocabulary: vocabulary, special: special)
    }

    static func texts(_ result: BytePairTraining.Result) -> [[String]] {
        result.merges.map { merge in
            [merge.left, merge.right].map { String(decoding: result.vocabulary[Int($0)], as: UTF8.self) }
        }
    }

    @Test func theSampleGivesTheMergesOfThePackage() throws {
        for (name, rule, vocabulary, special) in [
            ("gpt2", SplittingRule.gpt2, 900, ["<|endoftext|>"]),
            ("llama3", .llama3, 1000, ["<|begin_of_text|>", "<|end_of_text|>"]),
        ] {
            let file = try JSONDecoder().decode(File.self, from: Data(try TokenGoldens.bytes("\(name).json")))
            let result = try Self.train(rule, vocabulary, special)
            #expect(Self.texts(result) == file.model.merges, "\(name)")
            if name == "gpt2" {
                #expect(result.vocabulary.count == 900)
                for (id, text) in result.vocabulary.enumerated() {
                    #expect(file.model.vocab[String(decoding: text, as: UTF8.self)] == id)
                }
            }
        }
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let files = try TemporaryFiles()
        let sample = try GoldenTests.sample.get()
        for rule in SplittingRule.allCases {
            let result = try Self.train(rule, 600, ["<|endoftext|>"])
            let path = try files.write("\(rule.rawValue).json", result.json(rule: rule))
            let tokenizer = try Tokenizer.read(path)
            #expect(tokenizer.vocabularySize == 600 && tokenizer.endOfDocument == 0)
            let ids = tokenizer.encode(sample)
            #expect(tokenizer.decode(ids) == sample)
            #expect(ids.count < sample.count * 2 / 3)
        }
    }

    @Test func countsDoNotDependOnHowTheTextIsDivided() throws {
        let sample = try GoldenTests.sample.get()
        let whole = Self.counts(sample, .llama3)
        var parts = WordCounts(rule: .llama3)
        for line in sample.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
            parts.add(Self.counts(line + [0x0A], .llama3))
        }
        #expect(parts.counts == whole.counts && parts.bytes == whole.bytes)
    }

    @Test func littleTextGivesFewTokens() {
        #expect(Self.result([]).vocabulary.count == 257)
        #expect(Self.result(Array("aa".utf8)).vocabulary.count == 258)
        // A word of one letter, however long, and bytes that are no text.
        let long = Self.result(Array(repeating: 0x61, count: 1 << 14))
        #expect(long.vocabulary.count == 257 + 14)
        #expect(Self.result((0...255).map { UInt8($0) }).vocabulary.count == 300)
        // Less room than single bytes take.
        #expect(Self.result(Array("aa".utf8), 10).vocabulary.count == 257)
    }

    static func result(_ text: [UInt8], _ vocabulary: Int = 300) -> BytePairTraining.Result {
        BytePairTraining.train(counts(text, .gpt2), vocabulary: vocabulary, special: ["<|endoftext|>"])
    }

    @Test func rarePairsAreLeftOut() throws {
        let counts = Self.counts(try GoldenTests.sample.get(), .gpt2)
        let frequent = BytePairTraining.train(counts, vocabulary: 2000, least: 5, special: [])
        let all = BytePairTraining.train(counts, vocabulary: 2000, special: [])
        #expect(frequent.merges.count < all.merges.count)
        #expect(Self.texts(all).starts(with: Self.texts(frequent)))
    }
}
