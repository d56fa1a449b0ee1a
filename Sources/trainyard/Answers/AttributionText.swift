internal import Foundation
internal import Interchange
internal import Numbers
internal import Reports

/// An attribution as text: the table of parts, what it comes to, and what the traces do not show.
struct AttributionText {
    let attribution: Attribution
    /// Columns that lines must fit in; nil: any number.
    let width: Int?

    func text() -> String {
        let (first, rest) = (attribution.findings.prefix(1), attribution.findings.dropFirst())
        var lines = first.flatMap { Wrapped.lines($0, width: width) }
        lines += [choice].compactMap(\.self).flatMap { Wrapped.lines($0, width: width, first: "  ", rest: "  ") } + [""]
        lines += table
        lines += kernels
        if !rest.isEmpty { lines.append("") }
        for line in rest { lines += Wrapped.lines(line, width: width, first: "- ", rest: "  ") }
        if !attribution.notes.isEmpty {
            lines += ["", "What the trace does not show"]
            for note in attribution.notes { lines += Wrapped.lines(note, width: width, first: "- ", rest: "  ") }
        }
        return lines.joined(separator: "\n")
    }

    /// How the step was chosen, and how many ranks it is the median of.
    private var choice: String? {
        var words: [String] = []
        if attribution.stepNumber != nil, attribution.steps > 1 {
            words.append("one of \(attribution.steps) steps")
        }
        if attribution.ranks.count > 1 { words.append("medians of \(attribution.ranks.count) ranks") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    private var table: [String] {
        let expected = attribution.origin == .price ? "priced" : "other"
        var rows = attribution.rows.map { row in
            [
                row.title, Figures.seconds(row.expected), Figures.seconds(row.measured), Self.ratio(row.ratio),
                share(row.difference), row.hidden > 0 ? Figures.seconds(row.hidden) : "",
                attribution.ranks.count > 1 ? "\(row.slowestRank): \(Figures.seconds(row.slowestSeconds))" : "",
            ]
        }
        rows.append([
            "step", Figures.seconds(attribution.expected), Figures.seconds(attribution.measured),
            Self.ratio(attribution.expected > 0 ? attribution.measured / attribution.expected : nil),
            share(attribution.difference), "", slowestStep,
        ])
        var table = Table(
            head: ["part", expected, "measured", "ratio", "of the difference", "hidden", "slowest rank"], rows: rows)
        // Columns that no row fills.
        for (name, column) in [("slowest rank", 6), ("hidden", 5), ("of the difference", 4)]
        where rows.allSatisfy({ $0[column].isEmpty }) {
            guard let place = table.head.firstIndex(of: name) else { continue }
            table.head.remove(at: place)
            for index in table.rows.indices { table.rows[index].remove(at: place) }
        }
        return table.lines(fitting: width, dropping: ["hidden", "slowest rank", "of the difference", "ratio"])
    }

    private var slowestStep: String {
        guard attribution.ranks.count > 1, let slowest = attribution.ranks.max(by: { $0.seconds < $1.seconds }) else {
            return ""
        }
        return "\(slowest.rank): \(Figures.seconds(slowest.seconds))"
    }

    private static func ratio(_ ratio: Double?) -> String { ratio.map { Figures.fixed($0, $0 < 100 ? 2 : 0) } ?? "" }

    /// The part of the step's difference; empty where the step took what it should.
    private func share(_ difference: Double) -> String {
        guard let share = attribution.shareOfDifference(difference) else { return "" }
        return Figures.wholePercent(share)
    }

    private var kernels: [String] {
        guard !attribution.kernels.isEmpty else { return [] }
        let words = attribution.kernels.map { "\($0.kind.words) \(Figures.seconds($0.seconds))" }.joined(
            separator: ", ")
        return [""] + Wrapped.lines("Kernels: \(words)", width: width)
    }
}

extension Attribution {
    /// A difference as a share of the step's; nil where the step took what it should, to half a per cent.
    func shareOfDifference(_ difference: Double) -> Double? {
        abs(self.difference) > 0.005 * expected && expected > 0 ? difference / self.difference : nil
    }

    /// The attribution as one JSON document.
    func json(plan: String) throws -> String {
        try JSONDocument.text(
            Document(
                plan: plan, source: source.rawValue, against: origin == .price ? "price" : "trace", step: stepNumber,
                expectedSeconds: expected, measuredSeconds: measured,
                parts: rows.map { row in
                    Document.Part(
                        title: row.title, parts: row.parts.breakdownNames, expectedSeconds: row.expected,
                        measuredSeconds: row.measured, hiddenSeconds: row.hidden, ratio: row.ratio,
                        shareOfDifference: shareOfDifference(row.difference), slowestRank: row.slowestRank,
                        slowestSeconds: row.slowestSeconds)
                },
                kernels: kernels.map { Document.Kernel(kind: $0.kind.rawValue, seconds: $0.seconds) },
                ranks: ranks.map { rank in
                    Document.Rank(
                        rank: rank.rank, stage: rank.stage, node: rank.node, seconds: rank.seconds,
                        computeSeconds: rank.computing, slowness: rank.slowness, ownSeconds: rank.own,
                        costSeconds: rank.cost)
                },
                expectedRanks: expectedRanks, findings: findings, notShown: notes))
    }

    private struct Document: Encodable {
        struct Part: Encodable {
            var title: String
            var parts: [String]
            var expectedSeconds, measuredSeconds, hiddenSeconds: Double
            var ratio, shareOfDifference: Double?
            var slowestRank: Int
            var slowestSeconds: Double
        }
        struct Kernel: Encodable {
            var kind: String
            var seconds: Double
        }
        struct Rank: Encodable {
            var rank, stage: Int
            var node: Int?
            var seconds, computeSeconds, slowness, ownSeconds, costSeconds: Double
        }
        var plan, source, against: String
        var step: Int?
        var expectedSeconds, measuredSeconds: Double
        var parts: [Part]
        var kernels: [Kernel]
        var ranks: [Rank]
        var expectedRanks: Int
        var findings, notShown: [String]
    }
}
