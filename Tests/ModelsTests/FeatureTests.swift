import Models
import Testing

/// Models with features and kinds of block: what parts say in one place agrees with what they say in another.
@Suite struct FeatureTests {
    static let models: [Model] = PartTests.drawn.enumerated().map { number, plain in
        var model = plain
        model.norm = ([nil] + Norm.allCases)[number % 5]
        model.positionKind = ([nil] + Positions.allCases)[number % 5 / 2]
        model.biases =
            [nil, [], Bias.allCases, [.experts, .head], [.attentionOutput, .sharedExperts]][number % 7 % 5]
        model.embeddingNorm = number % 3 == 0
        model.hasFinalNorm = number % 4 != 1
        model.embeddingSize = number % 4 == 2 ? 12 : nil
        model.otherParameters = number % 5
        func featured(_ number: Int) -> BlockShape {
            var shape = plain.block
            shape.norms = BlockShape.NormPlacement.allCases[number % 3]
            if shape.norms == .pre { shape.parallel = BlockShape.Parallel.allCases[number / 3 % 3] }
            shape.extraParameters = number % 4
            if shape.moe == nil { shape.halves = BlockShape.Halves.allCases[number % 5 % 3] }
            shape.moe?.denseFfn = number % 2 * 8
            shape.moe?.latentSize = number % 4 == 1 ? 12 : nil
            shape.moe?.routerCorrection = number % 5 == 2
            if let moe = shape.moe { shape.moe?.sharedGate = moe.shared > 0 && number % 3 == 1 }
            if shape.halves == .feedForward {
                shape.mla = nil
                shape.mixers = []
                shape.besideAttention = false
            }
            if let mla = shape.mla {
                shape.mla?.indexer =
                    mla.queryRank > 0 && number % 2 == 0 ? Model.Indexer(heads: 3, headSize: 4, topK: 5) : nil
                shape.outputGate = BlockShape.OutputGate.allCases[number % 3]
                if shape.mla?.indexer == nil { shape.window = 7 }
            } else if shape.hasSoftmax {
                shape.qkNorm = BlockShape.QKNorm.allCases[number % 4]
                shape.outputGate = BlockShape.OutputGate.allCases[number % 3]
                shape.keyValues = BlockShape.KeyValues.allCases[number / 2 % 3]
                shape.sinks = number % 2 == 0
                if shape.keyValues != .keysAreValues, number % 5 == 0 { shape.valueSize = 6 }
            }
            return shape
        }
        model.block = featured(number)
        guard number % 3 != 1 else { return model }
        var plainKind = plain.block
        plainKind.ffn *= 2
        model.kinds = [
            BlockKind(name: "a", shape: model.block), BlockKind(name: "b", shape: featured(number + 5)),
            BlockKind(name: "c", shape: plainKind),
        ]
        model.pattern = (0..<model.layers).map { ($0 + number) % 3 }
        return model
    }

    @Test func modelsObeyTheRules() {
        for model in Self.models { #expect(model.problems.isEmpty, "\(model.problems) \(model)") }
    }

    @Test func tensorsAreTheParameters() {
        for model in Self.models {
            var tensors = (0..<model.layers).flatMap { layer in
                model.tensors(ofBlock: layer).all
                    + (0..<(model.hasExperts(layer) ? model.shape(ofBlock: layer).moe?.experts ?? 0 : 0)).flatMap {
                        model.tensors(ofExpert: $0, inBlock: layer)
                    }
            }
            let counts = model.parameters()
            #expect(tensors.parameters == counts.blocks, "\(model)")
            let parts = ModelParts(model)
            tensors += parts.embedding.part.tensors + parts.head.part.tensors
            #expect(tensors.parameters == counts.total + (model.tiedEmbeddings ? model.head.count : 0), "\(model)")
            let names = tensors.map(\.name)
            #expect(Set(names).count == names.count - (model.tiedEmbeddings ? 1 : 0), "\(model)")
        }
    }

    /// Every weight of a matrix is multiplied by one product. Norms of heads are lists of norms, not matrices, and neither
    /// are kernels of convolutions and decays of states.
    @Test func matricesAreTheWeightsOfProducts() {
        for model in Self.models {
            for block in ModelParts(model).blocks {
                for part in [block.norms, block.attention.part, block.feedForward.part] {
                    let matrices = part.tensors.filter { tensor in
                        tensor.shape.count >= 2 && !(tensor.shape.count == 3 && tensor.shape[1] == 1)
                            && !["_norm.", "A_log"].contains { tensor.name.contains($0) }
                    }
                    #expect(part.products.weights == Double(matrices.parameters), "\(model)")
                }
            }
        }
    }

    /// A rank holds as many parameters of a block as the slices of its tensors.
    @Test(arguments: [1, 2, 4]) func ranksHoldTheirSlices(ranks: Int) {
        for model in Self.models {
            for block in ModelParts(model).blocks {
                let tensors = block.norms.tensors + block.attention.part.tensors + block.feedForward.part.tensors
                let held = tensors.reduce(0) { $0 + TensorSlice(rank: 0, size: ranks).count($1) }
                #expect(block.parameters.held(tensor: Double(ranks)) == Double(held), "\(model)")
            }
        }
    }
}
