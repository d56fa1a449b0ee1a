internal import Numbers

/// The values that a search tries for one whole-number field of a layout: one fixed value, or any within limits.
package struct CountChoice: Hashable, Sendable {
    /// The only value that is tried; nil: the field is open.
    package var fixed: Int?
    /// The smallest value that is tried where the field is open.
    package var least = 1
    /// The largest value that is tried where the field is open; nil: no limit of the search's own.
    package var most: Int?

    package init(most: Int? = nil) { self.most = most }

    /// The divisors of `number` that are tried, ascending.
    /// - Parameters:
    ///   - limit: the largest value where the choice states no `most`.
    ///   - possible: the largest legal value, which also bounds a fixed one.
    func divisors(of number: Int, limit: Int = .max, possible: Int = .max) -> [Int] {
        if let fixed {
            return fixed >= least && fixed > 0 && number % fixed == 0 && fixed <= possible ? [fixed] : []
        }
        let largest = min(most ?? limit, possible)
        return Divisors.of(number).filter { $0 >= least && $0 <= largest }
    }
}
