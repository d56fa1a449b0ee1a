internal import Costs
internal import Plans
package import Planner
internal import Schedules

/// Ranked layouts: one JSON document or one table.
package struct SearchReport: Encodable, Sendable {
    private let candidates: [EstimateReport]
    private let evaluated: Int
    private let feasible: Int
    private let seconds: Double
    private let result: SearchResult

    private enum CodingKeys: String, CodingKey { case candidates, evaluated, feasible, seconds }

    package init(_ result: SearchResult) {
        self.result = result
        candidates = result.candidates.map { EstimateReport($0) }
        evaluated = result.evaluated
        feasible = result.feasible
        seconds = result.seconds
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// `fastest of 345 layouts that fit, 1,234 tried in 0.4 s`.
    package var summary: String {
        "fastest of \(Figures.grouped(feasible)) layouts that fit, \(Figures.grouped(evaluated)) tried in "
            + Figures.seconds(seconds)
    }

    /// The candidates under each other, fastest first.
    package func text() -> String {
        guard let best = result.candidates.first else { return "no layout fits" }
        let plan = best.plan
        let hasRun = best.run != nil
        var head = ["", "tensor", "pipeline", "stages", "data", "micro", "context"]
        head += ["schedule", "recompute", "sharding", "seq.par.", "step", "MFU", "bubble", "peak GiB"]
        if hasRun { head.append("days") }
        let rows = result.candidates.enumerated().map { index, estimate in
            let layout = estimate.layout
            var row = [
                "\(index + 1)", "\(layout.tensor)", "\(layout.pipeline)", "\(layout.virtualStages)", "\(layout.data)",
                "\(layout.microbatch)", "\(layout.context)",
                layout.pipeline > 1 ? layout.schedule.rawValue : "-", layout.recompute.rawValue,
                layout.sharding.rawValue, layout.sequenceParallel ? "yes" : "no",
                Figures.seconds(estimate.iteration.seconds), Figures.percent(estimate.mfu),
                Figures.percent(estimate.iteration.bubbleFraction), Figures.fixed(Figures.gib(estimate.peakMemory), 1),
            ]
            if hasRun { row.append(estimate.run.map { Figures.fixed($0.days, 1) } ?? "-") }
            return row
        }
        // A column that says the same everywhere and is off says nothing.
        let keep = head.indices.filter { column in
            !(head[column] == "context" && rows.allSatisfy { $0[column] == "1" })
        }
        let table = Table(
            head: keep.map { head[$0] }, rows: rows.map { row in keep.map { row[$0] } }, leftAligned: [])
        let title =
            "\(plan.name): \(Figures.words(best.parameters)) parameters on \(Figures.grouped(plan.devices)) × "
            + "\(plan.cluster.device.name), batch \(Figures.grouped(plan.batch)) × \(Figures.grouped(plan.model.sequence)) tokens"
        return ([title, summary, ""] + table.lines()).joined(separator: "\n")
    }
}
