import Experiments
import Foundation
import Reading
import TestSupport
import Testing

struct QuestionFileTests {
    private func problem(_ text: String) throws -> PlanProblem? {
        let folder = try TemporaryFolder()
        try folder.write(Data(text.utf8), as: "q.jsonl")
        do {
            _ = try QuestionFile.read(folder.url.path + "/q.jsonl")
            return nil
        } catch {
            return error.problems.first
        }
    }

    @Test func whatIsWrittenIsRead() throws {
        let questions = [
            Question(prompt: "\n1+2=", answer: "3\n", group: "one"),
            Question(prompt: "a\"b\\ü", answer: "🙂", group: "two words"),
        ]
        let folder = try TemporaryFolder()
        try folder.write(QuestionFile.text(questions), as: "q.jsonl")
        #expect(try QuestionFile.read(folder.url.path + "/q.jsonl") == questions)
        try folder.write(Data("\n {\"prompt\":\"x\",\"answer\":\"y\"} \r\n\n".utf8), as: "q.jsonl")
        #expect(
            try QuestionFile.read(folder.url.path + "/q.jsonl") == [Question(prompt: "x", answer: "y", group: "all")])
    }

    @Test func whatIsNoQuestionIsNamedWithItsLine() throws {
        let good = "{\"prompt\":\"x\",\"answer\":\"y\"}\n"
        #expect(try problem(good) == nil)
        #expect(try problem(good + "{\"prompt\":\"x\"}\n")?.line == 2)
        #expect(try problem(good + good + "[1]")?.line == 3)
        #expect(try problem(good + "{\"prompt\":\"x\",\"answer\":\"\"}")?.rule == "has an empty answer")
        #expect(try problem("\n\n")?.rule == "holds no questions")
        #expect(try problem("{\"prompt\":1,\"answer\":\"y\"}")?.line == 1)
        #expect(throws: PlanProblems.self) { try QuestionFile.read("/nowhere/q.jsonl") }
    }
}
