package import Campaigns
internal import Foundation
internal import Numbers

/// A Gantt chart of a campaign for terminals: a row a stage. The height of a bar is the share of the pool that the stage
/// holds.
package struct CampaignGantt {
    private let answer: CampaignAnswer
    private let width: Int
    private let paint: AnswerColours

    package init(_ answer: CampaignAnswer, width: Int, isColoured: Bool = false) {
        (self.answer, self.width) = (answer, width)
        paint = AnswerColours(isOn: isColoured)
    }

    private static let heights = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    /// Columns of a stage's name at most.
    private static let longestName = 24

    package func text() -> String {
        let names = answer.prices.map { Self.shortened($0.stage.name, to: Self.longestName) }
        let label = max(4, names.map(\.count).max() ?? 0)
        let columns = max(10, width - label - 4)
        let days = answer.days
        guard days > 0 else { return "" }
        let critical = Set(answer.order.criticalPath)
        var total = [Double](repeating: 0, count: columns)
        var lines: [String] = []
        let byStage = Dictionary(grouping: answer.schedule.spans, by: \.work)
        for (number, name) in names.enumerated() {
            let held = Self.held(byStage[number] ?? [], columns: columns, days: days)
            for column in held.indices { total[column] += held[column] }
            var row = bars(held)
            if answer.prices[number].stage.devices == 0 { row = waiting(number, columns: columns) }
            lines.append(
                "  \(name.left(label))  " + (critical.contains(number) ? paint.part("compute", row) : row))
        }
        lines.append("  \("pool".left(label))  " + bars(total))
        lines.append("  \("".left(label))  " + axis(columns: columns))
        return lines.map { line in
            var line = line
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }

    /// Mean devices in each column.
    private static func held(_ spans: [PoolSchedule.Span], columns: Int, days: Double) -> [Double] {
        var held = [Double](repeating: 0, count: columns)
        let each = days / Double(columns)
        for span in spans where span.end > span.start {
            let first = min(columns - 1, max(0, Int(saturating: span.start / each)))
            let last = min(columns - 1, max(first, Int(saturating: (span.end / each).rounded(.up)) - 1))
            for column in first...last {
                let (from, to) = (Double(column) * each, Double(column + 1) * each)
                held[column] += Double(span.devices) * max(0, min(to, span.end) - max(from, span.start)) / each
            }
        }
        return held
    }

    private func bars(_ held: [Double]) -> String {
        held.map { devices in
            guard devices > 0 else { return " " }
            let share = devices / Double(max(1, answer.campaign.pool))
            return Self.heights[min(7, max(0, Int(saturating: (share * 8).rounded(.up)) - 1))]
        }.joined()
    }

    /// A stage that needs time but no devices.
    private func waiting(_ number: Int, columns: Int) -> String {
        let each = answer.days / Double(columns)
        return (0..<columns).map { column in
            let from = Double(column) * each
            return from + each > answer.schedule.starts[number] && from < answer.schedule.ends[number] ? "·" : " "
        }.joined()
    }

    /// Days, or months of the calendar, below the columns where they begin.
    private func axis(columns: Int) -> String {
        var text = Array(repeating: Character(" "), count: columns)
        var free = 0
        for tick in CampaignTicks(answer, most: max(2, columns / 12)).ticks {
            let column = Int(saturating: tick.day / answer.days * Double(columns))
            guard column >= free, column + tick.label.count + 1 <= columns else { continue }
            text[column] = "╵"
            for (index, character) in tick.label.enumerated() { text[column + 1 + index] = character }
            free = column + tick.label.count + 2
        }
        return String(text)
    }

    static func shortened(_ name: String, to length: Int) -> String {
        name.count <= length ? name : String(name.prefix(length - 1)) + "…"
    }
}

/// Marks of a campaign's time: months of the calendar where its first day is known, else round numbers of days.
struct CampaignTicks {
    let ticks: [(day: Double, label: String)]

    /// - Parameter most: marks at most.
    init(_ answer: CampaignAnswer, most: Int) {
        let days = answer.days
        guard let start = answer.campaign.start, days >= 25 else {
            // 1, 2, 5, 10, 20 … days, or hours.
            let unit = days >= 2 ? 1.0 : 1 / 24
            let least = days / unit / Double(max(1, most))
            let power = pow(10, floor(log10(max(least, 1e-9))))
            let step = max([1, 2, 5, 10].map { $0 * power }.first { $0 >= least } ?? 10 * power, unit == 1 ? 1 : 0.1)
            let count = min(1000, Int(saturating: days / unit / step))
            ticks = (0...max(0, count)).map { index in
                let value = Double(index) * step
                let text = step < 1 ? Figures.fixed(value, 1) : Figures.grouped(value)
                return (value * unit, unit == 1 ? "day \(text)" : "hour \(text)")
            }
            return
        }
        let months = days / 30.4
        let step = [1, 2, 3, 6, 12, 24, 60, 120].first { months / Double($0) <= Double(most) } ?? 240
        var found: [(Double, String)] = []
        var (year, month) = (start.year, start.month)
        month = (month - 1) / step * step + 1
        if step > 12 { year = year / (step / 12) * (step / 12) }
        while found.count < 1000 {
            guard let first = CalendarDate(year: year, month: month, day: 1) else { break }
            let day = Double(first.days - start.days)
            if day > days { break }
            if day >= 0 {
                found.append(
                    (day, step >= 12 ? "\(year)" : "\(year)-\(Figures.padded(String(month), to: 2))"))
            }
            month += min(step, 12)
            if step > 12 { year += step / 12 - 1 }
            if month > 12 { (year, month) = (year + 1, month - 12) }
        }
        ticks = found
    }
}
