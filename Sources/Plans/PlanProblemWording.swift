/// How a problem reads: `plans/x.yaml:12:5: layout.tensro: unknown key; did you mean 'tensor'?`
extension PlanProblem: CustomStringConvertible {
    package var description: String {
        var place = ""
        if let file {
            place = file
            if let line { place += ":\(line)" }
            if line != nil, let column { place += ":\(column)" }
            place += ": "
        }
        let subject = field.isEmpty ? "" : "\(field): "
        let found = value.isEmpty ? "" : " (found \(value))"
        let repair = fix.isEmpty ? "" : "; \(fix)"
        return place + subject + rule + found + repair
    }
}

extension PlanProblems: CustomStringConvertible {
    /// One line a problem.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Phrases that more than one rule uses.
package enum Wording {
    /// `1,234,567`.
    package static func grouped(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return (value < 0 ? "-" : "") + out
    }

    /// `a, b or c`.
    package static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    /// `did you mean 'x'?`, or an empty string when nothing is near.
    package static func didYouMean(_ word: String, among known: [String]) -> String {
        guard let nearest = Spelling.nearest(to: word, among: known) else { return "" }
        return "did you mean '\(nearest)'?"
    }
}
