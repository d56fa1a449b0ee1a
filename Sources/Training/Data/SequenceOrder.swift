internal import Numbers

/// The order in which the sequences of one file come: a permutation of them, a new one each epoch.
struct SequenceOrder {
    private let count: Int
    private let seed: UInt64
    private var epoch = -1
    private var table: [Int32] = []
    private var keys: [UInt64] = []

    /// Sequences beyond which no table is kept: it would be large, and every rank has one.
    private static let largestTable = 1 << 26

    /// - Parameters:
    ///   - count: sequences of an epoch, at least 1.
    ///   - file: number of the file in its corpus. A file that is named twice comes in two orders.
    init(count: Int, seed: UInt64, file: Int) {
        self.count = count
        self.seed = file == 0 ? seed : SplitMix64.first(seed: seed &+ UInt64(file) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// The sequence that is drawn as number `serial`.
    mutating func sequence(_ serial: Int) -> Int {
        begin(epoch: serial / count)
        let place = serial % count
        return count <= Self.largestTable ? Int(table[place]) : permuted(place)
    }

    private mutating func begin(epoch: Int) {
        guard epoch != self.epoch else { return }
        self.epoch = epoch
        let key = SplitMix64.first(seed: seed ^ UInt64(epoch) << 32 ^ 0xDA7A)
        guard count <= Self.largestTable else {
            keys = (0..<4).map { SplitMix64.first(seed: key &+ UInt64($0)) }
            return
        }
        // Fisher–Yates.
        table = (0..<Int32(count)).map { $0 }
        for index in stride(from: count - 1, to: 0, by: -1) {
            let random = SplitMix64.first(seed: key &+ UInt64(index))
            table.swapAt(index, Int(random.multipliedFullWidth(by: UInt64(index + 1)).high))
        }
    }

    /// A permutation without a table: four rounds of a Feistel network on the numbers below the next power of four, again and
    /// again until the result is below `count`.
    private func permuted(_ place: Int) -> Int {
        let half = UInt64((Int.bitWidth - (count - 1).leadingZeroBitCount + 1) / 2)
        let mask = (UInt64(1) << half) - 1
        var number = UInt64(place)
        repeat {
            var (left, right) = (number >> half, number & mask)
            for key in keys { (left, right) = (right, left ^ SplitMix64.first(seed: key &+ right) & mask) }
            number = left << half | right
        } while number >= UInt64(count)
        return Int(number)
    }
}
