extension End {
    /// The first layers of a model of images or videos: a projection of patches, learned tokens, positions, and embedders
    /// of what a diffusion model is told.
    ///
    /// Letters: h hidden, n_p numbers of a patch, n_t tokens of a text with h_t numbers each, h_c numbers of a sample's
    /// condition. Every tensor rank has all weights and, with sequence parallelism, works on its own rows. The projection
    /// of patches is a product, as a convolution with its kernel's size as stride is (Dosovitskiy et al. 2020, section
    /// 3.1). Two linear layers embed each scalar and a pooled text to the condition, and add a row of a table of labels.
    /// Activations of the embedders of samples are left out, a few rows for each sample.
    static func pictures(_ model: Model) -> End {
        let first = PictureLayers(model)
        let stream = Extent(.scattered, whole: model.hidden)
        var part = Part()
        part.tensors = first.layers.flatMap(\.tensors) + first.others
        part.products = first.layers.map(\.product)
        part.kept = [Kept(stream, .mask)]
        part.kept += first.layers.filter(\.keepsInput).map {
            Kept(Extent($0.product.rows, whole: $0.product.inputs.total))
        }
        part.kept += first.kept.map { Kept($0.extent) }
        let addsPositions = model.positions != nil || model.conventions.positions == .sinusoidal
        // Patches are read and their rows written; the addition of positions reads and writes the rows.
        part.forward.kernels = [[Stored(stream, times: addsPositions ? 3 : 1)]]
        part.backward.kernels = [[Stored(stream)]]
        if model.embeddingNorm {
            part.kept.append(Kept(stream, role: model.roleOfNormInputs))
            part.kept += model.stepsOfNorms(stream, count: 1)
            part.forward.kernels.append([Stored(stream, times: 2)])
            part.backward.kernels.append([Stored(stream, times: 3)])
        }
        let whole = first.layers.map(\.parameters) + first.otherWords
        let kept = [model.embeddingNorm ? "w·T·h/σ" : nil] + first.layers.filter(\.keepsInput).map(\.keptWords)
        let terms = kept.compactMap { $0 } + first.kept.map(\.words)
        return End(
            part: part, width: model.hidden,
            words: EndWords(
                pictures: first.sizes, whole: whole, weights: first.layers.map(\.weights),
                kept: terms.isEmpty ? nil : "(\(terms.joined(separator: " + ")))", masks: "T·h/σ"))
    }

    /// The last layers of a model of images or videos: a norm, and a projection to the numbers of each patch, to classes,
    /// or none.
    ///
    /// Letter: n_o numbers of a row of the output. A diffusion model scales and shifts the norm's result by two vectors of
    /// the condition, or of a table with shared modulation (Peebles and Xie 2022, `FinalLayer`). Its loss, a mean squared
    /// error, reads the output in fp32. Classes are told from one row of each sample.
    static func predictions(_ model: Model) -> End {
        let last = PictureHead(model)
        let stream = Extent(.scattered, whole: model.hidden)
        let output = Extent(last.rows, whole: last.outputs)
        let norms = model.hasFinalNorm ? 1 : 0
        var part = Part()
        part.tensors = model.finalNorm + last.tensors
        part.products = last.products
        part.kept = [
            Kept(stream, times: Double(norms), role: model.roleOfNormInputs),
            Kept(stream, role: model.hasFinalNorm ? .normResult : .other),
        ]
        part.kept += model.stepsOfNorms(stream, count: norms)
        let isModulated = model.diffusion != nil && model.hasFinalNorm
        if isModulated { part.kept.append(Kept(stream)) }
        if last.outputs > 0 {
            part.kept.append(Kept(output, .single, role: .logits))
            part.operands = [Stored(output)]
        }
        let kernels = norms + (isModulated ? 1 : 0)
        part.forward.kernels = Array(repeating: [Stored(stream, times: 2)], count: kernels)
        part.backward.kernels = Array(repeating: [Stored(stream, times: 3)], count: kernels)
        let rows = 1 + norms + (isModulated ? 1 : 0)
        func kept(_ count: Int) -> String { count == 1 ? "w·T·h/σ" : "\(count)·w·T·h/σ" }
        let whole = [model.hasFinalNorm ? model.normWords(count: 1) : nil].compactMap { $0 } + last.parameters
        return End(
            part: part, logits: output, losses: 1, width: model.hidden,
            words: EndWords(
                pictures: last.sizes, whole: whole, weights: last.weights, kept: kept(rows),
                keptWithoutNorm: kept(rows - norms), logits: last.outputs > 0 ? last.outputWords : "0",
                stepsOfNorm: part.stepsOfNorm))
    }

    /// Multiply-adds of a token in the products of both ends.
    static func pictureWork(_ model: Model) -> Double {
        let products = PictureLayers(model).layers.map(\.product) + PictureHead(model).products
        return products.work(RowShares(model, context: 1))
    }
}

/// A linear layer at an end of a model of images or videos, whole on every tensor rank.
private struct PictureLayer {
    var tensors: [TensorSpec]
    var product: Product
    /// Formulas of its parameters, of its multiply-adds of a token, and of its rows for each of the micro-batch.
    var parameters: String
    var weights: String
    var rows: String
    var inputs: String
    /// Whether its input is kept for the backward.
    var keepsInput = false

    /// Formula of the bytes of its input.
    var keptWords: String { "w·T·\(inputs)\(rows)" }

    /// - Parameters:
    ///   - count: number of such layers, which read one input or one input each.
    ///   - joins: whether the sequence has rows of a text.
    init(
        _ name: String, _ rows: Rows, from inputs: (words: String, size: Int), to outputs: (words: String, size: Int),
        bias: Bool = true, count: Int = 1, keepsInput: Bool = false, joins: Bool
    ) {
        let shape = [outputs.size, inputs.size]
        func sizes(_ shape: [Int]) -> [Int] { count > 1 ? [count] + shape : shape }
        tensors = [
            TensorSpec(
                name: "\(name).weight", shape: sizes(shape), start: .normal(Model.startDeviation),
                seesStreamRows: true)
        ]
        if bias {
            tensors.append(
                TensorSpec(
                    name: "\(name).bias", shape: sizes([outputs.size]), start: .zeros, seesStreamRows: true))
        }
        product = Product(rows, inputs: Width(whole: inputs.size), outputs: Width(whole: count * outputs.size))
        let times = count > 1 ? "\(count)·" : ""
        parameters = "\(times)\(bias ? "(\(inputs.words) + 1)" : inputs.words)·\(outputs.words)"
        let (share, divisor): (String, String) =
            switch rows {
            case .samples: ("/s", "·c/s")
            case .text: ("·n_t/s", "·n_t·c/s")
            case .scatteredText: ("·n_t/s", "·n_t/s/σ")
            case .scatteredImage: (joins ? "·(s − n_t)/s" : "", joins ? "·(s − n_t)/s/σ" : "/σ")
            default: ("", "")
            }
        weights = "\(times)\(inputs.words)·\(outputs.words)\(share)"
        self.rows = divisor
        self.inputs = inputs.words
        self.keepsInput = keepsInput
    }
}

/// The first layers of a model of images or videos.
private struct PictureLayers {
    var layers: [PictureLayer] = []
    /// Tensors without a product, and the formulas of their numbers.
    var others: [TensorSpec] = []
    var otherWords: [String] = []
    /// Rows of the text that are kept for the backward in addition to the layers' inputs, with the formulas of their bytes.
    var kept: [(extent: Extent, words: String)] = []
    var sizes: [SizeSymbol] = []

    init(_ model: Model) {
        guard let picture = model.picture else { return }
        let h = ("h", model.hidden)
        let joins = model.textJoins
        sizes.append(SizeSymbol("n_p", picture.patchNumbers, "numbers of a patch"))
        layers.append(
            PictureLayer(
                "patch_embed.proj", .scatteredImage, from: ("n_p", picture.patchNumbers), to: h, bias: picture.bias,
                keepsInput: true, joins: joins))
        if picture.learnedTokens > 0 {
            add("learned_tokens", [picture.learnedTokens, model.hidden], "\(picture.learnedTokens)·h")
        }
        if let positions = model.positions {
            others.append(positions)
            otherWords.append(model.positionEntries == nil ? "s·h" : "s_p·h")
        }
        addText(model)
        addConditions(model)
        let more = model.embeddingTensors + model.extra("model.other", model.otherParameters)
        others += more
        otherWords += [model.embeddingNorm ? model.normWords(count: 1) : nil].compactMap { $0 }
        if let entries = model.positionEntries { sizes.append(SizeSymbol("s_p", entries, "learned positions")) }
        if model.otherParameters > 0 {
            otherWords.append("n_o")
            sizes.append(SizeSymbol("n_o", model.otherParameters, "parameters in small tensors outside the blocks"))
        }
    }

    private mutating func add(_ name: String, _ shape: [Int], _ words: String) {
        others.append(
            TensorSpec(name: name, shape: shape, start: .normal(Model.startDeviation), seesStreamRows: true))
        otherWords.append(words)
    }

    /// The projection of the text, and the blocks that refine it: attention among its tokens and a network of four times
    /// the hidden size, each gated by a vector of the condition of the refiner's own embedders (tencent/HunyuanVideo,
    /// `token_refiner.py`). Scores among the text's tokens are left out.
    private mutating func addText(_ model: Model) {
        sizes += model.textSymbols
        guard let text = model.text, text.projection != .none else { return }
        let (h, width) = (("h", model.hidden), ("h_x", text.width))
        let rows: Rows = model.textJoins ? .scatteredText : .text
        let joins = model.textJoins
        sizes += [SizeSymbol("h_x", text.width, "numbers of a token of the text encoder")]
        func layer(
            _ name: String, _ rows: Rows, from inputs: (String, Int), to outputs: (String, Int), count: Int = 1,
            keepsInput: Bool = false
        ) -> PictureLayer {
            PictureLayer(
                name, rows, from: inputs, to: outputs, count: count, keepsInput: keepsInput, joins: joins)
        }
        layers.append(layer("text.linear_1", rows, from: width, to: h, keepsInput: true))
        if text.projection == .mlp { layers.append(layer("text.linear_2", rows, from: h, to: h, keepsInput: true)) }
        func keep(_ numbers: Int, _ words: String) {
            kept.append((Extent(rows, whole: numbers), "w·T·\(words)" + (joins ? "·n_t/s/σ" : "·n_t·c/s")))
        }
        // The input of the activation between two layers, and the rows that the cross-attentions of all blocks read.
        if text.projection == .mlp { keep(model.hidden, "h") }
        if !joins { keep(model.hidden, "h") }
        let blocks = text.refinerLayers
        guard blocks > 0 else { return }
        let scalar = ("h_f", model.diffusion?.scalarSize ?? 256)
        if model.diffusion == nil { sizes.append(SizeSymbol("h_f", scalar.1, "numbers of a scalar's sinusoids")) }
        for (name, from) in [("time", scalar), ("pooled", width)] {
            layers.append(layer("text.refiner.\(name).linear_1", .samples, from: from, to: h))
            layers.append(layer("text.refiner.\(name).linear_2", .samples, from: h, to: h))
        }
        layers += [
            layer("text.refiner.qkvo", rows, from: h, to: h, count: 4 * blocks),
            layer("text.refiner.up", rows, from: h, to: ("4·h", 4 * model.hidden), count: blocks),
            layer("text.refiner.down", rows, from: ("4·h", 4 * model.hidden), to: h, count: blocks),
            layer("text.refiner.gates", .samples, from: h, to: ("2·h", 2 * model.hidden), count: blocks),
        ]
        add("text.refiner.norms", [blocks, 4, model.hidden], "\(4 * blocks)·h")
        // Of a row: the stream and the norm's result before both halves, queries, keys, values and the attention's result,
        // and both sides of the activation.
        keep(16 * blocks * model.hidden, "\(16 * blocks)·h")
    }

    /// The embedders of scalars, labels and a pooled text, and the modulation that all blocks share.
    private mutating func addConditions(_ model: Model) {
        guard let diffusion = model.diffusion else { return }
        let (condition, scalar) = (("h_c", model.conditionSize), ("h_f", diffusion.scalarSize))
        sizes += [
            SizeSymbol("h_c", model.conditionSize, "numbers of a sample's condition"),
            SizeSymbol("h_f", diffusion.scalarSize, "numbers of a scalar's sinusoids"),
        ]
        func layer(
            _ name: String, from inputs: (String, Int), to outputs: (String, Int), count: Int = 1
        ) -> PictureLayer {
            PictureLayer(name, .samples, from: inputs, to: outputs, count: count, joins: false)
        }
        layers.append(layer("scalars.linear_1", from: scalar, to: condition, count: diffusion.scalars))
        layers.append(layer("scalars.linear_2", from: condition, to: condition, count: diffusion.scalars))
        if diffusion.pooledText > 0 {
            let pooled = ("h_v", diffusion.pooledText)
            sizes.append(SizeSymbol("h_v", diffusion.pooledText, "numbers of the text's one vector"))
            layers.append(layer("pooled_text.linear_1", from: pooled, to: condition))
            layers.append(layer("pooled_text.linear_2", from: condition, to: condition))
        }
        if diffusion.labels > 0 {
            add("label_table", [diffusion.labels, model.conditionSize], "n_l·h_c")
            sizes.append(SizeSymbol("n_l", diffusion.labels, "labels"))
        }
        let vectors = model.mostModulation
        if diffusion.sharedModulation, vectors > 0 {
            layers.append(
                layer("shared_modulation", from: condition, to: ("\(vectors)·h", vectors * model.hidden)))
        }
    }
}

/// The last layers of a model of images or videos.
private struct PictureHead {
    var rows = Rows.samples
    /// Numbers of a row of the output; 0 without a projection.
    var outputs = 0
    var tensors: [TensorSpec] = []
    var products: [Product] = []
    var parameters: [String] = []
    var weights: [String] = []
    var sizes: [SizeSymbol] = []
    /// Formula of the numbers of a micro-batch's output.
    var outputWords = "0"

    init(_ model: Model) {
        let joins = model.textJoins
        func add(_ layer: PictureLayer) {
            tensors += layer.tensors
            products.append(layer.product)
            parameters.append(layer.parameters)
            weights.append(layer.weights)
        }
        if let classes = model.classes {
            outputs = classes
            outputWords = "T·n_y·c/s"
            add(PictureLayer("head", .samples, from: ("h", model.hidden), to: ("n_y", classes), joins: joins))
            sizes.append(SizeSymbol("n_y", classes, "classes"))
        } else if let diffusion = model.diffusion, let picture = model.picture {
            rows = .scatteredImage
            outputs = (diffusion.outputChannels ?? picture.channels) * picture.patchPoints
            outputWords = joins ? "T·n_y·(s − n_t)/s/σ" : "T·n_y/σ"
            add(
                PictureLayer("proj_out", .scatteredImage, from: ("h", model.hidden), to: ("n_y", outputs), joins: joins)
            )
            sizes.append(SizeSymbol("n_y", outputs, "numbers of a patch of the output"))
            if diffusion.sharedModulation {
                tensors.append(
                    TensorSpec(
                        name: "norm_out.table", shape: [2, model.hidden], start: .normal(Model.startDeviation),
                        seesStreamRows: true))
                parameters.append("2·h")
            } else {
                add(
                    PictureLayer(
                        "norm_out.linear", .samples, from: ("h_c", model.conditionSize),
                        to: ("2·h", 2 * model.hidden), joins: joins))
            }
        }
    }
}

extension Model {
    /// Numbers of a sample that all blocks read: its condition, or the vectors of shared modulation and the condition that
    /// the last layer reads.
    package var passedCondition: Int {
        guard let diffusion else { return 0 }
        return conditionSize + (diffusion.sharedModulation ? mostModulation * hidden : 0)
    }

    /// The largest number of vectors that modulate a block.
    package var mostModulation: Int {
        (kinds.isEmpty ? [block] : kinds.map(\.shape)).reduce(0) { max($0, $1.modulation) }
    }
}
