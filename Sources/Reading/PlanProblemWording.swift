internal import Numbers

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
    /// One line a problem. Never empty: a refusal without a reason would be a mistake of ours, and says so.
    package var description: String {
        guard !problems.isEmpty else {
            return "something in the input cannot be used, and no rule says what; that is a mistake in Trainyard"
        }
        return problems.map(\.description).joined(separator: "\n")
    }
}

/// Phrases that more than one rule uses.
package enum Wording {
    /// `a, b or c`.
    package static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    /// What a parser of arguments says, on one line in our form: `unknown option '--colr'; see 'trainyard plan --help'`.
    /// - Parameter help: the same with what the parser adds about usage.
    /// - Parameter options: the whole help of the command, where `help` does not list its options.
    package static func usage(_ message: String, help: String, options: String = "") -> String {
        var line = message.split(whereSeparator: \.isNewline).map { String($0).trimmed }.joined(separator: " ")
        if line.hasSuffix("."), !line.hasSuffix("..") { line.removeLast() }
        if let first = line.first, first.isUppercase, line.dropFirst().first?.isLowercase == true,
            line.prefix(while: \.isLetter).dropFirst().allSatisfy(\.isLowercase)
        {
            line = first.lowercased() + line.dropFirst()
        }
        let see = help.split(whereSeparator: \.isNewline).map { String($0).trimmed }.first { $0.hasPrefix("See '") }
        guard let see, let command = see.split(separator: "'").dropFirst().first else { return line }
        // A word of another tool says more than how it is spelt.
        if let option = line.firstMatch(of: #/[Uu]nknown option '--?([^']+)'/#),
            let ours = Synonyms.ours(String(option.1), among: longOptions(in: help + options))
        {
            line = String(line[..<option.range.upperBound]) + ". Did you mean '--\(ours)'?"
        } else if let guess = line.firstMatch(of: #/[Uu]nknown option '--?([^']+)'(\. Did you mean '--?([^']+)'\?)/#),
            Spelling.distance(String(guess.1), String(guess.3)) > max(2, guess.1.count / 3)
        {
            // The parser's guess is the nearest option, however far away.
            line.removeSubrange(guess.2.startIndex..<guess.2.endIndex)
        }
        return line.replacing(". Did you mean", with: "; did you mean") + (line.hasSuffix("?") ? " See" : "; see")
            + " '\(command)'"
    }

    /// Long options that a text of usage names.
    private static func longOptions(in help: String) -> [String] {
        help.matches(of: #/--([a-z][a-z-]*)/#).map { String($0.1) }
    }

    /// `did you mean 'x'?`, or an empty string when nothing is near.
    package static func didYouMean(_ word: String, among known: [String]) -> String {
        if let ours = Synonyms.ours(word, among: known) { return "did you mean '\(ours)'?" }
        if let nearest = Spelling.nearest(to: word, among: known) { return "did you mean '\(nearest)'?" }
        return ""
    }
}
