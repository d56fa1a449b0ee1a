internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading

/// The option for the price of a device-hour.
struct PriceOption: ParsableArguments {
    @Option(help: "Price of a device-hour instead of the cluster's: dollars, or with a currency as in 14RMB.")
    var price: String?

    /// Puts the price into the plan.
    func apply(to plan: inout Plan) throws {
        guard let price = try stated() else { return }
        guard let priced = plan.priced(price) else {
            throw Failure.input(
                "--price: the plan's amounts are in \(plan.currency.rawValue) and this price is in "
                    + "\(price.currency.rawValue); the plan's exchangeRates say nothing of it")
        }
        plan = priced
    }

    /// Puts the price into a cluster that belongs to no plan.
    func apply(to cluster: inout Cluster) throws {
        if let price = try stated() { cluster.changeKinds { $0.price = price } }
    }

    /// The price; nil: none is given.
    func stated() throws -> Price? {
        guard let price else { return nil }
        let code = String(price.trimmed.reversed().prefix { $0.isLetter }.reversed())
        let number = price.trimmed.dropLast(code.count)
        guard let value = try? Quantity.parse(String(number), as: .plain), Bounds.price.contains(value) else {
            throw Failure.input(
                "--price: '\(price)' is not a number of dollars from 0 to 1,000,000, such as 2.5, or of a currency, such "
                    + "as 14RMB")
        }
        guard let currency = code.isEmpty ? .usd : Currency(code: code) else {
            throw Failure.input(
                "--price: '\(code)' is no currency that is known here; there are "
                    + Currency.codes.joined(separator: ", "))
        }
        return Price(perHour: value, currency: currency)
    }
}

/// The option for the width of the output.
struct WidthOption: ParsableArguments {
    @Option(help: "Columns of the output. (default: the terminal's; all where it goes elsewhere)")
    var width: Count?

    func validate() throws { try check("--width", width, in: 40...1000) }

    /// Columns that the output must fit in; nil: any number.
    var columns: Int? { width?.value ?? Console.width }
}
