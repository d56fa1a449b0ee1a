package import Numbers
package import Plans

/// A campaign as its file says it: stages on one pool of devices, and what the result is sold for.
package struct Campaign: Hashable, Sendable {
    package var name: String
    /// Devices of the pool; 0: the campaign has no stages.
    package var pool: Int
    /// What the devices of the pool are, in words.
    package var device: String
    package var stages: [Stage]
    /// The first day; nil: days are counted from 0.
    package var start: CalendarDate?
    /// The day by which it is to end.
    package var deadline: CalendarDate?
    /// Money that is there for it.
    package var budget: Double?
    /// Costs beside devices, from the first day to the last.
    package var costs: RunCosts
    /// The price of a device of the pool: the campaign's, or its cluster's; nil: not known.
    package var price: Price?
    package var payback: Payback?
    /// What prices and costs are counted in.
    package var currency: Currency

    package init(
        name: String, pool: Int, device: String, stages: [Stage], start: CalendarDate? = nil,
        deadline: CalendarDate? = nil, budget: Double? = nil, costs: RunCosts = RunCosts(),
        payback: Payback? = nil, price: Price? = nil, currency: Currency = .usd
    ) {
        (self.name, self.pool, self.device, self.stages) = (name, pool, device, stages)
        (self.start, self.deadline, self.budget) = (start, deadline, budget)
        (self.costs, self.payback) = (costs, payback)
        (self.price, self.currency) = (price, currency)
    }
}
