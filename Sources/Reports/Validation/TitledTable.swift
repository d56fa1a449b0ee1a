/// A table with a title, as text and as Markdown.
struct TitledTable {
    var title: String
    var table: Table

    /// - Parameter width: columns that the tables must fit in; nil: any number.
    static func text(_ sections: [TitledTable], width: Int?) -> String {
        sections.flatMap { [$0.title] + $0.table.lines(shortening: width) + [""] }.dropLast().joined(separator: "\n")
    }

    static func markdown(_ sections: [TitledTable]) -> String {
        sections.flatMap { section in
            ["### \(section.title)", "", row(section.table.head)]
                + [row(section.table.head.indices.map { section.table.leftAligned.contains($0) ? "---" : "---:" })]
                + section.table.rows.map(row) + [""]
        }.dropLast().joined(separator: "\n")
    }

    private static func row(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "/") }.joined(separator: " | ") + " |"
    }
}
