internal import Foundation

/// A formula that people can read and programs can compute: `6·B·s·(L·W_d + V·h)`.
///
/// A formula consists of numbers, names, `+ − · / ^`, parentheses, and the functions of `Function`. A name consists of
/// letters, digits and underscores. Products need a `·`. `^` binds tightest and associates to the right.
package struct Formula: Hashable, Sendable {
    package enum Function: String, Hashable, Sendable, CaseIterable {
        case max, min, ceil, floor, sqrt, exp, ln
    }

    indirect enum Term: Hashable, Sendable {
        case number(Double)
        case symbol(String)
        case negated(Term)
        case sum(Term, Term)
        case difference(Term, Term)
        case product(Term, Term)
        case quotient(Term, Term)
        case power(Term, Term)
        case call(Function, [Term])
    }

    private let root: Term
    /// Names of all values in the formula, in the order of first use.
    package let symbols: [String]

    /// Reads a formula; nil if `text` is not one.
    package init?(_ text: String) {
        var reader = FormulaReader(text)
        guard let root = reader.sum(), reader.isAtEnd else { return nil }
        self.root = root
        symbols = reader.symbols
    }

    /// The formula's result with these values; nil if one is missing.
    package func value(_ values: [String: Double]) -> Double? { Self.value(root, values) }

    private static func value(_ term: Term, _ values: [String: Double]) -> Double? {
        func both(_ a: Term, _ b: Term, _ combine: (Double, Double) -> Double) -> Double? {
            guard let a = value(a, values), let b = value(b, values) else { return nil }
            return combine(a, b)
        }
        switch term {
        case .number(let number): return number
        case .symbol(let name): return values[name]
        case .negated(let term): return value(term, values).map { -$0 }
        case .sum(let a, let b): return both(a, b, +)
        case .difference(let a, let b): return both(a, b, -)
        case .product(let a, let b): return both(a, b, *)
        case .quotient(let a, let b): return both(a, b, /)
        case .power(let a, let b): return both(a, b, pow)
        case .call(let function, let arguments):
            var numbers: [Double] = []
            for argument in arguments {
                guard let number = value(argument, values) else { return nil }
                numbers.append(number)
            }
            return function.value(numbers)
        }
    }
}

extension Formula.Function {
    fileprivate func value(_ numbers: [Double]) -> Double? {
        guard let first = numbers.first else { return nil }
        switch self {
        case .max: return numbers.dropFirst().reduce(first) { Swift.max($0, $1) }
        case .min: return numbers.dropFirst().reduce(first) { Swift.min($0, $1) }
        case .ceil: return first.rounded(.up)
        case .floor: return first.rounded(.down)
        case .sqrt: return first.squareRoot()
        case .exp: return Foundation.exp(first)
        case .ln: return Foundation.log(first)
        }
    }
}

/// Reads a formula from left to right.
private struct FormulaReader {
    private let text: [Character]
    private var place = 0
    private(set) var symbols: [String] = []

    init(_ text: String) { self.text = Array(text) }

    var isAtEnd: Bool { text[place...].allSatisfy { $0 == " " } }

    private mutating func skipBlanks() {
        while place < text.count, text[place] == " " { place += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        skipBlanks()
        guard place < text.count, text[place] == character else { return false }
        place += 1
        return true
    }

    mutating func sum() -> Formula.Term? {
        guard var left = product() else { return nil }
        while true {
            if take("+") {
                guard let right = product() else { return nil }
                left = .sum(left, right)
            } else if take("−") {
                guard let right = product() else { return nil }
                left = .difference(left, right)
            } else {
                return left
            }
        }
    }

    private mutating func product() -> Formula.Term? {
        guard var left = power() else { return nil }
        while true {
            if take("·") {
                guard let right = power() else { return nil }
                left = .product(left, right)
            } else if take("/") {
                guard let right = power() else { return nil }
                left = .quotient(left, right)
            } else {
                return left
            }
        }
    }

    private mutating func power() -> Formula.Term? {
        if take("−") { return power().map { .negated($0) } }
        guard let base = atom() else { return nil }
        guard take("^") else { return base }
        return power().map { .power(base, $0) }
    }

    private mutating func atom() -> Formula.Term? {
        if take("(") {
            guard let inner = sum(), take(")") else { return nil }
            return inner
        }
        skipBlanks()
        guard place < text.count else { return nil }
        return text[place].isNumber ? number() : name()
    }

    private mutating func number() -> Formula.Term? {
        let start = place
        while place < text.count, text[place].isNumber || text[place] == "." { place += 1 }
        return Double(String(text[start..<place])).map { .number($0) }
    }

    private mutating func name() -> Formula.Term? {
        let start = place
        while place < text.count, text[place].isLetter || text[place].isNumber || text[place] == "_" { place += 1 }
        let name = String(text[start..<place])
        guard !name.isEmpty else { return nil }
        guard take("(") else {
            if !symbols.contains(name) { symbols.append(name) }
            return .symbol(name)
        }
        guard let function = Formula.Function(rawValue: name) else { return nil }
        var arguments: [Formula.Term] = []
        repeat {
            guard let argument = sum() else { return nil }
            arguments.append(argument)
        } while take(",")
        return take(")") ? .call(function, arguments) : nil
    }
}
