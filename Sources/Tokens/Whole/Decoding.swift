extension Tokenizer {
    /// The bytes of a text that was encoded. Numbers that are no token are left out.
    ///
    /// Bytes come back as they were, also where they are no characters: tokens `<0xFF>` give the byte, not the sign for a
    /// character that cannot be read.
    /// - Parameter skipsSpecial: leaves out special tokens.
    package func decode(_ ids: some Sequence<Int32>, skipsSpecial: Bool = false) -> [UInt8] {
        let special = skipsSpecial ? Set(addedTokens.filter(\.isSpecial).map(\.id)) : []
        var found: [UInt8] = []
        if let plainBytes {
            for id in ids where id >= 0 && Int(id) < plainBytes.count && !special.contains(id) {
                found += plainBytes[Int(id)]
            }
            return found
        }
        var tokens = ids.compactMap { id -> [UInt8]? in
            id >= 0 && Int(id) < texts.count && !special.contains(id) ? texts[Int(id)] : nil
        }
        for step in decoder { tokens = step.apply(tokens) }
        // Without a decoder tokens stand apart.
        if decoder.isEmpty { return Array(tokens.joined(separator: [0x20])) }
        return Array(tokens.joined())
    }
}

extension Tokenizer {
    /// The bytes of a text that each token stands for, in the midst of others. Special tokens stand for none.
    package var byteCounts: [Int32] {
        let special = Set(addedTokens.filter(\.isSpecial).map(\.id))
        return texts.indices.map { index in
            let id = Int32(truncatingIfNeeded: index)
            if special.contains(id) { return 0 }
            if let plainBytes { return Int32(truncatingIfNeeded: plainBytes[index].count) }
            // A decoder may treat the first token of a text otherwise.
            return Int32(truncatingIfNeeded: decode([id, id]).count - decode([id]).count)
        }
    }
}

extension Tokenizer.DecoderStep {
    fileprivate func apply(_ tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .byteLevel: return [Array(tokens.map { ByteLevelAlphabet.bytes(of: $0) ?? $0 }.joined())]
        case .fuse: return [Array(tokens.joined())]
        case .byteFallback:
            // Bytes in a row are one text for the steps that follow.
            var found: [[UInt8]] = []
            var isOpen = false
            for token in tokens {
                guard let byte = Self.byte(token) else {
                    found.append(token)
                    isOpen = false
                    continue
                }
                if isOpen { found[found.count - 1].append(byte) } else { found.append([byte]) }
                isOpen = true
            }
            return found
        case .metaspace(let replacement, let dropsFirst):
            return tokens.enumerated().map { index, token in
                let new: [UInt8] = index == 0 && dropsFirst ? [] : [0x20]
                return token.withUnsafeBufferPointer { NormalizerStep.replacing(replacement, with: new, in: $0) }
            }
        case .replace(let old, let new):
            return tokens.map { $0.withUnsafeBufferPointer { NormalizerStep.replacing(old, with: new, in: $0) } }
        case .strip(let content, let start, let stop):
            return tokens.map { token in
                var rest = token[...]
                for _ in 0..<start where rest.starts(with: content) { rest = rest.dropFirst(content.count) }
                for _ in 0..<stop where rest.suffix(content.count).elementsEqual(content) {
                    rest = rest.dropLast(content.count)
                }
                return Array(rest)
            }
        }
    }

    /// The byte that a token such as `<0x0A>` stands for; nil: it stands for itself.
    static func byte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}
