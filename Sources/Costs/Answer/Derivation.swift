/// A list of formulas. Each uses symbols that are defined before it and defines the symbol of its result.
///
/// The inputs of a line are the names in its formula, and its value is the result of the formula with these inputs. So
/// formula, inputs and value cannot contradict one another.
package struct Derivation {
    package typealias Line = Estimate.Explanation

    package private(set) var lines: [Line] = []
    private var symbols: [String: Line.Input] = [:]

    package init() {}

    /// Defines the value of a symbol, which has one meaning in all lines.
    package mutating func define(_ symbol: String, _ value: Double, _ unit: String, _ meaning: String) {
        symbols[symbol] = Line.Input(symbol: symbol, value: value, unit: unit, meaning: meaning)
    }

    package mutating func define(_ symbol: String, _ value: Int, _ unit: String, _ meaning: String) {
        define(symbol, Double(value), unit, meaning)
    }

    /// Adds a line. Its value is nan if the formula cannot be read or uses an undefined symbol.
    /// - Parameter symbol: name of the figure in later formulas.
    package mutating func derive(
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
