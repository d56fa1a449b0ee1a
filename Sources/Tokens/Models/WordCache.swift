/// The tokens of words that were met before. Full, it is emptied: it never grows beyond a few megabytes.
final class WordCache {
    /// Longer words are not kept.
    static let longest = 255
    private static let slotCount = 1 << 16
    private static let probes = 4
    private static let mostBytes = 1 << 21
    private static let mostTokens = 1 << 20

    private struct Slot {
        var hash: UInt64 = 0
        var word: UInt32 = 0
        var tokens: UInt32 = 0
        var length: UInt8 = 0
        var count: UInt8 = 0
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let words: UnsafeMutablePointer<UInt8>
    private let tokens: UnsafeMutablePointer<Int32>
    private var (wordEnd, tokenEnd, entries) = (0, 0, 0)
    private let secret = UInt64.random(in: 0...UInt64.max)

    init() {
        slots = .allocate(capacity: Self.slotCount)
        slots.initialize(repeating: Slot(), count: Self.slotCount)
        words = .allocate(capacity: Self.mostBytes)
        tokens = .allocate(capacity: Self.mostTokens)
    }

    deinit {
        slots.deallocate()
        words.deallocate()
        tokens.deallocate()
    }

    /// A hash that is never 0.
    @inline(__always)
    func hash(_ word: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(word)
        var hash = secret ^ UInt64(truncatingIfNeeded: word.count)
        var place = 0
        while place + 8 <= raw.count {
            hash = Self.mixed(hash ^ raw.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            place += 8
        }
        var last: UInt64 = 0
        while place < raw.count {
            last = last << 8 | UInt64(raw[place])
            place += 1
        }
        return Self.mixed(hash ^ last) | 1
    }

    @inline(__always)
    private static func mixed(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: 0x9FB2_1C65_1E98_DF25)
        return product.high ^ product.low
    }

    /// Appends the tokens of a word that is kept here.
    /// - Returns: whether it is.
    @inline(__always)
    func append(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64, to ids: inout [Int32]) -> Bool {
        var place = Int(truncatingIfNeeded: hash >> 40) & (Self.slotCount - 1)
        for _ in 0..<Self.probes {
            let slot = slots[place]
            if slot.hash == hash, Int(slot.length) == word.count, Self.isEqual(words + Int(slot.word), word) {
                let found = UnsafeBufferPointer(start: tokens + Int(slot.tokens), count: Int(slot.count))
                if found.count == 1 {
                    ids.append(found[0])
                } else {
                    ids.append(contentsOf: found)
                }
                return true
            }
            place = (place + 1) & (Self.slotCount - 1)
        }
        return false
    }

    @inline(__always)
    private static func isEqual(_ bytes: UnsafeMutablePointer<UInt8>, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
        for place in 0..<word.count where bytes[place] != word[place] { return false }
        return true
    }

    /// Keeps the tokens of a word, where there is room.
    func keep(_ word: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ found: ArraySlice<Int32>) {
        guard word.count <= Self.longest, found.count <= 255 else { return }
        if entries > Self.slotCount / 2 || wordEnd + word.count > Self.mostBytes
            || tokenEnd + found.count > Self.mostTokens
        {
            slots.update(repeating: Slot(), count: Self.slotCount)
            (wordEnd, tokenEnd, entries) = (0, 0, 0)
        }
        var place = Int(truncatingIfNeeded: hash >> 40) & (Self.slotCount - 1)
        for _ in 0..<Self.probes {
            if slots[place].hash == 0 {
                slots[place] = Slot(
                    hash: hash, word: UInt32(truncatingIfNeeded: wordEnd), tokens: UInt32(truncatingIfNeeded: tokenEnd),
                    length: UInt8(truncatingIfNeeded: word.count), count: UInt8(truncatingIfNeeded: found.count))
                for byte in word {
                    words[wordEnd] = byte
                    wordEnd += 1
                }
                for token in found {
                    tokens[tokenEnd] = token
                    tokenEnd += 1
                }
                entries += 1
                return
            }
            place = (place + 1) & (Self.slotCount - 1)
        }
    }
}
