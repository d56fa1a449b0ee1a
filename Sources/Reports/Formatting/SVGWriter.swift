internal import Foundation
internal import Numbers
internal import Schedules

/// Writes the elements of an SVG document.
struct SVGWriter {
    private(set) var text = ""

    mutating func line(_ element: String) { text += element + "\n" }

    /// Writes a rectangle; `title` shows when the pointer rests on it.
    mutating func rect(
        x: Double, y: Double, width: Double, height: Double, css: String, radius: Double = 0, title: String? = nil
    ) {
        var element = "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\""
        element += " height=\"\(Self.number(height))\" class=\"\(css)\""
        if radius > 0 { element += " rx=\"\(Self.number(radius))\"" }
        if let title {
            line(element + "><title>\(Self.escape(title))</title></rect>")
        } else {
            line(element + "/>")
        }
    }

    /// Writes a straight line.
    mutating func segment(_ a: (x: Double, y: Double), _ b: (x: Double, y: Double), css: String) {
        line(
            "<line class=\"\(css)\" x1=\"\(Self.number(a.x))\" y1=\"\(Self.number(a.y))\" "
                + "x2=\"\(Self.number(b.x))\" y2=\"\(Self.number(b.y))\"/>")
    }

    mutating func text(_ string: String, x: Double, y: Double, css: String) {
        line("<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" class=\"\(css)\">\(Self.escape(string))</text>")
    }

    /// A coordinate with at most two decimals; 0 where the value is no finite number.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let hundredths = (value * 100).rounded()
        if hundredths.truncatingRemainder(dividingBy: 100) == 0 { return String(Int(saturating: hundredths / 100)) }
        return Figures.fixed(value, 2)
    }

    /// Text with the special characters of XML escaped.
    static func escape(_ string: String) -> String {
        var escaped = ""
        for character in string.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            // Control characters have no place in XML 1.0.
            case "\u{0}"..<"\u{20}": escaped += " "
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
