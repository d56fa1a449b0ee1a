package import Reading

/// Money of a country, by its ISO 4217 code.
package enum Currency: String, Hashable, Codable, Sendable, CaseIterable {
    case usd = "USD"
    case eur = "EUR"
    case cny = "CNY"
    case gbp = "GBP"
    case jpy = "JPY"
    case krw = "KRW"
    case inr = "INR"
    case chf = "CHF"
    case cad = "CAD"
    case aud = "AUD"
    case sgd = "SGD"
    case aed = "AED"
    case sar = "SAR"
    case twd = "TWD"
    case sek = "SEK"
    case brl = "BRL"

    /// The currency of a code in any case; `RMB` is the yuan, as people call it. nil: no such code is known.
    package init?(code: String) {
        let upper = code.trimmed.uppercased()
        self.init(rawValue: upper == "RMB" ? "CNY" : upper)
    }

    /// The word behind an amount: `2 million dollars`, `2 million yuan`.
    package var words: String {
        switch self {
        case .usd: "dollars"
        case .eur: "euros"
        case .cny: "yuan"
        case .gbp: "pounds"
        case .jpy: "yen"
        default: rawValue
        }
    }

    /// All codes, as files may write them.
    package static let codes = allCases.map(\.rawValue) + ["RMB"]

    /// Reads a currency under `key`; nil: absent, or unknown and reported.
    package static func read(_ reader: FieldReader, key: String = "currency") -> Currency? {
        guard let word = reader.word(key) else {
            if reader.contains(key) { reader.report(key, rule: "must be a code such as USD, EUR or CNY") }
            return nil
        }
        guard let currency = Currency(code: word) else {
            reader.report(
                key, value: "'\(word)'", rule: "must be \(Wording.alternatives(codes))",
                fix: Wording.didYouMean(word.uppercased(), among: codes))
            return nil
        }
        return currency
    }
}

/// What one dollar buys of other currencies, as a plan states it.
package struct ExchangeRates: Hashable, Codable, Sendable {
    /// Units for one dollar.
    package var perDollar: [Currency: Double]

    package init(_ perDollar: [Currency: Double] = [:]) { self.perDollar = perDollar }

    /// `amount` of `from` in `to`; nil: a rate that it needs is not stated.
    package func converted(_ amount: Double, from: Currency, to: Currency) -> Double? {
        guard from != to else { return amount }
        guard let divisor = from == .usd ? 1 : perDollar[from], let factor = to == .usd ? 1 : perDollar[to] else {
            return nil
        }
        return amount / divisor * factor
    }

    /// The currencies whose rates are missing for a conversion.
    package func missing(from: Currency, to: Currency) -> [Currency] {
        from == to ? [] : [from, to].filter { $0 != .usd && perDollar[$0] == nil }
    }

    /// Reads a map of codes and what one dollar buys of each.
    package static func read(_ reader: FieldReader, key: String = "exchangeRates") -> ExchangeRates {
        guard let map = reader.map(key) else { return ExchangeRates() }
        var rates = ExchangeRates()
        for code in map.keys {
            guard let currency = Currency(code: code), currency != .usd else {
                _ = map.take(code)
                map.report(
                    code, rule: Currency(code: code) == .usd ? "is 1 by itself" : "is no currency that is known here",
                    fix: "write what one dollar buys, e.g. CNY: 7.1")
                continue
            }
            if let rate = map.number(code, .plain, in: 1e-6...1e6) { rates.perDollar[currency] = rate }
        }
        map.reportUnknownKeys()
        return rates
    }

    /// The map as a plan writes it; nil: no rate is stated.
    package var yaml: String? {
        guard !perDollar.isEmpty else { return nil }
        let fields = perDollar.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.key.rawValue): \($0.value)" }
        return "{\(fields.joined(separator: ", "))}"
    }
}
