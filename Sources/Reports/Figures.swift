internal import Costs
internal import Foundation
internal import Numbers
internal import Plans
internal import Reading
internal import Schedules

/// Numbers as people read them: grouped, rounded to what matters, with their unit.
package enum Figures {
    /// `value` with `digits` decimals.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        return String(format: "%.\(digits)f", value)
    }

    /// `1,234,567`.
    static func grouped(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 9e18 else { return "-" }
        let digits = String(Int(saturating: abs(value).rounded()))
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return (value < 0 ? "-" : "") + out
    }

    static func grouped(_ value: Int) -> String { grouped(Double(value)) }

    /// `1,024`, or `992 of 1,000` where some stay idle.
    static func devices(_ plan: Plan) -> String {
        plan.idleDevices > 0 ? "\(grouped(plan.devices)) of \(grouped(plan.paidDevices))" : grouped(plan.devices)
    }

    /// Three significant digits and a word: `3.74 million`.
    static func words(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        for (name, size) in [("trillion", 1e12), ("billion", 1e9), ("million", 1e6)] where abs(value) >= size {
            return significant(value / size) + " " + name
        }
        return abs(value) < 100 && value != value.rounded() ? significant(value) : grouped(value)
    }

    /// Three significant digits without an exponent.
    static func significant(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let size = abs(value)
        if size == 0 { return "0" }
        return fixed(value, size >= 100 ? 0 : (size >= 10 ? 1 : (size >= 1 ? 2 : 3)))
    }

    static func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }

    static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "-" }
        if seconds == 0 { return "0 s" }
        if abs(seconds) < 1e-3 { return significant(seconds * 1e6) + " µs" }
        if abs(seconds) < 1 { return significant(seconds * 1e3) + " ms" }
        return fixed(seconds, seconds >= 100 ? 0 : 2) + " s"
    }

    /// A run's length in the unit it is spoken of: days, or hours and less when short.
    /// - Parameter like: a length whose unit is taken, so that a range reads in one.
    static func duration(days: Double, like: Double? = nil) -> String {
        let like = like ?? days
        if like >= 2 { return (like >= 100 ? grouped(days) : fixed(days, 1)) + " days" }
        if like * 24 >= 1 { return fixed(days * 24, 1) + " hours" }
        let seconds = days * 86_400
        if like * 86_400 >= 1 { return fixed(seconds, like * 86_400 >= 100 ? 0 : 2) + " s" }
        if like * 86_400 >= 1e-3 { return significant(seconds * 1e3) + " ms" }
        return Figures.seconds(seconds)
    }

    /// Equal numbers in a row as one: `3 × 12, 2 × 11`.
    static func runs(_ values: [Int]) -> String { Wording.runs(values).joined(separator: ", ") }

    static func gpuMonths(_ run: Estimate.Run?) -> String {
        (run?.ended).map { words($0.gpuMonths) } ?? "-"
    }

    static func cost(_ run: Estimate.Run?) -> String { (run?.ended?.cost).map(words) ?? "-" }

    /// A run's days in a table.
    static func days(_ run: Estimate.Run?) -> String {
        guard let run else { return "-" }
        return run.ends ? fixed(run.days, 1) : "never"
    }

    static func gib(_ bytes: Double) -> Double { bytes / 0x1p30 }

    /// GiB, or MiB where that would all be zeros.
    static func memory(_ bytes: Double) -> String {
        bytes >= 0x1p30 ? fixed(gib(bytes), 1) + " GiB" : fixed(bytes / 0x1p20, 0) + " MiB"
    }
}

extension String {
    /// Filled up with blanks to `width` columns on the right.
    func left(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// Filled up with blanks to `width` columns on the left.
    func right(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

/// A bar of eighths of a column, readable without colour.
enum Bar {
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// `share` (0 to 1) of `width` columns, without what is left of them.
    static func filled(_ share: Double, width: Int) -> String {
        guard share.isFinite, share > 0 else { return "" }
        let total = Int(saturating: (min(share, 1) * Double(width) * 8).rounded())
        // Something is never drawn as nothing.
        let eighth = max(total, 1)
        return String(repeating: "█", count: eighth / 8) + eighths[eighth % 8]
    }

    /// `share` of `width` columns with the rest dotted in.
    static func gauge(_ share: Double, width: Int) -> String {
        let full = min(width, max(0, Int(saturating: (share.isFinite ? min(share, 1) * Double(width) : 0).rounded())))
        return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    }
}

/// Text in lines of a given width.
package enum Wrapped {
    /// `text` with lines longer than `width` cut between words. What follows stands under the line's beginning: under its
    /// text where a label stands before it, as in `  Layout  tensor 4`. Rows of columns stay whole, and all of it where `width` is nil.
    package static func fitted(_ text: String, width: Int?) -> String {
        guard let width else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            // Colours take no columns.
            guard String(line).replacing(#/\u{1B}\[[0-9;]*m/#, with: "").count > width else { return [String(line)] }
            let label = line.prefixMatch(of: #/ *(?:\S+ {2,})?/#).map { String($0.0) } ?? ""
            // Columns that stand under one another stay as they are.
            guard !line.dropFirst(label.count).contains("  ") else { return [String(line)] }
            let hangs = label.allSatisfy { $0 == " " } ? label.count + 2 : label.count
            return lines(
                String(line.dropFirst(label.count)), width: width, first: label,
                rest: String(repeating: " ", count: min(hangs, width / 2)))
        }.joined(separator: "\n")
    }

    /// `text` cut between words, `first` before its first line and `rest` before the others; one line where `width` is
    /// nil.
    static func lines(_ text: String, width: Int?, first: String = "", rest: String = "  ") -> [String] {
        guard let width, first.count + text.count > width else { return [first + text] }
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                (line, isEmpty) = (rest, true)
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines + [line]
    }

    /// Each of `texts` so.
    static func lines(_ texts: [String], width: Int?) -> [String] { texts.flatMap { lines($0, width: width) } }
}

/// Columns aligned under their heads: the first to the left, the others to the right.
struct Table {
    var head: [String]
    var rows: [[String]]
    /// Columns aligned to the left.
    var leftAligned: Set<Int> = [0]

    /// The table in `width` columns: those named in `least` are left out, the first of them first, until the others fit,
    /// and a line says which. All of it where `width` is nil.
    func lines(fitting width: Int?, dropping least: [String]) -> [String] {
        var table = self
        var dropped: [String] = []
        var rest = least
        guard let width else { return lines() }
        while table.lines().contains(where: { $0.count > width }), !rest.isEmpty {
            let name = rest.removeFirst()
            guard let column = table.head.firstIndex(of: name) else { continue }
            table.remove(column)
            dropped.append(name)
        }
        guard !dropped.isEmpty else { return table.lines() }
        let names = head.filter { dropped.contains($0) }.joined(separator: ", ")
        return table.lines()
            + Wrapped.lines(
                "not shown in \(width) columns: \(names); see them with --width 200 or --json", width: width,
                first: "  ",
                rest: "    ")
    }

    private mutating func remove(_ column: Int) {
        head.remove(at: column)
        for index in rows.indices where rows[index].indices.contains(column) { rows[index].remove(at: column) }
        leftAligned = Set(leftAligned.filter { $0 != column }.map { $0 > column ? $0 - 1 : $0 })
    }

    /// The table in `width` columns, the cells of its first column cut short for it (to no less than 20).
    func lines(shortening width: Int?) -> [String] {
        guard let width, let longest = lines().map(\.count).max(), longest > width else { return lines() }
        let first = ([head] + rows).map { $0.first?.count ?? 0 }.max() ?? 0
        let most = max(20, first - (longest - width))
        var table = self
        for index in rows.indices where (rows[index].first?.count ?? 0) > most {
            table.rows[index][0] = rows[index][0].prefix(most - 1) + "…"
        }
        return table.lines()
    }

    func lines(indent: String = "  ") -> [String] {
        let all = [head] + rows
        let widths = head.indices.map { column in
            all.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return all.map { row in
            let cells = row.enumerated().map { column, cell in
                leftAligned.contains(column) ? cell.left(widths[column]) : cell.right(widths[column])
            }
            var line = indent + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
