/// The answers of several checkpoints to the same questions, the earliest first: what `--json` prints.
package struct AnswerReport: Hashable, Codable, Sendable {
    package var checkpoints: [AnswerScores]

    package init(_ checkpoints: [AnswerScores]) { self.checkpoints = checkpoints }
}

/// How a model answers questions after some steps of its training.
package struct AnswerScores: Hashable, Codable, Sendable {
    /// The checkpoint's path.
    package var checkpoint: String
    /// Steps done; nil for weights that do not say.
    package var step: Int?
    package var groups: [Group]

    package init(checkpoint: String, step: Int?, groups: [Group]) {
        self.checkpoint = checkpoint
        self.step = step
        self.groups = groups
    }

    /// The answers to the questions of one group.
    package struct Group: Hashable, Codable, Sendable {
        package var name: String
        package var questions: Int
        /// Fraction of the questions all of whose tokens the model would write at temperature 0.
        package var exactMatch: Double
        /// Mean over all tokens of the answers of the probability that the model gives the right one, after the right ones before.
        package var tokenProbability: Double
        /// Mean over all tokens of the answers of the logarithm of that probability, nats.
        package var tokenLogProbability: Double

        package init(
            name: String, questions: Int, exactMatch: Double, tokenProbability: Double, tokenLogProbability: Double
        ) {
            self.name = name
            self.questions = questions
            self.exactMatch = exactMatch
            self.tokenProbability = tokenProbability
            self.tokenLogProbability = tokenLogProbability
        }
    }
}
