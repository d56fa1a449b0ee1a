package import Campaigns
internal import Numbers
internal import Plans

/// A payback as text: the months to break even, year by year, and what each number does.
package struct PaybackText {
    private let payback: Payback
    private let name: String
    private let width: Int
    private let paint: AnswerColours

    package init(_ payback: Payback, name: String, width: Int = 100, isColoured: Bool = false) {
        (self.payback, self.name, self.width) = (payback, name, width)
        paint = AnswerColours(isOn: isColoured)
    }

    private var inputs: Payback.Inputs { payback.inputs }
    private var currency: String { " \(payback.currency.words)" }

    package func text(explained: Bool = false) -> String {
        var lines = [paint.strong("Payback of \(name)"), ""]
        lines += Wrapped.lines(verdict, width: width, first: "  ", rest: "    ")
        lines += ["", paint.strong("Year by year")] + years()
        lines += ["", paint.strong("What each number does")] + sensitivities()
        if explained { lines += ["", paint.strong("Arithmetic")] + arithmetic() }
        return lines.joined(separator: "\n")
    }

    private var verdict: String {
        let cost = "\(Figures.words(inputs[.research]))\(currency) of research"
        if let months = inputs.breakEven {
            return "\(cost) are back after \(Self.months(months))"
        }
        switch inputs.obstacle {
        case .margin:
            return "never breaks even: a customer costs as much as it pays, so more customers do not help"
        case .most(let most):
            return
                "never breaks even: all that customers leave in a hundred years is \(Figures.words(most))\(currency) at "
                + "most, and the research cost \(Figures.words(inputs[.research]))"
        case .fixed, nil: return "never breaks even: fixed costs take all that customers leave"
        }
    }

    static func months(_ months: Double?) -> String {
        guard let months else { return "never" }
        return months < 24
            ? "\(Figures.fixed(months, 1)) months"
            : "\(Figures.fixed(months, 0)) months (\(Figures.fixed(months / 12, 1)) years)"
    }

    private func years() -> [String] {
        let last = min(Payback.Inputs.mostMonths, max(12, Int(saturating: (inputs.breakEven ?? 60).rounded(.up))))
        let years = min(12, (last + 11) / 12)
        let months = inputs.months(12 * years)
        var rows: [[String]] = []
        var balance = -inputs[.research]
        for year in 0..<years {
            let these = months[(12 * year)..<(12 * (year + 1))]
            balance += these.reduce(0) { $0 + $1.left }
            rows.append([
                "\(year + 1)", Figures.words(these.reduce(0) { $0 + $1.new }),
                Figures.words(these.last?.customers ?? 0),
                Figures.words(these.reduce(0) { $0 + $1.income }), Figures.words(these.reduce(0) { $0 + $1.cost }),
                Figures.words(balance),
            ])
        }
        return Table(head: ["year", "new", "customers", "income", "costs", "balance"], rows: rows).lines()
    }

    private func sensitivities() -> [String] {
        var head = ["number", "value", "from", "to", "months at from", "at to"]
        if let within = payback.within { head.append("for \(Figures.plain(within)) months") }
        let rows = payback.sensitivities.map { one -> [String] in
            func value(_ value: Double) -> String { Self.value(value, of: one.input) }
            var row = [
                one.input.words, value(one.value), value(one.low), value(one.high), Self.short(one.lowMonths),
                Self.short(one.highMonths),
            ]
            if payback.within != nil { row.append(one.needed.map { "\(value($0))" } ?? "no value") }
            return row
        }
        var lines = Table(head: head, rows: rows).lines()
        let isVaried = payback.sensitivities.contains { !$0.isStated }
        let notes = [
            isVaried
                ? "from and to are \(Figures.wholePercent(Payback.change)) below and above, where no range is stated"
                : nil,
            payback.within.map {
                "the last column: what one number alone would have to be to break even in \(Figures.plain($0)) months"
            },
        ].compactMap(\.self)
        lines += Wrapped.lines(notes.joined(separator: "; "), width: width, first: "  ", rest: "  ")
        return lines
    }

    private static func short(_ months: Double?) -> String { months.map { Figures.fixed($0, 1) } ?? "never" }

    static func value(_ value: Double, of input: Payback.Input) -> String {
        if input.isShare { return Figures.percent(value) }
        return input.isCount ? Figures.significant(value) : Figures.words(value)
    }

    private func arithmetic() -> [String] {
        var lines: [String] = []
        let all: [(Payback.Input, String)] = inputs.stated.map { ($0, Self.value(inputs[$0], of: $0)) }
        lines += all.map { "  \($0.0.rawValue) = \($0.1): \($0.0.words)" }
        lines += [
            "  new(m) = min(customers · (1 + growth)^(m − 1), most − sold so far)",
            "  paying(m) = paying(m − 1) · (1 − churn) + new(m)",
            "  left(m) = [new · (once − setup) + paying · (perMonth − serving) − fixed] / (1 + discount)^(m / 12)",
            "  break-even: the first m at which left(1) + … + left(m) reaches research",
        ]
        return lines.flatMap { Wrapped.lines(String($0.dropFirst(2)), width: width, first: "  ", rest: "    ") }
    }
}
