import Foundation
import Numbers
import Output
import Reading
import Testing
import Tokens

/// Files of tokens: what is written is Megatron-LM's byte for byte, and what lies is refused before it is read.
@Suite struct DatasetTests {
    static func preparation(_ rule: DocumentRule = .jsonl, workers: Int = 2) throws -> Preparation {
        var preparation = Preparation(tokenizer: try GoldenTests.golden("gpt2").tokenizer, rule: rule)
        preparation.workers = workers
        preparation.endOfDocument = preparation.tokenizer.endOfDocument
        return preparation
    }

    @Test func theFilesAreThoseOfMegatron() throws {
        let files = try TemporaryFiles()
        let summary = try Self.preparation().run(
            ["\(TokenGoldens.root)/documents.jsonl"], to: "\(files.path)/data")
        #expect(try files.read("data.bin") == TokenGoldens.bytes("megatron.bin"))
        #expect(try files.read("data.idx") == TokenGoldens.bytes("megatron.idx"))
        #expect(files.names == ["data.bin", "data.idx"])
        let data = try IndexedTokens(path: "\(TokenGoldens.root)/megatron")
        #expect(summary.tokens == data.count && summary.documents == 5)
        #expect(data.documents == 5 && data.sequences == 4 && data.width == .uint16)
        #expect(data.sequences(of: 1).isEmpty && data.tokens(of: 1) == [])
        let tokenizer = try GoldenTests.golden("gpt2").tokenizer
        let text = String(decoding: tokenizer.decode(data.tokens(of: 2)), as: UTF8.self)
        #expect(text == "今天天气很好\n\"I'll\" 🚀<|endoftext|>")
    }

    @Test func theFilesDoNotDependOnTheWorkers() throws {
        let files = try TemporaryFiles()
        let text = try files.write("text", try GoldenTests.mixed.get() + GoldenTests.mixed.get())
        for rule in [DocumentRule.lines, .blankLines, .file] {
            let (one, four) = ("\(files.path)/one", "\(files.path)/four")
            let first = try Self.preparation(rule, workers: 1).run([text, text], to: one)
            let second = try Self.preparation(rule, workers: 4).run([text, text], to: four)
            #expect(first.tokens == second.tokens && first.documents == second.documents)
            #expect(try files.read("one.bin") == files.read("four.bin"))
            #expect(try files.read("one.idx") == files.read("four.idx"))
        }
    }

    @Test func tokensAreReadBack() throws {
        let files = try TemporaryFiles()
        let text = try files.write("text", try GoldenTests.sample.get())
        _ = try Self.preparation(.lines).run([text], to: "\(files.path)/data")
        let lines = try GoldenTests.sample.get().split(separator: 0x0A)
        for path in ["data", "data.bin", "data.idx"] {
            let file = try TokenFile.open("\(files.path)/\(path)")
            guard case .indexed(let data) = file else { throw CocoaError(.fileReadCorruptFile) }
            #expect(data.documents == lines.count)
            let tokenizer = try GoldenTests.golden("gpt2").tokenizer
            for document in 0..<data.documents {
                #expect(tokenizer.decode(data.tokens(of: document).dropLast()) == Array(lines[document]))
            }
            let all = file.tokens(0..<file.count)
            #expect(all == (0..<data.documents).flatMap { data.tokens(of: $0) })
            #expect(file.tokens(7..<100) == Array(all[7..<100]) && file.tokens(-5..<3) == Array(all[..<3]))
            #expect(file.tokenBeyond(vocabulary: 900) == nil)
            let most = try #require(all.max())
            #expect(file.tokenBeyond(vocabulary: Int(most))?.token == most)
        }
    }

    /// Sequences that lie apart, backwards and over one another are read as the index says.
    @Test func anIndexMayPointAnywhereInTheFile() throws {
        let files = try TemporaryFiles()
        _ = try files.write("data.bin", bytes([UInt16]([10, 11, 12, 13, 14, 15])))
        let index = try files.write(
            "data.idx", Self.index(lengths: [2, 0, 3, 2], pointers: [8, 0, 0, 2], ends: [0, 1, 4]))
        let file = try TokenFile.open(index)
        #expect(file.tokens(0..<file.count) == [14, 15, 10, 11, 12, 11, 12])
        #expect(file.tokens(1..<6) == [15, 10, 11, 12, 11])
    }

    private func bytes<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] { Self.bytes(numbers) }

    static func bytes<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
        numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    }

    static func index(
        version: UInt64 = 1, code: UInt8 = 8, lengths: [Int32], pointers: [Int64], ends: [Int64],
        counts: [UInt64]? = nil, magic: String = "MMIDIDX\0\0"
    ) -> [UInt8] {
        Array(magic.utf8) + bytes([version]) + [code]
            + bytes(counts ?? [UInt64(lengths.count), UInt64(ends.count)]) + bytes(lengths) + bytes(pointers)
            + bytes(ends)
    }

    @Test func anIndexThatLiesIsRefused() throws {
        let files = try TemporaryFiles()
        _ = try files.write("data.bin", bytes([UInt16](repeating: 1, count: 6)))
        let wrong: [(String, [UInt8])] = [
            ("lie beyond the 12 bytes", Self.index(lengths: [7], pointers: [0], ends: [0, 1])),
            ("lie beyond the 12 bytes", Self.index(lengths: [1], pointers: [12], ends: [0, 1])),
            ("lie beyond the 12 bytes", Self.index(lengths: [1], pointers: [-2], ends: [0, 1])),
            ("lie beyond the 12 bytes", Self.index(lengths: [-1], pointers: [0], ends: [0, 1])),
            ("lie beyond the 12 bytes", Self.index(lengths: [.max], pointers: [.max], ends: [0, 1])),
            ("lie beyond the 12 bytes", Self.index(code: 5, lengths: [2], pointers: [0], ends: [0, 1])),
            ("must end behind", Self.index(lengths: [1, 1], pointers: [0, 2], ends: [0, 3])),
            ("must end behind", Self.index(lengths: [1, 1], pointers: [0, 2], ends: [0, 2, 1])),
            ("must end behind", Self.index(lengths: [1, 1], pointers: [0, 2], ends: [1, 2])),
            ("must end behind", Self.index(lengths: [1, 1], pointers: [0, 2], ends: [0, -1, 2])),
            ("end at sequence 1 of 2", Self.index(lengths: [1, 1], pointers: [0, 2], ends: [0, 1])),
            ("version: must be 1 (found 2)", Self.index(version: 2, lengths: [1], pointers: [0], ends: [0, 1])),
            ("dtype", Self.index(code: 7, lengths: [1], pointers: [0], ends: [0, 1])),
            ("dtype", Self.index(code: 255, lengths: [1], pointers: [0], ends: [0, 1])),
            ("more than it holds", Self.index(lengths: [], pointers: [], ends: [0], counts: [.max, 1])),
            ("more than it holds", Self.index(lengths: [], pointers: [], ends: [0], counts: [1 << 62, 1 << 62])),
            ("more than it holds", Self.index(lengths: [], pointers: [], ends: [], counts: [0, 0])),
            ("must have", Self.index(lengths: [1], pointers: [0], ends: [0, 1], counts: [2, 2])),
            (
                "does not begin with MMIDIDX",
                Self.index(lengths: [1], pointers: [0], ends: [0, 1], magic: "MMIDIDX\0x")
            ),
            ("does not begin with MMIDIDX", Array("MMIDIDX\0\0".utf8)), ("does not begin with MMIDIDX", []),
        ]
        for (message, index) in wrong {
            let path = try files.write("data.idx", index)
            let error = #expect(throws: PlanProblems.self) { try IndexedTokens(path: path) }
            #expect(error?.description.contains(message) == true, "\(error?.description ?? "") for \(message)")
        }
        _ = try files.write("data.idx", Self.index(lengths: [6], pointers: [0], ends: [0, 1]))
        #expect(try IndexedTokens(path: "\(files.path)/data").count == 6)
        // With a byte a sequence for its kind.
        _ = try files.write("data.idx", Self.index(lengths: [6], pointers: [0], ends: [0, 1]) + [0])
        #expect(try IndexedTokens(path: "\(files.path)/data").count == 6)
        let missing = #expect(throws: PlanProblems.self) { try IndexedTokens(path: "\(files.path)/none") }
        #expect(missing?.description.contains("none.idx: cannot be read") == true)
    }

    @Test func changedIndicesNeverTrap() throws {
        let files = try TemporaryFiles()
        _ = try files.write("data.bin", try TokenGoldens.bytes("megatron.bin"))
        let whole = try TokenGoldens.bytes("megatron.idx")
        var random = SplitMix64(seed: 17)
        for _ in 0..<3000 {
            var index = whole
            for _ in 0...random.next() % 3 {
                index[Int(random.next() % UInt64(index.count))] = UInt8(truncatingIfNeeded: random.next() >> 40)
            }
            if random.next() % 4 == 0 { index.removeLast(Int(random.next() % UInt64(index.count))) }
            let path = try files.write("data.idx", index)
            if let data = try? IndexedTokens(path: path) {
                let file = TokenFile.indexed(data)
                #expect(file.tokens(0..<file.count).count == data.count)
                for document in 0..<data.documents { _ = data.tokens(of: document) }
            }
        }
    }

    @Test func filesOfLlmC() throws {
        let files = try TemporaryFiles()
        func header(_ numbers: [Int32]) -> [UInt8] {
            bytes(numbers + [Int32](repeating: 0, count: 256 - numbers.count))
        }
        let short = try files.write("short.bin", header([20_240_520, 1, 3]) + bytes([UInt16]([1, 50256, 65535])))
        let long = try files.write("long.bin", header([20_240_801, 7, 2]) + bytes([UInt32]([128_000, .max])))
        #expect(try TokenFile.open(short).tokens(0..<3) == [1, 50256, 65535])
        let file = try TokenFile.open(long)
        #expect(file.tokens(0..<2) == [128_000, -1])
        #expect(try #require(file.tokenBeyond(vocabulary: 128_256)) == (1, -1))
        for (message, content) in [
            ("states 4 tokens, but 3 lie", header([20_240_520, 1, 4]) + bytes([UInt16]([1, 2, 3]))),
            ("states -1 tokens", header([20_240_520, 1, -1])),
            ("states 1 tokens, but 1 lie", header([20_240_520, 1, 1]) + [1, 0, 1]),
            ("version: must be 7 (found 1)", header([20_240_801, 1, 0])),
            ("does not begin with", Array(header([20_240_520, 1, 0]).dropLast())),
        ] {
            let path = try files.write("wrong.bin", content)
            let error = #expect(throws: PlanProblems.self) { try TokenFile.open(path) }
            #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        }
    }

    @Test func documentsThatCannotBeReadAreNamed() throws {
        let files = try TemporaryFiles()
        for (text, message) in [
            ("{\"text\": \"a\"}\n\n{\"txt\": \"a\"}\n", "text:3: has no text under 'text'"),
            ("{\"text\": \"a\"}\n{\"text\": \"a\n", "text:2:12: is no JSON: a text does not end"),
            ("{\"text\": 1}", "text:1: has no text under 'text'"),
        ] {
            let path = try files.write("text", text)
            do {
                _ = try Self.preparation().run([path], to: "\(files.path)/data")
                Issue.record("\(text) is read")
            } catch Preparation.Failure.input(let problems) {
                #expect(problems.description.contains(message), "\(problems)")
            } catch {
                Issue.record("\(error)")
            }
            // Nothing is left behind.
            #expect(files.names == ["text"])
        }
    }

    @Test func aTextIsNotReplaced() throws {
        let files = try TemporaryFiles()
        let text = try files.write("data.bin", "some text\n")
        do {
            _ = try Self.preparation(.lines).run([text], to: "\(files.path)/data")
            Issue.record("the text is replaced")
        } catch Preparation.Failure.output(let error) {
            #expect(error.exitCode == 2)
        } catch {
            Issue.record("\(error)")
        }
        #expect(try files.read("data.bin") == Array("some text\n".utf8))
    }

    @Test func documentsEndWhereTheRuleSays() throws {
        let files = try TemporaryFiles()
        let text = try files.write("text", "\n a\r\nb\n\n\n \t\nc\n\n")
        for (rule, wanted) in [
            (DocumentRule.lines, [" a", "b", " \t", "c"]), (.blankLines, [" a\r\nb", "c"]),
            (.file, ["\n a\r\nb\n\n\n \t\nc\n\n"]),
        ] {
            let preparation = Preparation(tokenizer: .bytes, rule: rule)
            _ = try preparation.run([text], to: "\(files.path)/data")
            let data = try IndexedTokens(path: "\(files.path)/data")
            let found = (0..<data.documents).map { document in
                String(decoding: data.tokens(of: document).map { UInt8($0) }, as: UTF8.self)
            }
            #expect(found == wanted)
        }
    }
}
