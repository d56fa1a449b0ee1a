/// A table whose columns are aligned under their heads: the first to the left, the others to the right.
package struct Table {
    package var head: [String]
    package var rows: [[String]]
    /// Numbers of the columns that are aligned to the left.
    package var leftAligned: Set<Int>

    package init(head: [String], rows: [[String]], leftAligned: Set<Int> = [0]) {
        self.head = head
        self.rows = rows
        self.leftAligned = leftAligned
    }

    /// The table in at most `width` columns; all of it where `width` is nil. Columns named in `least` are left out one
    /// after the other until the rest fits, and a line says which are missing.
    package func lines(fitting width: Int?, dropping least: [String]) -> [String] {
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

    /// The table in at most `width` columns, with the cells of its first column cut to no less than 20 characters.
    package func lines(shortening width: Int?) -> [String] {
        guard let width, let longest = lines().map(\.count).max(), longest > width else { return lines() }
        let first = ([head] + rows).map { $0.first?.count ?? 0 }.max() ?? 0
        let most = max(20, first - (longest - width))
        var table = self
        for index in rows.indices where (rows[index].first?.count ?? 0) > most {
            table.rows[index][0] = rows[index][0].prefix(most - 1) + "…"
        }
        return table.lines()
    }

    package func lines(indent: String = "  ") -> [String] {
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

extension String {
    /// The text padded with blanks on the right to `width` columns.
    func left(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// The text padded with blanks on the left to `width` columns.
    func right(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
