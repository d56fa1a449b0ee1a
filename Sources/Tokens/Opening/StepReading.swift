internal import Foundation
internal import Reading

/// `normalizer` of a tokenizer.json.
enum NormalizerReading {
    static func steps(_ entry: JSONEntry) throws(PlanProblems) -> [NormalizerStep] {
        if entry.isNull { return [] }
        let kind = try entry["type"].text()
        switch kind {
        case "Sequence":
            try entry.onlyKnows("type", "normalizers")
            var found: [NormalizerStep] = []
            for step in try entry["normalizers"].list() { found += try steps(step) }
            return found
        case "NFC":
            try entry.onlyKnows("type")
            return [.canonicalComposition]
        case "Prepend":
            try entry.onlyKnows("type", "prepend")
            return [.prepend(try entry["prepend"].bytes())]
        case "Strip":
            try entry.onlyKnows("type", "strip_left", "strip_right")
            return [.strip(left: try entry["strip_left"].flag(true), right: try entry["strip_right"].flag(true))]
        case "Replace":
            let (pattern, content) = try StepReading.replacement(entry)
            switch pattern {
            case .text(let old): return [.replace(old, with: content)]
            case .spaces: return [.replaceSpaces(with: content)]
            }
        case "Precompiled":
            try entry.onlyKnows("type", "precompiled_charsmap")
            let text = try entry["precompiled_charsmap"].text()
            guard let bytes = Data(base64Encoded: text), let map = Charsmap(Array(bytes)) else {
                throw entry["precompiled_charsmap"].problem("is no table of SentencePiece in base 64")
            }
            return [.charsmap(map)]
        default:
            throw entry["type"].problem(
                "is not done", fix: "Sequence, NFC, Prepend, Replace, Strip and Precompiled are")
        }
    }
}

enum StepReading {
    enum Pattern {
        case text([UInt8])
        /// The expression ` {2,}`.
        case spaces
    }

    /// A step `Replace`.
    static func replacement(_ entry: JSONEntry) throws(PlanProblems) -> (pattern: Pattern, content: [UInt8]) {
        try entry.onlyKnows("type", "pattern", "content")
        let (pattern, content) = (entry["pattern"], try entry["content"].bytes())
        if !pattern["String"].isNull {
            let old = try pattern["String"].bytes()
            guard !old.isEmpty else { throw pattern["String"].problem("must not be empty") }
            return (.text(old), content)
        }
        guard try pattern["Regex"].text() == " {2,}" else {
            throw pattern["Regex"].problem("is not known here", fix: "the expression ' {2,}' and texts are")
        }
        return (.spaces, content)
    }
}

/// `pre_tokenizer` of a tokenizer.json.
struct SplittingReading {
    enum Kind {
        case byteLevel(SplittingRule, prefix: Bool)
        case pieces(Tokenizer.PieceWords)

        var isByteLevel: Bool { if case .byteLevel = self { true } else { false } }
    }

    let kind: Kind

    init(_ entry: JSONEntry) throws(PlanProblems) {
        var steps: [JSONEntry] = []
        try Self.flatten(entry, &steps)
        var words = Tokenizer.PieceWords()
        var rule: SplittingRule?
        var level: SplittingReading.Kind?
        var hasMetaspace = false
        func order(_ step: JSONEntry) -> PlanProblems {
            step["type"].problem(
                "is not done at this place",
                fix: "ByteLevel alone, Split and ByteLevel, Metaspace alone, and WhitespaceSplit and Metaspace are")
        }
        for step in steps {
            guard level == nil, !hasMetaspace else { throw order(step) }
            switch try step["type"].text() {
            case "ByteLevel":
                try step.onlyKnows("type", "add_prefix_space", "trim_offsets", "use_regex")
                let usesOwn = try step["use_regex"].flag(true)
                if words.splitsAtSpace || rule != nil && usesOwn { throw order(step) }
                level = .byteLevel(
                    rule ?? (usesOwn ? .gpt2 : .none), prefix: try step["add_prefix_space"].flag(true))
            case "Split":
                guard rule == nil, !words.splitsAtSpace else { throw order(step) }
                rule = try Self.rule(step)
            case "WhitespaceSplit":
                try step.onlyKnows("type")
                guard rule == nil else { throw order(step) }
                words.splitsAtSpace = true
            case "Metaspace":
                guard rule == nil else { throw order(step) }
                try Self.metaspace(step, &words)
                hasMetaspace = true
            default:
                throw step["type"].problem(
                    "is not done", fix: "Sequence, ByteLevel, Split, Metaspace and WhitespaceSplit are")
            }
        }
        if let level {
            if case .byteLevel(_, true) = level, let rule, rule != .none {
                throw entry.problem("add_prefix_space behind Split is not done: every word would get a space")
            }
            kind = level
        } else if rule != nil {
            throw entry.problem("Split is done only with ByteLevel behind it")
        } else {
            kind = .pieces(words)
        }
    }

    private static func flatten(_ entry: JSONEntry, _ steps: inout [JSONEntry]) throws(PlanProblems) {
        if entry.isNull { return }
        guard try entry["type"].text() == "Sequence" else {
            steps.append(entry)
            return
        }
        try entry.onlyKnows("type", "pretokenizers")
        for step in try entry["pretokenizers"].list() { try flatten(step, &steps) }
    }

    private static func rule(_ step: JSONEntry) throws(PlanProblems) -> SplittingRule {
        try step.onlyKnows("type", "pattern", "behavior", "invert")
        let pattern = step["pattern"]["Regex"]
        guard !pattern.isNull else { throw step["pattern"].problem("must be a Regex") }
        guard let rule = SplittingRule(pattern: try pattern.text()) else {
            throw pattern.problem(
                "is not known here", fix: "the expressions of GPT-2, Llama 3 and Qwen 2 are, letter for letter")
        }
        // The expressions match every character, so that what they leave is empty.
        let (behavior, inverts) = (try step["behavior"].text(), try step["invert"].flag(false))
        guard behavior == "Isolated" || behavior == "Removed" && inverts else {
            throw step["behavior"].problem("is not done", fix: "Isolated is")
        }
        return rule
    }

    private static func metaspace(_ step: JSONEntry, _ words: inout Tokenizer.PieceWords) throws(PlanProblems) {
        try step.onlyKnows("type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split")
        words.replacement = try StepReading.character(step["replacement"])
        words.prepend = try StepReading.scheme(step)
        words.splits = try step["split"].flag(true)
    }
}

extension StepReading {
    /// One character.
    static func character(_ entry: JSONEntry) throws(PlanProblems) -> [UInt8] {
        let text = try entry.bytes()
        guard !text.isEmpty, text.withUnsafeBufferPointer({ Scalars.next($0, 0).length }) == text.count else {
            throw entry.problem("must be one character")
        }
        return text
    }

    /// When a Metaspace puts its character before a text.
    static func scheme(_ entry: JSONEntry) throws(PlanProblems) -> Tokenizer.PieceWords.Prepend {
        let prefix = try entry["add_prefix_space"].flag(true)
        guard !entry["prepend_scheme"].isNull else { return prefix ? .always : .never }
        guard let scheme = Tokenizer.PieceWords.Prepend(rawValue: try entry["prepend_scheme"].text()) else {
            throw entry["prepend_scheme"].problem("must be always, first or never")
        }
        if !prefix, scheme != .never {
            throw entry["prepend_scheme"].problem("contradicts add_prefix_space")
        }
        return scheme
    }
}

/// `decoder` of a tokenizer.json.
enum DecoderReading {
    static func steps(_ entry: JSONEntry) throws(PlanProblems) -> [Tokenizer.DecoderStep] {
        if entry.isNull { return [] }
        switch try entry["type"].text() {
        case "Sequence":
            try entry.onlyKnows("type", "decoders")
            var found: [Tokenizer.DecoderStep] = []
            for step in try entry["decoders"].list() { found += try steps(step) }
            return found
        case "ByteLevel":
            try entry.onlyKnows("type", "add_prefix_space", "trim_offsets", "use_regex")
            return [.byteLevel]
        case "ByteFallback":
            try entry.onlyKnows("type")
            return [.byteFallback]
        case "Fuse":
            try entry.onlyKnows("type")
            return [.fuse]
        case "Metaspace":
            try entry.onlyKnows("type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split")
            return [
                .metaspace(
                    replacement: try StepReading.character(entry["replacement"]),
                    dropsFirst: try StepReading.scheme(entry) != .never)
            ]
        case "Replace":
            guard case (.text(let old), let new) = try StepReading.replacement(entry) else {
                throw entry["pattern"].problem("must be a text in a decoder")
            }
            return [.replace(old, with: new)]
        case "Strip":
            try entry.onlyKnows("type", "content", "start", "stop")
            return [
                .strip(
                    try StepReading.character(entry["content"]), start: try entry["start"].count(0...1_000_000),
                    stop: try entry["stop"].count(0...1_000_000))
            ]
        default:
            throw entry["type"].problem(
                "is not done", fix: "Sequence, ByteLevel, ByteFallback, Fuse, Metaspace, Replace and Strip are")
        }
    }
}

/// `post_processor` of a tokenizer.json.
enum PostProcessorReading {
    /// The tokens before and after a text.
    static func template(_ entry: JSONEntry) throws(PlanProblems) -> (prefix: [Int32], suffix: [Int32]) {
        if entry.isNull { return ([], []) }
        switch try entry["type"].text() {
        case "ByteLevel": return ([], [])
        case "Sequence":
            try entry.onlyKnows("type", "processors")
            var found: (prefix: [Int32], suffix: [Int32]) = ([], [])
            for step in try entry["processors"].list() {
                let (prefix, suffix) = try template(step)
                found = (prefix + found.prefix, found.suffix + suffix)
            }
            return found
        case "TemplateProcessing":
            try entry.onlyKnows("type", "single", "pair", "special_tokens")
            var found: (prefix: [Int32], suffix: [Int32]) = ([], [])
            var isBehind = false
            for piece in try entry["single"].list() {
                if !piece["Sequence"].isNull {
                    guard !isBehind else { throw piece.problem("the text stands twice in the template") }
                    isBehind = true
                    continue
                }
                let name = try piece["SpecialToken"]["id"].text()
                for id in try entry["special_tokens"][name]["ids"].list() {
                    let id = Int32(truncatingIfNeeded: try id.count(0...Tokenizer.most - 1))
                    if isBehind { found.suffix.append(id) } else { found.prefix.append(id) }
                }
            }
            return found
        default:
            throw entry["type"].problem("is not done", fix: "ByteLevel, TemplateProcessing and Sequence are")
        }
    }
}
