internal import Numbers
internal import Plans
internal import Reading
internal import Yams

extension Payback {
    /// Reads `payback:` of a campaign.
    /// - Parameter isWithStages: whether the file has stages, whose cost may be that of research.
    static func read(_ campaign: FieldReader, isWithStages: Bool) -> Payback? {
        guard let reader = campaign.map("payback") else { return nil }
        var reading = PaybackReading()
        let currency = Currency.read(reader)
        let takesCampaign = reader.word(ifAmong: ["campaign"], "research") != nil
        if takesCampaign, !isWithStages {
            reader.report("research", value: "'campaign'", rule: "the file has no stages", fix: "state the cost")
        }
        if !takesCampaign, reader.contains("research") || !isWithStages {
            reading.amount(.research, "research", reader)
            reader.reportMissing("research", fix: "e.g. research: 250M, or [200M, 300M]")
        }
        if let price = reader.map("price") {
            reading.amount(.once, "once", price)
            reading.amount(.perMonth, "perMonth", price)
            if !price.contains("once"), !price.contains("perMonth") {
                price.reportMissing("once", fix: "what a customer pays once, or perMonth")
            }
            price.reportUnknownKeys()
        }
        reader.reportMissing("price", fix: "what a customer pays, e.g. price: {once: 5M, perMonth: 50K}")
        if let customers = reader.map("customers") {
            reading.amount(.customers, "perMonth", customers)
            reading.share(.growth, "growth", customers, in: -1...10)
            reading.amount(.most, "most", customers)
            reading.share(.churn, "churn", customers, in: 0...1)
            customers.reportMissing("perMonth", fix: "new customers of the first month, e.g. perMonth: 2")
            customers.reportUnknownKeys()
        }
        reader.reportMissing("customers", fix: "e.g. customers: {perMonth: 2, growth: 3 %, most: 100}")
        if let serving = reader.map("serving") {
            reading.amount(.setup, "once", serving)
            reading.serving(serving)
            serving.reportUnknownKeys()
        }
        if let fixed = reader.map("fixed") {
            reading.amount(.fixed, "perMonth", fixed)
            fixed.reportMissing("perMonth", fix: "costs a month without any customer")
            fixed.reportUnknownKeys()
        }
        reading.share(.discount, "interest", reader, in: 0...10)
        let within = reader.number("within", .plain, in: 0.1...Double(Inputs.mostMonths))
        reader.reportUnknownKeys()
        return Payback(
            inputs: reading.inputs, within: within, ranges: reading.ranges, currency: currency ?? .usd,
            takesCampaign: takesCampaign || (isWithStages && !reader.contains("research")))
    }
}

/// The numbers of a payback as they are read. Each is one number, or a list of the lowest and the highest, whose middle
/// counts.
private struct PaybackReading {
    var inputs = Payback.Inputs()
    var ranges: [Payback.Input: ClosedRange<Double>] = [:]

    mutating func amount(_ input: Payback.Input, _ key: String, _ reader: FieldReader) {
        set(input, key, reader, reader.amounts(key, in: 0...1e15))
    }

    mutating func share(_ input: Payback.Input, _ key: String, _ reader: FieldReader, in range: ClosedRange<Double>) {
        set(input, key, reader, reader.amounts(key, .share, in: range))
    }

    /// Serving by the month, or by the tokens that a customer has answered.
    mutating func serving(_ reader: FieldReader) {
        let tokens = reader.number("tokensPerMonth", .count, in: 0...1e18)
        let price = reader.number("perMillionTokens", .plain, in: 0...1e9)
        if reader.contains("perMonth") {
            amount(.serving, "perMonth", reader)
            if tokens != nil || price != nil {
                reader.report("perMonth", rule: "tokensPerMonth and perMillionTokens say it", fix: "keep one")
            }
        } else if let tokens, let price {
            inputs[.serving] = tokens / 1e6 * price
        } else if tokens != nil || price != nil {
            reader.reportMissing(
                tokens == nil ? "tokensPerMonth" : "perMillionTokens", fix: "both make the cost a month")
        }
        reader.expect("perMonth")
    }

    private mutating func set(
        _ input: Payback.Input, _ key: String, _ reader: FieldReader, _ values: [Double]?
    ) {
        guard let values, let first = values.first else { return }
        guard values.count <= 2, values.count == 1 || values[0] <= values[1] else {
            reader.report(key, rule: "must be one number, or the lowest and the highest", fix: "e.g. [200M, 300M]")
            return
        }
        inputs[input] = values.reduce(0, +) / Double(values.count)
        if values.count == 2 { ranges[input] = first...values[1] }
    }
}
