/// The characters that stand for bytes in the vocabularies of byte-level BPE: printable bytes for themselves, the others for
/// the code points from 256 on (`bytes_to_unicode` of GPT-2).
enum ByteLevelAlphabet {
    static let scalars: [Unicode.Scalar] = {
        var (next, found) = (UInt32(256), [Unicode.Scalar]())
        for byte in UInt32(0)..<256 {
            let isPrinted = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            found.append(Unicode.Scalar(isPrinted ? byte : next) ?? " ")
            if !isPrinted { next += 1 }
        }
        return found
    }()

    private static let bytes: [UInt32: UInt8] = Dictionary(
        scalars.enumerated().map { ($1.value, UInt8(truncatingIfNeeded: $0)) }, uniquingKeysWith: { first, _ in first })

    /// The bytes that a token stands for; nil: a character of it stands for none.
    static func bytes(of token: [UInt8]) -> [UInt8]? {
        var found: [UInt8] = []
        found.reserveCapacity(token.count)
        let isWhole = token.withUnsafeBufferPointer { text in
            var place = 0
            while place < text.count {
                let (code, length) = Scalars.next(text, place)
                guard let byte = bytes[code] else { return false }
                found.append(byte)
                place += length
            }
            return true
        }
        return isWhole ? found : nil
    }

    /// The token that stands for these bytes.
    static func token(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var found: [UInt8] = []
        for byte in bytes { Scalars.append(scalars[Int(byte)], to: &found) }
        return found
    }
}
