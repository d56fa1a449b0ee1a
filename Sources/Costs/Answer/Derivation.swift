/// Formulas one after the other: each takes what is known, and what it gives is known to those behind it.
///
/// A line's inputs are the names in its formula, and its value is what the formula gives with them: there is no second
/// place where either could say something else.
struct Derivation {
    typealias Line = Estimate.Explanation

    private(set) var lines: [Line] = []
    private var known: [String: Line.Input] = [:]

    /// States a value. A symbol means one thing in all lines.
    mutating func know(_ symbol: String, _ value: Double, _ unit: String, _ meaning: String) {
        known[symbol] = Line.Input(symbol: symbol, value: value, unit: unit, meaning: meaning)
    }

    mutating func know(_ symbol: String, _ value: Int, _ unit: String, _ meaning: String) {
        know(symbol, Double(value), unit, meaning)
    }

    /// Adds a line. A formula that cannot be read or that takes something unknown has no value.
    /// - Parameter symbol: what later formulas call the figure.
    mutating func derive(
        _ figure: String, as symbol: String, _ formula: String, _ unit: String, note: String = "",
        after source: String = ""
    ) {
        let parsed = Formula(formula)
        let inputs = parsed?.symbols.compactMap { known[$0] } ?? []
        let value = parsed?.value(known.mapValues(\.value)) ?? .nan
        lines.append(
            Line(
                figure: figure, symbol: symbol, formula: formula, inputs: inputs, value: value, unit: unit, note: note,
                source: source))
        know(symbol, value, unit, figure)
    }
}

/// Terms of a sum that are there only in some cases.
func sum(_ terms: String?...) -> String { sum(terms) }

func sum(_ terms: [String?]) -> String {
    let terms = terms.compactMap { $0 }
    return terms.isEmpty ? "0" : terms.joined(separator: " + ")
}
