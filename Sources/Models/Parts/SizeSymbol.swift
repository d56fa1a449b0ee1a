/// A size of a model with its symbol in formulas.
package struct SizeSymbol: Hashable, Sendable {
    package var symbol: String
    package var value: Double
    package var meaning: String

    package init(_ symbol: String, _ value: Int, _ meaning: String) {
        (self.symbol, self.value, self.meaning) = (symbol, Double(value), meaning)
    }
}
