internal import Costs
internal import Foundation
internal import Models
internal import Numbers
package import Planner
internal import Plans
package import Reading
internal import Schedules

/// A comparison of strategies on one plan: a table with a sentence for each strategy, or one JSON object.
package struct ComparisonReport: Encodable, Sendable {
    struct Row: Encodable {
        var strategy, summary, verdict, limit: String
        var fits: Bool
        var evaluated: Int
        /// Bytes a device sends over each network in a step.
        var trafficBytes: [String: Double]
        /// The strategy's best layout; absent where it has none.
        var estimate: EstimateReport?
    }

    private let plan: String
    private let cluster: String
    private let strategies: [Row]
    private let searched: SearchedSpace?
    private let rows: [ComparedStrategy]

    private enum CodingKeys: String, CodingKey { case plan, cluster, strategies, searched }

    package init(_ rows: [ComparedStrategy], plan: String, cluster: String, searched: SearchedSpace? = nil) {
        self.searched = searched
        self.plan = plan
        self.cluster = cluster
        self.rows = rows
        strategies = rows.map { row in
            Row(
                strategy: row.strategy.name, summary: row.strategy.summary, verdict: row.verdict, limit: row.limit,
                fits: row.fits, evaluated: row.evaluated,
                trafficBytes: Dictionary(row.traffic.map { ($0.network, $0.bytes) }) { $0 + $1 },
                estimate: row.estimate.map { EstimateReport($0) })
        }
    }

    /// One JSON document of several comparisons.
    package static func json(_ reports: [ComparisonReport], notes: [Remark] = []) throws -> String {
        struct Document: Encodable {
            var comparisons: [ComparisonReport]
            var notes: [Remark]
        }
        return try JSONDocument.text(Document(comparisons: reports, notes: notes))
    }

    /// The table with the sentences under it.
    /// - Parameter width: columns that it must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        guard let first = rows.lazy.compactMap(\.estimate).first else {
            return (["\(plan) on \(cluster): no strategy has a layout"] + sentences(width))
                .joined(separator: "\n")
        }
        let networks = rows.first { !$0.traffic.isEmpty }?.traffic.map(\.network) ?? []
        let hasRun = first.run != nil
        let cost = CostColumn(rows.map { $0.estimate?.run })
        var head = ["strategy", "step", "MFU", "GiB"]
        if hasRun { head += ["days", "GPU-months"] }
        if let cost { head.append(cost.head) }
        head += networks.map { "\($0) GB" } + ["layout"]
        let order = rows.filter { $0.estimate != nil }.sorted { a, b in
            if a.fits != b.fits { return a.fits }
            return (a.estimate?.iteration.seconds ?? .infinity) < (b.estimate?.iteration.seconds ?? .infinity)
        }
        let lines = order.map { row -> [String] in
            guard let estimate = row.estimate else { return [] }
            var cells = [
                row.strategy.name, row.fits ? Figures.seconds(estimate.iteration.seconds) : "does not fit",
                row.fits ? Figures.percent(estimate.mfu) : "-", Figures.fixed(Figures.gib(estimate.peakMemory), 1),
            ]
            let run = row.fits ? estimate.run : nil
            if hasRun { cells += [Figures.days(run), Figures.gpuMonths(run)] }
            if let cost { cells.append(cost.cell(run)) }
            cells += row.traffic.map { Figures.significant($0.bytes / 1e9) }
            return cells + [Self.short(estimate)]
        }
        let table = Table(head: head, rows: lines, leftAligned: [0, head.count - 1])
        let title =
            "\(plan): \(Figures.words(first.parameters)) parameters on "
            + "\(Figures.onDevices(first.plan)), batch \(Figures.grouped(first.plan.batch)) × "
            + "\(Figures.grouped(first.plan.model.sequence)) tokens"
        return
            (Wrapped.lines(title, width: width)
            + ["each strategy at its own best; GB: sent by a device in a step"]
            + Wrapped.lines(searched.map { [$0.description] } ?? [], width: width)
            + Wrapped.lines("software: \(EstimateText.software(first))", width: width) + [""]
            + table.lines(
                fitting: width,
                dropping: networks.map { "\($0) GB" } + CostColumn.heads
                    + ["GPU-months", "layout", "GiB", "MFU", "days"])
            + [""] + sentences(width)).joined(separator: "\n")
    }

    private func sentences(_ columns: Int?) -> [String] {
        let width = rows.map(\.strategy.name.count).max() ?? 0
        return rows.flatMap { row in
            let limit = row.fits && row.limit != "-" ? " (limited by \(row.limit))" : ""
            return Wrapped.lines(
                row.verdict + limit, width: columns, first: "  " + row.strategy.name.left(width) + "  ",
                rest: "      ")
        }
    }

    /// A layout in short: `t8 p16 d8 · micro 1 · 1f1b ×2 · recompute full`.
    static func short(_ estimate: Estimate) -> String {
        let layout = estimate.layout
        var degrees = "t\(layout.tensor) p\(layout.pipeline) d\(layout.data)"
        if layout.context > 1 { degrees += " c\(layout.contextWords)" }
        if layout.expert > 1 { degrees += " e\(layout.expert)" }
        if layout.expertTensor > 1 { degrees += " et\(layout.expertTensor)" }
        var parts = [degrees, "micro \(layout.microbatch)"]
        if layout.pipeline > 1 {
            parts.append(layout.scheduleWords + (layout.virtualStages > 1 ? " ×\(layout.virtualStages)" : ""))
        }
        if layout.recompute != .none {
            parts.append(
                "recompute \(layout.recomputeWords)")
        }
        if layout.sharding != .none {
            parts.append("shard \(layout.sharding.rawValue)" + (layout.shardGroup.map { "/\($0)" } ?? ""))
        }
        if layout.sequenceParallel { parts.append("sp") }
        if let offload = layout.offload { parts.append("offload \(offload.words)") }
        return parts.joined(separator: " · ")
    }
}
