internal import Costs
internal import Numbers
internal import Plans

/// The lines of an answer about prices, about what a run costs beside its devices, and about its failures.
struct MoneyText {
    private let estimate: Estimate
    private var plan: Plan { estimate.plan }

    init(_ estimate: Estimate) { self.estimate = estimate }

    var rows: [(String, String)] {
        var lines: [String] = []
        if let prices = GroupsText(estimate).prices {
            lines.append(prices)
        } else if let price = plan.cluster.price {
            lines += Self.words(price, of: plan.cluster.name)
        }
        if let costs = estimate.run?.ended?.costs, !costs.added.isEmpty {
            let words = plan.currency.words
            lines.append(
                "devices \(Figures.words(costs.devices)), "
                    + costs.added.map { "\($0.name) \(Figures.words($0.cost))" }.joined(separator: ", ") + " \(words)")
        }
        var rows = lines.enumerated().map { ($0 == 0 ? "Prices" : "", $1) }
        if let failures { rows.append(("Outages", failures)) }
        return rows
    }

    /// The price of a device-hour, and what a bought device comes to beside a rented one.
    private static func words(_ price: Price, of cluster: String) -> [String] {
        let money = price.currency.words
        guard let bought = price.purchase else {
            let billing = price.billing.map { ", \($0.words)" } ?? ""
            return ["\(Figures.fixed(price.perHour, 2)) \(money) a GPU-hour (\(cluster))\(billing)"]
        }
        let owned =
            "\(Figures.words(bought.perGpu)) \(money) for a device, written off in \(Figures.plain(bought.years)) years: "
            + "\(Figures.fixed(bought.perHour, 2)) an hour of use"
        guard let rent = price.rent else { return [owned] }
        let even = bought.breakEvenHours(rent: rent).map {
            "buying is cheaper after \(Figures.words($0 / RunCosts.hoursPerMonth)) months of use"
        }
        return [
            "rented: \(Figures.fixed(rent, 2)) \(money) a GPU-hour (\(cluster)), which is what counts",
            "bought: \(owned)",
            even ?? "buying is never cheaper: upkeep alone costs more than the rent",
        ]
    }

    /// How many failures the run meets and what one costs; nil: none are known.
    private var failures: String? {
        guard let run = estimate.run?.ended, let met = run.interruptions else { return nil }
        let count = met.failures(in: run.days * 86_400)
        var text =
            "\(Figures.words(count)) expected, one every \(Self.time(met.between)); training again after "
            + Self.time(met.restart + met.wait)
        if met.wait > 0 { text += ", \(Self.time(met.wait)) of it waiting for a repaired node" }
        return text + "; a checkpoint every \(Self.time(met.interval)) takes \(Figures.seconds(met.checkpoint))"
    }

    /// A time from seconds to days.
    private static func time(_ seconds: Double) -> String {
        seconds < 600 ? Figures.seconds(seconds) : Figures.duration(days: seconds / 86_400)
    }
}
