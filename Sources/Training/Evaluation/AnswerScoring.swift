package import Experiments
internal import Models

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A question as tokens.
package struct TokenQuestion: Hashable, Sendable {
    /// At least one token.
    package var prompt: [Int32]
    package var answer: [Int32]
    package var group: String

    package init(prompt: [Int32], answer: [Int32], group: String) {
        self.prompt = prompt
        self.answer = answer
        self.group = group
    }
}

/// Compares a model with known answers, token by token.
///
/// The model reads every question with its right answer once. A token counts as found where it is the likeliest after the right
/// ones before it. The model would write the whole answer at temperature 0 exactly if that is so for each of its tokens: so one
/// pass gives both the measure that is all or nothing and the one that is not.
package enum AnswerScoring {
    /// The figures of every group, in the order in which the questions name them.
    /// - Throws: `TrainingError` for a question that is too long, or has tokens that the model does not know.
    package static func groups(
        _ questions: [TokenQuestion], by model: WholeModel
    ) throws -> [AnswerScores.Group] {
        for (number, question) in questions.enumerated() {
            guard !question.prompt.isEmpty, !question.answer.isEmpty,
                question.answer.allSatisfy({ $0 >= 0 && $0 < model.model.vocab })
            else {
                throw TrainingError.unsupported(
                    field: "question \(number + 1)", value: "its tokens",
                    reason: "prompt and answer need a token at least, all of 0 to \(model.model.vocab - 1)")
            }
        }
        var tallies = questions.map { _ in Tally() }
        try model.forEachLogits(
            of: questions.map { $0.prompt + $0.answer.dropLast() }, from: { questions[$0].prompt.count - 1 }
        ) { question, place, logits in
            let right = Int(questions[question].answer[place + 1 - questions[question].prompt.count])
            tallies[question].add(logits, right: right)
        }
        var names: [String] = []
        for question in questions where !names.contains(question.group) { names.append(question.group) }
        return names.map { name in
            let own = zip(questions, tallies).filter { $0.0.group == name }.map(\.1)
            let tokens = Double(own.reduce(0) { $0 + $1.tokens })
            return AnswerScores.Group(
                name: name, questions: own.count,
                exactMatch: Double(own.count { $0.found == $0.tokens }) / Double(own.count),
                tokenProbability: own.reduce(0) { $0 + $1.probability } / tokens,
                tokenLogProbability: own.reduce(0) { $0 + $1.logProbability } / tokens)
        }
    }

    /// Sums over the tokens of one answer.
    private struct Tally {
        var tokens = 0
        var found = 0
        var probability = 0.0
        var logProbability = 0.0

        mutating func add(_ logits: UnsafeBufferPointer<Float>, right: Int) {
            var (largest, likeliest) = (-Float.infinity, 0)
            for (token, value) in logits.enumerated() where value > largest { (largest, likeliest) = (value, token) }
            let sum = logits.reduce(0.0) { $0 + exp(Double($1) - Double(largest)) }
            let logarithm = Double(logits[right]) - Double(largest) - log(sum)
            tokens += 1
            found += likeliest == right ? 1 : 0
            probability += exp(logarithm)
            logProbability += logarithm
        }
    }
}
