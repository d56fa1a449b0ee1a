import Models
import Plans
import Tensors
import Testing
import Training

/// A table whose rows without gradients are left alone takes the steps of one that is treated as a whole.
@Suite struct TouchedRowsTests {
    static let model = Model(
        family: .gpt, layers: 1, hidden: 24, heads: 2, vocab: 64, sequence: 8, tiedEmbeddings: false)

    private static func parameters(lookup: String?) -> ParameterSet {
        let units = ParameterLayout.units(model: model, layers: 0..<1, isFirst: true, isLast: true)
        let set = ParameterSet(stages: [(0, units)], lookup: lookup)
        set.initialise(seed: 3)
        return set
    }

    @Test func stepsAreThoseOfAWholeTable() throws {
        let (whole, sparse) = (Self.parameters(lookup: nil), Self.parameters(lookup: "wte.weight"))
        let table = try #require(sparse.units.first { $0.touched != nil })
        #expect(table.slots.map(\.tensor.name) == ["wte.weight"])
        #expect(sparse.units.count { $0.touched != nil } == 1 && whole.units.allSatisfy { $0.touched == nil })
        for (step, tokens) in [[5, 6, 7, 40], [0, 6, 63], [6]].enumerated() {
            for set in [whole, sparse] {
                set.clearGradients()
                #expect((0..<table.count).allSatisfy { set.units[0].gradients[$0] == 0 })
                for token in tokens {
                    for column in 0..<24 {
                        set.units[0].gradients[token * 24 + column] = Float(token + step) * 0.01 - Float(column) * 0.003
                    }
                }
            }
            let noted = tokens.map { Int32($0) }
            table.touched?.mark(tokens: noted, rows: noted.count, firstToken: 0)
            for set in [whole, sparse] {
                set.optimise(
                    OptimizerStep(
                        .adamw(AdamW(), halfMoments: false), number: step + 1, learningRate: 0.01, gradientScale: 0.5))
            }
            for number in whole.units.indices {
                let (left, right) = (whole.units[number], sparse.units[number])
                #expect((0..<left.count).allSatisfy { left.weights[$0] == right.weights[$0] }, "step \(step)")
            }
        }
    }

    @Test func runsAreThoseOfTheTokensHeldHere() {
        let touched = TouchedRows(count: 10, width: 4)
        let tokens: [Int32] = [21, 19, 20, 30, 29, 24, 20]
        touched.mark(tokens: tokens, rows: tokens.count, firstToken: 20)
        var runs: [Range<Int>] = []
        touched.forEachRun { runs.append($0) }
        #expect(runs == [0..<2, 4..<5, 9..<10])
        var ever: [Range<Int>] = []
        touched.clear()
        touched.mark(tokens: [23], rows: 1, firstToken: 20)
        touched.forEachRunByHistory { if $1 { ever.append($0) } }
        // The step before was never counted: nobody stepped it.
        #expect(ever == [3..<4])
    }

    @Test func shardedOrTiedTablesAreWhole() {
        let units = ParameterLayout.units(model: Self.model, layers: 0..<1, isFirst: true, isLast: true)
        let sharded = ParameterSet(
            stages: [(0, units)], sharding: .optimizer, shard: TensorSlice(rank: 0, size: 2), lookup: "wte.weight")
        #expect(sharded.units.allSatisfy { $0.touched == nil })
    }
}
