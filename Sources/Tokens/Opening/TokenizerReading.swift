internal import Foundation
package import Reading

extension Tokenizer {
    /// Most tokens of a vocabulary, and most that a number of one may be.
    package static let most = 1 << 22

    /// Reads a tokenizer.
    /// - Parameter path: `bytes`; a `tokenizer.json`; a `vocab.json` beside its `merges.txt`; or a folder that holds one of them.
    /// - Throws: problems that name the file and the key that cannot be used.
    package static func read(_ path: String) throws(PlanProblems) -> Tokenizer {
        if path == "bytes" { return .bytes }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw PlanProblems([
                PlanProblem(
                    file: path, field: "", rule: "there is no such tokenizer",
                    fix: "name 'bytes', a tokenizer.json, or a folder with tokenizer.json or vocab.json and merges.txt")
            ])
        }
        guard isFolder.boolValue else {
            let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            let beside = folder.isEmpty && !path.hasPrefix("/") ? "." : folder
            if path.hasSuffix("/vocab.json") || path == "vocab.json" { return try pair(folder: beside, name: path) }
            return try TokenizerFile(JSONEntry.read(path), name: path, end: nil).tokenizer()
        }
        let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
        let end = try stated(folder: folder)
        if FileManager.default.fileExists(atPath: folder + "/tokenizer.json") {
            return try TokenizerFile(JSONEntry.read(folder + "/tokenizer.json"), name: path, end: end).tokenizer()
        }
        if FileManager.default.fileExists(atPath: folder + "/vocab.json") {
            return try pair(folder: folder, name: path)
        }
        throw PlanProblems([
            PlanProblem(
                file: path, field: "", rule: "holds neither tokenizer.json nor vocab.json and merges.txt",
                fix: FileManager.default.fileExists(atPath: folder + "/tokenizer.model")
                    ? "tokenizer.model alone is not read; transformers' convert_slow_tokenizer makes a tokenizer.json of it"
                    : "")
        ])
    }

    /// The tokenizer of the text of a tokenizer.json.
    package static func parse(_ json: [UInt8], name: String) throws(PlanProblems) -> Tokenizer {
        let parsed = json.withUnsafeBytes { text in
            Result { () throws(PlanProblems) in try JSONEntry.parse(text, file: name) }
        }
        return try TokenizerFile(try parsed.get(), name: name, end: nil).tokenizer()
    }

    /// The end of a text that a folder's tokenizer_config.json names.
    private static func stated(folder: String) throws(PlanProblems) -> [UInt8]? {
        let path = folder + "/tokenizer_config.json"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let token = try JSONEntry.read(path)["eos_token"]
        switch token.value {
        case .null: return nil
        case .map: return try token["content"].bytes()
        default: return try token.bytes()
        }
    }

    /// GPT-2's two files.
    private static func pair(folder: String, name: String) throws(PlanProblems) -> Tokenizer {
        let vocabulary = try JSONEntry.read(folder + "/vocab.json")
        let mergesPath = folder + "/merges.txt"
        let file = try MappedFile(path: mergesPath)
        var merges: [(left: [UInt8], right: [UInt8])] = []
        let text = file.withBytes { Array($0) }
        for (number, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let line = line.last == 0x0D ? line.dropLast() : line
            if line.isEmpty || line.starts(with: "#version".utf8) { continue }
            let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw PlanProblems([
                    PlanProblem(file: mergesPath, line: number + 1, field: "", rule: "must be two tokens and a space")
                ])
            }
            merges.append((Array(parts[0]), Array(parts[1])))
        }
        let model = try VocabularyReading.bytePair(
            vocabulary, merges: merges, mergesFile: mergesPath, isByteLevel: true, ignoresMerges: false, unknown: nil,
            fusesUnknown: false, fallback: false)
        let texts = try VocabularyReading.texts(of: vocabulary, added: [])
        var added: [AddedToken] = []
        let end = VocabularyReading.endOfDocument(texts, stated: try stated(folder: folder))
        // GPT-2's own files hold this one token that is not made of bytes.
        if let end, let text = texts[Int(end)] {
            var token = AddedToken(content: text, id: end)
            token.isSpecial = true
            added.append(token)
        }
        return Tokenizer(
            name: name, model: .byteLevel(model, rule: .gpt2, prefix: false), added: added, texts: texts,
            decoder: [.byteLevel], endOfDocument: end, content: VocabularyReading.digest(merges, settings: "gpt2"))
    }
}
