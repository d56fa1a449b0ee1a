package import Experiments
internal import Tokens

/// The answers of the checkpoints of a run to the same questions.
package enum CheckpointEvaluation {
    /// Questions that go through a model together.
    private static let together = 64

    /// - Parameters:
    ///   - path: a run's folder or one of checkpoints, all of which are asked; a checkpoint, a file of weights or a folder of
    ///     Hugging Face's.
    ///   - before: is called before each with its path, its number from 1, and how many there are.
    /// - Returns: the figures of each, the earliest first.
    /// - Throws: `TrainingError` or `PlanProblems` for weights that cannot be read, and for questions that a model cannot read.
    package static func scores(
        of questions: [Question], at path: String, before: (String, _ number: Int, _ count: Int) -> Void
    ) throws -> [AnswerScores] {
        let found = CheckpointList.candidates(at: path)
        let paths = found.isEmpty ? [path] : Array(found.reversed())
        return try paths.enumerated().map { index, path in
            before(path, index + 1, paths.count)
            let source = try GenerationSource(path, tokenizer: nil)
            let asked = try questions.map { question in
                TokenQuestion(
                    prompt: try source.tokens(of: question.prompt),
                    answer: source.tokenizer.encode(Array(question.answer.utf8)), group: question.group)
            }
            let longest = asked.map { $0.prompt.count + $0.answer.count }.max() ?? 1
            let model = try WholeModel(
                model: source.model, weights: source.weights, sequences: together, longest: longest)
            return AnswerScores(
                checkpoint: path, step: source.manifest?.step, groups: try AnswerScoring.groups(asked, by: model))
        }
    }
}
