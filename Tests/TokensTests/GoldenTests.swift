import Foundation
import Testing
import Tokens

/// Numbers equal those of the `tokenizers` package, token for token.
@Suite struct GoldenTests {
    /// `ids.json`.
    struct Goldens: Decodable {
        struct Text: Decodable, Equatable {
            var count: Int
            var digest: String
        }
        struct Rule: Decodable {
            var sample: [Int32]
            /// `Hello world`, with what stands before and after a text.
            var short: [Int32]
            /// Digest of the bytes that the sample's numbers are decoded to, without added tokens beyond ASCII.
            var decoded: String
            var mixed: Text
            var scalars: Text
        }
        var bytes: [String: Int]
        var rules: [String: Rule]

        static let all = Result {
            try JSONDecoder().decode(Goldens.self, from: Data(try TokenGoldens.bytes("ids.json")))
        }
    }

    static let rules = ["gpt2", "llama3", "qwen2", "llama2", "mistral", "t5", "t5-bytes"]
    static let sample = Result { try TokenGoldens.bytes("sample.txt") }
    static let mixed = sample.map { sample in
        var text = MixedText(seed: 7)
        return text.draw(sample, size: 1_000_000)
    }

    static func digest(_ ids: [Int32]) -> Goldens.Text {
        var digest = ContentDigest()
        for id in ids {
            for shift in stride(from: 0, to: 32, by: 8) { digest.add(byte: UInt8(truncatingIfNeeded: id >> shift)) }
        }
        let text = String(digest.value, radix: 16)
        return Goldens.Text(count: ids.count, digest: String(repeating: "0", count: 16 - text.count) + text)
    }

    static func golden(_ name: String) throws -> (tokenizer: Tokenizer, rule: Goldens.Rule) {
        (
            try Tokenizer.read("\(TokenGoldens.root)/\(name).json"),
            try #require(try Goldens.all.get().rules[name])
        )
    }

    @Test func theTextsAreThoseOfTheGoldens() throws {
        let sizes = try Goldens.all.get().bytes
        #expect(try Self.mixed.get().count == sizes["mixed"])
        #expect(MixedText.scalars.count == sizes["scalars"])
    }

    @Test(arguments: rules) func theSampleIsEncodedTokenForToken(name: String) throws {
        let (tokenizer, golden) = try Self.golden(name)
        let ids = tokenizer.encode(try Self.sample.get())
        if let place = zip(ids, golden.sample).enumerated().first(where: { $1.0 != $1.1 })?.offset {
            let window = max(0, place - 4)..<min(min(ids.count, golden.sample.count), place + 4)
            Issue.record(
                """
                token \(place): \(window.map { tokenizer.text(of: ids[$0]) ?? "" }) \
                instead of \(window.map { tokenizer.text(of: golden.sample[$0]) ?? "" })
                """)
        }
        #expect(ids.count == golden.sample.count)
        #expect(tokenizer.encode(Array("Hello world".utf8), special: true) == golden.short)
    }

    @Test(arguments: rules) func aMegabyteIsEncodedTokenForToken(name: String) throws {
        let (tokenizer, golden) = try Self.golden(name)
        #expect(Self.digest(tokenizer.encode(try Self.mixed.get())) == golden.mixed)
        #expect(Self.digest(tokenizer.encode(MixedText.scalars)) == golden.scalars)
    }

    @Test(arguments: rules) func decodingGivesTheSameText(name: String) throws {
        let (tokenizer, golden) = try Self.golden(name)
        // The package decodes added tokens as if they were written in the alphabet for bytes.
        let odd = tokenizer.addedTokens.filter { !$0.content.allSatisfy { $0 < 0x80 } }.map(\.id)
        let text = tokenizer.decode(golden.sample.filter { !odd.contains($0) })
        #expect(Self.digest(text.map { Int32($0) }).digest == golden.decoded)
    }
}
