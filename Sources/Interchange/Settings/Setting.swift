/// One setting of another tool's file: its name there, its value, and its place.
package struct Setting: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        /// A flag that stands alone, or a key that is set to nothing.
        case nothing
        case word(String)
        case list([String])
    }

    /// The name by which a reader asks for it: dotted keys of a tree, the destination of an argument.
    package var name: String
    /// The name as the file writes it.
    package var written: String
    package var value: Value
    /// Line and column, counted from 1.
    package var line: Int
    package var column: Int
    /// Whether it is a flag without a value, which says the same however often it stands there.
    package var isSwitch = false
    /// The file that holds it; nil: the one that is read.
    package var file: String?
    /// Where the same key stands before, in a file whose format forbids that. Such a setting says nothing: it reports the key.
    package var earlier: Place?

    /// A line and a column, counted from 1.
    package struct Place: Hashable, Sendable {
        package var line: Int
        package var column: Int

        package init(line: Int, column: Int) { (self.line, self.column) = (line, column) }
    }

    package init(
        name: String, written: String? = nil, value: Value, line: Int, column: Int, isSwitch: Bool = false
    ) {
        self.isSwitch = isSwitch
        self.name = name
        self.written = written ?? name
        self.value = value
        self.line = line
        self.column = column
    }

    static let fixOfRepeat = "keep one of them"

    /// What is wrong with a key that stands there before.
    var ruleOfRepeat: String {
        earlier.map { "is given twice, first in line \($0.line), column \($0.column)" } ?? ""
    }

    /// The report of a key that its map has more than once.
    package static func repeating(
        _ key: String, hidden: String, at place: Place, first: Place
    ) -> Setting {
        var setting = Setting(name: hidden, written: key, value: .nothing, line: place.line, column: place.column)
        setting.earlier = first
        return setting
    }
}
