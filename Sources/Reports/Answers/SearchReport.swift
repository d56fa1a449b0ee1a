internal import Costs
internal import Models
internal import Numbers
internal import Plans
package import Planner
package import Reading
internal import Schedules

/// The ranked layouts of a search: one table or one JSON document.
package struct SearchReport: Encodable, Sendable {
    private let candidates: [EstimateReport]
    /// Layouts that no other beats in both time and memory; absent unless asked for.
    private let front: [EstimateReport]?
    private let evaluated: Int
    private let feasible: Int
    private let rejected: Int
    /// Ways to divide the devices that a bound shows to be too slow or too large; none of their layouts was priced.
    private let ruledOut: Int
    private let seconds: Double
    private let notes: [Remark]
    private let searched: SearchedSpace?
    /// The plan's own layout; absent where it has none.
    private let yours: OwnReport?
    private let result: SearchResult

    private enum CodingKeys: String, CodingKey {
        case candidates, front, evaluated, feasible, rejected, ruledOut, seconds, searched, yours, notes
    }

    package init(_ result: SearchResult, notes: [Remark] = []) {
        self.notes = notes
        self.result = result
        candidates = result.candidates.map { EstimateReport($0) }
        front = result.front.isEmpty ? nil : result.front.map { EstimateReport($0) }
        evaluated = result.effort.evaluated
        rejected = result.effort.rejected
        ruledOut = result.effort.ruledOut
        feasible = result.effort.feasible
        seconds = result.seconds
        searched = result.searched
        yours = result.own.map(OwnReport.init)
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// One line: `fastest of 345 layouts that fit, 1,234 tried in 0.4 s; bounds rule out 12 other ways …`.
    package var summary: String {
        "fastest of \(Figures.count(feasible, "layout")) that fit, \(Figures.grouped(evaluated)) tried in "
            + Figures.seconds(seconds)
            + (ruledOut > 0 ? "; bounds rule out \(Figures.grouped(ruledOut)) other ways to divide the devices" : "")
    }

    /// The summary, and a line that says which layouts were tried.
    package var summaryLines: [String] { [summary] + (result.searched.map { [$0.description] } ?? []) }

    /// The table of candidates, fastest first.
    /// - Parameter width: columns that it must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        guard let best = result.candidates.first else { return "no layout fits" }
        var lines = Wrapped.lines(title(best), width: width) + Wrapped.lines(summaryLines, width: width)
        lines += Wrapped.lines("software: \(EstimateText.software(best))", width: width)
        if let offload = best.layout.offload { lines += Wrapped.lines("offload: \(offload.words)", width: width) }
        lines.append("")
        lines += table(result.candidates, own: result.own, width)
        if let own = result.own { lines += [""] + Wrapped.lines("yours: \(own.verdict)", width: width) }
        guard !result.front.isEmpty else { return lines.joined(separator: "\n") }
        return (lines + ["", "No layout beats these in both time and memory:", ""] + table(result.front, width))
            .joined(separator: "\n")
    }

    private func title(_ best: Estimate) -> String {
        let plan = best.plan
        return "\(plan.name): \(Figures.words(best.parameters)) parameters on "
            + "\(Figures.onDevices(plan)), batch \(Figures.grouped(plan.batch)) × \(Figures.grouped(plan.model.sequence)) tokens"
    }

    /// Columns in the order in which they are left out on a narrow terminal.
    private static let leastImportant =
        [
            "groups", "seq.par.", "bubble", "context", "stages",
        ] + CostColumn.heads + [
            "MFU", "micro", "sharding", "recompute", "expert", "data", "peak GiB", "schedule", "days",
        ]

    private func table(_ estimates: [Estimate], own: OwnLayout? = nil, _ width: Int?) -> [String] {
        let listed = estimates.count
        let estimates = estimates + (own.map { [$0.estimate] } ?? [])
        let hasRun = estimates.contains { $0.run != nil }
        let cost = CostColumn(estimates.map(\.run))
        var head = ["", "devices", "tensor", "pipeline", "stages", "data", "micro", "context", "expert"]
        head += ["schedule", "recompute", "sharding", "seq.par.", "step", "MFU", "bubble", "peak GiB"]
        if estimates.contains(where: { $0.plan.cluster.groups != nil }) { head.append("groups") }
        if hasRun { head.append("days") }
        if let cost { head.append(cost.head) }
        let rows = estimates.enumerated().map { index, estimate in
            let layout = estimate.layout
            var row = [
                index < listed ? "\(index + 1)" : "yours", "\(estimate.plan.devices)", "\(layout.tensor)",
                "\(layout.pipeline)",
                "\(layout.virtualStages)", "\(layout.data)",
                "\(layout.microbatch)", layout.contextWords,
                "\(layout.expert)" + (layout.expertTensor > 1 ? "/\(layout.expertTensor)" : ""),
                layout.pipeline > 1 ? layout.scheduleWords : "-",
                layout.recomputeWords,
                layout.sharding.rawValue + (layout.shardGroup.map { "/\($0)" } ?? ""),
                layout.sequenceParallel ? "yes" : "no",
                Figures.seconds(estimate.iteration.seconds), Figures.percent(estimate.mfu),
                Figures.percent(estimate.iteration.bubbleFraction), Figures.fixed(Figures.gib(estimate.peakMemory), 1),
            ]
            if let groups = estimate.plan.cluster.groups {
                row.append(groups.list.map(\.cluster.name).joined(separator: ", "))
            }
            if hasRun { row.append(Figures.days(estimate.run)) }
            if let cost { row.append(cost.cell(estimate.run)) }
            return row
        }
        // Columns in which no row uses a feature, or all rows agree, are left out.
        let keep = head.indices.filter { column in
            switch head[column] {
            case "context", "expert": !rows.allSatisfy { $0[column] == "1" }
            case "devices": Set(rows.map { $0[column] }).count > 1
            default: true
            }
        }
        let table = Table(
            head: keep.map { head[$0] }, rows: rows.map { row in keep.map { row[$0] } }, leftAligned: [])
        return table.lines(fitting: width, dropping: Self.leastImportant)
    }
}
