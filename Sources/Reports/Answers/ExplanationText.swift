package import Costs
internal import Foundation
internal import Numbers
internal import Plans

/// The arithmetic behind an estimate as text, one figure after the other.
///
/// A printed formula with its printed inputs gives the printed value: whole numbers are printed in full, others with as
/// many digits as that takes.
package struct ExplanationText {
    private let lines: [Estimate.Explanation]
    private let width: Int

    package init(_ estimate: Estimate, width: Int = 100) { self.init(estimate.explanation, width: width) }

    package init(_ lines: [Estimate.Explanation], width: Int = 100) { (self.lines, self.width) = (lines, width) }

    package func text() -> String {
        var out = ["How the figures come about"]
        for line in lines {
            out.append("")
            out.append("  \(line.figure): " + Self.valued(line))
            out += wrapped("= ", line.formula.breakable, separator: " ")
            let inputs = Self.inputs(line)
            if !inputs.isEmpty { out += wrapped("with ", inputs, separator: ", ") }
            if !line.note.isEmpty { out.append("    note \(line.note)") }
            if !line.source.isEmpty { out.append("    after \(line.source)") }
        }
        return (out + legend()).joined(separator: "\n")
    }

    /// The meaning of every symbol, in the order of first use. Symbols that are words themselves are left out.
    private func legend() -> [String] {
        var seen: Set<String> = []
        let inputs = lines.flatMap(\.inputs).filter {
            seen.insert($0.symbol).inserted && $0.symbol != $0.meaning
        }
        guard !inputs.isEmpty else { return [] }
        let column = inputs.map(\.symbol.count).max() ?? 0
        return ["", "What the symbols stand for", ""] + inputs.map { "  \($0.symbol.left(column))  \($0.meaning)" }
    }

    /// The pieces in lines that fit, broken between pieces; later lines are indented further.
    private func wrapped(_ head: String, _ pieces: [String], separator: String) -> [String] {
        var lines: [String] = []
        var line = "    " + head
        for (index, piece) in pieces.enumerated() {
            let piece = index < pieces.count - 1 ? piece + separator : piece
            if line.count + piece.count > width, index > 0 {
                lines.append(line)
                line = "      "
            }
            line += piece
        }
        return (lines + [line]).map { $0.trimmingTrailingBlanks }
    }

    // MARK: - Numbers

    private static let digits = 6

    private static func valued(_ line: Estimate.Explanation) -> String {
        let number = Digits.text(line.value, digits)
        return with(line.unit, number, line.value) + (spoken(line.value, line.unit).map { " (\($0))" } ?? "")
    }

    /// A number with its unit: `1 block`, `2 blocks`; shares have no unit.
    private static func with(_ unit: String, _ number: String, _ value: Double) -> String {
        if unit.isEmpty || unit == "share" { return number }
        let isOne = value == 1 && unit.count > 1 && unit.hasSuffix("s") && !unit.contains("/")
        return "\(number) \(isOne ? String(unit.dropLast()) : unit)"
    }

    /// The inputs, with the fewest digits (at least six) for which the formula gives the printed value.
    private static func inputs(_ line: Estimate.Explanation) -> [String] {
        let digits = enough(line)
        return line.inputs.map { input in
            // Sizes are also given in GiB.
            let spoken = input.unit == "bytes" ? spoken(input.value, input.unit).map { " (\($0))" } : nil
            return "\(input.symbol) = " + with(input.unit, Digits.text(input.value, digits), input.value)
                + (spoken ?? "")
        }
    }

    private static func enough(_ line: Estimate.Explanation) -> Int {
        guard let formula = Formula(line.formula), line.value.isFinite else { return Digits.exact }
        let allowed = Digits.half(line.value, digits)
        for digits in digits..<Digits.exact {
            var values: [String: Double] = [:]
            for input in line.inputs { values[input.symbol] = Digits.rounded(input.value, digits) }
            if let value = formula.value(values), abs(value - line.value) <= allowed { return digits }
        }
        return Digits.exact
    }

    /// The value in a more readable unit; nil where its own unit is one.
    private static func spoken(_ value: Double, _ unit: String) -> String? {
        guard value.isFinite, value != 0 else { return nil }
        switch unit {
        case "bytes": return abs(value) < 1024 ? nil : Figures.memory(value)
        case "s":
            return abs(value) < 1
                ? Figures.seconds(value) : abs(value) < 3600 ? nil : Figures.duration(days: value / 86_400)
        case "share": return Figures.percent(value)
        case "FLOP": return prefixed(value, unit)
        case "parameters", "weights", "steps", "hours":
            return abs(value) < 1e6 ? nil : Figures.words(value)
        default:
            let isMoney = Currency.allCases.contains { $0.words == unit }
            return isMoney && abs(value) >= 1e6 ? Figures.words(value) : nil
        }
    }

    private static func prefixed(_ value: Double, _ unit: String) -> String? {
        let sizes = [(1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")]
        return sizes.first { abs(value) >= $0.0 }.map { "\(Figures.significant(value / $0.0)) \($0.1)\(unit)" }
    }
}

/// Numbers with a given count of significant digits.
private enum Digits {
    /// Digits with which any `Double` is read back exactly.
    static let exact = 17

    private static func isWhole(_ value: Double) -> Bool { value == value.rounded() && abs(value) < 0x1p53 }

    /// A number as text: whole numbers in full and grouped, others with `digits` significant digits.
    static func text(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "nothing" : value > 0 ? "infinity" : "−infinity" }
        if isWhole(value) { return Figures.grouped(value) }
        return Figures.general(value, digits).replacing("e+", with: "e").replacing(/e(-?)0+/) { "e\($0.1)" }
    }

    /// The number that is read back from `text`.
    static func rounded(_ value: Double, _ digits: Int) -> Double {
        guard value.isFinite, !isWhole(value) else { return value }
        return Double(Figures.general(value, digits)) ?? value
    }

    /// Half a unit of the last digit printed.
    static func half(_ value: Double, _ digits: Int) -> Double {
        guard value != 0, !isWhole(value) else { return value == 0 ? 0 : 0.5 }
        return 0.5 * pow(10, floor(log10(abs(value))) - Double(digits - 1))
    }
}

extension String {
    /// A formula in pieces between which a line may break: before the signs of sums outside a product.
    fileprivate var breakable: [String] {
        var pieces: [String] = []
        for word in split(separator: " ") {
            if word == "+" || word == "−" || pieces.isEmpty {
                pieces.append(String(word))
            } else {
                pieces[pieces.count - 1] += " " + word
            }
        }
        return pieces
    }

    fileprivate var trimmingTrailingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
