import Foundation
import Tensors
import Testing

@Suite struct RouterTests {
    struct Case: CustomTestStringConvertible {
        var (tokens, experts, chosen): (Int, Int, Int)
        var router: Router { Router(experts: experts, chosen: chosen) }
        var testDescription: String { "\(tokens) tokens, \(chosen) of \(experts)" }
    }
    static let cases = [(1, 1, 1), (5, 4, 1), (6, 8, 2), (4, 37, 6), (3, 4, 4)].map {
        Case(tokens: $0.0, experts: $0.1, chosen: $0.2)
    }

    /// Probabilities, choices and weights in float64.
    static func reference(_ logits: [Double], _ test: Case, choices given: [Int32]? = nil)
        -> (probabilities: [Double], choices: [Int32], weights: [Double])
    {
        var (probabilities, choices, weights): ([Double], [Int32], [Double]) = ([], [], [])
        for token in 0..<test.tokens {
            let row = logits[token * test.experts..<(token + 1) * test.experts]
            let largest = row.max() ?? 0
            let powers = row.map { exp($0 - largest) }
            let total = powers.reduce(0, +)
            let p = powers.map { $0 / total }
            let order = (0..<test.experts).sorted { p[$0] == p[$1] ? $0 < $1 : p[$0] > p[$1] }
            let best =
                given.map { $0[token * test.chosen..<(token + 1) * test.chosen].map { Int($0) } }
                ?? Array(order.prefix(test.chosen))
            let sum = best.reduce(0) { $0 + p[$1] }
            probabilities += p
            choices += best.map { Int32($0) }
            weights += best.map { p[$0] / sum }
        }
        return (probabilities, choices, weights)
    }

    static func auxiliary(_ probabilities: [Double], _ loads: [Double], _ test: Case) -> Double {
        var total = 0.0
        for (index, p) in probabilities.enumerated() { total += p * loads[index % test.experts] }
        return total * Double(test.experts) / Double(test.tokens)
    }

    @Test(arguments: cases) func routesAndItsGradientMatchFloat64(_ test: Case) {
        let count = test.tokens * test.experts
        let logits = Floats(random: count, seed: 1, scale: 2)
        let values = logits.doubles
        let slots = test.tokens * test.chosen
        var choices = [Int32](repeating: -1, count: slots)
        let weights = Floats(slots) { _ in .nan }
        let matrix = logits.matrix(test.tokens, test.experts)
        test.router.forward(logits: matrix, choices: &choices, weights: weights.pointer)
        let expected = Self.reference(values, test)
        #expect(choices == expected.choices)
        expectClose(logits, expected.probabilities)
        expectClose(weights, expected.weights)

        let loads = Floats(test.experts) { _ in .nan }
        test.router.loads(choices: choices, into: loads.pointer, tokens: test.tokens)
        let shares = (0..<test.experts).map { expert in
            Double(choices.count { $0 == Int32(expert) }) / Double(slots)
        }
        expectClose(loads, shares)

        let dWeights = Floats(random: slots, seed: 2)
        let dLogits = Floats(count) { _ in .nan }
        test.router.inputGradient(
            probabilities: matrix, choices: choices, dWeights: dWeights.pointer, loads: loads.pointer,
            auxiliaryScale: 0.3, dLogits: dLogits.matrix(test.tokens, test.experts))
        let slopes = values.indices.map { index in
            centralDifference(values, index) { logits in
                let result = Self.reference(logits, test, choices: choices)
                return dot(result.weights, dWeights.doubles) + 0.3 * Self.auxiliary(result.probabilities, shares, test)
            }
        }
        #expect(dLogits.isIntact)
        #expect(zip(dLogits.doubles, slopes).allSatisfy { abs($0 - $1) < 2e-6 })
    }

    @Test func equalProbabilitiesGoToTheLowerNumber() {
        let router = Router(experts: 6, chosen: 3)
        let rows: [[Float]] = [[0, 0, 0, 0, 0, 0], [1, 2, 2, 1, 2, 2], [0, 0, 5, 0, 0, 0]]
        let logits = Floats(18) { rows[$0 / 6][$0 % 6] }
        var choices = [Int32](repeating: -1, count: 9)
        let weights = Floats(9)
        router.forward(logits: logits.matrix(3, 6), choices: &choices, weights: weights.pointer)
        #expect(choices == [0, 1, 2, 1, 2, 4, 2, 0, 1])
        #expect(weights.values[0..<6].allSatisfy { abs($0 - 1.0 / 3) < 1e-6 })
    }
}
