internal import Foundation
internal import Numbers
internal import Reading
internal import Schedules

/// Fraction of the datasheet peak that products of m × k by k × n reach, on a coarse grid of measured shapes.
///
/// Between grid points the fraction is linear in the logarithm of each dimension. Outside the grid it is that of the
/// nearest point.
package struct ProductTable: Hashable, Codable, Sendable {
    /// Grid points of each dimension in ascending order, at least two.
    package var rows: [Double]
    package var columns: [Double]
    package var depths: [Double]
    /// Fractions of the peak, 0 to 1: depth varies fastest, then columns, then rows.
    package var shares: [Double]
    private var rowAxis: LogAxis
    private var columnAxis: LogAxis
    private var depthAxis: LogAxis

    package init(rows: [Double], columns: [Double], depths: [Double], shares: [Double]) {
        self.rows = rows
        self.columns = columns
        self.depths = depths
        self.shares = shares
        rowAxis = LogAxis(rows)
        columnAxis = LogAxis(columns)
        depthAxis = LogAxis(depths)
    }

    /// Fraction of the peak that a product of `m` × `k` by `k` × `n` reaches. Complexity: O(points of the three axes).
    package func share(_ m: Double, _ n: Double, _ k: Double) -> Double {
        let (row, column, depth) = (rowAxis.place(m), columnAxis.place(n), depthAxis.place(k))
        let (width, height) = (depths.count, columns.count)
        func along(_ row: Int, _ column: Int) -> Double {
            let start = (row * height + column) * width + depth.index
            return shares[start] + (shares[start + 1] - shares[start]) * depth.fraction
        }
        func across(_ row: Int) -> Double {
            let near = along(row, column.index)
            return near + (along(row, column.index + 1) - near) * column.fraction
        }
        let near = across(row.index)
        return near + (across(row.index + 1) - near) * row.fraction
    }
}

/// One dimension of the grid, in logarithms.
private struct LogAxis: Hashable, Codable, Sendable {
    private var logs: [Double]

    init(_ points: [Double]) { logs = points.map(log2) }

    /// The grid interval that contains `size`, and the place of `size` in it from 0 to 1. Outside the grid: the nearest
    /// end.
    func place(_ size: Double) -> (index: Int, fraction: Double) {
        let log = log2(size)
        guard log > logs[0] else { return (0, 0) }
        let last = logs.count - 1
        guard log < logs[last] else { return (last - 1, 1) }
        var upper = 1
        while logs[upper] <= log { upper += 1 }
        let low = logs[upper - 1]
        return (upper - 1, (log - low) / (logs[upper] - low))
    }
}

extension ProductTable {
    /// Reads `products:`: the three axes, and a text of thousandths of the peak with one line for each n of each m and
    /// one number for each k.
    init?(_ reader: FieldReader) {
        let axes = ["m", "n", "k"].map { key -> [Double]? in
            let points = reader.numbers(key, in: 1...1e9)
            if let points, points.count < 2 || zip(points, points.dropFirst()).contains(where: { $0 >= $1 }) {
                reader.report(key, rule: "must be two or more sizes in ascending order")
                return nil
            }
            return points
        }
        let text = reader.block("thousandths")
        for (key, fix) in [
            ("m", "e.g. [64, 1024, 32768]"), ("n", "e.g. [64, 1024, 65536]"), ("k", "e.g. [64, 1024, 65536]"),
            ("thousandths", "a text of m · n lines with a number from 1 to 1000 for each k"),
        ] {
            reader.reportMissing(key, fix: fix)
        }
        reader.reportUnknownKeys()
        guard let rows = axes[0], let columns = axes[1], let depths = axes[2], let text else { return nil }
        let cells = text.split { $0 == " " || $0 == "\n" }
        let expected = rows.count * columns.count * depths.count
        guard cells.count == expected else {
            reader.report("thousandths", rule: "must hold \(expected) numbers, it holds \(cells.count)")
            return nil
        }
        var shares: [Double] = []
        shares.reserveCapacity(expected)
        for cell in cells {
            guard let value = Double(cell), (1...1000).contains(value) else {
                reader.report("thousandths", value: "'\(cell)'", rule: "must be numbers from 1 to 1000")
                return nil
            }
            shares.append(value / 1000)
        }
        self.init(rows: rows, columns: columns, depths: depths, shares: shares)
    }

    /// The lines of a cluster file that read back to an equal table.
    var yaml: [String] {
        func list(_ points: [Double]) -> String {
            "[\(points.map { $0 == $0.rounded() ? String(Int(saturating: $0)) : String($0) }.joined(separator: ", "))]"
        }
        var lines = [
            "m: \(list(rows))", "n: \(list(columns))", "k: \(list(depths))", "thousandths: |",
        ]
        for start in stride(from: 0, to: shares.count, by: depths.count) {
            let line = shares[start..<start + depths.count].map { share in
                let value = share * 1000
                return value == value.rounded() ? String(Int(saturating: value)) : String(value)
            }
            lines.append("  " + line.joined(separator: " "))
        }
        return lines
    }
}
