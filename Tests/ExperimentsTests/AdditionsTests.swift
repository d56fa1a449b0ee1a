import Experiments
import Testing

struct AdditionsTests {
    private func lines(_ additions: Additions) -> [String] {
        var text = ""
        additions.text { text += $0 }
        #expect(text.hasPrefix("\n") && text.hasSuffix("\n"))
        #expect(text.utf8.count == additions.examples * additions.lineLength + 1)
        return text.split(separator: "\n").map(String.init)
    }

    /// Read by another rule than they are written by: the operands, and the sum as a number.
    private func operands(_ line: String, isReversed: Bool) throws -> (first: String, second: String, sum: Int) {
        let match = try #require(line.wholeMatch(of: /([0-9]+)\+([0-9]+)=([0-9]+)/), "\(line)")
        let sum = isReversed ? String(match.3.reversed()) : String(match.3)
        return (String(match.1), String(match.2), try #require(Int(sum)))
    }

    @Test(arguments: [1, 2, 3, 9], [false, true])
    func linesAreSumsOfNumbersOfSoManyDigits(digits: Int, isReversed: Bool) throws {
        let additions = Additions(digits: digits, examples: 300, questions: 20, isReversed: isReversed, seed: 5)
        let lines = lines(additions)
        #expect(lines.count == 300)
        for line in lines {
            let (first, second, sum) = try operands(line, isReversed: isReversed)
            #expect(first.count == digits && second.count == digits)
            #expect(try sum == #require(Int(first)) + #require(Int(second)))
        }
        #expect(lines == self.lines(additions))
        #expect(
            lines
                != self.lines(Additions(digits: digits, examples: 300, questions: 20, isReversed: isReversed, seed: 6)))
    }

    @Test func theTextHoldsNoQuestion() throws {
        // A quarter of all pairs of one digit is asked about, and the text is long enough to hold every other.
        let additions = Additions(digits: 1, examples: 5_000, questions: 25, isReversed: false, seed: 1)
        let seen = Set(lines(additions).map { $0.split(separator: "=")[0] })
        let asked = additions.questions(of: .seen)
        #expect(Set(asked).count == 25 && additions.mostQuestions == 25 && additions.pairs == 100)
        for addition in asked {
            #expect(!seen.contains("\(addition.first)+\(addition.second)"))
            #expect(!seen.contains("\(addition.second)+\(addition.first)"))
        }
        let swapped = Set(asked.flatMap { ["\($0.first)+\($0.second)", "\($0.second)+\($0.first)"] })
        #expect(seen.count == 100 - swapped.count)
    }

    @Test func questionsAreOfTheirKind() {
        let additions = Additions(digits: 3, examples: 1, questions: 200, isReversed: true, seed: 2)
        func lengths(_ kind: Additions.Kind) -> Set<[Int]> {
            Set(additions.questions(of: kind).map { [String($0.first).count, String($0.second).count] })
        }
        #expect(lengths(.seen) == [[3, 3]])
        #expect(lengths(.longer) == [[4, 4]])
        #expect(lengths(.mixed) == [[3, 4], [4, 3]])
        for kind in Additions.Kind.allCases { #expect(Set(additions.questions(of: kind)).count == 200) }
        // More of them begin with the same ones.
        var more = additions
        more.questions = 300
        #expect(Array(more.questions(of: .longer).prefix(200)) == additions.questions(of: .longer))
    }

    @Test func promptAndAnswerAreALine() {
        let additions = Additions(digits: 3, examples: 1, questions: 1, isReversed: true, seed: 1)
        let addition = Additions.Addition(first: 999, second: 123)
        #expect(additions.prompt(addition) == "\n999+123=")
        #expect(additions.answer(addition) == "2211\n")
        #expect(additions.answer(Additions.Addition(first: 100, second: 23)) == "3210\n")
        #expect(additions.answer(Additions.Addition(first: 1234, second: 100)) == "43310\n")
        var plain = additions
        plain.isReversed = false
        #expect(plain.answer(addition) == "1122\n")
    }
}
