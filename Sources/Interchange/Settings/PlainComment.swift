/// Text that stays one line of a comment.
enum PlainComment {
    /// Lines of comment, each behind `#`.
    static func lines(_ texts: [String]) -> [String] { texts.map { $0.isEmpty ? "#" : "# \($0)" } }

    /// The text without line breaks and control characters: what follows such a character would be outside the comment.
    static func line(_ text: String) -> String {
        var made = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                made.append(" ")
            default: made.append(scalar)
            }
        }
        return String(made)
    }
}
