package import Campaigns
internal import Numbers
internal import Plans

/// A Gantt chart of a campaign as SVG: a row a stage, with each of its jobs where they are few, and below it the devices in
/// use, stacked by stage.
package struct CampaignSVG {
    private let answer: CampaignAnswer
    private let risk: CampaignRisk?

    package init(_ answer: CampaignAnswer, risk: CampaignRisk? = nil) { (self.answer, self.risk) = (answer, risk) }

    private static let (width, left, right, top) = (1000.0, 210.0, 150.0, 70.0)
    /// Height of a row, and of its bar.
    private static let (row, bar) = (26.0, 18.0)
    private static let (gap, pool, bottom) = (46.0, 120.0, 40.0)
    /// Jobs of a stage that are drawn one by one.
    private static let mostJobs = 600
    private static let colours = [
        "#3366cc", "#dc7a18", "#2e8b57", "#b0357c", "#7a5ccc", "#a8442a", "#0f8fa3", "#8a8a1f", "#556270", "#c9578c",
    ]

    private var campaign: Campaign { answer.campaign }
    private var rows: Double { Double(answer.prices.count) * Self.row }
    private var height: Double { Self.top + rows + Self.gap + Self.pool + Self.bottom }
    private var side: Double { Self.width - Self.left - Self.right }

    private func x(_ day: Double) -> Double { Self.left + side * (answer.days > 0 ? day / answer.days : 0) }

    package func text() -> String {
        var svg = SVGWriter()
        svg.line(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(height))\" "
                + "font-family=\"sans-serif\">")
        svg.line("<title>\(SVGWriter.escape(campaign.name))</title>")
        svg.line("<style>text{font-size:12px;fill:#333}.title{font-size:17px}.small{fill:#666}")
        svg.line(".grid{stroke:#ddd}.frame{fill:none;stroke:#999}.end{text-anchor:end}.middle{text-anchor:middle}")
        svg.line(
            ".limit{stroke:#c33;stroke-dasharray:5 4}.strong{font-weight:bold}.wait{fill:none;stroke:#999;stroke-dasharray:3 3}"
        )
        for (index, colour) in Self.colours.enumerated() {
            svg.line(".c\(index){fill:\(colour)}.b\(index){fill:\(colour);fill-opacity:0.25}")
        }
        svg.line("</style>")
        svg.line("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")
        titles(&svg)
        grid(&svg)
        let byStage = Dictionary(grouping: answer.schedule.spans, by: \.work)
        for number in answer.prices.indices { stage(number, byStage[number] ?? [], &svg) }
        use(byStage, &svg)
        svg.line("</svg>")
        return svg.text
    }

    private func titles(_ svg: inout SVGWriter) {
        svg.text("\(campaign.name): \(Figures.duration(days: answer.days))", x: 16, y: 26, css: "title")
        var words =
            "\(Figures.words(answer.gpuMonths)) GPU-months"
            + (answer.cost.map { ", \(Figures.words($0)) \(campaign.currency.words)" } ?? "")
            + "; pool of \(Figures.grouped(campaign.pool)) × \(campaign.device), "
            + "\(Figures.percent(1 - answer.use)) idle"
        if let risk {
            let like = risk.days.at(0.5)
            words +=
                "; P10 \(Figures.duration(days: risk.days.at(0.1), like: like)), P90 "
                + Figures.duration(days: risk.days.at(0.9), like: like)
        }
        svg.text(words, x: 16, y: 46, css: "small")
    }

    private func grid(_ svg: inout SVGWriter) {
        let foot = height - Self.bottom
        var free = -Double.infinity
        for tick in CampaignTicks(answer, most: 9).ticks where tick.day <= answer.days {
            let at = x(tick.day)
            line(at, Self.top - 4, at, foot, "grid", &svg)
            guard at - free >= 0 else { continue }
            svg.text(tick.label, x: at, y: foot + 18, css: "middle")
            free = at + 8 * Double(tick.label.count)
        }
    }

    private func stage(_ number: Int, _ spans: [PoolSchedule.Span], _ svg: inout SVGWriter) {
        let price = answer.prices[number]
        let stage = price.stage
        let y = Self.top + Double(number) * Self.row + (Self.row - Self.bar) / 2
        let colour = number % Self.colours.count
        let isCritical = answer.order.criticalPath.contains(number)
        svg.text(
            CampaignGantt.shortened(stage.name, to: 26), x: Self.left - 10, y: y + 13,
            css: isCritical ? "end strong" : "end")
        let (start, end) = (answer.schedule.starts[number], answer.schedule.ends[number])
        let title =
            "\(stage.name): \(Figures.grouped(stage.count)) × \(Figures.devices(stage.devices)), day "
            + "\(Figures.fixed(start, 1)) to \(Figures.fixed(end, 1))"
        let ended = spans.map(\.end).max() ?? start
        if end > ended {
            svg.rect(
                x: x(ended), y: y + 4, width: max(1, x(end) - x(ended)), height: Self.bar - 8, css: "wait", title: title
            )
        }
        let lanes = Double((spans.map(\.lane).max() ?? 0) + 1)
        let thickness = Self.bar / lanes
        let shortest = spans.map { x($0.end) - x($0.start) }.min() ?? 0
        if spans.count > 1, spans.count > Self.mostJobs || thickness < 2 || shortest < 2 {
            // Too small to be told apart: one block.
            svg.rect(
                x: x(start), y: y, width: max(1, x(ended) - x(start)), height: Self.bar, css: "c\(colour)",
                radius: 2, title: title)
        } else if !spans.isEmpty {
            svg.rect(
                x: x(start), y: y, width: max(1, x(ended) - x(start)), height: Self.bar, css: "b\(colour)",
                title: title)
            let space = spans.count > 1 ? min(1, thickness / 4, shortest / 4) : 0
            for span in spans {
                svg.rect(
                    x: x(span.start), y: y + Double(span.lane) * thickness,
                    width: max(1, x(span.end) - x(span.start) - space), height: max(1, thickness - space),
                    css: "c\(colour)", radius: spans.count > 1 ? 0 : 2)
            }
        }
        var words = Figures.duration(days: end - start)
        if stage.count > 1 { words = "\(Figures.grouped(stage.count)) jobs, " + words }
        label(words, from: x(start), to: x(end), y: y + 13, &svg)
    }

    /// Words behind a bar, or before it where there is no room behind.
    private func label(_ words: String, from: Double, to: Double, y: Double, _ svg: inout SVGWriter) {
        let needed = 7.0 * Double(words.count)
        if to + 6 + needed <= Self.width {
            svg.text(words, x: to + 6, y: y, css: "small")
        } else {
            svg.text(words, x: from - 6, y: y, css: "small end")
        }
    }

    /// Devices in use, stacked by stage.
    private func use(_ byStage: [Int: [PoolSchedule.Span]], _ svg: inout SVGWriter) {
        let (head, foot) = (Self.top + rows + Self.gap, height - Self.bottom)
        let most = Double(max(1, campaign.pool))
        svg.text("devices in use", x: Self.left - 10, y: head + 12, css: "end")
        svg.text(Figures.grouped(campaign.pool), x: Self.left - 10, y: head - 4, css: "end small")
        svg.text("0", x: Self.left - 10, y: foot, css: "end small")
        // Between two changes the same jobs run.
        let changes = Set(answer.schedule.spans.flatMap { [$0.start, $0.end] }).sorted()
        let merged = Self.merged(changes, pixel: answer.days / max(1, side))
        for (from, to) in zip(merged, merged.dropFirst()) {
            var base = foot
            for number in answer.prices.indices {
                let devices = (byStage[number] ?? []).reduce(0.0) { sum, span in
                    sum + Double(span.devices) * max(0, min(to, span.end) - max(from, span.start)) / (to - from)
                }
                guard devices > 0 else { continue }
                let size = (foot - head) * min(1, devices / most)
                base -= size
                svg.rect(
                    x: x(from), y: base, width: x(to) - x(from) + 0.05, height: size,
                    css: "c\(number % Self.colours.count)")
            }
        }
        svg.line(
            "<rect x=\"\(SVGWriter.number(Self.left))\" y=\"\(SVGWriter.number(head))\" width=\"\(SVGWriter.number(side))\" "
                + "height=\"\(SVGWriter.number(foot - head))\" class=\"frame\"/>")
        if let start = campaign.start, let deadline = campaign.deadline {
            let day = Double(deadline.days - start.days + 1)
            if day <= answer.days { line(x(day), Self.top - 4, x(day), foot, "limit", &svg) }
        }
    }

    /// Times without those that are closer to the one before than a pixel.
    private static func merged(_ times: [Double], pixel: Double) -> [Double] {
        var kept: [Double] = []
        for time in times where kept.last.map({ time - $0 >= pixel }) ?? true { kept.append(time) }
        if let last = times.last, let end = kept.last, end < last { kept[kept.count - 1] = last }
        return kept
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ css: String, _ svg: inout SVGWriter) {
        svg.line(
            "<line x1=\"\(SVGWriter.number(x1))\" y1=\"\(SVGWriter.number(y1))\" x2=\"\(SVGWriter.number(x2))\" "
                + "y2=\"\(SVGWriter.number(y2))\" class=\"\(css)\"/>")
    }
}
