internal import Costs
internal import Models
internal import Numbers
internal import Plans
internal import ScalingLaws

/// Answers of scaling laws to a budget, as tables.
package struct ScalingText {
    private let report: ScalingReport
    private let width: Int?

    /// - Parameter width: columns that lines must fit in; nil: any number.
    package init(_ report: ScalingReport, width: Int? = nil) { (self.report, self.width) = (report, width) }

    package func text() -> String {
        let sections = [laws, planned, asked, served, repeated, rules].filter { !$0.isEmpty }
        return sections.map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
    }

    private func wrapped(_ text: String) -> [String] { Wrapped.lines(text, width: width, first: "  ", rest: "    ") }

    private func size(_ value: Double) -> String { Figures.magnitude(Self.rounded(value)) }

    /// Three significant digits.
    private static func rounded(_ value: Double) -> Double { Double(Figures.general(value, 3)) ?? value }

    private func losses(_ row: ScalingReport.Row) -> [String] {
        ScalingReport.losing.map { law in
            row.losses[law.name].map { Figures.fixed($0, 3) + (row.law == law.name ? "=" : "") } ?? Figures.none
        }
    }

    private var laws: [String] {
        var lines = ["\(Figures.general(report.flops, 4)) FLOPs of training (6·N·D), divided by every law", ""]
        let head = ["law", "parameters", "tokens", "each", ""] + ScalingReport.losing.map(\.name)
        var rows = report.laws.map { row -> [String] in
            let marks = (row.counting == .withoutEmbedding ? "†" : "") + (row.beyond == nil ? "" : "*")
            return [
                row.title, size(row.parameters), size(row.tokens), Figures.significant(row.tokensPerParameter), marks,
            ]
                + losses(row)
        }
        if let own = report.own {
            rows.append(
                [own.title, size(own.parameters), size(own.tokens), Figures.significant(own.tokensPerParameter), ""]
                    + losses(own))
        }
        let spread = report.spread
        rows.append(
            [
                "largest over smallest", "\(Figures.significant(spread.parameters)) ×",
                "\(Figures.significant(spread.tokens)) ×",
                "\(Figures.significant(spread.tokensPerParameter)) ×", "",
            ] + ScalingReport.losing.map { "± " + Figures.fixed((spread.loss[$0.name] ?? 0) / 2, 3) })
        lines += Table(head: head, rows: rows, leftAligned: [0, 4]).lines(
            fitting: width, dropping: ["kaplan", "hoffmann-3"])
        lines += [""]
        lines += wrapped(
            "each: tokens a parameter; the last columns: loss in nats a token that the law of that name gives the run of the "
                + "line (=: its own), which differ by text and tokenizer too")
        if report.laws.contains(where: { $0.counting == .withoutEmbedding }) {
            lines += wrapped("† parameters without embeddings")
        }
        if report.laws.contains(where: { $0.beyond != nil }) {
            lines += wrapped("* beyond the runs that the law was fitted to, which the note names")
        }
        return lines
    }

    private var planned: [String] {
        guard let estimate = report.question.planned, let run = estimate.run else { return [] }
        let plan = estimate.plan
        let model = plan.model
        var lines = ["The run that spends the budget by \(report.question.law.title)", ""]
        func add(_ label: String, _ text: String) {
            lines += Wrapped.lines(
                text, width: width, first: "  " + label.left(9), rest: String(repeating: " ", count: 11))
        }
        add(
            "Model",
            "\(size(Double(model.parameters().total))) parameters: \(model.layers) layers × \(Figures.grouped(model.hidden)), "
                + "\(Figures.grouped(model.sequence)) tokens a sequence")
        add("Tokens", "\(Figures.words(plan.tokens ?? 0)), batch \(Figures.grouped(plan.batch)) sequences")
        add(
            "Layout",
            "\(ComparisonReport.short(estimate)) on "
                + (plan.cluster.groups == nil
                    ? "\(Figures.grouped(plan.paidDevices)) × \(plan.cluster.device.name)" : plan.cluster.deviceWords))
        add(
            "Speed",
            "\(Figures.words(estimate.tokensPerSecond)) tokens/s, step \(Figures.seconds(estimate.iteration.seconds)), "
                + "MFU \(Figures.percent(estimate.mfu))")
        let cost = run.cost.map { _ in ", \(Figures.cost(run)) \(run.currency.words)" } ?? ""
        add("Run", "\(Figures.duration(days: run.days)), \(Figures.gpuMonths(run)) GPU-months\(cost)")
        return lines
    }

    private var asked: [String] {
        guard !report.asked.isEmpty else { return [] }
        let rows = report.asked.map { row in
            [
                size(row.parameters), size(row.tokens), Figures.significant(row.tokensPerParameter),
                Figures.general(row.flops, 3),
            ] + ScalingReport.losing.map { law in row.losses[law.name].map { Figures.fixed($0, 3) } ?? Figures.none }
        }
        return ["Losses that are asked for, nats a token", ""]
            + Table(head: ["parameters", "tokens", "each", "FLOPs"] + ScalingReport.losing.map(\.name), rows: rows)
            .lines()
    }

    private var served: [String] {
        guard let served = report.served, let tokens = report.servedTokens else { return [] }
        var lines = [
            "Cheapest of the models with the optimum's loss that also read or write \(Figures.words(tokens)) tokens",
            "",
        ]
        let rows = served.map { row in
            [
                row.title, Figures.fixed(row.loss, 3), size(row.parameters), size(row.tokens),
                Figures.significant(row.tokensPerParameter), Figures.general(row.trainingFLOPs, 3),
                Figures.general(row.servingFLOPs, 3), Figures.percent(1 - row.totalFLOPs / row.optimumTotalFLOPs),
            ]
        }
        lines += Table(
            head: ["law", "loss", "parameters", "tokens", "each", "training", "answers", "saved"], rows: rows
        ).lines(fitting: width, dropping: ["answers", "loss"])
        lines += [""]
        lines += wrapped(
            "training and answers in FLOPs, 6·N and 2·N a token; saved: of both together, against the compute optimum "
                + "(Sardana et al. 2024)")
        return lines
    }

    private var repeated: [String] {
        guard let repeated = report.repeated, let unique = report.uniqueTokens else { return [] }
        var lines = ["With \(Figures.words(unique)) different tokens (\(RepeatedDataLaw.title))", ""]
        let rows = repeated.map { row in
            [
                row.title, size(row.parameters), size(row.tokens), Figures.significant(row.epochs),
                size(row.effectiveTokens), Figures.fixed(row.loss, 3), Figures.fixed(row.freshLoss, 3),
            ]
        }
        lines += Table(
            head: ["law", "parameters", "tokens", "epochs", "worth", "loss", "without repeats"], rows: rows
        ).lines(fitting: width, dropping: ["without repeats"])
        lines += [""]
        lines += wrapped(
            "worth: as many tokens that never repeat; losses of its own law, fitted on C4 to at most 8.7B parameters and 900B "
                + "tokens; the last line is its own best size")
        return lines
    }

    private var rules: [String] {
        guard !report.rules.isEmpty else { return [] }
        let rows = report.rules.map { rule in
            [
                rule.title, rule.learningRate.map { Figures.general($0, 3) } ?? Figures.none,
                rule.batchTokens.map { size($0) } ?? Figures.none, rule.isBeyond ? "*" : "", rule.range,
            ]
        }
        let whose = report.own == nil ? "the size and tokens of \(report.question.law.title)" : "the plan"
        return ["Peak learning rate and tokens of a batch by published rules, for \(whose)", ""]
            + Table(
                head: ["rule", "rate", "batch", "", "fitted to"], rows: rows, leftAligned: [0, 3, 4]
            ).lines(fitting: width, dropping: ["fitted to"])
            + (report.rules.contains(where: \.isBeyond) ? ["", "  * beyond the runs that the rule was fitted to"] : [])
    }
}
