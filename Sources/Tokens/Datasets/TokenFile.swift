package import Reading

/// One stream of tokens on disk: Megatron-LM's pair of files or a `.bin` of llm.c.
package enum TokenFile: Sendable {
    case indexed(IndexedTokens)
    case plain(PlainTokens)

    /// Opens what `path` names: a `.bin` or `.idx` of a pair, its common name, or llm.c's file.
    package static func open(_ path: String) throws(PlanProblems) -> TokenFile {
        if path.hasSuffix(".bin"), PlainTokens.isOne(path) { return .plain(try PlainTokens(path: path)) }
        return .indexed(try IndexedTokens(path: path))
    }

    /// The files, mapped into memory: the index of a pair first.
    package var mappedFiles: [MappedFile] {
        switch self {
        case .indexed(let file): [file.index, file.tokens]
        case .plain(let file): [file.file]
        }
    }

    /// All tokens.
    package var count: Int {
        switch self {
        case .indexed(let file): file.count
        case .plain(let file): file.count
        }
    }

    /// Reads tokens.
    /// - Parameter range: within `0..<count`.
    package func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Int32>) {
        switch self {
        case .indexed(let file): file.read(range, into: target)
        case .plain(let file): file.read(range, into: target)
        }
    }

    /// Reads tokens.
    package func tokens(_ range: Range<Int>) -> [Int32] {
        let range = range.clamped(to: 0..<count)
        return [Int32](unsafeUninitializedCapacity: range.count) { buffer, filled in
            if let start = buffer.baseAddress, !range.isEmpty { read(range, into: start) }
            filled = range.count
        }
    }

    /// The first token that a model of this vocabulary does not have, and its place; nil: it has all. It reads the whole file.
    package func tokenBeyond(vocabulary: Int) -> (place: Int, token: Int32)? {
        let piece = 1 << 16
        for start in stride(from: 0, to: count, by: piece) {
            for (offset, token) in tokens(start..<min(count, start + piece)).enumerated()
            where token < 0 || Int(token) >= vocabulary {
                return (start + offset, token)
            }
        }
        return nil
    }
}

/// Tokens of llm.c's data files: 256 numbers of 32 bits (magic, version, count), then the tokens.
package struct PlainTokens: Sendable {
    private static let headerBytes = 1024
    /// Magic, version and width of GPT-2's and of Llama 3's files.
    private static let kinds: [(magic: Int32, version: Int32, width: TokenWidth)] = [
        (20_240_520, 1, .uint16), (20_240_801, 7, .uint32),
    ]

    let file: MappedFile
    package let width: TokenWidth
    package let count: Int

    /// Whether a file begins as llm.c's do.
    package static func isOne(_ path: String) -> Bool {
        guard let file = try? MappedFile(path: path) else { return false }
        return file.withBytes { bytes in
            bytes.count >= 4 && kinds.contains { $0.magic == number(UnsafeRawBufferPointer(bytes), 0) }
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> Int32 {
        Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * place, as: Int32.self))
    }

    package init(path: String) throws(PlanProblems) {
        let file = try MappedFile(path: path)
        defer { withExtendedLifetime(file) {} }
        func refuse(_ field: String, _ rule: String) -> PlanProblems {
            PlanProblems([PlanProblem(file: path, field: field, rule: rule)])
        }
        guard file.bytes.count >= Self.headerBytes,
            let kind = Self.kinds.first(where: { $0.magic == Self.number(file.bytes, 0) })
        else { throw refuse("", "is no data file of llm.c: it does not begin with 20240520 or 20240801") }
        let version = Self.number(file.bytes, 1)
        guard version == kind.version else {
            throw refuse("version", "must be \(kind.version) (found \(version))")
        }
        let count = Int(Self.number(file.bytes, 2))
        let held = (file.bytes.count - Self.headerBytes) / kind.width.bytes
        guard count >= 0, file.bytes.count - Self.headerBytes == held * kind.width.bytes, count == held else {
            throw refuse("tokens", "states \(count) tokens, but \(held) lie behind the header")
        }
        (self.file, width, self.count) = (file, kind.width, count)
    }

    /// The contents of a file with these tokens, of 16 bits each.
    package static func contents(of tokens: some Collection<UInt16>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(headerBytes + 2 * tokens.count)
        for number in [kinds[0].magic, kinds[0].version, Int32(clamping: tokens.count)] {
            withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
        }
        bytes += [UInt8](repeating: 0, count: headerBytes - bytes.count)
        for token in tokens { withUnsafeBytes(of: token.littleEndian) { bytes += $0 } }
        return bytes
    }

    package func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Int32>) {
        defer { withExtendedLifetime(file) {} }
        let range = range.clamped(to: 0..<count)
        guard !range.isEmpty else { return }
        let start = Self.headerBytes + range.lowerBound * width.bytes
        width.read(UnsafeRawBufferPointer(rebasing: file.bytes[start...]), count: range.count, into: target)
    }
}
