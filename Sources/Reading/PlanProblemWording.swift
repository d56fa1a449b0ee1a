internal import Numbers

/// The problem as text: `plans/x.yaml:12:5: layout.tensro: unknown key; did you mean 'tensor'?`
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
    /// The problems as text, one line each. Never empty: a refusal without a problem would be a mistake in Trainyard,
    /// and the text says so.
    package var description: String {
        guard !problems.isEmpty else {
            return "something in the input cannot be used, and no rule says what; that is a mistake in Trainyard"
        }
        return problems.map(\.description).joined(separator: "\n")
    }
}

/// Phrases that several rules share.
package enum Wording {
    /// The words as alternatives: `a, b or c`.
    /// - Parameter joint: the word before the last one.
    package static func alternatives(_ words: [String], _ joint: String = "or") -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " \(joint) " + last
    }

    /// The message of an argument parser on one line in our form: `unknown option '--colr'; see 'trainyard plan
    /// --help'`.
    /// - Parameter help: the parser's message with its usage text.
    /// - Parameter options: the whole help of the command, for a `help` that does not list the options.
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
        // A known word of another tool is a better guess than the nearest spelling.
        if let option = line.firstMatch(of: #/[Uu]nknown option '--?([^']+)'/#),
            let ours = Synonyms.ours(String(option.1), among: longOptions(in: help + options))
        {
            line = String(line[..<option.range.upperBound]) + ". Did you mean '--\(ours)'?"
        } else if let guess = line.firstMatch(of: #/[Uu]nknown option '--?([^']+)'(\. Did you mean '--?([^']+)'\?)/#),
            Spelling.distance(String(guess.1), String(guess.3)) > max(2, guess.1.count / 3)
        {
            // The parser guesses the nearest option, however different it is.
            line.removeSubrange(guess.2.startIndex..<guess.2.endIndex)
        }
        return line.replacing(". Did you mean", with: "; did you mean") + (line.hasSuffix("?") ? " See" : "; see")
            + " '\(command)'"
    }

    /// Long options that a usage text names.
    private static func longOptions(in help: String) -> [String] {
        help.matches(of: #/--([a-z][a-z-]*)/#).map { String($0.1) }
    }

    /// The question `did you mean 'x'?`; empty if no known word is near.
    package static func didYouMean(_ word: String, among known: [String]) -> String {
        if let ours = Synonyms.ours(word, among: known) { return "did you mean '\(ours)'?" }
        if let nearest = Spelling.nearest(to: word, among: known) { return "did you mean '\(nearest)'?" }
        return ""
    }
}
