internal import Costs
internal import Numbers
package import Planner
internal import Plans

/// Published runs beside their predictions: tables as text and Markdown, and JSON.
package struct ValidationReport: Sendable {
    private let validation: Validation
    private let heldOut: LeaveOneSourceOut?
    /// Number of runs in the table of the worst predictions.
    private static let worstRows = 10

    package init(_ validation: Validation, heldOut: LeaveOneSourceOut? = nil) {
        self.validation = validation
        self.heldOut = heldOut
    }

    private typealias Section = TitledTable

    /// All tables as text.
    /// - Parameter width: columns that they must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        summary + "\n\n" + TitledTable.text(sections, width: width)
    }

    package func markdown() -> String { summary + "\n\n" + TitledTable.markdown(sections) }

    private var summary: String {
        let priced = validation.runs.filter { $0.estimate != nil }.count
        return "\(Figures.grouped(validation.runs.count)) published runs, \(Figures.grouped(priced)) of them priced, "
            + "\(Figures.grouped(validation.timed.count)) with a measured time"
    }

    /// A line that says how long the replay took. It is not part of the tables, which are equal on all machines.
    package var timing: String { "replayed in " + Figures.seconds(validation.seconds) }

    private var sections: [Section] {
        var sections: [Section] = []
        if let heldOut { sections += [self.heldOut(heldOut), bands(heldOut)] }
        guard !validation.timed.isEmpty else { return sections + [fit, memory, obstacles].compactMap(\.self) }
        let core = validation.timed.filter(\.run.isCore)
        var overall = [("all", ErrorFigures(validation.timed.compactMap(\.error)))]
        if !core.isEmpty, core.count < validation.timed.count {
            overall.append(("core rows", ErrorFigures(core.compactMap(\.error))))
        }
        sections.append(Section(title: "Iteration time", table: Self.errors("rows", overall)))
        sections.append(
            Section(
                title: "Iteration time by source", table: Self.errors("source", validation.figures(by: \.source))))
        sections.append(
            Section(
                title: "Iteration time by device", table: Self.errors("device", validation.figures(by: \.device))))
        sections += [ranking, fit, memory].compactMap(\.self)
        sections.append(worst)
        return sections + [obstacles].compactMap(\.self)
    }

    private static let errorHead = ["median", "mean", "90th percentile", "bias", "within 10 %"]

    private static func errors(_ head: String, _ rows: [(String, ErrorFigures)]) -> Table {
        Table(
            head: [head, "count"] + errorHead,
            rows: rows.map { [$0.0, Figures.grouped($0.1.count)] + cells($0.1) })
    }

    private static func cells(_ figures: ErrorFigures) -> [String] {
        [
            Figures.percent(figures.median), Figures.percent(figures.mean), Figures.percent(figures.ninetieth),
            signed(figures.bias), Figures.percent(figures.within),
        ]
    }

    static func signed(_ share: Double) -> String { (share > 0 ? "+" : "") + Figures.percent(share) }

    private func heldOut(_ result: LeaveOneSourceOut) -> Section {
        var all = [("all, each by the others' constants", result.overall)]
        if result.core.count > 0 { all.append(("core rows of them", result.core)) }
        return Section(
            title: "Leave one source out: constants refitted on all other sources",
            table: Self.errors("source left out", all + result.sources.map { ($0.name, $0.figures) }))
    }

    /// The share of runs inside their error bands, by what is known about them.
    private func bands(_ result: LeaveOneSourceOut) -> Section {
        Section(
            title: "Error bands: core runs inside the band, each predicted by the others' constants",
            table: Table(
                head: ["evidence", "runs", "sources", "half-width (ln)", "inside", "mean over sources"],
                rows: result.coverage.map { row in
                    [
                        row.kind, Figures.grouped(row.runs), Figures.grouped(row.sources),
                        Figures.fixed(row.halfWidth, 2), Figures.percent(row.covered),
                        Figures.percent(row.coveredBySource),
                    ]
                }))
    }

    /// Order of the layouts of one model, by source: rank correlations, and what the predicted best costs.
    private var ranking: Section? {
        let groups = validation.ranking.groups
        guard !groups.isEmpty else { return nil }
        func row(_ name: String, _ groups: [Ranking.Group]) -> [String] {
            let (regrets, count) = (groups.map(\.regret), Double(groups.count))
            return [
                name, "\(groups.count)", "\(groups.reduce(0) { $0 + $1.layouts })",
                Figures.fixed(groups.reduce(0) { $0 + $1.spearman } / count, 3),
                Figures.percent(regrets.reduce(0, +) / count), Figures.percent(regrets.max() ?? 0),
            ]
        }
        let bySource = Dictionary(grouping: groups, by: \.source).sorted { $0.key < $1.key }
        return Section(
            title: "Choosing among the layouts of one model (groups of four and more)",
            table: Table(
                head: ["source", "groups", "layouts", "Spearman", "mean regret", "worst regret"],
                rows: (bySource.count > 1 ? [row("all", groups)] : []) + bySource.map { row($0.key, $0.value) }))
    }

    /// Runs that fitted against those predicted to, by source.
    private var fit: Section? {
        let rows = validation.fit
        guard !rows.isEmpty else { return nil }
        func row(_ name: String, _ figures: FitFigures) -> [String] {
            [
                name, Figures.grouped(figures.ran), Figures.grouped(figures.ranButSaidNotToFit),
                Figures.grouped(figures.outOfMemory), Figures.grouped(figures.outOfMemoryCaught),
            ]
        }
        let all = row("all", FitFigures(validation.runs))
        // Sources all of whose runs ran and fit add nothing to the first row.
        let telling = rows.filter { $0.figures.outOfMemory + $0.figures.ranButSaidNotToFit > 0 }
        return Section(
            title: "Memory: runs that ran, and runs that did not fit",
            table: Table(
                head: ["source", "ran", "of these said not to fit", "out of memory", "of these caught"],
                rows: [all] + telling.map { row($0.name, $0.figures) }))
    }

    private var memory: Section? {
        let published = validation.runs.filter { $0.memoryError != nil }
        var rows = Dictionary(grouping: published) { $0.run.source }.sorted { $0.key < $1.key }
            .map { ($0.key, ErrorFigures($0.value.compactMap(\.memoryError))) }
        if rows.count > 1 { rows.insert(("all", ErrorFigures(published.compactMap(\.memoryError))), at: 0) }
        let table = Self.errors("source", rows)
        return table.rows.isEmpty ? nil : Section(title: "Memory of the fullest device", table: table)
    }

    /// The runs with the largest errors, with the parts of their predicted steps.
    private var worst: Section {
        let rows = validation.timed.sorted { abs($0.error ?? 0) > abs($1.error ?? 0) }.prefix(Self.worstRows)
        return Section(
            title: "Furthest off",
            table: Table(
                head: ["run", "measured", "predicted", "error", "predicted time goes to"],
                rows: rows.map { row in
                    [
                        row.run.name, Figures.seconds(row.run.seconds ?? .nan),
                        Figures.seconds(row.estimate?.iteration.seconds ?? .nan), Self.signed(row.error ?? .nan),
                        Self.parts(row.estimate?.iteration.breakdown),
                    ]
                }, leftAligned: [0, 4]))
    }

    /// The largest parts of a step, with their shares.
    private static func parts(_ breakdown: Estimate.Breakdown?) -> String {
        guard let breakdown else { return "" }
        let parts = [
            ("compute", breakdown.compute), ("recompute", breakdown.recompute), ("tensor", breakdown.tensorComm),
            ("waiting", breakdown.pipelineBubble), ("pipeline", breakdown.pipelineComm), ("data", breakdown.dataComm),
            ("context", breakdown.contextComm), ("experts", breakdown.expertComm),
            ("optimizer", breakdown.optimizer), ("host", breakdown.hostComm ?? 0), ("other", breakdown.other),
        ]
        return parts.filter { $0.1 >= 0.02 * breakdown.sum }.sorted { $0.1 > $1.1 }
            .map { "\($0.0) \(Figures.fixed(100 * $0.1 / breakdown.sum, 0)) %" }.joined(separator: ", ")
    }

    private var obstacles: Section? {
        let rows = validation.obstacles.map { [$0.reason, Figures.grouped($0.count)] }
        guard !rows.isEmpty else { return nil }
        return Section(title: "Not priced", table: Table(head: ["reason", "rows"], rows: rows))
    }
}

extension ValidationReport: Encodable {
    private struct Row: Encodable {
        var name: String
        var source: String
        var device: String
        /// The software that the run is priced on.
        var framework: String?
        var tier: String
        var core: Bool
        var measuredSeconds: Double?
        var predictedSeconds: Double?
        var error: Double?
        var measuredMemoryGiB: Double?
        var predictedMemoryGiB: Double?
        var outOfMemory: Bool?
        var fits: Bool?
        var notPriced: String?
        var breakdown: Estimate.Breakdown?

        init(_ row: ValidatedRun) {
            name = row.run.name
            source = row.run.source
            device = row.run.device
            framework = row.run.plan.map { $0.framework(for: $0.layout).name }
            tier = row.run.tier.rawValue
            core = row.run.isCore
            measuredSeconds = row.run.seconds
            predictedSeconds = row.estimate?.iteration.seconds
            error = row.error
            if case .peak(let bytes, _)? = row.run.memory { measuredMemoryGiB = Figures.gib(bytes) }
            outOfMemory = row.run.memory == .outOfMemory ? true : nil
            var kind = MemoryKind.device
            if case .peak(_, let counted)? = row.run.memory { kind = counted }
            predictedMemoryGiB = row.estimate.map { Figures.gib($0.peakMemory(kind)) }
            fits = row.estimate?.fits
            notPriced = row.estimate == nil ? row.obstacle : nil
            breakdown = row.estimate?.iteration.breakdown
        }
    }

    struct Summary: Encodable {
        var rows: Int
        var medianError: Double
        var meanError: Double
        var ninetiethPercentile: Double
        var bias: Double
        var within10Percent: Double

        init(_ figures: ErrorFigures) {
            rows = figures.count
            medianError = figures.median
            meanError = figures.mean
            ninetiethPercentile = figures.ninetieth
            bias = figures.bias
            within10Percent = figures.within
        }
    }

    private struct Group: Encodable {
        var source: String
        var model: String
        var device: String
        var devices: Int
        var batch: Int
        var layouts: Int
        var spearman: Double
        var pick: String
        var best: String
        var regret: Double
        var wouldPickOneOutOfMemory: Bool?

        init(_ group: Ranking.Group) {
            (source, model, device) = (group.source, group.model, group.device)
            (devices, batch, layouts) = (group.devices, group.batch, group.layouts)
            (spearman, pick, best, regret) = (group.spearman, group.pick, group.best, group.regret)
            wouldPickOneOutOfMemory = group.wouldPickOneOutOfMemory ? true : nil
        }
    }

    private struct Fit: Encodable {
        var ran: Int
        var ranButSaidNotToFit: Int
        var outOfMemory: Int
        var outOfMemoryCaught: Int

        init(_ figures: FitFigures) {
            (ran, ranButSaidNotToFit) = (figures.ran, figures.ranButSaidNotToFit)
            (outOfMemory, outOfMemoryCaught) = (figures.outOfMemory, figures.outOfMemoryCaught)
        }
    }

    private enum CodingKeys: String, CodingKey {
        case runs, overall, core, bySource, byDevice, ranking, fit, leaveOneSourceOut, heldOutRuns, seconds
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(validation.seconds, forKey: .seconds)
        try container.encode(validation.runs.map(Row.init), forKey: .runs)
        func summarise(_ rows: [ValidatedRun], _ key: CodingKeys) throws {
            let errors = rows.compactMap(\.error)
            if !errors.isEmpty { try container.encode(Summary(ErrorFigures(errors)), forKey: key) }
        }
        try summarise(validation.timed, .overall)
        try summarise(validation.timed.filter(\.run.isCore), .core)
        func named(_ groups: [(name: String, figures: ErrorFigures)]) -> [String: Summary] {
            Dictionary(uniqueKeysWithValues: groups.map { ($0.name, Summary($0.figures)) })
        }
        try container.encode(named(validation.figures(by: \.source)), forKey: .bySource)
        try container.encode(named(validation.figures(by: \.device)), forKey: .byDevice)
        try container.encode(validation.ranking.groups.map(Group.init), forKey: .ranking)
        let fits = [("all", FitFigures(validation.runs))] + validation.fit
        try container.encode(
            Dictionary(uniqueKeysWithValues: fits.map { ($0.0, Fit($0.1)) }), forKey: .fit)
        if let heldOut {
            try container.encode(
                named([("all", heldOut.overall)] + heldOut.sources), forKey: .leaveOneSourceOut)
            try container.encode(heldOut.runs.map(Row.init), forKey: .heldOutRuns)
        }
    }

    package func json() throws -> String { try JSONDocument.text(self) }
}
