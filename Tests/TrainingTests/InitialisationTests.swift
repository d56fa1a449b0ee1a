import Models
import Numbers
import Plans
import Tensors
import Testing
import Training

@Suite struct InitialisationTests {
    static let model = Model(family: .gpt, layers: 3, hidden: 32, heads: 4, vocab: 64, sequence: 16)

    /// A whole tensor of any name and shape.
    static func tensor(_ name: String, shape: [Int], start: TensorSpec.Start) -> TensorSpec {
        var tensor = ParameterLayout.allTensors(model: model)[0]
        (tensor.name, tensor.shape, tensor.start, tensor.split) = (name, shape, start, .whole)
        return tensor
    }

    @Test func crc32OfTheStandardCheckString() {
        #expect(Initialisation.crc32("123456789") == 0xCBF4_3926)
    }

    @Test func splitMix64OfItsPublishedSequence() {
        // First outputs of SplitMix64 seeded with 1234567 (Vigna's reference implementation).
        var random = SplitMix64(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
        #expect(SplitMix64.first(seed: 1_234_567) == 6_457_827_717_110_365_317)
    }

    @Test func normalTensorsHaveTheirMomentsAndDependOnSeedAndName() {
        let count = 100_000
        func drawn(_ name: String, seed: UInt64) -> [Float] {
            let storage = Storage<Float>(count: count)
            let tensor = Self.tensor(name, shape: [count / 100, 100], start: .normal(0.02))
            Initialisation.fill(storage.pointer, tensor: tensor, seed: seed)
            return Array(UnsafeBufferPointer(start: storage.pointer, count: count))
        }
        let values = drawn("a", seed: 1).map(Double.init)
        let mean = values.reduce(0, +) / Double(count)
        let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)).squareRoot()
        #expect(abs(mean) < 5 * 0.02 / Double(count).squareRoot())
        #expect(abs(deviation - 0.02) < 0.0003)
        // About 0.27 % of a normal lies beyond three deviations.
        #expect((150...400).contains(values.count { abs($0) > 0.06 }))
        #expect(drawn("a", seed: 1) == drawn("a", seed: 1))
        #expect(drawn("a", seed: 1) != drawn("b", seed: 1))
        #expect(drawn("a", seed: 1) != drawn("a", seed: 2))
    }

    @Test(arguments: [true, false]) func stagesHoldTheWholeModelOnce(tied: Bool) {
        var model = Self.model
        model.tiedEmbeddings = tied
        let whole = ParameterLayout.allTensors(model: model)
        #expect(whole.map(\.count).reduce(0, +) == model.parameters().total)
        let first = ParameterLayout.tensors(model: model, layers: 0..<2, isFirst: true, isLast: false)
        let last = ParameterLayout.tensors(model: model, layers: 2..<3, isFirst: false, isLast: true)
        let copies = tied ? ["wte.weight"] : []
        #expect((first + last).map(\.name).sorted() == (whole.map(\.name) + copies).sorted())
    }

    @Test func weightsDoNotDependOnTheSplit() throws {
        let model = Self.model
        let whole = ParameterSet(
            stages: [(0, ParameterLayout.units(model: model, layers: 0..<3, isFirst: true, isLast: true))])
        whole.initialise(seed: 7)
        let parts = ParameterSet(
            stages: [
                (1, ParameterLayout.units(model: model, layers: 1..<2, isFirst: false, isLast: false)),
                (2, ParameterLayout.units(model: model, layers: 2..<3, isFirst: false, isLast: true)),
            ])
        parts.initialise(seed: 7)
        for unit in parts.units {
            for slot in unit.slots {
                let expected = whole.parameter(stage: 0, name: slot.tensor.name).weight
                let actual = unit.weights + slot.offset
                #expect((0..<slot.count).allSatisfy { actual[$0] == expected[$0] }, "\(slot.tensor.name)")
                #expect(slot.tensor.decays == (slot.offset < unit.decayedCount), "\(slot.tensor.name)")
            }
        }
    }

    /// Every element of a tensor lies on exactly one tensor rank, and starts with the whole tensor's value.
    @Test(arguments: [2, 4]) func sharesMakeTheWholeTensor(size: Int) {
        for tensor in ParameterLayout.allTensors(model: Self.model) {
            let whole = Storage<Float>(count: tensor.count)
            Initialisation.fill(whole.pointer, tensor: tensor, seed: 7)
            var seen = [Int](repeating: 0, count: tensor.count)
            for rank in 0..<size {
                let share = TensorSlice(rank: rank, size: size)
                let part = Storage<Float>(count: share.count(tensor))
                Initialisation.fill(part.pointer, tensor: tensor, seed: 7, share: share)
                var filled = 0
                share.forEachRun(tensor) { local, place, count in
                    for index in 0..<count {
                        #expect(part.pointer[local + index] == whole.pointer[place + index], "\(tensor.name)")
                        seen[place + index] += 1
                    }
                    filled += count
                }
                #expect(filled == share.count(tensor), "\(tensor.name)")
            }
            let copies = tensor.split == .whole ? size : 1
            #expect(seen.allSatisfy { $0 == copies }, "\(tensor.name)")
        }
    }

    /// The slices of all shards lie side by side and cover every unit.
    @Test(arguments: Layout.Sharding.allCases) func slicesCoverEveryUnit(sharding: Layout.Sharding) {
        let units = ParameterLayout.units(model: Self.model, layers: 0..<3, isFirst: true, isLast: true)
        let sets = (0..<3).map {
            ParameterSet(stages: [(0, units)], sharding: sharding, shard: TensorSlice(rank: $0, size: 3))
        }
        for number in sets[0].units.indices {
            let ranges = sets.map { $0.ownRange($0.units[number]) }
            let count = sets[0].units[number].count
            if sharding == .none {
                #expect(ranges.allSatisfy { $0 == 0..<count })
            } else {
                #expect(ranges.flatMap(Array.init) == Array(0..<count))
                #expect(ranges.allSatisfy { $0.count % 16 == 0 })
            }
        }
    }
}
