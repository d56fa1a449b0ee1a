package import Experiments
internal import Models
internal import Tokens

/// The answers of the checkpoints of a run to the same questions.
package enum CheckpointEvaluation {
    /// Questions that go through a model together.
    private static let together = 64

    /// - Parameters:
    ///   - path: a run's folder or one of checkpoints, all of which are asked; a checkpoint, a file of weights or a folder of
    ///     Hugging Face's.
    ///   - tokenizer: the tokenizer that is asked for; nil: the one that goes with the weights.
    ///   - before: is called before each with its path, its number from 1, and how many there are.
    /// - Returns: the figures of each, the earliest first.
    /// - Throws: `TrainingError` or `PlanProblems` for weights that cannot be read, and for questions that a model cannot read.
    package static func scores(
        of questions: [Question], at path: String, tokenizer: String? = nil,
        before: (String, _ number: Int, _ count: Int) -> Void
    ) throws -> [AnswerScores] {
        let found = CheckpointList.candidates(at: path)
        let paths = found.isEmpty ? [path] : Array(found.reversed())
        return try paths.enumerated().map { index, path in
            before(path, index + 1, paths.count)
            let source = try GenerationSource(path, tokenizer: tokenizer)
            let asked = try questions.enumerated().map { try tokens(of: $1, number: $0 + 1, source) }
            let longest = asked.map { $0.prompt.count + $0.answer.count }.max() ?? 1
            let model = try WholeModel(
                model: source.model, weights: source.weights, sequences: together, longest: longest)
            return AnswerScores(
                checkpoint: path, step: source.manifest?.step, groups: try AnswerScoring.groups(asked, by: model))
        }
    }

    /// The tokens of a question. Prompt and answer are encoded as one text, so that the answer has the tokens that it has behind the
    /// prompt. Where a token is of both, it is the answer's first.
    /// - Throws: `TrainingError` for a question that the model cannot read.
    private static func tokens(
        of question: Question, number: Int, _ source: GenerationSource
    ) throws -> TokenQuestion {
        func refuse(_ value: String, _ reason: String) -> TrainingError {
            .unsupported(field: "question \(number)", value: value, reason: reason)
        }
        let tokenizer = source.tokenizer
        let prompt = try source.tokens(of: question.prompt)
        var whole = tokenizer.prefix + tokenizer.encode(Array((question.prompt + question.answer).utf8))
        var first = zip(prompt, whole).prefix { $0 == $1 }.count
        // An answer follows some token: behind one that is both, or an empty prompt's, it is a text of its own.
        if first == 0 { (whole, first) = (prompt + tokenizer.encode(Array(question.answer.utf8)), prompt.count) }
        guard whole.count > first else {
            throw refuse(
                String(reflecting: String(question.answer.prefix(40))),
                "the tokenizer \(tokenizer.name) has no token for the answer")
        }
        if let foreign = whole.first(where: { $0 < 0 || $0 >= source.model.vocab }) {
            throw refuse("token \(foreign)", "the model knows the tokens 0 to \(source.model.vocab - 1)")
        }
        guard whole.count - 1 <= source.model.sequence else {
            throw refuse("\(whole.count - 1) tokens", "the model reads \(source.model.sequence)")
        }
        return TokenQuestion(
            prompt: Array(whole.prefix(first)), answer: Array(whole.dropFirst(first)), group: question.group)
    }
}
