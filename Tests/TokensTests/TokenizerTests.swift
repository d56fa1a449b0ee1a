import Foundation
import Numbers
import Testing
import Tokens

/// What holds for every text, and texts made to be slow.
@Suite struct TokenizerTests {
    /// Tokenizers that keep every byte.
    static let keeping = ["gpt2", "llama3"]

    static func random(_ random: inout SplitMix64, count: Int) -> [UInt8] {
        (0..<count).map { _ in
            // Half of all bytes begin or continue characters.
            let number = random.next()
            return number & 1 == 0 ? UInt8(truncatingIfNeeded: number >> 8) : UInt8(0x80 | (number >> 8) & 0x7F)
        }
    }

    @Test(arguments: keeping + ["bytes"]) func decodingGivesTheBytesBack(name: String) throws {
        let tokenizer = name == "bytes" ? .bytes : try GoldenTests.golden(name).tokenizer
        var source = SplitMix64(seed: 3)
        for size in [0, 1, 2, 3, 4, 7, 30, 300, 5000, 100_000] {
            let text = Self.random(&source, count: size)
            #expect(tokenizer.decode(tokenizer.encode(text)) == text)
        }
        // Text with single bytes of it broken.
        var mixed = try GoldenTests.mixed.get()
        for _ in 0..<5000 { mixed[Int(source.next() % UInt64(mixed.count))] = UInt8(truncatingIfNeeded: source.next()) }
        #expect(tokenizer.decode(tokenizer.encode(mixed)) == mixed)
    }

    /// Bytes that are no character come back from tokens `<0xFF>`.
    @Test func fallbackKeepsBrokenBytes() throws {
        let tokenizer = try GoldenTests.golden("llama2").tokenizer
        var source = SplitMix64(seed: 4)
        for _ in 0..<200 {
            // Spaces become marks, and a mark that is written becomes a space.
            let text = Self.random(&source, count: 40)
            #expect(tokenizer.decode(tokenizer.encode(text)) == text)
        }
    }

    @Test(arguments: GoldenTests.rules) func anyBytesAreEncodedToKnownTokens(name: String) throws {
        let tokenizer = try GoldenTests.golden(name).tokenizer
        var source = SplitMix64(seed: 5)
        for size in [1, 5, 50, 500, 50_000] {
            let ids = tokenizer.encode(Self.random(&source, count: size))
            #expect(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize && tokenizer.text(of: $0) != nil })
            _ = tokenizer.decode(ids)
        }
        _ = tokenizer.decode([-1, .max, .min, 0, Int32(tokenizer.vocabularySize)])
    }

    /// A word is the same wherever it stands: the cache changes nothing.
    @Test(arguments: keeping) func theCacheChangesNothing(name: String) throws {
        let tokenizer = try GoldenTests.golden(name).tokenizer
        let text = try GoldenTests.sample.get()
        let once = tokenizer.encode(text)
        let encoder = TokenEncoder(tokenizer)
        for _ in 0..<3 {
            var ids: [Int32] = []
            text.withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
            #expect(ids == once)
        }
    }

    static let slow: [(String, [UInt8])] = [
        ("one letter", Array(repeating: 0x61, count: 1 << 20)),
        ("one Chinese character", Array(repeatElement(Array("中".utf8), count: 1 << 18).joined())),
        ("spaces", Array(repeating: 0x20, count: 1 << 20)),
        ("newlines and spaces", Array(repeatElement(Array("\n  ".utf8), count: 1 << 18).joined())),
        ("marks", Array(repeatElement(Array("\u{323}\u{301}".utf8), count: 1 << 18).joined())),
        ("half a character", Array(repeating: 0xE4, count: 1 << 20)),
        ("the beginning of a token", Array(repeatElement(Array("<|endoftext".utf8), count: 1 << 16).joined())),
        ("apostrophes", Array(repeating: 0x27, count: 1 << 20)),
        ("digits", Array(repeating: 0x39, count: 1 << 20)),
    ]

    /// A megabyte of the worst takes seconds at most, not hours.
    @Test(.timeLimit(.minutes(3)), arguments: GoldenTests.rules) func longWordsAreNotSlow(name: String) throws {
        let tokenizer = try GoldenTests.golden(name).tokenizer
        for (what, text) in Self.slow {
            let ids = tokenizer.encode(text)
            #expect(!ids.isEmpty || what == "newlines and spaces" || what == "spaces", "\(what)")
        }
    }

    @Test func aLongWordIsMergedLikeAShortOne() throws {
        // Words of up to 96 bytes are merged in another way than longer ones.
        let tokenizer = try GoldenTests.golden("gpt2").tokenizer
        let letters = "thequickbrownfoxjumpsoverthelazydogandthedogdoesnotminditsbeenalongday"
        let long = Array(repeatElement(Array(letters.utf8), count: 40).joined())
        let ids = tokenizer.encode(long)
        #expect(tokenizer.decode(ids) == long)
        // From the second repetition on tokens repeat but for the ends.
        let short = tokenizer.encode(Array(letters.utf8))
        #expect(ids.count <= 40 * short.count && ids.count >= 39 * (short.count - 2))
    }

    @Test func whatATokenizerSaysOfItself() throws {
        let tokenizer = try GoldenTests.golden("gpt2").tokenizer
        #expect(tokenizer.vocabularySize == 900)
        #expect(tokenizer.endOfDocument == 0)
        #expect(tokenizer.id(of: "<|endoftext|>") == 0 && tokenizer.text(of: 0) == "<|endoftext|>")
        #expect(tokenizer.text(of: -1) == nil && tokenizer.text(of: 900) == nil && tokenizer.id(of: "no such") == nil)
        #expect(Tokenizer.bytes.vocabularySize == 256 && Tokenizer.bytes.endOfDocument == nil)
        #expect(Tokenizer.bytes.encode([0, 255, 65]) == [0, 255, 65])
        let digests = try GoldenTests.rules.map { try GoldenTests.golden($0).tokenizer.digest }
        #expect(Set(digests).count == GoldenTests.rules.count)
        #expect(try GoldenTests.golden("gpt2").tokenizer.digest == tokenizer.digest)
    }

    @Test func specialTokensAreLeftOutWhereAskedFor() throws {
        let tokenizer = try GoldenTests.golden("gpt2").tokenizer
        let ids = tokenizer.encode(Array("one<|endoftext|>two".utf8))
        #expect(ids.contains(0))
        #expect(String(decoding: tokenizer.decode(ids, skipsSpecial: true), as: UTF8.self) == "onetwo")
    }
}
