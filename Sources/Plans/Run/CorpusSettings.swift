internal import Foundation

extension TrainSettings {
    /// A file of a corpus, and how often its sequences come.
    package struct CorpusFile: Hashable, Codable, Sendable {
        /// A text, llm.c's `.bin`, or Megatron-LM's pair by one of its files or their common name.
        package var path: String
        /// Its share of the sequences, relative to the other files' weights.
        package var weight: Double

        package init(path: String, weight: Double = 1) { (self.path, self.weight) = (path, weight) }

        /// The files that a path stands for: a pair is two.
        package static func files(at path: String) -> [String] {
            let manager = FileManager.default
            for ending in [".bin", ".idx"] where path.hasSuffix(ending) {
                let other = String(path.dropLast(4)) + (ending == ".bin" ? ".idx" : ".bin")
                return manager.fileExists(atPath: other) ? [path, other] : [path]
            }
            if !isFile(path), manager.fileExists(atPath: path + ".idx") {
                return [path + ".bin", path + ".idx"]
            }
            return [path]
        }

        /// Whether there is something of this name that is no folder. A pair may lie beside a folder of its name.
        package static func isFile(_ path: String) -> Bool {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        }

        /// Whether there is a file of this name, or a pair of files.
        static func exists(at path: String) -> Bool {
            FileManager.default.fileExists(atPath: path) || FileManager.default.fileExists(atPath: path + ".idx")
        }
    }

    /// What becomes of the ends of documents inside of sequences.
    package enum DocumentRule: String, Hashable, Codable, Sendable, CaseIterable {
        /// Nothing: a file is one stream of tokens.
        case joined
        /// Neither attention nor positions cross them.
        case packed
        /// A sequence holds one document or a piece of it. The rest is padding, which does not count.
        case apart
    }

    /// Text that is never trained on, and when the loss on it is computed.
    package struct Validation: Hashable, Codable, Sendable {
        /// The part of every file that is held out: the last sequences. nil: `files` are others.
        package var share: Double?
        package var files: [CorpusFile]?
        /// Steps from one validation to the next; the last step always has one.
        package var every: Int
        /// Batches of a validation, each as large as that of a step.
        package var batches: Int

        package init(share: Double? = nil, files: [CorpusFile]? = nil, every: Int = 100, batches: Int = 8) {
            (self.share, self.files, self.every, self.batches) = (share, files, every, batches)
        }
    }

    /// The files of the corpus.
    package var files: [CorpusFile] { corpus ?? [CorpusFile(path: data)] }

    /// Replaces the corpus by one file.
    package mutating func train(on path: String) { (data, corpus) = (path, nil) }

    /// Every file of the corpus and of the validation, and the tokenizer's, by the key that names it.
    package var readFiles: [(key: String, path: String)] {
        var found: [(key: String, path: String)] = []
        func add(_ key: String, _ files: [CorpusFile]) {
            for file in files { found += CorpusFile.files(at: file.path).map { (key, $0) } }
        }
        add("train.data", files)
        add("train.validation.data", validation?.files ?? [])
        if tokenizer != "bytes" {
            var isFolder: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: tokenizer, isDirectory: &isFolder)
            let names = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]
            let paths = isThere && isFolder.boolValue ? names.map { tokenizer + "/" + $0 } : [tokenizer]
            found += paths.filter(FileManager.default.fileExists(atPath:)).map { ("train.tokenizer", $0) }
        }
        return found
    }

    /// Forgets where files lie. Their content is compared elsewhere.
    package mutating func forgetPaths() {
        data = ""
        if tokenizer != "bytes" { tokenizer = "file" }
        func blank(_ files: [CorpusFile]?) -> [CorpusFile]? {
            files.map { $0.map { CorpusFile(path: "", weight: $0.weight) } }
        }
        corpus = blank(corpus)
        if var held = validation {
            held.files = blank(held.files)
            validation = held
        }
    }

    /// What becomes of the ends of documents in a run of a plan.
    /// - Parameter isPacked: whether the plan states packed documents (`packing`).
    package func documentRule(isPacked: Bool) -> DocumentRule { documents ?? (isPacked ? .packed : .joined) }

    /// Whether the loss on the validation's text is computed after `done` steps.
    package func validates(after done: Int) -> Bool {
        guard let validation else { return false }
        return done % validation.every == 0 || done == steps
    }
}
