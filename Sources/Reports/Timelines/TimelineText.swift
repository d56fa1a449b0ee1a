internal import Foundation
internal import Numbers
package import Schedules

/// Timelines drawn with characters: a row for each rank, time from left to right.
///
/// An action is labelled with its letter and micro-batch (`F3`, `B0`) where that fits, with its letter where it has one
/// column. Where actions are shorter than a column, the column shows the category that fills it.
package struct TimelineText {
    /// Columns of the whole drawing, labels included.
    package var width: Int
    /// The largest number of rows; of more ranks, evenly spaced ones are drawn.
    package var rows: Int
    /// Whether the drawing uses the terminal's colours.
    package var isColoured: Bool
    package var unit: TimelineUnit

    package init(width: Int = 100, rows: Int = 64, isColoured: Bool = false, unit: TimelineUnit = .seconds) {
        self.width = width
        self.rows = rows
        self.isColoured = isColoured
        self.unit = unit
    }

    /// A drawing of one timeline with its figures under it.
    package func drawing(of timeline: Timeline) -> String { drawing(of: [timeline]) }

    /// A drawing of several timelines under each other on one time axis, for example predicted above measured.
    package func drawing(of timelines: [Timeline]) -> String {
        let axis = TimelineAxis(timelines, unit: unit)
        let labels = timelines.lazy.flatMap { timeline in
            timeline.ranks.indices.lazy.map { timeline.label(ofRank: $0).count }
        }
        let label = 1 + (labels.max() ?? "rank 0".count)
        let columns = self.columns(timelines, axis, atMost: max(8, width - label - 1))
        let column = axis.length / Double(columns)
        var shown: Set<TimelineCategory> = []
        var lines: [String] = []
        for (timeline, origin) in zip(timelines, axis.origins) {
            if timelines.count > 1 { lines.append(timeline.name) }
            let every = max(1, (timeline.ranks.count + rows - 1) / max(1, rows))
            for (rank, spans) in timeline.ranks.enumerated() where rank % every == 0 {
                let cells = cells(spans, origin: origin, column: column, count: columns)
                shown.formUnion(cells.lazy.map(\.category))
                let name = timeline.label(ofRank: rank) + " "
                let padding = String(repeating: " ", count: max(0, label - name.count))
                lines.append(name + padding + "│" + render(cells))
            }
            if every > 1 { lines.append("(one rank in \(every) of \(timeline.ranks.count))") }
            if timelines.count == 1 {
                lines.append(contentsOf: axisLines(axis, indent: label, columns: columns))
                lines.append(legend(shown))
            }
            lines.append(contentsOf: TimelineSummary(timeline, axis: axis).lines)
            if timelines.count > 1 { lines.append("") }
        }
        if timelines.count > 1 {
            lines.append(contentsOf: axisLines(axis, indent: label, columns: columns))
            lines.append(legend(shown))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Columns of the time axis. Where the axis is a multiple of the shortest action, that action gets a whole number
    /// of columns, so that equal actions look equal.
    private func columns(_ timelines: [Timeline], _ axis: TimelineAxis, atMost most: Int) -> Int {
        let shortest = timelines.lazy.flatMap(\.ranks).joined().filter { $0.activity == .compute && $0.duration > 0 }
            .map(\.duration).min()
        guard let shortest, axis.length > 0 else { return most }
        let units = axis.length / shortest
        guard units <= Double(most), abs(units - units.rounded()) < 1e-6 * units else { return most }
        return most / Int(saturating: units.rounded()) * Int(saturating: units.rounded())
    }

    /// A character of a row, with its category.
    private struct Cell {
        var category: TimelineCategory
        var character: Character
    }

    private func cells(_ spans: [Timeline.Span], origin: Double, column: Double, count: Int) -> [Cell] {
        let work = spans.filter { TimelineCategory($0).isWork && $0.duration > 0 }
        let shortest = work.lazy.map(\.duration).min() ?? 0
        var cells = TimelineBins(spans, origin: origin, column: column, count: count).columns.map {
            Cell(category: $0, character: Self.letter($0))
        }
        // Rows with actions shorter than a column stay as the bins show them.
        guard column > 0, shortest >= column * (1 - 1e-9) else { return cells }
        for index in cells.indices where cells[index].category.isWork {
            cells[index] = Cell(category: .idle, character: Self.letter(.idle))
        }
        for span in work {
            let category = TimelineCategory(span)
            let first = Int(saturating: ((span.start - origin) / column).rounded())
            let last = min(count, Int(saturating: ((span.end - origin) / column).rounded()))
            guard first < last else { continue }
            var label = String(Self.letter(category))
            if let action = span.action {
                label += "\(action.microbatch)"
                if action.kind == .fused { label += "/\(action.partnerMicrobatch)" }
            }
            // The exact length decides, so that equal actions are labelled alike whatever their rounding.
            let room = Int(saturating: (span.duration / column + 1e-6).rounded(.down))
            let text = Array(label.count <= room ? label : String(label.prefix(1)))
            for index in first..<last {
                let offset = index - first
                cells[index] = Cell(
                    category: category, character: offset < text.count ? text[offset] : Self.filler(category))
            }
        }
        return cells
    }

    private func axisLines(_ axis: TimelineAxis, indent: Int, columns: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        guard axis.length > 0 else { return [] }
        var rule = Array(repeating: Character("─"), count: columns + 1)
        var labels = Array(repeating: Character(" "), count: columns + 14)
        var free = 0
        for tick in axis.ticks(atMost: max(2, columns / 14)) {
            let position = Int(saturating: (tick / axis.length * Double(columns)).rounded())
            guard position < rule.count else { continue }
            rule[position] = "┬"
            let text = Array(axis.text(tick))
            guard position >= free, position + text.count <= labels.count else { continue }
            labels.replaceSubrange(position..<position + text.count, with: text)
            free = position + text.count + 1
        }
        rule[0] = "└"
        let trimmed = String(labels.reversed().drop { $0 == " " }.reversed())
        return [margin + String(rule), margin + trimmed]
    }

    private func legend(_ shown: Set<TimelineCategory>) -> String {
        TimelineCategory.allCases.filter { shown.contains($0) }.map { category in
            render([Cell(category: category, character: Self.letter(category))]) + " " + category.name
        }.joined(separator: "  ")
    }

    private func render(_ cells: [Cell]) -> String {
        guard isColoured else { return String(cells.map(\.character)) }
        var text = ""
        var current: TimelineCategory?
        for cell in cells {
            if cell.category != current {
                text += Self.colour(cell.category)
                current = cell.category
            }
            text.append(cell.character == Self.filler(cell.category) && cell.category.isWork ? " " : cell.character)
        }
        return text + "\u{1B}[0m"
    }

    private static func letter(_ category: TimelineCategory) -> Character {
        switch category {
        case .forward: "F"
        case .backward: "B"
        case .backwardInput: "I"
        case .backwardWeight: "W"
        case .fused: "O"
        case .softmax: "S"
        case .outputGradient: "T"
        case .mixed: "▒"
        case .optimizer: "U"
        case .communication: "-"
        case .idle: "·"
        }
    }

    /// The character that fills an action's columns after its label.
    private static func filler(_ category: TimelineCategory) -> Character {
        switch category {
        case .forward, .softmax: "░"
        case .backward, .backwardInput, .fused, .mixed: "▓"
        case .backwardWeight, .optimizer, .outputGradient: "▒"
        case .communication: "-"
        case .idle: "·"
        }
    }

    /// Select Graphic Rendition with the 256-colour palette (ECMA-48, 8.3.117).
    private static func colour(_ category: TimelineCategory) -> String {
        switch category {
        case .forward: "\u{1B}[0;38;5;231;48;5;26m"
        case .backward: "\u{1B}[0;38;5;231;48;5;29m"
        case .backwardInput: "\u{1B}[0;38;5;16;48;5;113m"
        case .backwardWeight: "\u{1B}[0;38;5;16;48;5;178m"
        case .fused, .mixed: "\u{1B}[0;38;5;231;48;5;31m"
        case .softmax: "\u{1B}[0;38;5;16;48;5;173m"
        case .outputGradient: "\u{1B}[0;38;5;231;48;5;130m"
        case .optimizer: "\u{1B}[0;38;5;231;48;5;125m"
        case .communication: "\u{1B}[0;38;5;134m"
        case .idle: "\u{1B}[0;38;5;244m"
        }
    }
}
