/// The file that each sequence of a corpus comes from, by the sequence's serial number alone.
///
/// Of the files that are due, the one with the nearest deadline is taken (Tijdeman 1980, "The chairman assignment problem"): after
/// any number n of sequences a file of share w has given w · n of them, give or take less than one.
package struct Blend: Sendable {
    /// The file of a sequence, and how many of that file's sequences came before.
    package struct Place: Hashable, Sendable {
        package var file: Int
        package var number: Int
    }

    private let shares: [Double]
    /// A file is due from this deficit on.
    private let threshold: Double
    /// Serial number of the first place that is kept, and the places from there on.
    private var base = 0
    private var kept: [Place] = []
    /// By file, the sequences before the next place.
    private var counts: [Int]

    /// Places that are kept, so that the ranks' shares of a batch may be asked for in any order.
    private static let mostKept = 1 << 20

    /// - Parameter weights: at least one above 0, and none below.
    package init(weights: [Double]) {
        let sum = weights.reduce(0, +)
        shares = weights.map { $0 / sum }
        let given = weights.count { $0 > 0 }
        threshold = given > 1 ? 1 / Double(2 * given - 2) : 0
        counts = weights.map { _ in 0 }
    }

    package mutating func place(_ serial: Int) -> Place {
        if shares.count == 1 { return Place(file: 0, number: serial) }
        if serial < base {
            (base, kept) = (0, [])
            counts = counts.map { _ in 0 }
        }
        while base + kept.count <= serial {
            // Those far behind are dropped; what lies far ahead is passed over without being kept.
            if kept.count == Self.mostKept {
                kept.removeFirst(Self.mostKept / 2)
                base += Self.mostKept / 2
            }
            let next = next()
            if serial - (base + kept.count) > Self.mostKept / 2 {
                base += kept.count + 1
                kept.removeAll(keepingCapacity: true)
            } else {
                kept.append(next)
            }
        }
        return kept[serial - base]
    }

    /// Counts the next sequence.
    private mutating func next() -> Place {
        let serial = Double(base + kept.count + 1)
        var (chosen, deadline, largest, most) = (-1, Double.infinity, 0, -Double.infinity)
        for file in shares.indices where shares[file] > 0 {
            let deficit = shares[file] * serial - Double(counts[file])
            if deficit > most { (largest, most) = (file, deficit) }
            guard deficit >= threshold else { continue }
            let left = (1 - threshold - deficit) / shares[file]
            if left < deadline { (chosen, deadline) = (file, left) }
        }
        // Rounding may leave no file due.
        let file = chosen < 0 ? largest : chosen
        defer { counts[file] += 1 }
        return Place(file: file, number: counts[file])
    }
}
