internal import Numbers

/// Additions of numbers with a fixed count of digits, as a text to train on and as questions about it. The same value gives the
/// same text and questions on every machine.
package struct Additions: Hashable, Codable, Sendable {
    /// The digits of both operands in the text.
    package var digits: Int
    /// Additions of the text.
    package var examples: Int
    /// Questions of each kind.
    package var questions: Int
    /// Whether sums are written with their last digit first, the order in which carries are found.
    package var isReversed: Bool
    package var seed: UInt64

    /// Digits of an operand that the text may have: sums of one digit more still fit a number.
    package static let digitBounds = 1...9

    package init(digits: Int, examples: Int, questions: Int, isReversed: Bool, seed: UInt64) {
        self.digits = digits
        self.examples = examples
        self.questions = questions
        self.isReversed = isReversed
        self.seed = seed
    }

    /// What is asked about.
    package enum Kind: String, CaseIterable, Codable, Sendable {
        /// Operands of as many digits as in the text, of which the text has no pair.
        case seen
        /// Operands of one digit more.
        case longer
        /// One operand of each.
        case mixed
    }

    /// An addition and its sum.
    package struct Addition: Hashable, Sendable {
        package var first: Int
        package var second: Int

        package init(first: Int, second: Int) { (self.first, self.second) = (first, second) }
    }

    /// Pairs of operands that the text can have at all.
    package var pairs: Int {
        let count = Self.numbers(of: digits).count
        return count * count
    }

    /// Most questions of a kind: a quarter of all pairs, so that enough are left to train on.
    package var mostQuestions: Int { pairs / 4 }

    /// Characters of a line of the text, its end included. All lines are as long, so that in sequences of a multiple of it
    /// a digit's place says which digit it is.
    package var lineLength: Int { 3 * digits + 4 }

    /// The addition up to its sum. It begins with the end of the line before, as in the text.
    package func prompt(_ addition: Addition) -> String { "\n\(addition.first)+\(addition.second)=" }

    /// The sum, with a digit more than the longer operand and zeros in front if need be, and the end of its line.
    package func answer(_ addition: Addition) -> String {
        let digits = String(addition.first + addition.second)
        let width = max(String(addition.first).count, String(addition.second).count) + 1
        let sum = String(repeating: "0", count: max(0, width - digits.count)) + digits
        return (isReversed ? String(sum.reversed()) : sum) + "\n"
    }

    /// The questions of a kind, all different.
    package func questions(of kind: Kind) -> [Addition] {
        // A sequence of its own, so that more questions of one kind change no other.
        let place = UInt64(Kind.allCases.firstIndex(of: kind) ?? 0)
        var random = SplitMix64(seed: SplitMix64.first(seed: seed &+ 0x51 &+ place))
        var (found, known): ([Addition], Set<Addition>) = ([], [])
        let most = min(questions, mostQuestions)
        while found.count < most {
            let isSwapped = kind == .mixed && Bool.random(using: &random)
            let lengths =
                switch kind {
                case .seen: (digits, digits)
                case .longer: (digits + 1, digits + 1)
                case .mixed: isSwapped ? (digits + 1, digits) : (digits, digits + 1)
                }
            let addition = Self.addition(lengths.0, lengths.1, &random)
            if known.insert(addition).inserted { found.append(addition) }
        }
        return found
    }

    /// Calls `body` with the parts of the text, an addition each. None is one of the questions, nor one with its operands swapped.
    package func text<Failure: Error>(_ body: (String) throws(Failure) -> Void) throws(Failure) {
        let held = Set(questions(of: .seen).flatMap { [$0, Addition(first: $0.second, second: $0.first)] })
        var random = SplitMix64(seed: SplitMix64.first(seed: seed))
        var written = 0
        while written < examples {
            let addition = Self.addition(digits, digits, &random)
            if held.contains(addition) { continue }
            try body(prompt(addition) + answer(addition).dropLast())
            written += 1
        }
        try body("\n")
    }

    /// The numbers of so many digits.
    private static func numbers(of digits: Int) -> Range<Int> {
        let end = (0..<digits).reduce(1) { power, _ in power * 10 }
        return (digits == 1 ? 0 : end / 10)..<end
    }

    private static func addition(_ first: Int, _ second: Int, _ random: inout SplitMix64) -> Addition {
        Addition(
            first: Int.random(in: numbers(of: first), using: &random),
            second: Int.random(in: numbers(of: second), using: &random))
    }
}
