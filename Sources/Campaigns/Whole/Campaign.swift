/// A campaign as its file says it: stages on one pool of devices, and what the result is sold for.
package struct Campaign: Hashable, Sendable {
    package var name: String
    /// Devices of the pool; 0: the campaign has no stages.
    package var pool: Int
    /// What the devices of the pool are, in words.
    package var device: String
    package var stages: [Stage]
    /// The first day; nil: days are counted from 0.
    package var start: CalendarDay?
    /// The day by which it is to end.
    package var deadline: CalendarDay?
    /// Money that is there for it.
    package var budget: Double?
    package var overheads: Overheads
    package var payback: Payback?
    /// What prices and costs are counted in.
    package var currency = "dollars"

    package init(
        name: String, pool: Int, device: String, stages: [Stage], start: CalendarDay? = nil,
        deadline: CalendarDay? = nil, budget: Double? = nil, overheads: Overheads = Overheads(),
        payback: Payback? = nil
    ) {
        (self.name, self.pool, self.device, self.stages) = (name, pool, device, stages)
        (self.start, self.deadline, self.budget) = (start, deadline, budget)
        (self.overheads, self.payback) = (overheads, payback)
    }

    /// Costs beside devices; each counts where it is stated.
    package struct Overheads: Hashable, Sendable {
        /// Money a month for people, from the first day to the last.
        package var peoplePerMonth: Double?
        /// Money a month for storage, likewise.
        package var storagePerMonth: Double?
        /// Money for data that leaves the site.
        package var egress: Double?

        package init(peoplePerMonth: Double? = nil, storagePerMonth: Double? = nil, egress: Double? = nil) {
            (self.peoplePerMonth, self.storagePerMonth, self.egress) = (peoplePerMonth, storagePerMonth, egress)
        }

        package var perMonth: Double { (peoplePerMonth ?? 0) + (storagePerMonth ?? 0) }

        /// Cost over this many days.
        package func cost(days: Double) -> Double { perMonth * days / Self.daysPerMonth + (egress ?? 0) }

        /// A month of 730 hours.
        package static let daysPerMonth = 730.0 / 24
    }
}
