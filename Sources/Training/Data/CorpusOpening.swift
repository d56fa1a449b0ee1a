internal import Plans
internal import Reading
internal import Tokens

/// Opens the files of a corpus and checks them against the plan.
struct CorpusOpening {
    /// A file with its sequences.
    struct File {
        var source: TokenSource
        var documents: DocumentTable?
        /// Sequences, and those of them that are trained on: the first.
        var count: Int
        var trained: Int
    }

    struct Opened {
        var files: [File]
        /// Files of the validation alone.
        var held: [File]
        var tokenizer: Tokenizer?
        var endOfDocument: Int?
        var digest: UInt64
    }

    let rule: TrainSettings.DocumentRule
    private let settings: TrainSettings
    private let sequence: Int
    private let vocabulary: Int
    private let progress: RunProgress?

    init(_ settings: TrainSettings, sequence: Int, vocabulary: Int, isPacked: Bool, progress: RunProgress?) {
        (self.settings, self.sequence, self.vocabulary) = (settings, sequence, vocabulary)
        self.progress = progress
        rule = settings.documentRule(isPacked: isPacked)
    }

    func open() throws(TrainingError) -> Opened {
        let tokenizer = try tokenizer()
        let end = settings.endOfDocument ?? tokenizer.endOfDocument.map(Int.init)
        if rule == .packed { _ = try known(end, file: nil) }
        if let end, rule != .joined, end >= vocabulary {
            throw refuse(
                nil, "train.endOfDocument", value: "\(end)", rule: "the vocabulary has \(vocabulary) tokens",
                fix: "name one of them")
        }
        // A file that is named twice is opened once.
        var opened: [String: TokenSource] = [:]
        func files(_ stated: [TrainSettings.CorpusFile], _ key: String) throws(TrainingError) -> [File] {
            var found: [File] = []
            for file in stated {
                let source: TokenSource
                if let known = opened[file.path] {
                    source = known
                } else {
                    source = try TokenSource(
                        path: file.path, key: key, tokenizer: tokenizer, vocabulary: vocabulary, progress: progress)
                    opened[file.path] = source
                    try check(source, key)
                    try check(source, key, against: tokenizer)
                }
                found.append(try self.file(source, key, end: end))
            }
            return found
        }
        var trained = try files(settings.files, "train.data")
        let held = try files(settings.validation?.files ?? [], "train.validation.data")
        if let share = settings.validation?.share {
            for index in trained.indices { try holdOut(share, of: &trained[index]) }
        }
        let sources = trained.map(\.source)
        // Prepared tokens of another tokenizer than bytes have numbers that no byte has.
        let isBytes = tokenizer.digest == Tokenizer.bytes.digest
        let all = sources + held.map(\.source)
        let isKnown = !isBytes || all.allSatisfy { $0.largest < 256 }
        if !isKnown, let text = all.first(where: \.holdsBytes), let other = all.first(where: { $0.largest > 255 }) {
            throw refuse(
                other.path, "train.tokenizer", value: "bytes",
                rule: "has token \(other.largest), which is no byte, and \(text.path) would be read as bytes",
                fix: "name the tokenizer that the file was made with")
        }
        return Opened(
            files: trained, held: held, tokenizer: isKnown ? tokenizer : nil, endOfDocument: end,
            digest: digest(sources, isBytes ? nil : tokenizer, end: rule == .joined ? nil : end))
    }

    private func tokenizer() throws(TrainingError) -> Tokenizer {
        let tokenizer: Tokenizer
        do throws(PlanProblems) { tokenizer = try Tokenizer.read(settings.tokenizer) } catch {
            throw .corpus(error, key: "train.tokenizer")
        }
        guard tokenizer.name == "bytes" || tokenizer.vocabularySize <= vocabulary else {
            throw refuse(
                settings.tokenizer, "train.tokenizer",
                rule: "has \(tokenizer.vocabularySize) tokens, and model.vocab is \(vocabulary)",
                fix: "raise model.vocab to \(tokenizer.vocabularySize) at least, or take another tokenizer")
        }
        return tokenizer
    }

    /// A single text of bytes has the hash of its content alone.
    /// - Parameter end: the token that ends documents, where they matter.
    private func digest(_ sources: [TokenSource], _ tokenizer: Tokenizer?, end: Int?) -> UInt64 {
        if end == nil, sources.count == 1, sources[0].holdsBytes { return sources[0].digest }
        var hash = ContentHash()
        for source in sources {
            hash.update(number: source.digest)
            hash.update(number: UInt64(source.count))
        }
        hash.update(number: tokenizer?.digest ?? 0)
        if let end { hash.update(number: UInt64(clamping: end) &+ 1) }
        return hash.value
    }

    /// - Throws: the token of a file that the model does not have.
    private func check(_ source: TokenSource, _ key: String) throws(TrainingError) {
        guard let (place, token) = try source.tokenBeyond(vocabulary) else { return }
        guard !source.holdsBytes else {
            throw .unsupported(
                field: "model.vocab", value: "\(vocabulary)",
                reason: "the text holds byte \(source.largest); a vocabulary of 256 covers every byte")
        }
        throw refuse(
            source.path, key, value: "\(token)",
            rule: "token \(place) lies beyond the vocabulary: model.vocab is \(vocabulary)",
            fix: token < 0 ? "no vocabulary has it" : "raise model.vocab, or take the file that goes with the model")
    }

    /// - Throws: the token of a prepared file that the stated tokenizer does not have.
    private func check(_ source: TokenSource, _ key: String, against tokenizer: Tokenizer) throws(TrainingError) {
        // Nobody need name the tokenizer of prepared tokens.
        guard source.isPrepared, tokenizer.digest != Tokenizer.bytes.digest,
            let (place, token) = try source.tokenBeyond(tokenizer.vocabularySize)
        else { return }
        throw refuse(
            source.path, key, value: "\(token)",
            rule: "token \(place) is none of the \(tokenizer.vocabularySize) of train.tokenizer",
            fix: "name the tokenizer that the file was made with")
    }

    private func file(_ source: TokenSource, _ key: String, end: Int?) throws(TrainingError) -> File {
        var documents: DocumentTable?
        if rule == .apart {
            if let indexed = source.indexed {
                documents = DocumentTable(indexed, sequence: sequence)
            } else {
                let end = try known(end, file: source.path)
                documents = try DocumentTable(source, end: Int32(truncatingIfNeeded: end), sequence: sequence)
            }
        }
        let count = documents?.count ?? max(0, source.count - 1) / sequence
        guard count > 0 else {
            if source.holdsBytes, documents == nil {
                throw .textTooShort(path: source.path, tokens: source.count, needed: sequence + 1)
            }
            throw refuse(
                source.path, key,
                rule: documents == nil
                    ? "\(source.count) tokens, at least \(sequence + 1) are needed (one sequence and its next token)"
                    : "has no document of two tokens or more",
                fix: documents == nil ? "give a longer file or a smaller model.sequence" : "give another file")
        }
        return File(source: source, documents: documents, count: count, trained: count)
    }

    private func holdOut(_ share: Double, of file: inout File) throws(TrainingError) {
        let held = max(1, Int((share * Double(file.count)).rounded()))
        guard held < file.count else {
            throw refuse(
                file.source.path, "train.validation.share", value: "\(share)",
                rule:
                    "holds out \(held) of \(file.count) sequence\(file.count == 1 ? "" : "s"), and leaves none to train on",
                fix: "give a longer file, a smaller model.sequence or a smaller share")
        }
        file.trained = file.count - held
    }

    private func known(_ end: Int?, file: String?) throws(TrainingError) -> Int {
        if let end { return end }
        throw refuse(
            file, "train.documents", value: rule.rawValue, rule: "needs the token that ends documents",
            fix: "give train.endOfDocument, or a train.tokenizer that has one")
    }

    private func refuse(
        _ file: String?, _ field: String, value: String = "", rule: String, fix: String
    ) -> TrainingError {
        .corpus(PlanProblem(file: file, field: field, value: value, rule: rule, fix: fix))
    }
}
