/// A size of a model with its symbol in formulas.
package struct SizeSymbol: Hashable, Sendable {
    package var symbol: String
    package var value: Double
    package var meaning: String

    package init(_ symbol: String, _ value: Int, _ meaning: String) {
        self.init(symbol, Double(value), meaning)
    }

    package init(_ symbol: String, _ value: Double, _ meaning: String) {
        (self.symbol, self.value, self.meaning) = (symbol, value, meaning)
    }
}
