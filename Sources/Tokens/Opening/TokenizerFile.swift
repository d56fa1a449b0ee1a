internal import Foundation
internal import Reading

/// A `tokenizer.json` of Hugging Face's `tokenizers`. What it asks for and is not done here is an error that names the key.
struct TokenizerFile {
    let root: JSONEntry
    let name: String
    /// The end of a text as a file beside it states.
    let end: [UInt8]?

    init(_ root: JSONEntry, name: String, end: [UInt8]?) { (self.root, self.name, self.end) = (root, name, end) }

    func tokenizer() throws(PlanProblems) -> Tokenizer {
        guard !root["model"].isNull else {
            throw root.problem("is no tokenizer.json: it has no 'model'")
        }
        try root.onlyKnows(
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
            "decoder", "model")
        for key in ["truncation", "padding"] where !root[key].isNull {
            throw root[key].problem("is not done", fix: "set it to null: texts are encoded whole")
        }
        let added = try addedTokens()
        let normalizer = try NormalizerReading.steps(root["normalizer"])
        try checkGrowth(normalizer)
        let splitting = try SplittingReading(root["pre_tokenizer"])
        let ends = try PostProcessorReading.template(root["post_processor"])
        let decoder = try DecoderReading.steps(root["decoder"])
        let (model, texts, content) = try readModel(splitting, normalizer, added)
        func inside(_ ids: [Int32]) throws(PlanProblems) {
            guard ids.allSatisfy({ Int($0) < texts.count }) else {
                throw root["post_processor"].problem("names a token beyond the vocabulary of \(texts.count)")
            }
        }
        try inside(ends.prefix)
        try inside(ends.suffix)
        var digest = ContentDigest()
        digest.add(content)
        for key in ["added_tokens", "normalizer", "pre_tokenizer"] { digest.add(Array("\(root[key].value)".utf8)) }
        return Tokenizer(
            name: name, model: model, normalizer: normalizer, added: added, texts: texts, decoder: decoder,
            prefix: ends.prefix, suffix: ends.suffix,
            endOfDocument: VocabularyReading.endOfDocument(texts, stated: end), content: digest.value)
    }

    /// Most that steps may lengthen a text, all together, so that a file cannot fill the memory.
    private static let mostGrowth = 4096

    private func checkGrowth(_ steps: [NormalizerStep]) throws(PlanProblems) {
        var growth = 1
        for step in steps {
            let (product, overflows) = growth.multipliedReportingOverflow(by: step.growth)
            growth = overflows ? .max : product
            if case .prepend(let text) = step, text.count > Self.mostGrowth { growth = .max }
            guard growth <= Self.mostGrowth else {
                throw root["normalizer"].problem("may make a text more than \(Self.mostGrowth) times as long")
            }
        }
    }

    private func addedTokens() throws(PlanProblems) -> [AddedToken] {
        guard !root["added_tokens"].isNull else { return [] }
        var found: [Int32: AddedToken] = [:]
        for entry in try root["added_tokens"].list() {
            try entry.onlyKnows("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
            let content = try entry["content"].bytes()
            if content.isEmpty { continue }
            guard content.count <= AddedTokenFinder.longest else {
                throw entry["content"].problem("must have at most \(AddedTokenFinder.longest) bytes")
            }
            var token = AddedToken(
                content: content, id: Int32(truncatingIfNeeded: try entry["id"].count(0...Tokenizer.most - 1)))
            token.singleWord = try entry["single_word"].flag(false)
            token.stripsLeft = try entry["lstrip"].flag(false)
            token.stripsRight = try entry["rstrip"].flag(false)
            token.isSpecial = try entry["special"].flag(false)
            token.isNormalized = try entry["normalized"].flag(!token.isSpecial)
            found[token.id] = token
        }
        return found.values.sorted { $0.id < $1.id }
    }

    // MARK: The model

    private typealias Read = (model: Tokenizer.Model, texts: [[UInt8]?], content: UInt64)

    private func readModel(
        _ splitting: SplittingReading, _ normalizer: [NormalizerStep], _ added: [AddedToken]
    ) throws(PlanProblems) -> Read {
        let model = root["model"]
        let kind = model["type"].isNull ? (model["merges"].isNull ? "" : "BPE") : try model["type"].text()
        switch kind {
        case "BPE": return try bytePair(model, splitting, added)
        case "Unigram": return try unigram(model, splitting, added)
        default: throw model["type"].problem("is not done", fix: "BPE and Unigram are")
        }
    }

    private func bytePair(
        _ model: JSONEntry, _ splitting: SplittingReading, _ added: [AddedToken]
    ) throws(PlanProblems) -> Read {
        try model.onlyKnows(
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges")
        if case .number(let dropout) = model["dropout"].value, dropout != 0 {
            throw model["dropout"].problem("is not done: encoding would depend on chance", fix: "set it to null")
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] where !model[key].isNull {
            guard try model[key].bytes().isEmpty else { throw model[key].problem("is not done") }
        }
        let merges = try merges(model["merges"])
        let vocabulary = model["vocab"]
        let ignores = try model["ignore_merges"].flag(false)
        let isByteLevel = splitting.kind.isByteLevel
        let pair = try VocabularyReading.bytePair(
            vocabulary, merges: merges, mergesFile: model.file, isByteLevel: isByteLevel, ignoresMerges: ignores,
            unknown: model["unk_token"], fusesUnknown: try model["fuse_unk"].flag(false),
            fallback: try model["byte_fallback"].flag(false))
        let texts = try VocabularyReading.texts(of: vocabulary, added: added)
        let content = VocabularyReading.digest(merges, settings: "\(ignores)")
        switch splitting.kind {
        case .byteLevel(let rule, let prefix):
            return (.byteLevel(pair, rule: rule, prefix: prefix), texts, content)
        case .pieces(var words):
            let hasMark = pair.symbols.characters?.value(0x2581) ?? -1 >= 0
            words.mayCut =
                !ignores && (words.replacement ?? Array("▁".utf8)) == Array("▁".utf8)
                && VocabularyReading.mayCut(merges, hasMark: hasMark)
            return (.pieces(pair, words: words), texts, content)
        }
    }

    /// Merges, each a list of two texts or, in older files, one text with a space.
    private func merges(_ entry: JSONEntry) throws(PlanProblems) -> [VocabularyReading.Merge] {
        guard case .list(let values) = entry.value else { throw entry.problem("must be a list") }
        var found: [VocabularyReading.Merge] = []
        found.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            switch value {
            case .list(let parts):
                if parts.count == 2, case .text(let left) = parts[0], case .text(let right) = parts[1] {
                    found.append((left, right))
                    continue
                }
            case .text(let text):
                let parts = text.split(separator: 0x20, omittingEmptySubsequences: false)
                if parts.count == 2 {
                    found.append((Array(parts[0]), Array(parts[1])))
                    continue
                }
            default: break
            }
            throw JSONEntry(file: entry.file, path: "\(entry.path)[\(index)]", value: value).problem(
                "must be two tokens")
        }
        return found
    }

    /// Longest piece in bytes, so that a file cannot make the search slow.
    private static let longestPiece = 1024

    private func unigram(
        _ model: JSONEntry, _ splitting: SplittingReading, _ added: [AddedToken]
    ) throws(PlanProblems) -> Read {
        try model.onlyKnows("type", "unk_id", "vocab", "byte_fallback")
        guard case .pieces(let words) = splitting.kind else {
            throw root["pre_tokenizer"].problem("ByteLevel is not done with Unigram")
        }
        guard case .list(let values) = model["vocab"].value, !values.isEmpty, values.count <= Tokenizer.most else {
            throw model["vocab"].problem("must be a list of 1 to \(Tokenizer.most) pieces")
        }
        var pieces: [(bytes: [UInt8], score: Double)] = []
        pieces.reserveCapacity(values.count)
        var ids: [[UInt8]: Int32] = [:]
        for (index, value) in values.enumerated() {
            guard case .list(let parts) = value, parts.count == 2, case .text(let text) = parts[0],
                case .number(let score) = parts[1], text.count <= Self.longestPiece
            else {
                throw JSONEntry(file: model.file, path: "model.vocab[\(index)]", value: value).problem(
                    "must be a text of at most \(Self.longestPiece) bytes and its score")
            }
            pieces.append((text, score))
            ids[text] = Int32(truncatingIfNeeded: index)
        }
        let unknown = Int32(truncatingIfNeeded: try model["unk_id"].count(0...pieces.count - 1))
        let texts = try VocabularyReading.texts(
            pieces.enumerated().map { ($1.bytes, Int32(truncatingIfNeeded: $0)) }, added: added, model["vocab"])
        var digest = ContentDigest()
        for piece in pieces { digest.add(piece.score.bitPattern) }
        let fallback = try model["byte_fallback"].flag(false) ? VocabularyReading.byteTokens(ids) : []
        let read = UnigramModel(pieces: pieces, unknown: unknown, fallback: fallback)
        return (.unigram(read, words: words), texts, digest.value)
    }
}
