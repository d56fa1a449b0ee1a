/// A part of a rank's state that changed although no step changed it, and what became of it.
package struct StateFault: Hashable, Codable, Sendable {
    /// An element that has other bits than it should.
    package struct Element: Hashable, Codable, Sendable {
        /// Place in the whole tensor, row by row.
        package var index: Int
        package var found: UInt32
        package var right: UInt32
    }

    package var rank: Int
    /// The tensor's name in a checkpoint: `.exp_avg` and `.exp_avg_sq` at its end are the moments.
    package var tensor: String
    /// First and last element of the part, in the whole tensor.
    package var first: Int
    package var last: Int
    /// The first element that differs from a replica's, where there is a replica, and how many do.
    package var element: Element?
    package var differing = 0
    /// Ranks that hold the part otherwise, where nothing says which of all is right.
    package var others: [Int] = []
    /// The rank whose replica has healed it; nil: none has.
    package var healedFrom: Int?

    /// What happened to several parts, in one line.
    package static func words(of faults: [StateFault]) -> String {
        faults.map { $0.words + ($0.healedFrom.map { "; healed from rank \($0)" } ?? "") }.joined(separator: "; ")
    }

    /// What happened, in one line.
    package var words: String {
        if !others.isEmpty {
            let ranks = ([rank] + others).map(String.init).joined(separator: ", ")
            return "ranks \(ranks) hold \(tensor) differently, and nothing says which of them is right"
        }
        guard let element else {
            return "elements \(first) to \(last) of \(tensor) on rank \(rank) changed by themselves"
        }
        let flipped = (element.found ^ element.right).nonzeroBitCount
        return "element \(element.index) of \(tensor) on rank \(rank) changed by itself (\(flipped) "
            + "bit\(flipped == 1 ? "" : "s"), \(value(element.right)) to \(value(element.found)))"
            + (differing > 1 ? ", and \(differing - 1) other elements near it" : "")
    }

    private func value(_ bits: UInt32) -> String { "\(Float(bitPattern: bits))" }
}
