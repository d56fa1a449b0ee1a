internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading

/// The option for the price of a device-hour.
struct PriceOption: ParsableArguments {
    @Option(help: "Dollars a device-hour, instead of the cluster's.")
    var price: String?

    /// Puts the price into the plan.
    func apply(to plan: inout Plan) throws { try apply(to: &plan.cluster) }

    /// Puts the price into the cluster.
    func apply(to cluster: inout Cluster) throws {
        guard let value = try amount() else { return }
        cluster.changeKinds { $0.pricePerDeviceHour = value }
    }

    /// The price; nil: none is given.
    func amount() throws -> Double? {
        guard let price else { return nil }
        guard let value = try? Quantity.parse(price, as: .plain), Bounds.price.contains(value) else {
            throw Failure.input("--price: '\(price)' is not a number of dollars from 0 to 1,000,000, such as 2.5")
        }
        return value
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
