package import Campaigns
internal import Costs
internal import Numbers
internal import Plans

/// The arithmetic of a campaign: what each stage's jobs are priced as, and how the totals follow.
package struct CampaignExplanation {
    private let answer: CampaignAnswer
    private let width: Int

    package init(_ answer: CampaignAnswer, width: Int = 100) { (self.answer, self.width) = (answer, width) }

    package func text() -> String {
        var lines = ["Arithmetic"]
        for price in answer.prices {
            lines += stage(price)
        }
        let work = answer.schedule.deviceDays
        let spares = answer.prices.reduce(0) { $0 + $1.paidSpareDevices * $1.jobDays }
        func wrapped(_ text: String) -> [String] { Wrapped.lines(text, width: width, first: "  ", rest: "    ") }
        lines += ["totals"]
        lines += wrapped(
            "device-days = Σ devices × days × jobs = \(Figures.words(work)); GPU-months = "
                + (spares > 1e-9 * work ? "(device-days + \(Figures.words(spares)) of spare nodes)" : "device-days")
                + " × 24 / 730 = "
                + Figures.words(answer.gpuMonths))
        let least = work / Double(max(1, answer.campaign.pool))
        lines += wrapped(
            "bounds of the end: device-days / pool = \(Figures.fixed(least, 1)) days, longest path = "
                + "\(Figures.fixed(answer.order.criticalDays, 1)) days; scheduled: \(Figures.fixed(answer.days, 1)) days "
                + "(list scheduling, Graham 1969; order: longest remaining path"
                + (answer.schedule.rule == .overtaking ? "; small jobs may overtake" : "") + ")")
        lines += wrapped(
            "idle = pool × days − device-days = \(Figures.words(answer.idleDays)) device-days; "
                + "\(Figures.count(answer.searches, "search", "searches")) of layouts")
        return lines.joined(separator: "\n")
    }

    private func stage(_ price: StagePrice) -> [String] {
        let stage = price.stage
        func wrapped(_ text: String, _ first: String = "  ") -> [String] {
            Wrapped.lines(text, width: width, first: first, rest: first + "  ")
        }
        var lines = ["\(stage.name) (\(stage.kind.meaning))"]
        for job in price.jobs {
            let label = [job.count > 1 ? "\(Figures.grouped(job.count)) jobs" : "", job.label].filter { !$0.isEmpty }
            if !label.isEmpty { lines += wrapped(label.joined(separator: " of ") + ":") }
            for (index, lane) in job.lanes.enumerated() {
                if job.lanes.count > 1 {
                    lines += wrapped(index == 0 ? "on devices of its own:" : "at the same time, on the others:")
                }
                for part in lane {
                    lines += wrapped(
                        "\(part.name) \(Figures.significant(part.days)) days (\(Figures.significant(part.lowDays)) to "
                            + "\(Figures.significant(part.highDays))): \(part.words)", "    ")
                }
            }
        }
        if stage.devices > 0 {
            let spare = price.paidSpareDevices
            var text =
                (spare > 0
                    ? "(\(Figures.grouped(stage.devices)) + \(Figures.significant(spare)) spare) devices × "
                    : "\(Figures.devices(stage.devices)) × ")
                + price.jobs.map {
                    ($0.count > 1 ? "\(Figures.grouped($0.count)) × " : "") + "\(Figures.significant($0.days)) days"
                }
                .prefix(8).joined(separator: " + ") + (price.jobs.count > 8 ? " + …" : "")
            text += " × 24 / 730 = \(Figures.significant(price.gpuMonths)) GPU-months"
            if let hour = price.pricePerHour, let cost = price.cost {
                text += "; × 730 × \(Figures.price(hour)) \(answer.campaign.currency.words) an hour"
                if price.beside.total > 0 { text += " + beside devices \(Figures.words(price.beside.total))" }
                if let labels = stage.labels?.cost { text += " + labels \(Figures.words(labels))" }
                text += " = \(Figures.words(cost))"
            }
            lines += wrapped(text)
        }
        if let labels = stage.labels {
            lines += wrapped(
                "\(Figures.words(labels.number)) labels"
                    + (labels.perDay.map { " at \(Figures.words($0)) a day: \(Figures.fixed(labels.days, 1)) days" }
                        ?? "")
                    + (labels.price.map { ", \(Figures.price($0)) each: \(Figures.words(labels.cost ?? 0))" } ?? ""))
        }
        if let again = stage.repetition {
            lines += wrapped(
                "done again with probability \(Figures.wholePercent(again.probability)), "
                    + "\(Figures.wholePercent(again.share)) of it: expected days × "
                    + Figures.fixed(1 + again.probability * again.share, 2))
        }
        return lines
    }
}
