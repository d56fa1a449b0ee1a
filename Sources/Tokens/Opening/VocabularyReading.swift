internal import Reading

/// Vocabularies and merges of files, made into what encodes.
enum VocabularyReading {
    typealias Merge = (left: [UInt8], right: [UInt8])

    /// The texts by number, with those of added tokens.
    static func texts(of vocabulary: JSONEntry, added: [AddedToken]) throws(PlanProblems) -> [[UInt8]?] {
        var entries: [(text: [UInt8], id: Int32)] = []
        for (text, id) in try numbers(of: vocabulary) { entries.append((text, id)) }
        return try texts(entries, added: added, vocabulary)
    }

    static func texts(
        _ entries: [(text: [UInt8], id: Int32)], added: [AddedToken], _ place: JSONEntry
    ) throws(PlanProblems) -> [[UInt8]?] {
        let last = max(entries.map(\.id).max() ?? -1, added.map(\.id).max() ?? -1)
        guard last >= 0 else { throw place.problem("holds no token") }
        var texts = [[UInt8]?](repeating: nil, count: Int(last) + 1)
        for (text, id) in entries {
            if let other = texts[Int(id)], other != text {
                throw place.problem(
                    "two tokens have the number \(id): '\(shown(other))' and '\(shown(text))'", fix: "give each its own"
                )
            }
            texts[Int(id)] = text
        }
        for token in added { texts[Int(token.id)] = token.content }
        return texts
    }

    /// The numbers of a map from texts to numbers.
    static func numbers(of vocabulary: JSONEntry) throws(PlanProblems) -> [[UInt8]: Int32] {
        let entries = try vocabulary.map()
        var found: [[UInt8]: Int32] = [:]
        found.reserveCapacity(entries.count)
        for (text, value) in entries {
            guard case .number(let number) = value, let id = Int32(exactly: number), id >= 0, id < Tokenizer.most else {
                throw JSONEntry(file: vocabulary.file, path: "\(vocabulary.path).\(shown(text))", value: value).problem(
                    "must be a whole number from 0 to \(Tokenizer.most - 1)")
            }
            found[text] = id
        }
        return found
    }

    static func shown(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(60), as: UTF8.self) }

    /// Byte-pair encoding of a vocabulary and its merges.
    /// - Parameter mergesFile: where the merges stand, for messages.
    static func bytePair(
        _ vocabulary: JSONEntry, merges: [Merge], mergesFile: String, isByteLevel: Bool, ignoresMerges: Bool,
        unknown: JSONEntry?, fusesUnknown: Bool, fallback: Bool
    ) throws(PlanProblems) -> BytePairModel {
        let ids = try numbers(of: vocabulary)
        func refuse(_ rule: String, fix: String = "") -> PlanProblems {
            PlanProblems([PlanProblem(file: mergesFile, field: "merges", rule: rule, fix: fix)])
        }
        guard merges.count < MergeRules.most else { throw refuse("must be fewer than \(MergeRules.most)") }
        var rules: [(left: Int32, right: Int32, result: Int32)] = []
        rules.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() {
            guard let left = ids[merge.left], let right = ids[merge.right], let result = ids[merge.left + merge.right]
            else {
                let missing =
                    ids[merge.left] == nil
                    ? merge.left : ids[merge.right] == nil ? merge.right : merge.left + merge.right
                throw refuse(
                    "merge \(rank + 1) needs the token '\(shown(missing))', which the vocabulary lacks",
                    fix: "take merges and vocabulary of one tokenizer")
            }
            rules.append((left, right, result))
        }
        var unknownID: Int32?
        if let unknown, !unknown.isNull {
            guard let id = ids[try unknown.bytes()] else { throw unknown.problem("is no token of the vocabulary") }
            unknownID = id
        }
        var symbols = BytePairModel.Symbols(
            bytes: [], characters: nil, fallback: [], unknown: unknownID, fusesUnknown: fusesUnknown)
        if isByteLevel {
            symbols.bytes = (0...255).map { ids[ByteLevelAlphabet.token(of: [UInt8($0)])] ?? -1 }
            if fallback, symbols.bytes.contains(-1) {
                throw JSONEntry(file: vocabulary.file, path: "model.byte_fallback", value: .flag(true)).problem(
                    "is not done together with ByteLevel where bytes are missing in the vocabulary")
            }
        } else {
            symbols.characters = NumberTable(singles(ids))
            if fallback { symbols.fallback = byteTokens(ids) }
        }
        var whole: [[UInt8]: Int32]?
        if ignoresMerges {
            whole = isByteLevel ? [:] : ids
            if isByteLevel {
                for (text, id) in ids { if let bytes = ByteLevelAlphabet.bytes(of: text) { whole?[bytes] = id } }
            }
        }
        return BytePairModel(symbols: symbols, rules: MergeRules(rules), wholeWords: whole)
    }

    /// The tokens that are one character.
    private static func singles(_ ids: [[UInt8]: Int32]) -> [(key: UInt64, value: Int32)] {
        ids.compactMap { text, id in
            guard (1...4).contains(text.count) else { return nil }
            let (code, length) = text.withUnsafeBufferPointer { Scalars.next($0, 0) }
            return code != Scalars.broken && length == text.count ? (UInt64(code), id) : nil
        }
    }

    /// The tokens `<0x00>` to `<0xFF>`; -1: there is none.
    static func byteTokens(_ ids: [[UInt8]: Int32]) -> [Int32] {
        let digits = Array("0123456789ABCDEF".utf8)
        return (0..<256).map { byte in ids[Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], 0x3E]] ?? -1 }
    }

    /// The token that ends a document: the one that a configuration states, else the first of the usual names.
    static func endOfDocument(_ texts: [[UInt8]?], stated: [UInt8]?) -> Int32? {
        let names =
            stated.map { [$0] }
            ?? ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>"].map { Array($0.utf8) }
        var places: [[UInt8]: Int32] = [:]
        for (id, text) in texts.enumerated() {
            if let text, names.contains(text) { places[text] = Int32(truncatingIfNeeded: id) }
        }
        return names.compactMap { places[$0] }.first
    }

    /// Whether no merge makes a token with `▁` behind another character, so that text may be cut there.
    static func mayCut(_ merges: [Merge], hasMark: Bool) -> Bool {
        let mark = Array("▁".utf8)
        return hasMark
            && merges.allSatisfy { merge in
                let token = merge.left + merge.right
                var (place, isLeading) = (0, true)
                while place < token.count {
                    let isMark = token.count - place >= 3 && token[place..<place + 3].elementsEqual(mark)
                    if isMark, !isLeading { return false }
                    isLeading = isLeading && isMark
                    place += isMark ? 3 : 1
                }
                return true
            }
    }

    static func digest(_ merges: [Merge], settings: String) -> UInt64 {
        var digest = ContentDigest()
        digest.add(Array(settings.utf8))
        for merge in merges {
            digest.add(merge.left)
            digest.add(merge.right)
        }
        return digest.value
    }
}
