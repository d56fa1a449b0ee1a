/// Formulas one after the other. Each takes symbols that were defined before it and defines the symbol of its result.
///
/// A line's inputs are the names in its formula, and its value is the formula's result with them: there is no second
/// place where either could say something else.
struct Derivation {
    typealias Line = Estimate.Explanation

    private(set) var lines: [Line] = []
    private var symbols: [String: Line.Input] = [:]

    /// Defines the value of a symbol, which means one thing in all lines.
    mutating func define(_ symbol: String, _ value: Double, _ unit: String, _ meaning: String) {
        symbols[symbol] = Line.Input(symbol: symbol, value: value, unit: unit, meaning: meaning)
    }

    mutating func define(_ symbol: String, _ value: Int, _ unit: String, _ meaning: String) {
        define(symbol, Double(value), unit, meaning)
    }

    /// Adds a line. The value of a formula that cannot be read or that takes an undefined symbol is nan.
    /// - Parameter symbol: the figure's name in later formulas.
    mutating func derive(
        _ figure: String, as symbol: String, _ formula: String, _ unit: String, note: String = "",
        after source: String = ""
    ) {
        let parsed = Formula(formula)
        let inputs = parsed?.symbols.compactMap { symbols[$0] } ?? []
        let value = parsed?.value(symbols.mapValues(\.value)) ?? .nan
        lines.append(
            Line(
                figure: figure, symbol: symbol, formula: formula, inputs: inputs, value: value, unit: unit, note: note,
                source: source))
        define(symbol, value, unit, figure)
    }
}

/// The formula of a sum; terms that are nil are left out.
func sum(_ terms: String?...) -> String { sum(terms) }

func sum(_ terms: [String?]) -> String {
    let terms = terms.compactMap { $0 }
    return terms.isEmpty ? "0" : terms.joined(separator: " + ")
}
