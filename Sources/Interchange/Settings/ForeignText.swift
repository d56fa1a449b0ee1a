/// The text of a file of another tool.
package struct ForeignText: Sendable {
    package var text: String
    /// The file as the user names it.
    package var name: String

    package init(_ text: String, name: String) { (self.text, self.name) = (text, name) }

    /// The name without its folders.
    var shortName: String { name.split(separator: "/").last.map(String.init) ?? name }
}
