/// Encodes texts on one thread, with the words it has met and buffers that are used again.
package final class TokenEncoder {
    private let tokenizer: Tokenizer
    private let cache = WordCache()
    private let merger: Merger?
    private let lattice = UnigramModel.Lattice()
    private var symbols: [Int32] = []

    package init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        // Made here, so that the first text does not wait for it.
        _ = CharacterClasses.all
        switch tokenizer.model {
        case .byteLevel(let model, _, _), .pieces(let model, _): merger = Merger(model.rules)
        case .bytes, .unigram: merger = nil
        }
    }

    /// Appends the tokens of a text.
    package func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        if case .bytes = tokenizer.model {
            ids.reserveCapacity(ids.count + text.count)
            for byte in text { ids.append(Int32(byte)) }
            return
        }
        tokenizer.early.split(text) { range, id in
            if let id {
                ids.append(id)
                return
            }
            let stretch = UnsafeBufferPointer(rebasing: text[range])
            guard !tokenizer.normalizer.isEmpty else {
                encodeNormalized(stretch, isFirst: range.lowerBound == 0, &ids)
                return
            }
            let normalized = tokenizer.normalizer.reduce(Array(stretch)) { $1.apply($0) }
            normalized.withUnsafeBufferPointer { encodeNormalized($0, isFirst: range.lowerBound == 0, &ids) }
        }
    }

    /// - Parameter isFirst: whether the stretch begins the text.
    private func encodeNormalized(_ text: UnsafeBufferPointer<UInt8>, isFirst: Bool, _ ids: inout [Int32]) {
        tokenizer.late.split(text) { range, id in
            if let id {
                ids.append(id)
                return
            }
            let stretch = UnsafeBufferPointer(rebasing: text[range])
            switch tokenizer.model {
            case .bytes: break
            case .byteLevel(_, let rule, let prefix):
                if prefix, stretch.first != 0x20 {
                    let extended = [0x20] + Array(stretch)
                    extended.withUnsafeBufferPointer { encodeBytes($0, rule, &ids) }
                } else {
                    encodeBytes(stretch, rule, &ids)
                }
            case .pieces(_, let words), .unigram(_, let words):
                encodePieces(stretch, words, isFirst: isFirst && range.lowerBound == 0, &ids)
            }
        }
    }

    private func encodeBytes(_ text: UnsafeBufferPointer<UInt8>, _ rule: SplittingRule, _ ids: inout [Int32]) {
        let scanner = WordScanner(text, rule)
        var place = 0
        while place < text.count {
            let end = scanner.end(of: place)
            encode(word: UnsafeBufferPointer(rebasing: text[place..<end]), &ids)
            place = end
        }
    }

    private func encodePieces(
        _ text: UnsafeBufferPointer<UInt8>, _ words: Tokenizer.PieceWords, isFirst: Bool, _ ids: inout [Int32]
    ) {
        guard words.splitsAtSpace else {
            encodeStretch(text, words, isFirst: isFirst, &ids)
            return
        }
        let classes = CharacterClasses.all
        var (place, start) = (0, 0)
        while place <= text.count {
            let (code, length) = place < text.count ? Scalars.next(text, place) : (0x20, 1)
            if classes.kind(code) == .space {
                if place > start {
                    let word = UnsafeBufferPointer(rebasing: text[start..<place])
                    encodeStretch(word, words, isFirst: isFirst && start == 0, &ids)
                }
                start = place + length
            }
            place += length
        }
    }

    private func encodeStretch(
        _ text: UnsafeBufferPointer<UInt8>, _ words: Tokenizer.PieceWords, isFirst: Bool, _ ids: inout [Int32]
    ) {
        guard let replacement = words.replacement else {
            cut(text, at: words.mayCut ? [0xE2, 0x96, 0x81] : nil, joinsRuns: true, &ids)
            return
        }
        var replaced = NormalizerStep.replacing([0x20], with: replacement, in: text)
        let isWanted = words.prepend == .always || words.prepend == .first && isFirst
        if isWanted, !replaced.starts(with: replacement) { replaced = replacement + replaced }
        replaced.withUnsafeBufferPointer { text in
            if words.splits {
                cut(text, at: replacement, joinsRuns: false, &ids)
            } else {
                cut(text, at: words.mayCut ? replacement : nil, joinsRuns: true, &ids)
            }
        }
    }

    /// Encodes a text as words that begin with a mark.
    /// - Parameter joinsRuns: marks in a row begin one word, not one each.
    private func cut(
        _ text: UnsafeBufferPointer<UInt8>, at mark: [UInt8]?, joinsRuns: Bool, _ ids: inout [Int32]
    ) {
        guard let mark, let first = mark.first else {
            if !text.isEmpty { encode(word: text, &ids) }
            return
        }
        var (start, place) = (0, 0)
        // Where the last mark ended.
        var marked = -1
        while place < text.count {
            guard text[place] == first, text.count - place >= mark.count,
                (1..<mark.count).allSatisfy({ text[place + $0] == mark[$0] })
            else {
                place += 1
                continue
            }
            if place > start, !joinsRuns || marked != place {
                encode(word: UnsafeBufferPointer(rebasing: text[start..<place]), &ids)
                start = place
            }
            place += mark.count
            marked = place
        }
        if start < text.count { encode(word: UnsafeBufferPointer(rebasing: text[start...]), &ids) }
    }

    /// Appends the tokens of a word.
    private func encode(word: UnsafeBufferPointer<UInt8>, _ ids: inout [Int32]) {
        guard word.count <= WordCache.longest else {
            encodeAnew(word, &ids)
            return
        }
        let hash = cache.hash(word)
        if cache.append(word, hash, to: &ids) { return }
        let first = ids.count
        encodeAnew(word, &ids)
        cache.keep(word, hash, ids[first...])
    }

    private func encodeAnew(_ word: UnsafeBufferPointer<UInt8>, _ ids: inout [Int32]) {
        switch tokenizer.model {
        case .bytes: break
        case .unigram(let model, _): model.encode(word, lattice, &ids)
        case .byteLevel(let model, _, _), .pieces(let model, _):
            if let whole = model.wholeWords, let id = whole[Array(word)] {
                ids.append(id)
                return
            }
            symbols.removeAll(keepingCapacity: true)
            model.start(word, &symbols)
            merger?.merge(&symbols)
            ids.append(contentsOf: symbols)
        }
    }
}
