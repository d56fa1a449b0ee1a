/// A table from 64-bit keys to numbers, filled once and then read by any number of threads.
///
/// Its hash has a secret of its own, so that no file can be made whose keys all fall on one place.
final class NumberTable: @unchecked Sendable {
    private struct Slot {
        var key: UInt64
        var value: Int32
    }

    /// What no key equals.
    private static let free = UInt64.max
    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int
    private let shift: UInt64
    private let factor: UInt64

    /// - Parameter entries: of a key that occurs twice, the last counts. No key is `UInt64.max`.
    init(_ entries: [(key: UInt64, value: Int32)]) {
        var bits: UInt64 = 4
        while 1 << bits < 2 * entries.count { bits += 1 }
        mask = 1 << bits - 1
        shift = 64 - bits
        factor = UInt64.random(in: 0...UInt64.max) | 1
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(key: Self.free, value: -1), count: mask + 1)
        for entry in entries {
            var place = first(entry.key)
            while slots[place].key != Self.free, slots[place].key != entry.key { place = (place + 1) & mask }
            slots[place] = Slot(key: entry.key, value: entry.value)
        }
    }

    deinit { slots.deallocate() }

    @inline(__always)
    private func first(_ key: UInt64) -> Int {
        let mixed = (key ^ key >> 29) &* factor
        return Int(truncatingIfNeeded: ((mixed ^ mixed >> 31) &* 0x9E37_79B9_7F4A_7C15) >> shift)
    }

    /// The value of a key; -1: it has none.
    @inline(__always)
    func value(_ key: UInt64) -> Int32 {
        var place = first(key)
        while true {
            let slot = slots[place]
            if slot.key == key { return slot.value }
            if slot.key == Self.free { return -1 }
            place = (place + 1) & mask
        }
    }
}
