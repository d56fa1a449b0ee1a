internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading

/// What a command changes of the plan's money.
struct PriceOption: ParsableArguments {
    @Option(help: "Dollars a device-hour, instead of the cluster's.")
    var price: String?

    /// The plan at the price asked for.
    func apply(to plan: inout Plan) throws {
        guard let price else { return }
        guard let value = try? Quantity.parse(price, as: .plain), Bounds.price.contains(value) else {
            throw Failure.input("--price: '\(price)' is not a number of dollars from 0 to 1,000,000, such as 2.5")
        }
        plan.cluster.pricePerDeviceHour = value
    }
}

/// Columns of what is printed.
struct WidthOption: ParsableArguments {
    @Option(help: "Columns of the output. (default: the terminal's; all where it goes elsewhere)")
    var width: Count?

    func validate() throws { try check("--width", width, in: 40...1000) }

    /// nil: as many as it takes.
    var columns: Int? { width?.value ?? Console.width }
}
