import Foundation
import Numbers
import ScalingLaws
import Testing

/// Published laws against figures that their papers print.
@Suite struct PublishedLawTests {
    private func isNear(_ a: Double, _ b: Double, _ share: Double) -> Bool { abs(a / b - 1) <= share }

    /// Hoffmann et al. 2022, table 3: approach 1 at five budgets.
    @Test(arguments: [(1.92e19, 0.4e9), (1.21e20, 1e9), (1.23e22, 10e9), (5.76e23, 67e9), (3.85e24, 175e9)])
    func hoffmannTableThree(_ flops: Double, _ parameters: Double) {
        #expect(isNear(PublishedLaw.hoffmannEnvelope.optimum(flops: flops).parameters, parameters, 0.05))
    }

    /// Table A3: approach 2.
    @Test(arguments: [(1.84e19, 0.4e9), (1.20e20, 1e9), (1.32e22, 10e9), (6.88e23, 67e9), (4.54e24, 175e9)])
    func hoffmannTableAThree(_ flops: Double, _ parameters: Double) {
        #expect(isNear(PublishedLaw.hoffmannIsoFLOP.optimum(flops: flops).parameters, parameters, 0.05))
    }

    /// Llama 3: 3.8·10²⁵ FLOPs are for 16.55T tokens and a model near 402B, which a sixth of FLOPs a token is not quite.
    @Test func llamaThree() {
        let best = PublishedLaw.llama3.optimum(flops: 3.8e25)
        #expect(isNear(best.tokens, 16.55e12, 0.005))
        #expect(isNear(best.parameters, 402e9, 0.06))
    }

    /// DeepSeek's two power laws, fitted apart, agree: 0.1715·C^0.5243 FLOPs a token times the tokens is C.
    @Test(arguments: [1e17, 1e20, 1e23])
    func deepSeek(_ flops: Double) {
        let best = PublishedLaw.deepseek.optimum(flops: flops)
        #expect(isNear(6 * best.parameters, 0.1715 * pow(flops, 0.5243), 0.005))
        let rule = TrainingRule.deepseek(flops: flops)
        #expect(isNear(rule.learningRate ?? 0, 0.3118 * pow(flops, -0.125), 1e-12))
    }

    /// Kaplan et al., table 6: one PF-day is for 1.3·10⁹ parameters. Section 4.2: 22B tokens overfit a model of 1.5B by less
    /// than 2 %, and by 5.4·10¹² tokens nothing is left of it.
    @Test func kaplan() throws {
        #expect(isNear(PublishedLaw.kaplan.optimum(flops: 8.64e19).parameters, 1.3e9, 1e-9))
        let law = KaplanLaw.published
        let converged = pow(6.4e13 / 1.5e9, 0.076)
        // D > 5·10³·N^0.74 keeps the excess below 2 %.
        #expect(law.loss(parameters: 1.5e9, tokens: 5e3 * pow(1.5e9, 0.74)) / converged < 1.025)
        #expect(isNear(law.loss(parameters: 1.5e9, tokens: 1e18), converged, 1e-3))
    }

    /// The figures that the authors' own code prints (datablations, README: the two models of figure 1, and the best
    /// allocation of 10²² FLOPs on 25B tokens, 7.02B parameters and 237B tokens, by a grid).
    @Test func muennighoff() {
        let law = RepeatedDataLaw.muennighoff
        #expect(
            isNear(law.loss(Allocation(parameters: 6.34e9, tokens: 242e9), unique: 25e9), 2.2256440889984477, 1e-13))
        #expect(
            isNear(law.loss(Allocation(parameters: 8.67e9, tokens: 178e9), unique: 25e9), 2.2269634075087867, 1e-13))
        let best = law.optimum(flops: 1e22, unique: 25e9)
        #expect(isNear(best.parameters, 7022364735.88, 0.005) && isNear(best.tokens, 237336955477.55, 0.005))
        // Where nothing repeats it is the plain law.
        let run = Allocation(parameters: 1e9, tokens: 20e9)
        #expect(law.loss(run, unique: 1e12) == law.law.loss(parameters: 1e9, tokens: 20e9))
        // Four epochs are nearly as good as new text (their abstract).
        #expect(law.effectiveTokens(100e9, unique: 25e9) > 0.9 * 100e9)
        #expect(law.effectiveTokens(1e15, unique: 25e9) < 17 * 25e9)
    }

    /// McCandlish et al. 2018: at the critical batch, twice the fewest tokens and twice the fewest steps.
    @Test func criticalBatch() {
        let twice = CriticalBatchRule.overhead(batch: 1e6, critical: 1e6)
        #expect(twice.tokens == 2 && twice.steps == 2)
        // Kaplan et al., section 5.1: one to two million tokens at the loss of the largest models, about 2.7 nats.
        #expect((1e6...2e6).contains(CriticalBatchRule.tokens(loss: 2.8)))
    }
}

/// Optima by closed form against optima by search, and what must hold of every law.
@Suite struct OptimumTests {
    private static func budgets(_ count: Int, seed: UInt64) -> [Double] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in pow(10, 17 + 10 * random.next().fraction) }
    }

    /// The closed form is the least loss of a fine grid over the sizes of one budget, by any law of this form.
    @Test func theClosedFormIsTheLeastLoss() {
        var random = SplitMix64(seed: 11)
        for budget in Self.budgets(40, seed: 7) {
            let law = LossLaw(
                floor: 2 * random.next().fraction, parameterFactor: exp(8 * random.next().fraction),
                parameterExponent: 0.1 + random.next().fraction, tokenFactor: exp(10 * random.next().fraction),
                tokenExponent: 0.1 + random.next().fraction)
            let best = law.optimum(flops: budget)
            let least = law.loss(parameters: best.parameters, tokens: best.tokens)
            let grid = (-2000...2000).map { step in
                let parameters = best.parameters * exp(Double(step) * 0.01)
                return (parameters, law.loss(parameters: parameters, tokens: budget / 6 / parameters))
            }
            let found = grid.min { $0.1 < $1.1 } ?? (0, 0)
            #expect(least <= found.1 * (1 + 1e-12))
            #expect(abs(log(found.0 / best.parameters)) < 0.02 || abs(found.1 - least) < 1e-9 * least)
            #expect(abs(law.flops(toReach: least) / budget - 1) < 1e-6 || least - law.floor < 1e-9 * least)
        }
    }

    /// Every law's answer spends the budget, and grows with it; the loss falls.
    @Test func budgetsAreSpent() {
        for law in PublishedLaw.all {
            var before: (Allocation, Double?)?
            for budget in Self.budgets(50, seed: 3).sorted() {
                let best = law.optimum(flops: budget)
                #expect(abs(best.flops / budget - 1) < 1e-9)
                let loss = law.loss(of: best)
                if let before {
                    #expect(best.parameters > before.0.parameters && best.tokens > before.0.tokens)
                    if let loss, let earlier = before.1 { #expect(loss < earlier) }
                }
                before = (best, loss)
            }
        }
    }

    /// A served model reaches the optimum's loss, and costs less with its answers than the optimum and than its neighbours.
    @Test(arguments: [1e9, 1e12, 1e14])
    func servedModels(_ served: Double) throws {
        let law = try #require(PublishedLaw.besiroglu.lossLaw)
        for budget in [1e20, 1e23, 1e26] {
            let best = law.optimum(flops: budget)
            let loss = law.loss(parameters: best.parameters, tokens: best.tokens)
            let found = try #require(ServedAllocation(law, loss: loss, served: served))
            #expect(abs(law.loss(parameters: found.run.parameters, tokens: found.run.tokens) - loss) < 1e-9)
            #expect(found.totalFLOPs <= ServedAllocation(best, served: served).totalFLOPs)
            #expect(found.run.parameters < best.parameters && found.run.tokens > best.tokens)
            for factor in [0.99, 1.01] {
                let parameters = found.run.parameters * factor
                let left = loss - law.floor - law.parameterTerm(parameters)
                guard left > 0 else { continue }
                let tokens = pow(law.tokenFactor / left, 1 / law.tokenExponent)
                let other = ServedAllocation(Allocation(parameters: parameters, tokens: tokens), served: served)
                #expect(other.totalFLOPs >= found.totalFLOPs * (1 - 1e-12))
            }
        }
        #expect(ServedAllocation(law, loss: 1.8, served: served) == nil, "below the floor no model is")
    }

    @Test func rangesAreLeftInWords() {
        let law = PublishedLaw.besiroglu
        #expect(law.excess(of: law.optimum(flops: 1e21)) == nil)
        let words = law.excess(of: law.optimum(flops: 1e25)) ?? ""
        #expect(words.contains("1e+18 to 1.3e+22 FLOPs") && words.contains("57M to 16.2B parameters"), "\(words)")
    }
}
