import Models
import Numbers
import Reading
import TestSupport
import Testing

/// What a part says in one place agrees with what it says in another, for every named model and for drawn ones.
@Suite struct PartTests {
    static let named = Checkout.library.modelNames

    /// Models that no file has: sizes drawn at random, of which up to 4 tensor ranks divide every width.
    static let drawn: [Model] = {
        var random = SplitMix64(seed: 13)
        func one(_ choices: [Int]) -> Int { choices[Int(random.next() % UInt64(choices.count))] }
        let models = (0..<200).map { number in
            let heads = 4 * one([1, 2, 3, 5])
            let latent = number % 3 == 0
            // Queries, keys and values of a GPT lie in one matrix, in which a real run takes them as equally wide.
            let isGPT = !latent && number % 4 >= 2
            let mixture: Model.Mixture? =
                number % 2 == 0
                ? Model.Mixture(
                    experts: 4 * one([1, 2, 4]), topK: one([1, 2]), ffn: 8 * one([1, 3, 7]), shared: one([0, 1, 2]),
                    firstDense: one([0, 1])) : nil
            return Model(
                family: isGPT ? .gpt : .llama, layers: one([1, 2, 5]), hidden: 8 * one([4, 6, 11]),
                heads: heads, kvHeads: latent || isGPT ? heads : 4 * one([1, heads / 4]), headSize: 2 * one([2, 4, 7]),
                ffn: 4 * one([8, 13, 31]), vocab: 4 * one([16, 25]), sequence: one([8, 32]),
                tiedEmbeddings: number % 5 == 0, moe: mixture,
                mla: latent
                    ? Model.LatentAttention(
                        queryRank: one([0, 12]), kvRank: one([8, 20]), nopeSize: one([4, 6]), ropeSize: one([2, 4]),
                        valueSize: one([4, 10])) : nil)
        }
        return models + mixed(models.filter { $0.mla == nil && $0.family == .llama })
    }()

    /// Models with every token mixer, in place of the attention of `models` and beside it.
    private static func mixed(_ models: [Model]) -> [Model] {
        let mixers: [Mixer] = [
            .mamba2(Mixer.Mamba2(heads: 8, headSize: 6, stateSize: 5)),
            .mamba2(Mixer.Mamba2(heads: 8, headSize: 6, stateSize: 5, groups: 4, bias: true, norm: false)),
            .mamba(Mixer.Mamba(inner: 24, stepRank: 3, bias: true, norms: true)),
            .gatedDeltaNet(Mixer.GatedDeltaNet(keyHeads: 4, valueHeads: 8, keySize: 3, valueSize: 5)),
            .kimiDeltaAttention(Mixer.KimiDeltaAttention(heads: 4, headSize: 6, decayRank: 5)),
            .kimiDeltaAttention(Mixer.KimiDeltaAttention(heads: 4, headSize: 6, gateRank: 5)),
            .lightningAttention(Mixer.LightningAttention(heads: 4, headSize: 6)),
            .shortConvolution(Mixer.ShortConvolution(kernel: 3, bias: true)),
            .rgLRU(Mixer.RGLRU(width: 24, blocks: 4)), .rwkv(Mixer.RWKV(attentionSize: 28)),
            .mLSTM(Mixer.MLSTM(heads: 4, keySize: 3, valueSize: 5, bias: true)),
        ]
        return mixers.enumerated().flatMap { number, mixer in
            [false, true].map { isBeside in
                var model = models[number]
                model.block.mixers = [mixer]
                model.block.besideAttention = isBeside
                return model
            }
        }
    }

    /// Models of text: those of pictures have products of samples (`PictureTests`).
    static var models: [Model] {
        named.compactMap { try? Model.read($0, library: Checkout.library) }.filter { !$0.hasPicture } + drawn
    }

    @Test func thereAreModelsOfEveryKind() {
        #expect(Self.named.count >= 10)
        #expect(Self.drawn.contains { $0.mla != nil && $0.moe != nil })
        #expect(Self.drawn.contains { $0.family == .gpt && $0.moe != nil })
        #expect(Set(Self.drawn.compactMap { $0.block.mixer?.key }).count == 9)
    }

    /// Every weight of a matrix is multiplied by one product, which its part lists: parameters and FLOPs cannot disagree.
    @Test func matricesAreTheWeightsOfProducts() {
        for model in Self.models {
            let parts = ModelParts(model)
            for block in parts.blocks {
                for part in [block.norms, block.attention.part, block.feedForward.part] {
                    #expect(part.products.weights == Double(part.tensors.matrixParameters), "\(model)")
                }
                let experts = block.feedForward.experts
                #expect(
                    block.expertProducts.weights == Double(experts?.tensors.matrixParameters ?? 0), "\(model)")
                let routed = Double(block.mixture?.topK ?? 0) * block.expertProducts.weights
                #expect(
                    model.uniform(block.shape).activeWeights == block.products.weights + routed, "\(model)")
            }
        }
    }

    /// A head multiplies every weight of its table, both ends those of a projection beside a narrower one, and an end's
    /// tensors are what a rank of its own holds.
    @Test func endsAreTheirTables() {
        for model in Self.models {
            let parts = ModelParts(model)
            let table = model.table("").count
            let projection = (model.embeddingSize ?? 0) * model.hidden
            #expect(parts.head.part.products.weights == Double(table + projection), "\(model)")
            #expect(parts.embedding.part.products.weights == Double(projection), "\(model)")
            #expect(model.headWeights == Double(table + 2 * projection), "\(model)")
            for end in [parts.embedding, parts.head] {
                #expect(end.held(vocabulary: model.vocab, tensor: 1) == Double(end.part.tensors.parameters), "\(model)")
                #expect(end.table(vocabulary: model.vocab, tensor: 4) * 4 == Double(table), "\(model)")
            }
            // Logits are as wide as the padded vocabulary of one rank, and rows of the residual stream are divided.
            let padded = model.paddedVocab(tensor: 4)
            let division = Division(tokens: 64, tensor: 4, sequence: 4, vocabulary: padded)
            #expect(parts.head.logits.map(division.numbers) == Double(64 * padded / 4), "\(model)")
            let stored = parts.head.part.kept.filter { $0.role != .castNormInput && $0.role != .normalised }.map(
                \.stored.extent
            )
            .filter { $0.rows == .scattered }
            let widths = [model.hidden, model.hidden] + [model.embeddingSize].compactMap(\.self)
            #expect(stored.map(division.numbers) == widths.map { Double(16 * $0) }, "\(model)")
        }
    }

    /// A head and an embedding on one rank have one table if it is tied.
    @Test(arguments: [true, false]) func tiedTablesAreHeldOnce(isTied: Bool) throws {
        var model = try #require(Self.drawn.first)
        model.tiedEmbeddings = isTied
        func held(_ embedding: Bool, _ head: Bool) -> Double {
            ModelParts(model).deviceParameters(
                blocks: [], tensor: 1, vocabulary: model.vocab, holdsEmbedding: embedding, holdsHead: head)
        }
        let table = Double(model.table("").count)
        #expect(held(true, false) + held(false, true) - held(true, true) == (isTied ? table : 0))
    }

    /// The tensors of the whole model are its parameters, and no two have one name.
    @Test func tensorsAreTheParameters() {
        for model in Self.models where model.layers <= 8 {
            var tensors = (0..<model.layers).flatMap { layer in
                model.tensors(ofBlock: layer).all
                    + (model.hasExperts(layer)
                        ? (0..<(model.moe?.experts ?? 0)).flatMap { model.tensors(ofExpert: $0, inBlock: layer) } : [])
            }
            let counts = model.parameters()
            #expect(tensors.parameters == counts.blocks, "\(model)")
            tensors += [model.positions].compactMap(\.self) + model.finalNorm
            #expect(Set(tensors.map(\.name)).count == tensors.count, "\(model)")
        }
    }

    /// Ranks that cut a block hold together every element of a cut tensor once, and each of them every other tensor.
    @Test(arguments: [1, 2, 4]) func ranksHoldEveryElementOnce(ranks: Int) {
        for model in Self.drawn {
            let parts = ModelParts(model)
            for block in parts.blocks {
                let tensors = block.norms.tensors + block.attention.part.tensors + block.feedForward.part.tensors
                let held = tensors.reduce(0) { $0 + TensorSlice(rank: 0, size: ranks).count($1) }
                #expect(block.parameters.held(tensor: Double(ranks)) == Double(held), "\(model)")
                for tensor in tensors {
                    var holders = [Int](repeating: 0, count: tensor.count)
                    for rank in 0..<ranks {
                        let slice = TensorSlice(rank: rank, size: ranks)
                        var local = Set<Int>()
                        slice.forEachRun(tensor) { place, whole, count in
                            for index in 0..<count {
                                holders[whole + index] += 1
                                local.insert(place + index)
                            }
                        }
                        let isFilled = local == Set(0..<slice.count(tensor))
                        #expect(isFilled, "\(tensor)")
                    }
                    let isHeld = holders.allSatisfy { $0 == (tensor.split == .whole ? ranks : 1) }
                    #expect(isHeld, "\(tensor)")
                }
            }
        }
    }

    /// A product's result is what its matrix makes of a row, and ranks divide an extent evenly.
    @Test func extentsAreDividedAmongRanks() {
        for model in Self.drawn {
            let parts = ModelParts(model)
            for block in parts.blocks {
                let whole = Division(tokens: 64, tensor: 1, sequence: 1, mixture: block.mixture)
                let cut = Division(tokens: 64, tensor: 4, sequence: 4, expertTensor: 4, mixture: block.mixture)
                for extent in block.kept.map(\.stored.extent) where extent.rows == .scattered && extent.width.cut == 0 {
                    #expect(cut.numbers(extent) * 4 == whole.numbers(extent), "\(model)")
                }
                for extent in block.kept.map(\.stored.extent) where extent.rows == .all && extent.width.whole == 0 {
                    #expect(cut.numbers(extent) * 4 == whole.numbers(extent), "\(model)")
                }
            }
        }
    }
}

extension Array where Element == TensorSpec {
    /// Parameters of the matrices among the tensors: weights of products. A convolution's have three dimensions.
    fileprivate var matrixParameters: Int { reduce(0) { $0 + ($1.shape.count == 2 ? $1.count : 0) } }
}
