package import Foundation
package import Reading

/// A question whose answer is known: a text to go on from, and what should come next.
package struct Question: Hashable, Codable, Sendable {
    package var prompt: String
    package var answer: String
    /// The questions that it is counted with.
    package var group: String

    package init(prompt: String, answer: String, group: String) {
        self.prompt = prompt
        self.answer = answer
        self.group = group
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        prompt = try values.decode(String.self, forKey: .prompt)
        answer = try values.decode(String.self, forKey: .answer)
        group = try values.decodeIfPresent(String.self, forKey: .group) ?? "all"
    }
}

/// Questions in JSON Lines: `{"prompt": "12+34=", "answer": "46", "group": "seen"}`.
package enum QuestionFile {
    /// - Throws: the first line that is no question.
    package static func read(_ path: String) throws(PlanProblems) -> [Question] {
        func refuse(_ rule: String, line: Int? = nil, fix: String = "") -> PlanProblems {
            PlanProblems([PlanProblem(file: path, line: line, field: "", rule: rule, fix: fix)])
        }
        let text = try MappedFile(path: path).withBytes { Data($0) }
        var questions: [Question] = []
        for (number, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { ![0x20, 0x0D, 0x09].contains($0) }) else { continue }
            guard let question = try? JSONDecoder().decode(Question.self, from: line) else {
                throw refuse(
                    "is no question", line: number + 1,
                    fix: "write a map such as {\"prompt\": \"12+34=\", \"answer\": \"46\"}, with \"group\" where there "
                        + "are several")
            }
            guard !question.answer.isEmpty else {
                throw refuse("has an empty answer", line: number + 1, fix: "say what should come after the prompt")
            }
            questions.append(question)
        }
        guard !questions.isEmpty else {
            throw refuse("holds no questions", fix: "write a JSON map a line: {\"prompt\": …, \"answer\": …}")
        }
        return questions
    }

    /// The text of a file that `read` understands.
    package static func text(_ questions: [Question]) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try questions.reduce(into: Data()) { $0 += try encoder.encode($1) + Data("\n".utf8) }
    }
}
