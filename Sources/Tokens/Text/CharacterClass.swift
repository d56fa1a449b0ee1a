/// The kinds of characters that splitting rules tell apart. A byte that is no part of a character is `other`.
enum CharacterClass: UInt8 {
    case other
    case letter
    case number
    case space
}

/// The classes of all code points: of every block of 256 its page, and the pages.
final class CharacterClasses: @unchecked Sendable {
    /// Made once, and only read.
    static let all = CharacterClasses()

    private static let blockCount = 0x1100
    private let blocks: UnsafeMutablePointer<UInt8>
    private let pages: UnsafeMutablePointer<UInt8>
    /// The first page.
    let ascii: UnsafePointer<UInt8>

    private init() {
        var all = [UInt8](repeating: CharacterClass.other.rawValue, count: Self.blockCount << 8)
        func fill(_ ranges: [UInt32], _ kind: CharacterClass) {
            var place = 0
            for pair in stride(from: 0, to: ranges.count - 1, by: 2) {
                place += Int(ranges[pair])
                let end = place + Int(ranges[pair + 1])
                for code in place..<end where code < all.count { all[code] = kind.rawValue }
                place = end
            }
        }
        fill(CharacterRanges.letters, .letter)
        fill(CharacterRanges.numbers, .number)
        fill(CharacterRanges.spaces, .space)
        var known: [[UInt8]: UInt8] = [:]
        var collected: [UInt8] = []
        blocks = .allocate(capacity: Self.blockCount)
        for block in 0..<Self.blockCount {
            let page = Array(all[block << 8..<(block + 1) << 8])
            // There are fewer than 256 different pages.
            let number = known[page] ?? UInt8(truncatingIfNeeded: known.count)
            if known.updateValue(number, forKey: page) == nil { collected += page }
            (blocks + block).initialize(to: number)
        }
        pages = .allocate(capacity: collected.count)
        for (place, kind) in collected.enumerated() { (pages + place).initialize(to: kind) }
        ascii = UnsafePointer(pages)
    }

    deinit {
        blocks.deallocate()
        pages.deallocate()
    }

    /// The class of a code point, or of a broken byte.
    @inline(__always)
    func kind(_ code: UInt32) -> CharacterClass {
        guard code < 0x110000 else { return .other }
        let page = Int(blocks[Int(code >> 8)])
        return CharacterClass(rawValue: pages[page << 8 | Int(code & 0xFF)]) ?? .other
    }
}
