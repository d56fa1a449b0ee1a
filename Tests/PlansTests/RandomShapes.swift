import Models
import Numbers

/// Models with any features and any number of kinds, as a file may state them.
enum RandomShapes {
    static func models(_ count: Int, seed: UInt64) -> [Model] {
        var numbers = SplitMix64(seed: seed)
        var models: [Model] = []
        while models.count < count {
            let model = model(&numbers)
            if model.problems.isEmpty { models.append(model) }
        }
        return models
    }

    private static func pick<Value>(_ values: [Value], _ numbers: inout SplitMix64) -> Value {
        values[Int.random(in: 0..<values.count, using: &numbers)]
    }

    private static func model(_ numbers: inout SplitMix64) -> Model {
        func one<Value>(_ values: [Value]) -> Value { pick(values, &numbers) }
        func some<Value>(_ values: [Value]) -> Value? { pick([nil, nil, nil] + values.map(Optional.some), &numbers) }
        var model = Model(
            family: one(Model.Family.allCases), layers: one([1, 2, 5, 12, 31]), hidden: 64, heads: 4, vocab: 256,
            sequence: 64, tiedEmbeddings: one([true, false]))
        model.norm = some(Norm.allCases)
        model.positionKind = some(Positions.allCases)
        model.positionEntries = some([64, 100])
        let subset = Bias.allCases.filter { _ in Bool.random(using: &numbers) }
        model.biases = some([[], subset, [.attentionInput, .attentionOutput, .feedForward]])
        model.embeddingNorm = one([false, false, true])
        model.hasFinalNorm = one([true, true, false])
        model.embeddingSize = some([16, 32])
        model.otherParameters = one([0, 0, 5])
        model.block = shape(&numbers)
        guard Bool.random(using: &numbers) else { return model }
        let names = ["local", "global", "x-1", "Mamba.2"].prefix(one([1, 2, 3, 4]))
        model.kinds = names.map { name in
            let isLikeBase = Int.random(in: 0..<4, using: &numbers) == 0
            return BlockKind(name: name, shape: isLikeBase ? model.block : shape(&numbers))
        }
        let period = one([1, 2, 3, 6, 31])
        let kind = (0..<period).map { _ in Int.random(in: 0..<names.count, using: &numbers) }
        model.pattern = (0..<model.layers).map { kind[$0 % period] }
        return model
    }

    static func shape(_ numbers: inout SplitMix64) -> BlockShape {
        func one<Value>(_ values: [Value]) -> Value { pick(values, &numbers) }
        func some<Value>(_ values: [Value]) -> Value? { pick([nil, nil, nil] + values.map(Optional.some), &numbers) }
        var shape = BlockShape(
            heads: one([2, 4]), kvHeads: one([1, 2]), headSize: one([8, 16]), ffn: one([32, 128]),
            mlp: one(Model.MLP.allCases))
        if let shared = some([0, 1, 2]) {
            shape.moe = Model.Mixture(
                experts: 8, topK: one([1, 8]), ffn: 16, shared: shared, sharedFfn: one([16, 24]),
                imbalance: one([1, 1.25]), nodeLimit: some([2]))
            shape.moe?.sharedGate = shared > 0 && Bool.random(using: &numbers)
            shape.moe?.denseFfn = one([0, 48])
            shape.moe?.latentSize = some([24])
            shape.moe?.routerCorrection = one([false, true])
        }
        if let rank = some([0, 8]) {
            shape.mla = Model.LatentAttention(queryRank: rank, kvRank: 8, nopeSize: 8, ropeSize: 4, valueSize: 8)
            if rank > 0 { shape.mla?.indexer = some([Model.Indexer(heads: 2, headSize: 4, topK: 16)]) }
        } else {
            shape.valueSize = some([8, 12])
            shape.window = some([1, 20])
            shape.chunk = some([16])
            shape.qkNorm = one(BlockShape.QKNorm.allCases)
            shape.outputGate = one(BlockShape.OutputGate.allCases)
            shape.sinks = one([false, true])
            shape.keyValues = one(BlockShape.KeyValues.allCases)
        }
        shape.halves = one([.both, .both, .both] + BlockShape.Halves.allCases)
        shape.norms = one([.pre, .pre] + BlockShape.NormPlacement.allCases)
        shape.parallel = one([.none, .none] + BlockShape.Parallel.allCases)
        shape.extraParameters = one([0, 0, 7])
        return shape
    }
}
