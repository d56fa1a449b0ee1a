/// What a multi-head attention computes in order that its queries see few keys: an indexer that chooses blocks of keys, or
/// keys that each stand for several tokens. Every tensor rank computes it for its own rows, as the indexers of latent attention.
struct ChosenKeys {
    let tensors: [TensorSpec]
    let products: [Product]
    /// Numbers of a row that these products give.
    let results: Int
    /// Numbers of a row that are kept beside them: inputs of norms, and compressed keys.
    let kept: Int
    /// Places of the chosen keys of a row.
    let places: Int
    /// Numbers of a row that all tensor ranks need of each other's rows.
    let shared: Int
    /// Half of the multiply-adds of one token and one key in the search for the best keys.
    let indexWidth: Double
    /// Formulas of the weights of a token's products, of `indexWidth`, and the sizes that they name.
    let weights: String
    let index: String
    let sizes: [SizeSymbol]
    /// Parameters that no product multiplies: norms and biases of positions.
    let others: Int

    /// nil: the block has neither.
    init?(_ model: Model) {
        if let blocks = model.block.keyBlocks {
            self.init(blocks, model)
        } else if let compression = model.block.keyCompression {
            self.init(compression, model)
        } else {
            return nil
        }
    }

    /// The indexer's queries and its key, each with a norm (transformers 5.24, `MiniMaxM3VLIndexer`).
    private init(_ blocks: Model.KeyBlocks, _ model: Model) {
        let (h, own) = (model.hidden, blocks.heads * blocks.headSize)
        tensors = [
            Self.matrix("q_proj", [own, h]), Self.matrix("k_proj", [blocks.headSize, h]),
            Self.norm("q_norm", blocks.headSize), Self.norm("k_norm", blocks.headSize),
        ]
        products = [Self.product(h, own), Self.product(h, blocks.headSize)]
        results = own + blocks.headSize
        kept = own + blocks.headSize
        places = blocks.heads * min(blocks.topK, (model.sequence + blocks.size - 1) / blocks.size)
        shared = blocks.headSize
        indexWidth = Double(own) / 2
        others = 2 * blocks.headSize
        weights = "h·(a_i + 1)·d_i"
        index = "a_i·d_i/2"
        sizes = [
            SizeSymbol("a_i", blocks.heads, "heads of the indexer"),
            SizeSymbol("d_i", blocks.headSize, "size of the indexer's heads"),
        ]
    }

    /// The rows that are compressed with a gate for each number, and the norm of the results; with an indexer the same at
    /// its size, its queries from the latent ones, and a weight for each of its heads (transformers 5.24,
    /// `DeepseekV4CSACompressor`, `DeepseekV4HCACompressor`, `DeepseekV4Indexer`).
    private init(_ compression: Model.KeyCompression, _ model: Model) {
        let (h, size, ratio) = (model.hidden, model.block.headSize, compression.ratio)
        let series = compression.overlap ? 2 : 1
        func compressor(_ place: String, _ size: Int) -> [TensorSpec] {
            [
                Self.matrix("kv_proj", [series * size, h], in: place),
                Self.matrix("gate_proj", [series * size, h], in: place, joinsPrevious: true),
                TensorSpec(
                    name: "self_attn.\(place).position_bias", shape: [ratio, series * size], start: .zeros,
                    seesStreamRows: true),
                Self.norm("kv_norm", size, in: place),
            ]
        }
        var (tensors, products) = (compressor("compressor", size), [Self.product(h, 2 * series * size)])
        var (results, others) = (2 * series * size, ratio * series * size + size)
        var compressed = size
        var (weights, width) = ("2·h·n_c·d", 0.0)
        var sizes = [SizeSymbol("n_c", series, "series that keys are compressed from")]
        if let indexer = compression.indexer {
            let (own, queries) = (indexer.headSize, model.block.queryRank ?? h)
            tensors += compressor("compressor.indexer", own)
            tensors += [
                Self.matrix("q_b_proj", [indexer.heads * own, queries], in: "compressor.indexer"),
                Self.matrix("scorer.weights_proj", [indexer.heads, h], in: "compressor.indexer"),
            ]
            products += [
                Self.product(h, 2 * series * own), Self.product(queries, indexer.heads * own),
                Self.product(h, indexer.heads),
            ]
            results += 2 * series * own + indexer.heads * (own + 1)
            others += ratio * series * own + own
            compressed += own
            // Scores of compressed keys alone, of which there is one for every `ratio` tokens.
            width = Double(indexer.heads * (own + 1)) / 2 / Double(ratio)
            weights +=
                " + 2·h·n_c·d_i + \(model.block.queryRank == nil ? "h" : "r_q")·a_i·d_i + h·a_i"
            sizes += [
                SizeSymbol("a_i", indexer.heads, "heads of the indexer"),
                SizeSymbol("d_i", own, "size of the indexer's heads"),
            ]
        }
        (self.tensors, self.products, self.results, self.others) = (tensors, products, results, others)
        // Compressed rows before and behind their norm.
        kept = (2 * compressed + ratio - 1) / ratio
        shared = (compressed + ratio - 1) / ratio
        let keys = (model.sequence + ratio - 1) / ratio
        places = compression.indexer.map { min($0.topK, keys) } ?? 0
        indexWidth = width
        self.weights = weights
        index = width > 0 ? "a_i·(d_i + 1)/(2·w_c)" : "0"
        self.sizes = sizes
    }

    /// The sizes that the formulas of all of these name.
    var allSizes: [SizeSymbol] {
        sizes + [
            SizeSymbol("o_i", others, "parameters of norms and positions beside these products"),
            SizeSymbol("u_i", results, "numbers of a row that these products give"),
            SizeSymbol("k_i", kept, "numbers of a row that are kept beside them"),
            SizeSymbol("p_i", places, "places of the chosen keys of a row"),
        ]
    }

    /// Adds what is kept, computed and sent to the part of an attention.
    func add(to part: inout Part) {
        part.kept += [Kept(Extent(.scattered, whole: results)), Kept(Extent(.scattered, whole: kept))]
        if places > 0 { part.kept.append(Kept(Extent(.all, whole: places), .single)) }
        part.operands.append(Stored(Extent(.scattered, whole: results), .operand))
        let rows = Extent(.scattered, whole: results)
        part.forward.kernels.append([Stored(rows, times: 2)])
        part.backward.kernels.append([Stored(rows, times: 3)])
        part.otherKernels += 2
        part.messages.add(TensorMessages(gatheredOnce: [shared]))
    }

    private static func matrix(
        _ name: String, _ shape: [Int], in place: String = "indexer", joinsPrevious: Bool = false
    ) -> TensorSpec {
        TensorSpec(
            name: "self_attn.\(place).\(name).weight", shape: shape, start: .normal(Model.startDeviation),
            seesStreamRows: true, joinsPrevious: joinsPrevious)
    }

    private static func norm(_ name: String, _ width: Int, in place: String = "indexer") -> TensorSpec {
        TensorSpec(
            name: "self_attn.\(place).\(name).weight", shape: [width], start: .ones, seesStreamRows: true)
    }

    private static func product(_ inputs: Int, _ outputs: Int) -> Product {
        Product(.scattered, inputs: Width(whole: inputs), outputs: Width(whole: outputs))
    }
}
