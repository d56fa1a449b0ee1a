internal import ArgumentParser
internal import Foundation
internal import Numbers
internal import Output
internal import Reading
internal import Reports
internal import Tokens

/// `trainyard tokenize`: tokenizers trained, and text made into tokens.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Train a tokenizer, make text into files of tokens, show tokens.",
        discussion: """
            A tokenizer is 'bytes', a tokenizer.json of Hugging Face, or a folder with tokenizer.json or GPT-2's vocab.json \
            and merges.txt. Token files are Megatron-LM's .bin and .idx.

              trainyard tokenize train corpus.txt --vocab 32000 --rules llama3 \\
                  --out tokenizer.json
              trainyard tokenize prepare corpus.jsonl --documents jsonl --append-eod \\
                  --tokenizer tokenizer.json --out corpus
              trainyard tokenize show --tokenizer tokenizer.json --text "Hello world"
            """,
        subcommands: [Train.self, Prepare.self, Show.self])

    /// The rule that an option names.
    /// - Throws: the exit code of bad input, after a line that names the known rules.
    private static func choice<Rule: CaseIterable & RawRepresentable<String>>(
        _ word: String, of option: String
    ) throws -> Rule {
        if let rule = Rule(rawValue: word) { return rule }
        let known = Rule.allCases.map(\.rawValue)
        let near = Wording.didYouMean(word, among: known)
        throw Failure.input(
            "\(option) is \(word); it takes \(Wording.alternatives(known))" + (near.isEmpty ? "" : "; " + near))
    }

    /// Megabytes a second.
    static func speed(_ bytes: Int, _ seconds: Double) -> Double { seconds > 0 ? Double(bytes) / seconds / 1e6 : 0 }

    static func perByte(_ tokens: Int, _ bytes: Int) -> Double { bytes > 0 ? Double(tokens) / Double(bytes) : 0 }

    /// A file in whole megabytes of all, for the progress line.
    static func share(_ bytes: Int, _ all: Int) -> String {
        "\(Figures.grouped(bytes / 1_000_000)) of \(Figures.grouped(all / 1_000_000)) MB"
    }

    // MARK: train

    struct Train: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Learn a byte-level BPE from text and write it as tokenizer.json.",
            discussion: """
                Merges are those that Hugging Face's tokenizers learns, which opens the file and encodes the same with it.

                  trainyard tokenize train corpus.txt --vocab 32000 --out tokenizer.json
                """)

        @Argument(help: "Text files.")
        var texts: [String]
        @Option(help: "Tokens to reach.")
        var vocab: Count = 32_000
        @Option(help: "How text is cut into words: gpt2, llama3, qwen2 or none.")
        var rules = "gpt2"
        @Option(help: "Special tokens with commas; the first ends documents.")
        var special = "<|endoftext|>"
        @Option(help: "How often a pair must occur to be merged.")
        var minFrequency: Count = 0
        @Option(help: ArgumentHelp("The file to write.", valueName: "tokenizer.json"))
        var out: String
        @Flag(help: "Print one JSON document.")
        var json = false

        struct Document: Encodable {
            var file: String
            var vocabulary: Int
            var merges: Int
            var words: Int
            var bytes: Int
            var tokens: Int
            var tokensPerByte: Double
            var seconds: Double
        }

        mutating func run() throws {
            let rule: SplittingRule = try TokenizeCommand.choice(rules, of: "--rules")
            let special = special.split(separator: ",").map(String.init)
            guard (257...Tokenizer.most).contains(vocab.value) else {
                throw Failure.input("--vocab is \(vocab); it takes 257 to \(Tokenizer.most): every byte is a token")
            }
            try CommandFiles(
                written: [NamedPath("--out", out)], read: texts.map { NamedPath("a text", $0) }
            ).check()
            let output = try OutputFile(out)
            let start = Date()
            let progress = SearchProgress()
            var counts = WordCounts(rule: rule)
            let files = try texts.map { try MappedFile(path: $0) }
            let all = files.reduce(0) { $0 + $1.count }
            guard all > 0 else { throw Failure.input("the texts are empty: there is nothing to learn from") }
            for file in files {
                let before = counts.bytes
                file.withBytes { text in
                    counts.add(text) { bytes in
                        progress.show("read \(TokenizeCommand.share(before + bytes, all))")
                    }
                }
            }
            let result = BytePairTraining.train(
                counts, vocabulary: vocab.value, least: minFrequency.value, special: special
            ) { tokens in progress.show("learned \(Figures.grouped(tokens)) of \(Figures.grouped(vocab.value)) tokens")
            }
            progress.clear()
            let content = result.json(rule: rule)
            let writer = try FileWriter(output)
            try writer.write(content)
            try writer.finish()
            let seconds = Date().timeIntervalSince(start)
            if result.vocabulary.count < vocab.value {
                Console.note(
                    "the text gives \(Figures.grouped(result.vocabulary.count)) tokens: no pair is left that occurs often enough"
                )
            }
            // The beginning of its own text is encoded, to print tokens a byte.
            let sample = files.first { $0.count > 0 }?.withBytes { Array($0.prefix(8 << 20)) } ?? []
            let tokens = try Tokenizer.parse(content, name: out).encode(sample).count
            let document = Document(
                file: out, vocabulary: result.vocabulary.count, merges: result.merges.count,
                words: counts.counts.count, bytes: all, tokens: tokens,
                tokensPerByte: TokenizeCommand.perByte(tokens, sample.count), seconds: seconds)
            if json {
                try print(JSONDocument.text(document))
                return
            }
            try print(
                """
                \(out): \(Figures.grouped(document.vocabulary)) tokens, \(Figures.grouped(document.merges)) merges from \
                \(Figures.grouped(document.words)) words
                \(Figures.fixed(document.tokensPerByte, 4)) tokens a byte on its own text; \(Figures.seconds(seconds))
                """)
        }
    }

    // MARK: prepare

    struct Prepare: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make text into tokens: PREFIX.bin and PREFIX.idx, as Megatron-LM reads them.",
            discussion: """
                Documents are lines, maps of JSON a line (jsonl), files, or stand between blank lines (blank-lines). Neither \
                file is there before both are whole.

                  trainyard tokenize prepare corpus.jsonl --documents jsonl --append-eod \\
                      --tokenizer tokenizer.json --out corpus
                """)

        @Argument(help: "Text files.")
        var texts: [String]
        @Option(help: "bytes, a tokenizer.json, or a folder with one.")
        var tokenizer: String
        @Option(
            help: ArgumentHelp(
                "The files' name without .bin and .idx; files of that name are replaced.", valueName: "prefix"))
        var out: String
        @Option(help: "Where documents end: lines, jsonl, file or blank-lines.")
        var documents = "lines"
        @Option(help: "The key of a line's text, for jsonl.")
        var key = "text"
        @Option(help: "Threads. (default: one a core)")
        var workers: Count?
        @Flag(help: "Put the token that ends a document behind every document.")
        var appendEod = false
        @Option(help: "That token by its text, where the tokenizer names none or another.")
        var eod: String?
        @Flag(help: "Add the tokens that the tokenizer puts before and after a text.")
        var special = false
        @Flag(help: "Print one JSON document.")
        var json = false

        struct Document: Encodable {
            var files: [String]
            var tokenizer: String
            var vocabulary: Int
            var bitsPerToken: Int
            var documents: Int
            var tokens: Int
            var bytes: Int
            var tokensPerByte: Double
            var workers: Int
            var seconds: Double
            var megabytesPerSecond: Double
        }

        mutating func run() throws {
            let rule: DocumentRule = try TokenizeCommand.choice(documents, of: "--documents")
            let threads = workers?.value ?? Cores.physical()
            guard (1...1024).contains(threads) else {
                throw Failure.input("--workers is \(threads); it takes 1 to 1024")
            }
            // The endings of both files belong to no name.
            for ending in [".bin", ".idx"] where out.hasSuffix(ending) { out = String(out.dropLast(4)) }
            let sizes = texts.map { (try? FileManager.default.attributesOfItem(atPath: $0))?[.size] as? Int }
            if sizes.allSatisfy({ $0 == 0 }) {
                throw Failure.input("\(texts[0]): is empty; there is nothing to prepare")
            }
            var preparation = Preparation(tokenizer: try Tokenizer.read(tokenizer), rule: rule)
            preparation.key = key
            preparation.workers = threads
            preparation.addsSpecial = special
            if let eod {
                guard let id = preparation.tokenizer.id(of: eod) else {
                    throw Failure.input("--eod: \(tokenizer) has no token '\(eod)'")
                }
                preparation.endOfDocument = id
            } else if appendEod {
                guard let id = preparation.tokenizer.endOfDocument else {
                    throw Failure.input(
                        "--append-eod: \(tokenizer) has no token that is known to end a document; --eod names one")
                }
                preparation.endOfDocument = id
            }
            let progress = SearchProgress()
            let summary: Preparation.Summary
            do {
                summary = try preparation.run(texts, to: out) { bytes, tokens, all in
                    progress.show("\(TokenizeCommand.share(bytes, all)), \(Figures.grouped(tokens)) tokens")
                }
                progress.clear()
            } catch {
                progress.clear()
                switch error {
                case .input(let problems): throw problems
                case .output(let error): throw error
                }
            }
            let document = Document(
                files: summary.files, tokenizer: tokenizer, vocabulary: preparation.tokenizer.vocabularySize,
                bitsPerToken: 8 * summary.width.bytes, documents: summary.documents, tokens: summary.tokens,
                bytes: summary.bytes, tokensPerByte: TokenizeCommand.perByte(summary.tokens, summary.bytes),
                workers: threads, seconds: summary.seconds,
                megabytesPerSecond: TokenizeCommand.speed(summary.bytes, summary.seconds))
            if json {
                try print(JSONDocument.text(document))
                return
            }
            try print(
                """
                \(summary.files.joined(separator: ", ")): \(Figures.grouped(summary.documents)) documents, \
                \(Figures.grouped(summary.tokens)) tokens of \(document.bitsPerToken) bits
                \(Figures.fixed(document.tokensPerByte, 4)) tokens a byte; \(Figures.grouped(summary.bytes)) bytes in \
                \(Figures.seconds(summary.seconds)), \(Figures.fixed(document.megabytesPerSecond, 1)) MB/s
                """)
        }
    }

    // MARK: show

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the tokens of a text, of files or of standard input.",
            discussion: """
                  trainyard tokenize show --tokenizer tokenizer.json --text "Hello world"
                  trainyard tokenize show --tokenizer tokenizer.json README.md --count
                """)

        @Argument(help: "Text files; without one and without --text, standard input is read.")
        var texts: [String] = []
        @Option(help: "bytes, a tokenizer.json, or a folder with one.")
        var tokenizer: String
        @Option(help: "The text itself.")
        var text: String?
        @Flag(help: "Print counts and speed alone.")
        var count = false
        @Flag(help: "Add the tokens that the tokenizer puts before and after a text.")
        var special = false
        @Flag(help: "Print one JSON document.")
        var json = false

        struct Document: Encodable {
            struct Token: Encodable {
                var id: Int32
                var text: String
            }
            var tokenizer: String
            var vocabulary: Int
            var bytes: Int
            var tokens: Int
            var tokensPerByte: Double
            var megabytesPerSecond: Double
            /// Whether decoding the tokens gives the bytes of the text.
            var restores: Bool
            var list: [Token]?
        }

        /// Bytes of a text from which on the time says something.
        private static let timed = 100_000

        func validate() throws {
            if text != nil, !texts.isEmpty { throw ValidationError("Give --text or files, not both.") }
        }

        mutating func run() throws {
            let tokenizer = try Tokenizer.read(tokenizer)
            var bytes: [UInt8] = []
            if let text {
                bytes = Array(text.utf8)
            } else if texts.isEmpty {
                while case let next = StandardStreams.next(from: STDIN_FILENO), !next.isEmpty { bytes += next }
            } else {
                for path in texts { bytes += try MappedFile(path: path).withBytes { Array($0) } }
            }
            let encoder = TokenEncoder(tokenizer)
            var ids: [Int32] = []
            let start = Date()
            bytes.withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
            let seconds = Date().timeIntervalSince(start)
            let restored = tokenizer.decode(ids) == bytes
            if special { ids = tokenizer.prefix + ids + tokenizer.suffix }
            let document = Document(
                tokenizer: tokenizer.name, vocabulary: tokenizer.vocabularySize, bytes: bytes.count, tokens: ids.count,
                tokensPerByte: TokenizeCommand.perByte(ids.count, bytes.count),
                megabytesPerSecond: TokenizeCommand.speed(bytes.count, seconds), restores: restored,
                list: count ? nil : ids.map { Document.Token(id: $0, text: tokenizer.text(of: $0) ?? "") })
            if json {
                try print(JSONDocument.text(document))
                return
            }
            if !count {
                try print(ids.map { "\($0)\t\(tokenizer.text(of: $0) ?? "")\n" }.joined(), terminator: "")
            }
            try print(
                """
                \(Figures.grouped(ids.count)) tokens of \(Figures.grouped(bytes.count)) bytes, \
                \(Figures.fixed(document.tokensPerByte, 4)) tokens a byte\
                \(bytes.count < Self.timed ? "" : ", \(Figures.fixed(document.megabytesPerSecond, 1)) MB/s")\
                \(restored ? "" : "; decoding them does not give the same bytes")
                """)
        }
    }
}
