internal import Foundation
package import Plans

/// When what customers pay has covered what a model cost.
package struct Payback: Hashable, Sendable {
    package var inputs: Inputs
    /// Months in which it is to break even, for the question what that would need.
    package var within: Double?
    /// The range of an input that its file states; others are varied by a fifth.
    package var ranges: [Input: ClosedRange<Double>]
    /// Currency of every amount.
    package var currency: Currency
    /// Whether the cost of the campaign's stages is the cost of research.
    package var takesCampaign: Bool

    package init(
        inputs: Inputs, within: Double? = nil, ranges: [Input: ClosedRange<Double>] = [:], currency: Currency = .usd,
        takesCampaign: Bool = false
    ) {
        (self.inputs, self.within, self.ranges) = (inputs, within, ranges)
        (self.currency, self.takesCampaign) = (currency, takesCampaign)
    }

    /// One of the numbers that payback follows from.
    package enum Input: String, Hashable, CaseIterable, Codable, Sendable {
        case research, once, perMonth, customers, growth, most, churn, setup, serving, fixed, discount

        package var words: String {
            switch self {
            case .research: "research cost"
            case .once: "price, once a customer"
            case .perMonth: "price, a customer and month"
            case .customers: "new customers, first month"
            case .growth: "growth of new customers, a month"
            case .most: "customers at most"
            case .churn: "customers lost, a month"
            case .setup: "setup cost, a customer"
            case .serving: "serving cost, a customer and month"
            case .fixed: "fixed cost, a month"
            case .discount: "interest, a year"
            }
        }

        /// Whether it is a share rather than an amount.
        package var isShare: Bool { [.growth, .churn, .discount].contains(self) }
        /// Whether it is a number of customers.
        package var isCount: Bool { [.customers, .most].contains(self) }
    }

    /// The numbers, money in one currency.
    package struct Inputs: Hashable, Sendable {
        private var values: [Input: Double]

        package init(_ values: [Input: Double] = [:]) { self.values = values }

        /// The number; what is not stated is 0, and customers have no limit.
        package subscript(input: Input) -> Double {
            get { values[input] ?? (input == .most ? .infinity : 0) }
            set { values[input] = newValue }
        }

        /// Inputs that are stated, in the order of the cases.
        package var stated: [Input] { Input.allCases.filter { values[$0] != nil } }
    }
}

extension Payback.Inputs {
    /// Months that are looked at, a hundred years.
    package static let mostMonths = 1200

    /// One month of sales.
    package struct Month: Hashable, Sendable {
        /// Customers that are new, and all that pay.
        package var new: Double
        package var customers: Double
        package var income: Double
        package var cost: Double
        /// What is left, at the value of money of the first day.
        package var left: Double
    }

    /// Month by month until `months`.
    package func months(_ months: Int) -> [Month] {
        var found: [Month] = []
        var (paying, sold) = (0.0, 0.0)
        for month in 0..<max(0, months) {
            let wanted = self[.customers] * pow(1 + self[.growth], Double(month))
            let new = max(0, min(wanted, self[.most] - sold))
            sold += new
            paying = paying * (1 - self[.churn]) + new
            let income = new * self[.once] + paying * self[.perMonth]
            let cost = new * self[.setup] + paying * self[.serving] + self[.fixed]
            let value = pow(1 + self[.discount], -Double(month + 1) / 12)
            found.append(
                Month(new: new, customers: paying, income: income, cost: cost, left: (income - cost) * value))
        }
        return found
    }

    /// Months until what is left covers the research, a month being even in itself; nil: not in a hundred years.
    package var breakEven: Double? {
        if self[.research] <= 0 { return 0 }
        var open = self[.research]
        for (index, month) in months(Self.mostMonths).enumerated() {
            if month.left >= open { return Double(index) + open / month.left }
            open -= month.left
            guard open.isFinite else { return nil }
        }
        return nil
    }

    /// What is left of the sales of `months` months after the research, at the value of money of the first day.
    package func balance(months count: Double) -> Double {
        let whole = Int(min(max(count, 0), Double(Self.mostMonths)))
        let all = months(whole + 1)
        return all.prefix(whole).reduce(0) { $0 + $1.left } + (count - Double(whole)) * (all.last?.left ?? 0)
            - self[.research]
    }

    /// Why it never breaks even; nil: it does.
    package var obstacle: Payback.Obstacle? {
        guard breakEven == nil else { return nil }
        let all = months(Self.mostMonths)
        let best = all.reduce((sum: 0.0, best: 0.0)) { ($0.sum + $1.left, max($0.best, $0.sum + $1.left)) }.best
        if self[.once] <= self[.setup], self[.perMonth] <= self[.serving] { return .margin }
        return best > 0 ? .most(best) : .fixed
    }

    /// The value of `input` with which it breaks even in `months`; nil: none does.
    package func needed(_ input: Payback.Input, months: Double) -> Double? {
        func balance(_ value: Double) -> Double {
            var changed = self
            changed[input] = value
            return changed.balance(months: months)
        }
        let own = self[input]
        let isEnough = balance(own) >= 0
        // More of it is better, or worse; a share is below one, an amount has no end.
        let (least, most) = input.isShare ? (0.0, input == .growth ? 10 : 0.999) : (0.0, 1e15)
        let improves = balance(most) >= balance(least)
        let (bad, good) = improves ? (least, most) : (most, least)
        guard balance(good) >= 0 else { return nil }
        guard balance(bad) < 0 else { return isEnough ? own : bad }
        var (low, high) = (bad, good)
        for _ in 0..<200 {
            // Amounts of many magnitudes are halved by their logarithm.
            let middle =
                input.isShare || min(low, high) <= 0 && max(low, high) < 1e-3
                ? (low + high) / 2 : Foundation.sqrt(max(min(low, high), 1e-6) * max(low, high))
            if middle == low || middle == high { break }
            if balance(middle) >= 0 { high = middle } else { low = middle }
        }
        return high
    }
}

extension Payback {
    /// Why a model never breaks even.
    package enum Obstacle: Hashable, Sendable {
        /// A customer pays no more than it costs to serve.
        case margin
        /// All that customers leave in a hundred years is this much at most, and less than the research cost.
        case most(Double)
        /// Fixed costs take all that customers leave.
        case fixed
    }

    /// What one input does.
    package struct Sensitivity: Hashable, Sendable {
        package var input: Input
        package var value: Double
        /// The input at both ends of its range, and the months to break even there; nil months: never.
        package var low: Double
        package var high: Double
        package var lowMonths: Double?
        package var highMonths: Double?
        /// The value with which it breaks even within the stated months; nil: none, or no months are stated.
        package var needed: Double?
        /// Whether the range is stated in the file.
        package var isStated: Bool
    }

    /// Change of inputs without a stated range.
    package static let change = 0.2

    /// What each stated input does, those that move the end most first.
    package var sensitivities: [Sensitivity] {
        let all = inputs.stated.map { input -> Sensitivity in
            let value = inputs[input]
            let ends = [value * (1 - Self.change), value * (1 + Self.change)].sorted()
            let range = ranges[input] ?? ends[0]...ends[1]
            func months(_ value: Double) -> Double? {
                var changed = inputs
                changed[input] = value
                return changed.breakEven
            }
            return Sensitivity(
                input: input, value: value, low: range.lowerBound, high: range.upperBound,
                lowMonths: months(range.lowerBound), highMonths: months(range.upperBound),
                needed: within.flatMap { inputs.needed(input, months: $0) }, isStated: ranges[input] != nil)
        }
        func spread(_ one: Sensitivity) -> Double {
            let ends = [one.lowMonths, one.highMonths].map { $0 ?? Double(Inputs.mostMonths) }
            return abs(ends[0] - ends[1])
        }
        return all.enumerated().sorted { (-spread($0.element), $0.offset) < (-spread($1.element), $1.offset) }
            .map(\.element)
    }
}
