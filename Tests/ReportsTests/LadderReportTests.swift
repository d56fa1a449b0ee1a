import Campaigns
import Foundation
import Reports
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct LadderReportTests {
    static let outcome: LadderOutcome = {
        let law = "{\"E\": 0.9, \"A\": 12, \"alpha\": 0.35, \"B\": 60, \"beta\": 0.4}"
        func point(_ name: String, _ width: Int, _ tokens: Int, _ rate: Double, _ mup: Bool, _ loss: Double) -> String {
            """
            {"name": "\(name)", "width": \(width), "parameters": \(width * width * 24), "tokens": \(tokens),
             "learningRate": \(rate), "mup": \(mup), "loss": \(loss), "seconds": 2}
            """
        }
        var (rates, rungs): ([String], [String]) = ([], [])
        for width in [8, 16] {
            for rate in [0.01, 0.03] {
                let loss = 3 - rate * Double(width) / 16
                rates += [point("r", width, 1000, rate, true, loss), point("r", width, 1000, rate, false, loss + 0.1)]
            }
        }
        for width in [8, 16, 24] {
            for tokens in [1000, 2000, 4000] {
                let loss = 1 + 10 / Double(width) + 100 / Double(tokens)
                rungs.append(point("rung", width, tokens, 0.03, true, loss))
            }
        }
        let text = """
            {"name": "<tiny> & co", "entropy": 0.85, "learningRate": 0.03, "rates": [\(rates.joined(separator: ","))],
             "rungs": [\(rungs.joined(separator: ","))], "next": \(point("next", 40, 4000, 0.03, true, 1.24)),
             "prediction": {"parameters": 38400, "tokens": 4000, "loss": 1.25, "low": 1.2, "high": 1.3, "confidence": 0.9,
              "law": \(law), "lawLow": \(law), "lawHigh": \(law), "spread": 0.004, "points": 9}}
            """
        return try! JSONDecoder().decode(LadderOutcome.self, from: Data(text.utf8))
    }()

    @Test func picturesAreWellFormed() throws {
        let drawing = LadderSVG(Self.outcome)
        for svg in [drawing.law(), drawing.rates()] {
            #expect(XMLParser(data: Data(svg.utf8)).parse(), "\(svg.prefix(400))")
            #expect(!svg.contains("nan") && !svg.contains("inf"))
        }
        let law = drawing.law()
        // Nine runs, each with a mark, and those of the legend: three numbers of tokens.
        #expect(law.components(separatedBy: "<circle class=\"f").count - 1 == 9 + 3)
        #expect(law.contains("predicted 1.2500") && law.contains("then trained: 1.2400"))
        #expect(drawing.rates().components(separatedBy: "width 16, ").count - 1 == 2)
    }

    /// Nothing is drawn of what is not there, and no figure that is no number.
    @Test func picturesOfHalfALadder() {
        var half = Self.outcome
        (half.prediction, half.next) = (nil, nil)
        half.rates[0].loss = .nan
        half.rungs = Array(half.rungs.prefix(1))
        for svg in [LadderSVG(half).law(), LadderSVG(half).rates()] {
            #expect(XMLParser(data: Data(svg.utf8)).parse() && !svg.contains("nan"))
        }
        (half.rates, half.rungs) = ([], [])
        #expect(XMLParser(data: Data(LadderSVG(half).rates().utf8)).parse())
    }

    @Test func theTextSaysWhatBecameOfThePrediction() {
        let text = LadderText(Self.outcome).text()
        #expect(text.contains("predicted  1.2500, from 1.2000 to 1.3000 with 90.0 % confidence"))
        #expect(text.contains("trained    1.2400, −0.80 % off: inside the interval, within 3 %"))
        #expect(text.contains("the text's entropy: 0.8500"))
        var off = Self.outcome
        off.next?.loss = 1.4
        #expect(LadderText(off).text().contains("+12.00 % off: outside the interval, not within 3 %"))
        let csv = LadderText.csv(Self.outcome).split(separator: "\n")
        #expect(csv.count == 11 && csv[0] == "parameters,tokens,loss,name,role" && csv[10].hasSuffix(",next,held"))
    }
}
