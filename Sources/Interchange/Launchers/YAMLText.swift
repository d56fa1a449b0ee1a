internal import Numbers

/// Scalars of YAML that every reader takes as the same text.
enum YAMLText {
    /// Plain where no reader sees more in it than letters, else in double quotes and printable ASCII.
    static func scalar(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let isPlain =
            text.hasPrefix("--")
            && scalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || digitsAndMarks.contains($0)) }
        return isPlain ? text : quoted(text)
    }

    private static let digitsAndMarks = "0123456789-_./=+".unicodeScalars

    static func quoted(_ text: String) -> String {
        var made = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": made += "\\\""
            case "\\": made += "\\\\"
            case "\n": made += "\\n"
            default:
                if scalar.value >= 0x20, scalar.value < 0x7F {
                    made.unicodeScalars.append(scalar)
                } else {
                    made += escaped(scalar.value)
                }
            }
        }
        return made + "\""
    }

    private static func escaped(_ value: UInt32) -> String {
        let (mark, width) = value < 0x100 ? ("\\x", 2) : value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
        return mark + Figures.padded(String(value, radix: 16), to: width)
    }

    /// Lines under a key, each indented by `depth`; an empty one stays empty.
    static func indented(_ text: String, _ depth: Int) -> String {
        let margin = String(repeating: " ", count: depth)
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
    }

    /// Items of a list, one a line.
    static func items(_ texts: [String], _ depth: Int) -> String {
        texts.map { String(repeating: " ", count: depth) + "- " + scalar($0) }.joined(separator: "\n")
    }
}
