/// A whole number as files and the command line state it: `1024`, `1K`, `1e3`, `4,096`, `4_096`.
package struct Count: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    package var value: Int

    package init(_ value: Int) { self.value = value }

    package init(integerLiteral value: Int) { self.value = value }

    /// - Throws: `malformed` if the text is not a whole number, or the failure of `Quantity.parse`.
    package init(parsing text: String) throws(Quantity.Failure) {
        let digits = Self.ungrouped(text.trimmed)
        // Read as an integer, since a Double would round beyond 2⁵³.
        if let plain = Int(digits), String(plain) == digits {
            value = plain
            return
        }
        guard let whole = Int(exactly: try Quantity.parse(digits, as: .count)) else { throw .malformed }
        value = whole
    }

    /// A count from an option's argument; nil if the text is not a count.
    package init?(argument: String) {
        guard let count = try? Count(parsing: argument) else { return nil }
        self = count
    }

    package var description: String { String(value) }

    /// The text without grouping commas: `4096` for `4,096`. Only counts may be grouped: for other quantities `1,500`
    /// might mean 1.5.
    package static func ungrouped(_ text: String) -> String {
        let groups = text.split(separator: ",", omittingEmptySubsequences: false)
        let first = groups[0].drop { $0 == "+" || $0 == "-" }
        guard groups.count > 1, (1...3).contains(first.count), groups.dropFirst().allSatisfy({ $0.count == 3 }),
            (groups.dropFirst() + [first]).allSatisfy({ $0.allSatisfy { $0.isASCII && $0.isNumber } })
        else { return text }
        return groups.joined()
    }
}
