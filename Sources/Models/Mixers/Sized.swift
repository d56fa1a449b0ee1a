/// A number with the formula that gives it, so that a figure and its explanation cannot differ.
package struct Sized: Hashable, Sendable {
    /// A product of sizes, taken `count` times. The product without sizes is 1.
    private struct Term: Hashable, Sendable {
        var count: Int
        var words: String
        var value: Int
    }

    /// The terms of the sum, each product once.
    private var terms: [Term] = []

    package static let none = Sized(terms: [])

    private init(terms: [Term]) { self.terms = terms.filter { $0.count * $0.value != 0 } }

    init(_ symbol: String, _ value: Int) { self.init(terms: [Term(count: 1, words: symbol, value: value)]) }

    init(_ number: Int) { self.init(terms: [Term(count: number, words: "", value: 1)]) }

    package var value: Int { terms.reduce(0) { $0 + $1.count * $1.value } }
    package var isNone: Bool { terms.isEmpty }

    package var words: String {
        sum(
            terms.map { term in
                term.words.isEmpty ? "\(term.count)" : term.count == 1 ? term.words : "\(term.count)·\(term.words)"
            })
    }

    /// The formula as a factor or a term behind a factor.
    package var factor: String { terms.count > 1 ? "(\(words))" : words }

    static func + (a: Sized, b: Sized) -> Sized {
        var sum = a.terms
        for term in b.terms {
            if let place = sum.firstIndex(where: { $0.words == term.words }) {
                sum[place].count += term.count
            } else {
                sum.append(term)
            }
        }
        return Sized(terms: sum)
    }

    static func * (a: Sized, b: Sized) -> Sized {
        let (left, right) = (a.asTerm, b.asTerm)
        let words = [left.words, right.words].filter { !$0.isEmpty }.joined(separator: "·")
        return Sized(terms: [
            Term(count: left.count * right.count, words: words, value: left.value * right.value)
        ])
    }

    /// The sum as one term.
    private var asTerm: Term {
        terms.count == 1 ? terms[0] : Term(count: 1, words: factor, value: value)
    }

    static func * (count: Int, size: Sized) -> Sized { Sized(count) * size }
}

extension Sequence where Element == Sized {
    var total: Sized { reduce(.none, +) }
}
