/// A number with the formula that gives it, so that a figure and its explanation cannot differ.
package struct Sized: Hashable, Sendable {
    package private(set) var value: Int
    package private(set) var words: String
    private var isSum = false

    package static let none = Sized("0", 0)

    init(_ symbol: String, _ value: Int) { (words, self.value) = (symbol, value) }

    init(_ number: Int) { self.init("\(number)", number) }

    /// The formula as a factor or a term behind a factor.
    package var factor: String { isSum ? "(\(words))" : words }
    package var isNone: Bool { value == 0 }

    static func + (a: Sized, b: Sized) -> Sized {
        if a.isNone { return b }
        if b.isNone { return a }
        var sum = Sized("\(a.words) + \(b.words)", a.value + b.value)
        sum.isSum = true
        return sum
    }

    static func * (a: Sized, b: Sized) -> Sized {
        if a.isNone || b.isNone { return none }
        if a.words == "1" { return b }
        if b.words == "1" { return a }
        return Sized("\(a.factor)·\(b.factor)", a.value * b.value)
    }

    static func * (count: Int, size: Sized) -> Sized { Sized(count) * size }
}

extension Sequence where Element == Sized {
    var total: Sized { reduce(.none, +) }
}
