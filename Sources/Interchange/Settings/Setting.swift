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
}
