/// Divisors of the counts in plans.
package enum Divisors {
    /// All divisors of `value` in ascending order; O(√value).
    package static func of(_ value: Int) -> [Int] {
        guard value > 0 else { return [] }
        var low: [Int] = []
        var high: [Int] = []
        var d = 1
        while d <= value / d {
            if value % d == 0 {
                low.append(d)
                if d != value / d { high.append(value / d) }
            }
            d += 1
        }
        return low + high.reversed()
    }

    /// The nearest divisors of `value` below and above `wanted`; one of them if there is no other.
    package static func near(_ wanted: Int, dividing value: Int) -> [Int] {
        let divisors = of(value)
        return [divisors.last { $0 <= wanted }, divisors.first { $0 > wanted }].compactMap(\.self)
    }
}
