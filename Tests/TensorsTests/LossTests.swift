import Foundation
import Tensors
import Testing

@Suite struct CrossEntropyTests {
    /// Rows without a target have neither loss nor gradient, and change nothing of the others.
    @Test func rowsWithoutATargetDoNotCount() {
        let (rows, vocab) = (5, 24)
        let all = Floats(random: rows * vocab, seed: 4, scale: 3)
        let kept = Floats(3 * vocab) { all.pointer[2 * ($0 / vocab) * vocab + $0 % vocab] }
        let loss = CrossEntropy.lossAndGradient(
            logits: all.matrix(rows, vocab), targets: [3, -1, 10, -1, 23], scale: 0.5)
        let expected = CrossEntropy.lossAndGradient(
            logits: kept.matrix(3, vocab), targets: [3, 10, 23], scale: 0.5)
        #expect(loss == expected && all.isIntact)
        for row in 0..<rows {
            let gradient = Array(all.doubles[row * vocab..<(row + 1) * vocab])
            if row % 2 == 1 {
                #expect(gradient.allSatisfy { $0 == 0 })
            } else {
                #expect(gradient == Array(kept.doubles[row / 2 * vocab..<(row / 2 + 1) * vocab]))
            }
        }
    }

    static func reference(_ logits: [Double], _ targets: [Int32], vocab: Int) -> Double {
        var total = 0.0
        for (row, target) in targets.enumerated() {
            let values = logits[row * vocab..<(row + 1) * vocab]
            let largest = values.max() ?? 0
            let sum = values.reduce(0) { $0 + exp($1 - largest) }
            total += largest + log(sum) - logits[row * vocab + Int(target)]
        }
        return total
    }

    @Test(arguments: [(1, 1), (1, 17), (6, 33), (3, 256)], [1, 80, 1e5] as [Float])
    func lossAndGradient(_ shape: (Int, Int), _ spread: Float) {
        let (rows, vocab) = shape
        let logits = Floats(random: rows * vocab, seed: 1, scale: spread)
        let targets = (0..<rows).map { Int32($0 * 7 % vocab) }
        let values = logits.doubles
        let expected = Self.reference(values, targets, vocab: vocab)
        let loss = CrossEntropy.lossAndGradient(logits: logits.matrix(rows, vocab), targets: targets, scale: 0.25)
        #expect(abs(loss - expected) <= 1e-6 * max(1, abs(expected)))
        var gradient = [Double](repeating: 0, count: values.count)
        for row in 0..<rows {
            let slice = values[row * vocab..<(row + 1) * vocab]
            let largest = slice.max() ?? 0
            let sum = slice.reduce(0) { $0 + exp($1 - largest) }
            for column in 0..<vocab {
                gradient[row * vocab + column] = 0.25 * exp(values[row * vocab + column] - largest) / sum
            }
            gradient[row * vocab + Int(targets[row])] -= 0.25
        }
        #expect(logits.isIntact)
        #expect(zip(logits.doubles, gradient).allSatisfy { abs($0 - $1) < 1e-6 })
        // The reference's own gradient, where differences resolve it.
        if spread == 1 {
            let slope = centralDifference(values, 0) { 0.25 * Self.reference($0, targets, vocab: vocab) }
            #expect(abs(slope - gradient[0]) < 1e-8)
        }
    }
}

@Suite struct AdamWTests {
    @Test(arguments: [1, 16, 37], [true, false]) func followsTheFormulaOverManySteps(_ count: Int, _ decay: Bool) {
        let settings = AdamW(beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1)
        let p = Floats(random: count, seed: 1)
        let (m, v) = (Floats(count), Floats(count))
        var (rp, rm, rv) = (p.doubles, m.doubles, v.doubles)
        let rate = 3e-3
        for step in 1...12 {
            let g = Floats(random: count, seed: UInt64(step + 10), scale: 0.01)
            settings.step(
                parameters: p.pointer, gradients: g.pointer, firstMoment: m.pointer, secondMoment: v.pointer,
                count: count, step: step, learningRate: rate, decay: decay, gradientScale: 0.5)
            for index in 0..<count {
                let gradient = Double(g.values[index]) * 0.5
                if decay { rp[index] *= 1 - rate * 0.1 }
                rm[index] = 0.9 * rm[index] + 0.1 * gradient
                rv[index] = 0.95 * rv[index] + 0.05 * gradient * gradient
                let mean = rm[index] / (1 - pow(0.9, Double(step)))
                let root = (rv[index] / (1 - pow(0.95, Double(step)))).squareRoot()
                rp[index] -= rate * mean / (root + 1e-8)
            }
        }
        expectClose(p, rp)
        expectClose(m, rm)
        expectClose(v, rv)
    }

    @Test func aZeroGradientOnlyDecays() {
        let p = Floats(20) { _ in 2 }
        let (g, m, v) = (Floats(20), Floats(20), Floats(20))
        AdamW(weightDecay: 0.5).step(
            parameters: p.pointer, gradients: g.pointer, firstMoment: m.pointer, secondMoment: v.pointer, count: 20,
            step: 1, learningRate: 0.01, decay: true)
        expectClose(p, [Double](repeating: 2 * (1 - 0.005), count: 20), within: 1e-7)
    }

    /// Optimizer sharding (ZeRO) cuts a flat buffer anywhere: the result does not depend on where.
    @Test(arguments: [[50], [25, 50, 75], [1, 38, 38, 99], [16, 32]]) func shardsGiveTheSameBits(_ cuts: [Int]) {
        let count = 100
        func trained(_ cuts: [Int]) -> [Float] {
            let (p, m, v) = (Floats(random: count, seed: 1), Floats(count), Floats(count))
            for step in 1...3 {
                let g = Floats(random: count, seed: UInt64(step + 10))
                for (start, end) in zip([0] + cuts, cuts + [count]) {
                    AdamW().step(
                        parameters: p.pointer + start, gradients: g.pointer + start, firstMoment: m.pointer + start,
                        secondMoment: v.pointer + start, count: end - start, step: step, learningRate: 0.01,
                        decay: true, gradientScale: 0.5)
                }
            }
            #expect(p.isIntact && m.isIntact && v.isIntact)
            return p.values
        }
        #expect(trained(cuts) == trained([]))
    }
}
