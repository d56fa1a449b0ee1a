import Foundation
import Numbers
import Reading
import Testing
import Tokens

/// Files of tokenizers: other forms of the same, and what cannot be used.
@Suite struct TokenizerReadingTests {
    static func problem(_ path: String) -> String {
        do {
            _ = try Tokenizer.read(path)
            return ""
        } catch {
            return error.description
        }
    }

    static func gpt2() throws -> String { String(decoding: try TokenGoldens.bytes("gpt2.json"), as: UTF8.self) }

    /// `vocab.json` and `merges.txt` of a tokenizer.json.
    static func pair(_ files: TemporaryFiles) throws -> (vocabulary: String, merges: String) {
        struct File: Decodable {
            struct Model: Decodable {
                var vocab: [String: Int]
                var merges: [[String]]
            }
            var model: Model
        }
        let file = try JSONDecoder().decode(File.self, from: Data(try TokenGoldens.bytes("gpt2.json")))
        let merges = file.model.merges.map { $0.joined(separator: " ") }.joined(separator: "\n")
        return (
            try files.write("vocab.json", [UInt8](try JSONEncoder().encode(file.model.vocab))),
            try files.write("merges.txt", "#version: 0.2\n\(merges)\n")
        )
    }

    @Test func vocabularyAndMergesAreTheSameTokenizer() throws {
        let files = try TemporaryFiles()
        let (vocabulary, _) = try Self.pair(files)
        let golden = try GoldenTests.golden("gpt2").rule.sample
        let sample = try GoldenTests.sample.get()
        for path in [files.path, files.path + "/", vocabulary] {
            let tokenizer = try Tokenizer.read(path)
            #expect(tokenizer.encode(sample) == golden)
            #expect(tokenizer.endOfDocument == 0 && tokenizer.vocabularySize == 900)
        }
    }

    @Test func aFolderNamesTheEndOfADocument() throws {
        let files = try TemporaryFiles()
        _ = try files.write("tokenizer.json", try TokenGoldens.bytes("qwen2.json"))
        #expect(try Tokenizer.read(files.path).endOfDocument == 0)
        _ = try files.write("tokenizer_config.json", #"{"eos_token": {"content": "<|im_start|>"}}"#)
        #expect(try Tokenizer.read(files.path).endOfDocument == 1)
        _ = try files.write("tokenizer_config.json", #"{"eos_token": "<pad>"}"#)
        #expect(try Tokenizer.read(files.path).endOfDocument == 1000)
        _ = try files.write("tokenizer_config.json", #"{"eos_token": "nothing"}"#)
        #expect(try Tokenizer.read(files.path).endOfDocument == nil)
    }

    @Test func whatIsNotDoneIsAnErrorThatNamesTheKey() throws {
        let files = try TemporaryFiles()
        let text = try Self.gpt2()
        let pattern = SplittingRule.llama3.pattern ?? ""
        let wrong = [
            (#""normalizer":null"#, #""normalizer":{"type":"NFKC"}"#, "normalizer.type: is not done (found 'NFKC')"),
            (
                #""normalizer":null"#,
                #""normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"\#(String(repeating: "a", count: 5000))"}"#,
                "normalizer: may make a text more than 4096 times as long"
            ),
            (#""truncation":null"#, #""truncation":{"max_length":512}"#, "truncation: is not done"),
            (#""dropout":null"#, #""dropout":0.1"#, "model.dropout: is not done"),
            (#""type":"BPE""#, #""type":"WordPiece""#, "model.type: is not done (found 'WordPiece')"),
            (#""fuse_unk":false"#, #""fuse_unk":1"#, "model.fuse_unk: must be true or false (found 1)"),
            (#""fuse_unk":false"#, #""fuse_all":true"#, "model.fuse_all: is not known here"),
            (#""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#, "model.end_of_word_suffix: is not done"),
            (#""unk_token":null"#, #""unk_token":"none""#, "model.unk_token: is no token of the vocabulary"),
            (#""version":"1.0""#, #""versoin":"1.0""#, "versoin: is not known here"),
            (
                #"{"type":"ByteLevel","add_prefix_space":false"#, #"{"type":"Digits","add_prefix_space":false"#,
                "pre_tokenizer.type"
            ),
            (#""id":0,"content""#, #""id":-1,"content""#, "added_tokens[0].id: must be a whole number"),
        ]
        for (old, new, message) in wrong {
            #expect(text.contains(old), "\(old)")
            let path = try files.write("tokenizer.json", text.replacingOccurrences(of: old, with: new))
            let problem = Self.problem(path)
            #expect(problem.contains(message) && problem.hasPrefix(path), "\(new): \(problem)")
        }
        let llama = String(decoding: try TokenGoldens.bytes("llama3.json"), as: UTF8.self)
        let escaped = pattern.replacingOccurrences(of: "\\", with: "\\\\")
        #expect(llama.contains(escaped))
        let path = try files.write("tokenizer.json", llama.replacingOccurrences(of: escaped, with: "[a-z]+"))
        #expect(Self.problem(path).contains("pattern.Regex: is not known here (found '[a-z]+')"))
    }

    @Test func aVocabularyThatDoesNotFitItsMergesIsRefused() throws {
        let files = try TemporaryFiles()
        let (vocabulary, _) = try Self.pair(files)
        _ = try files.write("merges.txt", "#version: 0.2\nĠ t\nq q\n")
        #expect(Self.problem(vocabulary).contains("merge 2 needs the token 'qq', which the vocabulary lacks"))
        _ = try files.write("merges.txt", "a b c\n")
        #expect(Self.problem(vocabulary).contains("merges.txt:1: must be two tokens and a space"))
        _ = try files.write("vocab.json", #"{"a": 0, "b": 0}"#)
        _ = try files.write("merges.txt", "")
        #expect(Self.problem(vocabulary).contains("two tokens have the number 0"))
        _ = try files.write("vocab.json", #"{"a": 999999999}"#)
        #expect(Self.problem(vocabulary).contains("must be a whole number"))
        _ = try files.write("vocab.json", "{}")
        #expect(Self.problem(vocabulary).contains("holds no token"))
    }

    @Test func filesThatAreNoTokenizer() throws {
        let files = try TemporaryFiles()
        #expect(Self.problem("no/such/file").contains("no/such/file: there is no such tokenizer"))
        #expect(Self.problem(files.path).contains("holds neither tokenizer.json nor vocab.json"))
        for (text, message) in [
            ("", "is no JSON: it ends in the middle"), ("{", "a key in quotes belongs here"),
            ("{\n  \"model\": tru\n}", "2:12: is no JSON: a value belongs here"), ("[]", "is no tokenizer.json"),
            ("{\"model\": 1}", "is not done"), (String(repeating: "[", count: 100_000), "it nests too deeply"),
            ("{\"model\": {\"merges\": [], \"vocab\": []}}", "model.vocab: must be a map"),
        ] {
            let path = try files.write("tokenizer.json", text)
            #expect(Self.problem(path).contains(message), "\(Self.problem(path))")
        }
    }

    /// Files with bytes changed are read or refused with a word, and what is read encodes.
    @Test func changedFilesNeverTrap() throws {
        let files = try TemporaryFiles()
        var random = SplitMix64(seed: 11)
        let words = ["null", "1e9", "-1", "\"", "{", "}", "[", "]", "true", "\\u00e9", "\\ud800", "0", "\"type\"", ","]
        let text = Array("The quick  brown \u{e9}t\u{e9} <s> \u{2581}\n\n 12345 it's".utf8) + [0xFF, 0xC3]
        var read = 0
        for name in GoldenTests.rules {
            let whole = try TokenGoldens.bytes("\(name).json")
            for _ in 0..<40 {
                var bytes = whole
                for _ in 0...random.next() % 3 {
                    // Most of a file is vocabulary: half of the changes are made before it.
                    let end = random.next() & 1 == 0 ? min(2000, bytes.count) : bytes.count
                    let place = Int(random.next() % UInt64(end))
                    if random.next() & 1 == 0 {
                        bytes[place] = UInt8(0x61 + random.next() % 26)
                        continue
                    }
                    let word = Array(words[Int(random.next() % UInt64(words.count))].utf8)
                    bytes.replaceSubrange(place..<min(bytes.count, place + Int(random.next() % 4)), with: word)
                }
                let path = try files.write("tokenizer.json", bytes)
                do {
                    let tokenizer = try Tokenizer.read(path)
                    _ = tokenizer.decode(tokenizer.encode(text, special: true))
                    read += 1
                } catch {
                    #expect(!error.problems.isEmpty && error.description.hasPrefix(path))
                }
            }
        }
        #expect(read > 20)
    }
}
