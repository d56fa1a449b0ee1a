/// A fast hash of a file's content that shows whether two files differ. It is no protection against files made to collide.
/// Words of eight bytes are mixed in by the steps of MurmurHash3's finaliser. Every part but the last is a multiple of eight
/// bytes.
struct ContentHash {
    private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var hash = value
        let words = bytes.count / 8
        for index in 0..<words {
            hash = Self.mixed(hash, bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        var last: UInt64 = 0
        for byte in bytes[(8 * words)...] { last = last << 8 ^ UInt64(byte) }
        value = Self.mixed(Self.mixed(hash, last), UInt64(bytes.count))
    }

    mutating func update(number: UInt64) {
        withUnsafeBytes(of: number.littleEndian) { update($0) }
    }

    @inline(__always)
    private static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0xFF51_AFD7_ED55_8CCD
        return product ^ product >> 33
    }

    /// Hash of a file's bytes; nil where it cannot be read.
    static func ofFile(_ path: String) -> UInt64? {
        guard let file = try? TextFile(path: path) else { return nil }
        return try? file.scan().digest
    }
}
