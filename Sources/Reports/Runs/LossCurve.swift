internal import Numbers
internal import Schedules

/// A loss curve drawn with characters, two points to a character's height.
package enum LossCurve {
    /// Draws `losses`, one a step, in `width` × `height` characters with axes. A column shows the mean of its steps.
    package static func text(_ losses: [Double], width: Int = 64, height: Int = 12) -> String {
        let finite = losses.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max(), width > 0, height > 1 else { return "" }
        let columns = min(width, losses.count)
        let span = max(high - low, 1e-9)
        let rows = 2 * height
        // For every column the row of its mean, in half characters from the top.
        let marks: [Int] = (0..<columns).map { column in
            let from = column * losses.count / columns
            let to = max(from + 1, (column + 1) * losses.count / columns)
            let mean = losses[from..<to].reduce(0, +) / Double(to - from)
            return min(rows - 1, max(0, Int(saturating: ((high - mean) / span * Double(rows - 1)).rounded())))
        }
        var lines: [String] = []
        for row in 0..<height {
            let value = high - span * Double(row) / Double(height - 1)
            let label = row % 3 == 0 || row == height - 1 ? Figures.fixed(value, 2) : ""
            let cells = marks.map { mark in mark == 2 * row ? "▀" : mark == 2 * row + 1 ? "▄" : " " }.joined()
            lines.append(String(repeating: " ", count: max(0, 7 - label.count)) + label + " ┤" + cells)
        }
        lines.append("        └" + String(repeating: "─", count: columns))
        let last = "step \(losses.count)"
        lines.append(
            "         1" + String(repeating: " ", count: max(1, columns - last.count - 1)) + last)
        return lines.joined(separator: "\n")
    }
}
