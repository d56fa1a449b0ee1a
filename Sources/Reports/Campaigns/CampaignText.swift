package import Campaigns
internal import Costs
internal import Numbers
internal import Plans

/// The answer to a campaign as text: totals, stages, the Gantt chart, the longest path, and what may come otherwise.
package struct CampaignText {
    private let answer: CampaignAnswer
    private let risk: CampaignRisk
    private let width: Int
    private let isColoured: Bool
    private let paint: AnswerColours

    package init(_ answer: CampaignAnswer, risk: CampaignRisk, width: Int = 100, isColoured: Bool = false) {
        (self.answer, self.risk, self.width, self.isColoured) = (answer, risk, width, isColoured)
        paint = AnswerColours(isOn: isColoured)
    }

    private var campaign: Campaign { answer.campaign }

    package func text() -> String {
        var lines = headline()
        lines += ["", paint.strong("Stages")] + table()
        lines += ["", paint.strong("When: the height of a bar is the share of the pool")]
        lines.append(CampaignGantt(answer, width: width, isColoured: isColoured).text())
        lines += [""] + paths()
        lines += [""] + chances()
        return lines.joined(separator: "\n")
    }

    // MARK: - Totals

    private func headline() -> [String] {
        let jobs = campaign.stages.reduce(0) { $0 + $1.count }
        let count = campaign.stages.count
        var lines = [
            paint.strong(
                "\(campaign.name): \(Figures.count(count, "stage")), \(Figures.count(jobs, "job")) "
                    + "on a pool of \(Figures.grouped(campaign.pool)) × \(campaign.device)"),
            "",
        ]
        var dates = ""
        if let start = campaign.start {
            dates = ", \(start) to \(start.adding(days: answer.days)?.description ?? "after 9999")"
        }
        lines.append(
            "  \(Figures.duration(days: answer.days))\(dates), with no job done again")
        let total = answer.cost.map { ", \(Figures.words($0)) \(campaign.currency.words)" } ?? ""
        let energy = answer.energyMWh.map { ", \(Figures.words($0)) MWh at the wall" } ?? ""
        lines.append("  \(Figures.words(answer.gpuMonths)) GPU-months\(total)\(energy)")
        if let tonnes = answer.emissions { lines[lines.count - 1] += ", \(Figures.words(tonnes)) t CO2" }
        if answer.stageCost == nil { lines.append("  cost is left out: \(missing)") }
        let money = campaign.currency.words
        if let cost = answer.cost, let stages = answer.stageCost, cost > stages {
            let parts = [("stages", stages)] + answer.beside.added.map { ($0.name, $0.cost) }
            lines.append(
                "  of it " + parts.map { "\($0.0) \(Figures.words($0.1))" }.joined(separator: ", ") + " \(money)")
        }
        lines.append(
            "  \(Figures.grouped(answer.schedule.peakDevices)) of \(Figures.devices(campaign.pool)) at the peak; "
                + "\(Figures.percent(answer.idleShare)) of the pool's time is idle")
        if answer.failures > 0 {
            lines.append(
                "  \(Figures.words(answer.failures)) failures expected in training; they, restarts and checkpoints take "
                    + "\(Figures.percent(answer.lostShare)) of its device time")
        }
        let spare = answer.spareDevices
        if spare > 0 {
            lines.append(
                "  beside them \(Figures.devices(spare)) of spare nodes, of which a stage pays its share of the pool")
        }
        if let cost = answer.poolCost {
            lines.append(
                "  rent of the whole pool\(spare > 0 ? " and its spares" : "") for all that time, idle or not: "
                    + "\(Figures.words(cost)) \(money)")
        }
        return lines
    }

    /// What no price is known of.
    private var missing: String {
        let stages = answer.prices.filter { $0.cost == nil }
        if stages.contains(where: { $0.stage.devices > 0 && $0.pricePerHour == nil }) {
            return "no price of a device-hour is known; state price, or --price"
        }
        return "labels of \(stages.first?.stage.name ?? "") have no price"
    }

    // MARK: - Stages

    private func table() -> [String] {
        var head = ["stage", "kind", "jobs", "devices", "start", "end", "days", "GPU-months"]
        if answer.cost != nil { head.append(campaign.currency.words) }
        if answer.energyMWh != nil { head.append("MWh") }
        head.append("share")
        let critical = Set(answer.order.criticalPath)
        let total = max(answer.gpuMonths, .leastNonzeroMagnitude)
        var rows: [[String]] = []
        for (number, price) in answer.prices.enumerated() {
            let stage = price.stage
            let (start, end) = (answer.schedule.starts[number], answer.schedule.ends[number])
            var jobs = Figures.grouped(stage.count)
            if stage.count > 1 {
                jobs += ", \(Figures.grouped(price.poolWork.concurrency(pool: campaign.pool))) at once"
            }
            var row = [
                CampaignGantt.shortened(stage.name, to: 28) + (critical.contains(number) ? " *" : ""),
                stage.kind.rawValue, jobs, Figures.grouped(stage.devices), day(start), day(end),
                Self.days(end - start), Self.amount(price.gpuMonths),
            ]
            if answer.cost != nil { row.append(price.cost.map(Figures.words) ?? Figures.none) }
            if answer.energyMWh != nil { row.append(price.energyMWh.map(Self.amount) ?? Figures.none) }
            row.append(Figures.percent(price.gpuMonths / total))
            rows.append(row)
        }
        return Table(head: head, rows: rows, leftAligned: [0, 1]).lines(
            fitting: width, dropping: ["kind", "MWh", "share", "end", "days", "jobs"])
    }

    /// The day of the calendar, or the number of days since the start.
    private func day(_ days: Double) -> String {
        // Dates of a short campaign are all alike.
        guard answer.days >= Self.fewestDays, let start = campaign.start else {
            return Figures.fixed(days, answer.days >= Self.fewestDays ? 1 : 2)
        }
        return start.adding(days: days)?.description ?? Figures.fixed(days, 1)
    }

    /// Days of a campaign whose stages are dated.
    private static let fewestDays = 20.0

    static func days(_ days: Double) -> String {
        days < 0.1 && days > 0 ? Figures.significant(days) : Figures.fixed(days, 1)
    }

    static func amount(_ value: Double) -> String {
        value >= 1e6 ? Figures.words(value) : (value >= 100 ? Figures.grouped(value) : Figures.significant(value))
    }

    // MARK: - Path and chances

    private func paths() -> [String] {
        let names = answer.order.criticalPath.map { campaign.stages[$0].name }
        var text =
            "Longest path (*): \(names.joined(separator: " → ")), \(Figures.duration(days: answer.order.criticalDays))"
        text +=
            answer.waitingDays > 1e-6 * answer.days
            ? "; stages wait \(Figures.duration(days: answer.waitingDays)) more for devices"
            : "; no stage on it waits for devices"
        return Wrapped.lines(text, width: width, first: "", rest: "  ")
    }

    private func chances() -> [String] {
        let days = risk.days
        func range(_ of: Quantiles, _ words: (Double) -> String) -> String {
            "P10 \(words(of.at(0.1))), P50 \(words(of.at(0.5))), P90 \(words(of.at(0.9)))"
        }
        var lines = [
            paint.strong("What may come otherwise")
                + " (\(Figures.count(risk.samples, "sample")) of the predictions' bands"
                + (risk.daysWithoutRepeats == nil ? "" : " and of stages done again") + ", seed \(risk.seed))"
        ]
        let like = days.at(0.5)
        lines.append("  time     " + range(days) { Figures.duration(days: $0, like: like) })
        if let start = campaign.start {
            lines.append("  end      " + range(days) { start.adding(days: $0)?.description ?? "after 9999" })
        }
        if let cost = risk.cost { lines.append("  \(campaign.currency.words.left(7))  " + range(cost, Figures.words)) }
        if let deadline = campaign.deadline, let chance = risk.chance(by: deadline, of: campaign) {
            lines.append("  ends by \(deadline) with a probability of \(Figures.wholePercent(chance))")
        }
        if let budget = campaign.budget, let chance = risk.chance(within: budget) {
            lines.append(
                "  costs no more than \(Figures.words(budget)) \(campaign.currency.words) with a probability of "
                    + Figures.wholePercent(chance))
        }
        if let without = risk.daysWithoutRepeats {
            let stages = campaign.stages.filter { $0.repetition != nil }.map { stage in
                "\(stage.name) (\(Figures.wholePercent(stage.repetition?.probability ?? 0)), "
                    + "\(Figures.wholePercent(stage.repetition?.share ?? 0)) of it)"
            }
            lines += Wrapped.lines(
                "done again: \(stages.joined(separator: ", ")). On average this adds "
                    + "\(Figures.duration(days: days.mean - without.mean)) and "
                    + "\(Figures.words(risk.repeatedGPUMonths)) GPU-months; P90 is "
                    + "\(Figures.duration(days: days.at(0.9) - without.at(0.9))) later", width: width, first: "  ",
                rest: "    ")
        }
        return lines
    }
}
