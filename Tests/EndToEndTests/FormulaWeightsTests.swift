import Foundation
import TestSupport
import Testing

/// Our side of the formulas gives the numbers the PyTorch side printed.
@Suite struct FormulaWeightsTests {
    private struct Golden: Decodable {
        struct Weight: Decodable {
            let name: String
            let index: Int
            let value: Float
        }
        struct Text: Decodable {
            let count: Int
            let first: [UInt8]
        }
        let weights: [Weight]
        let text: Text
    }

    private func golden() throws -> Golden {
        let file = BuiltProgram.root.appending(path: "Tests/Goldens/pytorch_gpt.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }

    @Test func weightsAreEqualToTheLastBit() throws {
        let weights = try golden().weights
        #expect(weights.count >= 12)
        for weight in weights {
            #expect(formulaWeight(name: weight.name, index: weight.index) == weight.value)
            #expect(formulaWeights(name: weight.name, count: weight.index + 1)[weight.index] == weight.value)
        }
    }

    @Test func textIsTheSame() throws {
        let text = try golden().text
        #expect(formulaText(count: text.count).prefix(text.first.count).elementsEqual(text.first))
        #expect(formulaText(count: text.count).count == text.count)
    }

    @Test func normWeightsLieAroundOneAndOthersAroundZero() {
        #expect(formulaWeights(name: "h.3.ln_1.weight", count: 1000).allSatisfy { abs($0 - 1) <= 1 / 32 })
        #expect(formulaWeights(name: "h.3.ln_1.bias", count: 1000).allSatisfy { abs($0) <= 1 / 32 })
        #expect(formulaWeights(name: "h.3.attn.c_attn.weight", count: 1000).allSatisfy { abs($0) <= 1 / 32 })
    }
}
