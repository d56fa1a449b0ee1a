/// Unpacks gzip files (RFC 1952) of deflated data (RFC 1951), as `torch.profiler` writes for names that end in `.gz`.
struct Gunzip {
    /// Why a file cannot be unpacked.
    struct Fault: Error { var rule: String }

    /// More unpacked bytes are refused: far more than any profiler writes.
    static let largestBytes = 8 << 30

    static func isPacked(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.count > 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
    }

    private let input: UnsafeBufferPointer<UInt8>
    private var place = 0
    /// Bits that were read and not used yet, the next one lowest.
    private var bits: UInt64 = 0
    private var bitCount = 0
    private var output: [UInt8] = []

    private init(_ input: UnsafeBufferPointer<UInt8>) { self.input = input }

    /// The unpacked bytes of all members of the file.
    static func unpacked(_ bytes: UnsafeBufferPointer<UInt8>) throws(Fault) -> [UInt8] {
        var reader = Gunzip(bytes)
        // Texts of traces shrink to about a tenth.
        reader.output.reserveCapacity(min(1 << 30, bytes.count) * 8)
        repeat {
            try reader.member()
        } while reader.place < bytes.count && isPacked(UnsafeBufferPointer(rebasing: bytes[reader.place...]))
        return reader.output
    }

    private static let cutOff = Fault(rule: "is a gzip file that is cut off")

    private mutating func byte() throws(Fault) -> UInt8 {
        guard place < input.count else { throw Self.cutOff }
        place += 1
        return input[place - 1]
    }

    private mutating func word() throws(Fault) -> UInt32 {
        var value: UInt32 = 0
        for shift in [0, 8, 16, 24] as [UInt32] { value |= UInt32(try byte()) << shift }
        return value
    }

    private mutating func member() throws(Fault) {
        guard try byte() == 0x1F, try byte() == 0x8B else { throw Fault(rule: "is no gzip file") }
        guard try byte() == 8 else { throw Fault(rule: "is packed in a way other than deflate") }
        let flags = try byte()
        for _ in 0..<6 { _ = try byte() }
        if flags & 4 != 0 {
            let length = Int(try byte()) | Int(try byte()) << 8
            for _ in 0..<length { _ = try byte() }
        }
        for flag in [8, 16] as [UInt8] where flags & flag != 0 { while try byte() != 0 {} }
        if flags & 2 != 0 { for _ in 0..<2 { _ = try byte() } }
        let start = output.count
        (bits, bitCount) = (0, 0)
        while try !block() {}
        // Whole bytes that were read ahead go back.
        place -= bitCount / 8
        (bits, bitCount) = (0, 0)
        let (sum, length) = (try word(), try word())
        guard UInt32(truncatingIfNeeded: output.count - start) == length, CRC32.of(output[start...]) == sum else {
            throw Fault(rule: "is a gzip file with damaged content")
        }
    }

    @inline(__always)
    private mutating func fill() {
        while bitCount <= 56, place < input.count {
            bits |= UInt64(input[place]) << UInt64(bitCount)
            place += 1
            bitCount += 8
        }
    }

    @inline(__always)
    private mutating func take(_ count: Int) throws(Fault) -> Int {
        if bitCount < count { fill() }
        guard bitCount >= count else { throw Self.cutOff }
        let value = Int(bits & (1 << UInt64(count) - 1))
        bits >>= UInt64(count)
        bitCount -= count
        return value
    }

    @inline(__always)
    private mutating func symbol(_ code: HuffmanCode) throws(Fault) -> Int {
        if bitCount < 15 { fill() }
        let entry = code.table[Int(bits & UInt64(code.table.count - 1))]
        let length = Int(entry & 15)
        guard length > 0, length <= bitCount else {
            throw bitCount == 0 ? Self.cutOff : Fault(rule: "is a gzip file with damaged content")
        }
        bits >>= UInt64(length)
        bitCount -= length
        return Int(entry >> 4)
    }

    /// Unpacks one block.
    /// - Returns: whether it is the last one.
    private mutating func block() throws(Fault) -> Bool {
        let isLast = try take(1) == 1
        switch try take(2) {
        case 0:
            place -= (bitCount - bitCount % 8) / 8
            (bits, bitCount) = (0, 0)
            let length = Int(try byte()) | Int(try byte()) << 8
            let inverse = Int(try byte()) | Int(try byte()) << 8
            guard length == ~inverse & 0xFFFF else { throw Fault(rule: "is a gzip file with damaged content") }
            guard place + length <= input.count else { throw Self.cutOff }
            output.append(contentsOf: input[place..<place + length])
            place += length
        case 1: try packed(.fixedSymbols, .fixedDistances)
        case 2:
            let (symbols, distances) = try codes()
            try packed(symbols, distances)
        default: throw Fault(rule: "is a gzip file with damaged content")
        }
        return isLast
    }

    private mutating func codes() throws(Fault) -> (HuffmanCode, HuffmanCode) {
        let symbols = try take(5) + 257
        let distances = try take(5) + 1
        let count = try take(4) + 4
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        var lengths = [UInt8](repeating: 0, count: 19)
        for index in order.prefix(count) { lengths[index] = UInt8(try take(3)) }
        let code = HuffmanCode(lengths)
        var all: [UInt8] = []
        while all.count < symbols + distances {
            let symbol = try symbol(code)
            switch symbol {
            case 16:
                guard let last = all.last else { throw Fault(rule: "is a gzip file with damaged content") }
                let times = try take(2) + 3
                all += [UInt8](repeating: last, count: times)
            case 17: all += [UInt8](repeating: 0, count: try take(3) + 3)
            case 18: all += [UInt8](repeating: 0, count: try take(7) + 11)
            default: all.append(UInt8(symbol))
            }
        }
        guard all.count == symbols + distances else { throw Fault(rule: "is a gzip file with damaged content") }
        return (HuffmanCode(Array(all[..<symbols])), HuffmanCode(Array(all[symbols...])))
    }

    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthBits = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193,
        12289, 16385, 24577,
    ]

    private mutating func packed(_ symbols: HuffmanCode, _ distances: HuffmanCode) throws(Fault) {
        while true {
            let symbol = try symbol(symbols)
            if symbol < 256 {
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return }
            guard symbol - 257 < Self.lengthBase.count else { throw Fault(rule: "is a gzip file with damaged content") }
            let length = Self.lengthBase[symbol - 257] + (try take(Self.lengthBits[symbol - 257]))
            let far = try self.symbol(distances)
            guard far < Self.distanceBase.count else { throw Fault(rule: "is a gzip file with damaged content") }
            let distance = Self.distanceBase[far] + (try take(max(0, far / 2 - 1)))
            guard distance <= output.count else { throw Fault(rule: "is a gzip file with damaged content") }
            guard output.count + length <= Self.largestBytes else { throw Fault(rule: "unpacks to more than 8 GiB") }
            // Source and target may overlap: bytes are then repeated.
            let from = output.count - distance
            for offset in 0..<length { output.append(output[from + offset]) }
        }
    }
}

/// A prefix code of deflate, as a table by the next 15 bits.
private struct HuffmanCode {
    /// Symbol · 16 + length of its code; 0: no code begins with these bits.
    var table: [UInt16]

    init(_ lengths: [UInt8]) {
        let most = Int(lengths.max() ?? 0)
        table = [UInt16](repeating: 0, count: 1 << max(1, most))
        var counts = [Int](repeating: 0, count: 16)
        for length in lengths where length > 0 { counts[Int(length)] += 1 }
        var (next, code) = ([Int](repeating: 0, count: 16), 0)
        for length in 1..<16 {
            code = (code + counts[length - 1]) << 1
            next[length] = code
        }
        for (symbol, length) in lengths.enumerated() where length > 0 {
            let code = next[Int(length)]
            next[Int(length)] += 1
            // Codes come with their first bit lowest.
            var reversed = 0
            for bit in 0..<Int(length) where code >> bit & 1 == 1 { reversed |= 1 << (Int(length) - 1 - bit) }
            var index = reversed
            while index < table.count {
                table[index] = UInt16(symbol) << 4 | UInt16(length)
                index += 1 << Int(length)
            }
        }
    }

    static let fixedSymbols = HuffmanCode(
        (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    static let fixedDistances = HuffmanCode([UInt8](repeating: 5, count: 30))
}

/// The check sum of gzip.
private enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var value: UInt32 = 0xFFFF_FFFF
        for byte in bytes { value = table[Int((value ^ UInt32(byte)) & 0xFF)] ^ value >> 8 }
        return ~value
    }
}
