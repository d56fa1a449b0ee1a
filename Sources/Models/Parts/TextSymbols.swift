extension Model {
    /// Tokens of the text with their symbol in formulas.
    var textSymbols: [SizeSymbol] { text.map { [SizeSymbol("n_t", $0.tokens, "tokens of the text")] } ?? [] }
}
