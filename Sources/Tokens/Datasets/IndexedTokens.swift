package import Reading

/// How a token lies in a file.
package enum TokenWidth: UInt8, CaseIterable, Hashable, Sendable {
    // The raw values are Megatron-LM's codes of whole numbers.
    case uint8 = 1
    case int8 = 2
    case int16 = 3
    case int32 = 4
    case int64 = 5
    case uint16 = 8
    /// llm.c's; Megatron-LM has no code for it.
    case uint32 = 255

    package var bytes: Int {
        switch self {
        case .uint8, .int8: 1
        case .int16, .uint16: 2
        case .int32, .uint32: 4
        case .int64: 8
        }
    }

    /// The number format in which Megatron-LM writes tokens of a vocabulary of this size.
    package static func megatron(vocabulary: Int) -> TokenWidth { vocabulary < 65500 ? .uint16 : .int32 }

    /// Reads tokens. Numbers that pass 32 bits become -1, which no vocabulary has.
    /// - Parameter bytes: at least as many as the tokens need.
    func read(_ bytes: UnsafeRawBufferPointer, count: Int, into target: UnsafeMutablePointer<Int32>) {
        func each<Number: FixedWidthInteger>(_: Number.Type) {
            for index in 0..<count {
                let number = Number(
                    littleEndian: bytes.loadUnaligned(
                        fromByteOffset: index * MemoryLayout<Number>.size, as: Number.self))
                target[index] = Int32(exactly: number) ?? -1
            }
        }
        switch self {
        case .uint8: each(UInt8.self)
        case .int8: each(Int8.self)
        case .int16: each(Int16.self)
        case .int32: each(Int32.self)
        case .int64: each(Int64.self)
        case .uint16: each(UInt16.self)
        case .uint32: each(UInt32.self)
        }
    }
}

/// Documents of tokens in Megatron-LM's pair of files, `.bin` and `.idx`, read by memory map. Everything that the index says is
/// compared with the sizes of both files before any token is read.
package struct IndexedTokens: Sendable {
    static let magic = Array("MMIDIDX\0\0".utf8)
    /// Magic, version, code of the type, and both counts.
    static let headerBytes = 34

    let tokens: MappedFile
    let index: MappedFile
    package let width: TokenWidth
    /// Pieces of text; a document has one or more, or none.
    package let sequences: Int
    package let documents: Int
    package let count: Int
    /// Tokens before each sequence and after the last; nil: sequences lie in the file in order and without gaps.
    private let starts: [Int]?

    /// - Parameter path: the name of both files, with or without `.bin` or `.idx`.
    package init(path: String) throws(PlanProblems) {
        var prefix = path
        for ending in [".bin", ".idx"] where path.hasSuffix(ending) { prefix = String(path.dropLast(4)) }
        let index = try MappedFile(path: prefix + ".idx")
        let tokens = try MappedFile(path: prefix + ".bin")
        (self.index, self.tokens) = (index, tokens)
        func refuse(_ field: String, _ rule: String, fix: String = "") -> PlanProblems {
            PlanProblems([PlanProblem(file: index.path, field: field, rule: rule, fix: fix)])
        }
        defer { withExtendedLifetime((index, tokens)) {} }
        let bytes = index.bytes
        guard bytes.count >= Self.headerBytes, bytes.prefix(9).elementsEqual(Self.magic) else {
            throw refuse(
                "", "is no index of Megatron-LM: it does not begin with MMIDIDX",
                fix: "trainyard tokenize prepare writes one")
        }
        let version = Self.number(bytes, 9)
        guard version == 1 else { throw refuse("version", "must be 1 (found \(version))") }
        guard let width = TokenWidth(rawValue: bytes[17]), width != .uint32 else {
            throw refuse("dtype", "must be the code of a whole number: 1, 2, 3, 4, 5 or 8 (found \(bytes[17]))")
        }
        self.width = width
        let (sequences, entries) = (Self.number(bytes, 18), Self.number(bytes, 26))
        // Neither count can pass the bytes of the file, so that the sums below do not overflow.
        guard sequences >= 0, entries >= 1, sequences <= bytes.count, entries <= bytes.count else {
            throw refuse("", "states \(sequences) sequences and \(entries) ends of documents, more than it holds")
        }
        let size = Self.headerBytes + 12 * sequences + 8 * entries
        // Data of several kinds has a byte more a sequence, which says the kind.
        guard bytes.count == size || bytes.count == size + sequences else {
            throw refuse(
                "", "must have \(size) bytes for \(sequences) sequences and \(entries) ends (it has \(bytes.count))")
        }
        self.sequences = sequences
        documents = entries - 1
        let (pointers, ends) = (Self.headerBytes + 4 * sequences, Self.headerBytes + 12 * sequences)
        var (expected, isDense, total) = (0, true, 0)
        for sequence in 0..<sequences {
            let length = Self.length(bytes, sequence)
            let pointer = Self.number(bytes, pointers + 8 * sequence)
            guard length >= 0, pointer >= 0, pointer <= tokens.bytes.count,
                length <= (tokens.bytes.count - pointer) / width.bytes
            else {
                throw refuse(
                    "sequence \(sequence)",
                    "\(length) tokens from byte \(pointer) lie beyond the \(tokens.bytes.count) bytes of \(tokens.path)",
                    fix: "take .bin and .idx of one run, and copy both whole")
            }
            isDense = isDense && pointer == expected
            expected = pointer + length * width.bytes
            let (sum, overflows) = total.addingReportingOverflow(length)
            guard !overflows else { throw refuse("", "states more tokens than can be counted") }
            total = sum
        }
        count = total
        var last = 0
        for entry in 0..<entries {
            let end = Self.number(bytes, ends + 8 * entry)
            guard end >= last, end <= sequences, entry > 0 || end == 0 else {
                throw refuse(
                    "document \(entry)",
                    "must end behind the one before and within \(sequences) sequences (found \(end))")
            }
            last = end
        }
        guard last == sequences else {
            throw refuse("documents", "end at sequence \(last) of \(sequences)")
        }
        if isDense {
            starts = nil
        } else {
            var (starts, sum) = ([0], 0)
            starts.reserveCapacity(sequences + 1)
            for sequence in 0..<sequences {
                sum += Self.length(bytes, sequence)
                starts.append(sum)
            }
            self.starts = starts
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        Int(truncatingIfNeeded: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)))
    }

    private static func length(_ bytes: UnsafeRawBufferPointer, _ sequence: Int) -> Int {
        Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: headerBytes + 4 * sequence, as: Int32.self)))
    }

    private func pointer(_ sequence: Int) -> Int {
        withExtendedLifetime(index) {
            Self.number(index.bytes, Self.headerBytes + 4 * sequences + 8 * sequence)
        }
    }

    /// Tokens of a sequence.
    package func length(of sequence: Int) -> Int {
        withExtendedLifetime(index) { Self.length(index.bytes, sequence) }
    }

    /// The sequences of a document.
    package func sequences(of document: Int) -> Range<Int> {
        defer { withExtendedLifetime(index) {} }
        let ends = Self.headerBytes + 12 * sequences
        let first = Self.number(index.bytes, ends + 8 * document)
        return first..<max(first, Self.number(index.bytes, ends + 8 * (document + 1)))
    }

    /// The tokens of a document.
    package func tokens(of document: Int) -> [Int32] {
        defer { withExtendedLifetime(tokens) {} }
        return sequences(of: document).flatMap { sequence -> [Int32] in
            let count = length(of: sequence)
            return [Int32](unsafeUninitializedCapacity: count) { buffer, filled in
                if let start = buffer.baseAddress, count > 0 {
                    width.read(
                        UnsafeRawBufferPointer(rebasing: tokens.bytes[pointer(sequence)...]), count: count, into: start)
                }
                filled = count
            }
        }
    }

    /// Reads tokens of all sequences behind one another.
    /// - Parameter range: within `0..<count`.
    package func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Int32>) {
        defer { withExtendedLifetime(tokens) {} }
        let range = range.clamped(to: 0..<count)
        guard let starts else {
            guard !range.isEmpty else { return }
            width.read(
                UnsafeRawBufferPointer(rebasing: tokens.bytes[(range.lowerBound * width.bytes)...]),
                count: range.count, into: target)
            return
        }
        // The last sequence that begins at or before the first token.
        var (low, high) = (0, sequences)
        while low + 1 < high {
            let middle = (low + high) / 2
            if starts[middle] <= range.lowerBound { low = middle } else { high = middle }
        }
        var (place, sequence) = (range.lowerBound, low)
        while place < range.upperBound, sequence < sequences {
            let end = min(range.upperBound, starts[sequence + 1])
            if end > place {
                let offset = pointer(sequence) + (place - starts[sequence]) * width.bytes
                width.read(
                    UnsafeRawBufferPointer(rebasing: tokens.bytes[offset...]), count: end - place,
                    into: target + (place - range.lowerBound))
                place = end
            }
            sequence += 1
        }
    }
}
