internal import Numbers
package import Planner
internal import Plans

/// Published figures beside ours: tables as text and Markdown, and JSON.
package struct ClaimReport: Sendable {
    private let check: ClaimCheck

    package init(_ check: ClaimCheck) { self.check = check }

    /// Columns of the reasons where there is no limit.
    private static let usualWidth = 120

    /// - Parameter width: columns that tables must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        let reasons = reasons.flatMap {
            Wrapped.lines($0.reason, width: width ?? Self.usualWidth, first: "  \($0.name): ", rest: "    ")
        }
        let behind = reasons.isEmpty ? [] : ["", Self.reasonTitle] + reasons
        return ([summary, "", TitledTable.text(sections, width: width)] + behind).joined(separator: "\n")
    }

    package func markdown() -> String {
        let behind =
            reasons.isEmpty
            ? [] : ["", "### \(Self.reasonTitle)", ""] + reasons.map { "- **\($0.name):** \($0.reason)" }
        return ([summary, "", TitledTable.markdown(sections)] + behind).joined(separator: "\n")
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    private static let reasonTitle = "Why they differ"

    private var models: Int { Set(check.rows.map(\.claim.subject.title)).count }

    /// The median error of the hardest figure stands first.
    private var summary: String {
        let hours = check.figures(of: .gpuHours)
        let count = "\(Figures.grouped(check.rows.count)) published figures of \(Figures.grouped(models)) models"
        guard hours.count > 0 else { return count }
        return count + "; GPU-hours: median error \(Figures.percent(hours.median)) over \(hours.count)"
    }

    private var sections: [TitledTable] {
        [
            TitledTable(
                title: "Errors by kind of figure",
                table: Table(
                    head: ["figure", "claims", "median", "bias", "within 10 %", "furthest"],
                    rows: Claim.Quantity.allCases.compactMap { quantity in
                        let figures = check.figures(of: quantity)
                        guard figures.count > 0 else { return nil }
                        return [
                            quantity.words, "\(figures.count)", Figures.percent(figures.median),
                            Self.signed(figures.bias), Figures.percent(figures.within),
                            furthest(quantity),
                        ]
                    }, leftAligned: [0, 5])),
            TitledTable(
                title: "Figures one by one",
                table: Table(
                    head: ["model", "figure", "published", "ours", "error", "computed from", "where it is published"],
                    rows: check.rows.indices.map(cells), leftAligned: [0, 1, 5, 6])),
        ]
    }

    private func furthest(_ quantity: Claim.Quantity) -> String {
        let rows = check.rows.filter { $0.claim.quantity == quantity && $0.error != nil }
        guard let row = rows.max(by: { abs($0.error ?? 0) < abs($1.error ?? 0) }), let error = row.error, error != 0
        else {
            return ""
        }
        return "\(row.claim.subject.title), \(Self.signed(error))"
    }

    private func cells(_ index: Int) -> [String] {
        let row = check.rows[index]
        let claim = row.claim
        let isFirst = index == 0 || check.rows[index - 1].claim.subject.title != claim.subject.title
        return [
            isFirst ? claim.subject.title : "", claim.quantity.words, published(claim),
            row.ours.map(claim.quantity.written) ?? "-", error(row), basis(row),
            [claim.reference, claim.place].filter { !$0.isEmpty }.joined(separator: ", "),
        ]
    }

    private func published(_ claim: Claim) -> String {
        guard claim.isRange else { return claim.quantity.written(claim.low) }
        return "\(claim.quantity.written(claim.low)) to \(claim.quantity.written(claim.high))"
    }

    private func error(_ row: ClaimCheck.Row) -> String {
        guard let error = row.error else { return "-" }
        return row.claim.isRange && error == 0 ? "inside" : Self.signed(error)
    }

    /// `share` with its sign, if the printed digits are not all zero.
    private static func signed(_ share: Double) -> String {
        abs(share) < 0.0005 ? Figures.percent(0) : ValidationReport.signed(share)
    }

    /// The definition that both figures follow.
    private func basis(_ row: ClaimCheck.Row) -> String {
        let claim = row.claim
        switch claim.quantity {
        case .parameters: return "every tensor"
        case .activeParameters: return "the tensors a token passes"
        case .flops:
            switch claim.counting {
            case .weights: return "6 N D"
            case .model: return "products and attention"
            case .recomputed, nil: return "these, every block run again"
            }
        case .mfu, .gpuHours, .days:
            guard let training = claim.subject.training else { return "" }
            let layout = claim.subject.stated == nil ? "fastest layout" : "stated layout"
            let tokens = claim.tokens.map { ", \(Figures.magnitude($0)) tokens" } ?? ""
            let steps = claim.subject.kind == .steps && claim.quantity != .mfu ? ", steps alone" : ""
            return "\(layout), \(Figures.devices(training.devices))\(tokens)\(steps)"
        case .energyMWh, .co2Tonnes, .dollars: return bill(row)
        }
    }

    private func bill(_ row: ClaimCheck.Row) -> String {
        let (claim, bill) = (row.claim, row.claim.bill)
        var factors: [String] = []
        if let hours = row.hours {
            factors.append((bill.hours == nil ? "predicted " : "") + "\(Figures.words(hours)) h")
        }
        if claim.quantity == .dollars {
            let price = bill.dollarsPerHour ?? claim.subject.training?.cluster.pricePerDeviceHour
            if let price { factors.append("$\(Figures.significant(price))") }
            return factors.joined(separator: " × ")
        }
        if let energy = bill.energyMWh { factors.append("\(Figures.words(energy)) MWh") }
        if let watts = row.watts { factors.append("\(Figures.plain(watts)) W") }
        if bill.powerUsageEffectiveness != 1 { factors.append("PUE \(Figures.plain(bill.powerUsageEffectiveness))") }
        if let grams = bill.gramsPerKWh { factors.append("\(Figures.plain(grams)) g/kWh") }
        return factors.joined(separator: " × ")
    }

    /// What is said of the rows that differ.
    private var reasons: [(name: String, reason: String)] {
        check.rows.compactMap { row in
            row.claim.reason.map { reason in
                ("\(row.claim.subject.title), \(row.claim.quantity.words), \(error(row))", reason)
            }
        }
    }
}

extension Claim.Quantity {
    var words: String {
        switch self {
        case .parameters: "parameters"
        case .activeParameters: "active parameters"
        case .flops: "FLOPs"
        case .mfu: "MFU"
        case .gpuHours: "GPU-hours"
        case .days: "days"
        case .energyMWh: "energy"
        case .co2Tonnes: "CO2"
        case .dollars: "money"
        }
    }

    /// `value` with its unit.
    func written(_ value: Double) -> String {
        switch self {
        case .parameters, .activeParameters: Figures.magnitude(value)
        case .flops: Figures.general(value, 3)
        case .mfu: Figures.percent(value)
        case .gpuHours: Figures.words(value)
        case .days: Figures.fixed(value, 1)
        case .energyMWh: Figures.words(value) + " MWh"
        case .co2Tonnes: Figures.words(value) + " t"
        case .dollars: "$" + Figures.words(value)
        }
    }
}

extension ClaimReport: Encodable {
    private struct Row: Encodable {
        var model, quantity, source, reference, place: String
        var published: Double
        var publishedHigh, ours, error, hours, watts: Double?
        var reason: String?

        private enum CodingKeys: String, CodingKey {
            case model, quantity, source, reference, place = "where", published, publishedHigh, ours, error, hours,
                watts
            case reason
        }

        init(_ row: ClaimCheck.Row) {
            let claim = row.claim
            (model, quantity, place) = (claim.subject.title, claim.quantity.rawValue, claim.place)
            (source, reference, reason) = (claim.source, claim.reference, claim.reason)
            (published, publishedHigh) = (claim.low, claim.isRange ? claim.high : nil)
            (ours, error, hours, watts) = (row.ours, row.error, row.hours, row.watts)
        }
    }

    private enum CodingKeys: String, CodingKey { case claims, errors }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(check.rows.map(Row.init), forKey: .claims)
        let summaries = Claim.Quantity.allCases.map { ($0.rawValue, check.figures(of: $0)) }.filter { $0.1.count > 0 }
        try container.encode(
            Dictionary(uniqueKeysWithValues: summaries.map { ($0.0, ValidationReport.Summary($0.1)) }), forKey: .errors)
    }
}
