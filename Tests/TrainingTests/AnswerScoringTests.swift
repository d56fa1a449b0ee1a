import Experiments
import Foundation
import Models
import TestSupport
import Testing
import Training

struct AnswerScoringTests {
    /// Figures of one question, from the logits of the whole text and the definition.
    private func expected(_ question: TokenQuestion, _ model: WholeModel) throws -> (exact: Bool, logs: [Double]) {
        let logits = try model.logits(of: [question.prompt + question.answer])[0]
        var (exact, logs) = (true, [Double]())
        for (index, token) in question.answer.enumerated() {
            let row = logits[question.prompt.count + index - 1].map(Double.init)
            exact = exact && row.enumerated().max { $0.element < $1.element }?.offset == Int(token)
            logs.append(row[Int(token)] - log(row.reduce(0) { $0 + exp($1) }))
        }
        return (exact, logs)
    }

    private func model(longest: Int) throws -> WholeModel {
        let (golden, folder) = (try HuggingFaceGolden(), try TemporaryFolder())
        try golden.model("qwen3").write(to: folder, scale: golden.scale)
        return try WholeModel(weights: folder.path, sequences: 3, longest: longest)
    }

    @Test func figuresAreThoseOfTheLogits() throws {
        let model = try model(longest: 8)
        var questions = [
            TokenQuestion(prompt: [1, 2, 3], answer: [4, 5], group: "a"),
            TokenQuestion(prompt: [7], answer: [1, 1, 2, 3], group: "b"),
            TokenQuestion(prompt: [2, 9], answer: [0], group: "a"),
        ]
        // Answers that the model would write itself: one whole, and one but for its last token.
        var written: [Int32] = [5, 6]
        for _ in 0..<4 {
            let row = try model.logits(of: [written])[0].last ?? []
            written.append(Int32(row.enumerated().max { $0.element < $1.element }?.offset ?? 0))
        }
        questions.append(TokenQuestion(prompt: [5, 6], answer: Array(written[2...]), group: "b"))
        let other = written[5] == 0 ? 1 : Int32(0)
        questions.append(TokenQuestion(prompt: [5, 6], answer: Array(written[2..<5]) + [other], group: "b"))
        let found = try AnswerScoring.groups(questions, by: model)
        #expect(found.map(\.name) == ["a", "b"])
        for group in found {
            let own = try questions.filter { $0.group == group.name }.map { try expected($0, model) }
            let logs = own.flatMap(\.logs)
            #expect(group.questions == own.count)
            #expect(group.exactMatch == Double(own.count { $0.exact }) / Double(own.count))
            let (sum, probabilities) = (logs.reduce(0, +), logs.reduce(0) { $0 + exp($1) })
            #expect(abs(group.tokenLogProbability - sum / Double(logs.count)) < 1e-6)
            #expect(abs(group.tokenProbability - probabilities / Double(logs.count)) < 1e-6)
        }
        #expect(found[1].exactMatch >= 1.0 / 3 && found[1].exactMatch < 1)
    }

    @Test func whatTheModelCannotReadIsRefused() throws {
        let model = try model(longest: 4)
        #expect(throws: TrainingError.self) {
            try AnswerScoring.groups([TokenQuestion(prompt: [1, 2, 3], answer: [4, 5, 6], group: "a")], by: model)
        }
        #expect(throws: TrainingError.self) {
            try AnswerScoring.groups([TokenQuestion(prompt: [100_000], answer: [4], group: "a")], by: model)
        }
        for answer in [[], [100_000], [4, 100_000], [-1]] as [[Int32]] {
            #expect(throws: TrainingError.self) {
                try AnswerScoring.groups([TokenQuestion(prompt: [1], answer: answer, group: "a")], by: model)
            }
        }
    }
}
