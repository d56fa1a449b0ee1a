extension AttentionSpec {
    /// The attention with what it does with a text: a second set of weights for the text's rows, or a cross-attention
    /// behind it.
    func withText(_ model: Model) -> AttentionSpec {
        var spec = self
        if model.block.stream.isDouble { spec = spec.onBothStreams(model) }
        if let cross = model.block.crossAttention { spec.add(cross, model) }
        return spec
    }

    static func withText(products: [Product], _ model: Model) -> [Product] {
        var part = Part()
        part.products = products
        let streams = model.block.stream.isDouble ? part.onBothStreams(text: part.ofTextAlone(model)) : part
        return streams.products + (model.block.crossAttention == nil ? [] : crossProducts(model))
    }

    static func withText(tensors: [TensorSpec], _ model: Model) -> [TensorSpec] {
        var part = Part()
        part.tensors = tensors
        let streams = model.block.stream.isDouble ? part.onBothStreams(text: part.ofTextAlone(model)) : part
        return streams.tensors + (model.block.crossAttention.map { crossTensors(model, $0) } ?? [])
    }

    /// An attention in which rows of image and text meet, each with projections of their own (Esser et al. 2024, Stable
    /// Diffusion 3, section 4). In the last such block the text's rows have no projection back.
    private func onBothStreams(_ model: Model) -> AttentionSpec {
        var spec = self
        spec.part = part.onBothStreams(text: part.ofTextAlone(model))
        spec.words = words.onBothStreams(model)
        return spec
    }

    /// Adds a cross-attention: queries of the residual stream meet keys and values of the text (Vaswani et al. 2017,
    /// section 3.2.3).
    ///
    /// Letters: n_t tokens of the text, h_t numbers of one of its rows. Every context and every tensor rank has all rows
    /// of the text of its samples, so that no ring passes its keys on. Tensor ranks cut heads and add up the gradients of
    /// the text's rows, if a projection of these is trained. The text's rows are kept once for all blocks (`Ends`).
    private mutating func add(_ cross: CrossAttention, _ model: Model) {
        let widths = CrossWidths(model)
        let (stream, h) = (Extent(.scattered, whole: model.hidden), model.hidden)
        let (queries, attended) = (Extent(.all, cut: widths.queries), Extent(.all, cut: widths.attended))
        let text = Extent(.text, cut: widths.keys + widths.values)
        let hasNorm = cross.norm != .none
        var other = Part()
        other.tensors = Self.crossTensors(model, cross)
        other.products = Self.crossProducts(model)
        other.kept = [Kept(stream, times: hasNorm ? 2 : 1), Kept(queries), Kept(attended), Kept(text)]
        other.operands = [
            Stored(stream, .operand, times: 2), Stored(queries, .operand), Stored(attended, .operand),
            Stored(text, .operand),
        ]
        let sum = [Stored(stream, times: 3)]
        other.forward = Elementwise([sum], casts: [[attended]])
        other.backward = Elementwise([sum], casts: [[Extent(.all, whole: h), queries, text]])
        other.otherKernels = 1
        func addNorm(_ rows: [Extent]) {
            other.forward.kernels.append(rows.map { Stored($0, times: 2) })
            other.backward.kernels.append(rows.map { Stored($0, times: 3) })
            other.otherKernels += 1
        }
        if hasNorm { addNorm([stream]) }
        if cross.qkNorm != .none {
            let keys = Extent(.text, cut: widths.keys)
            other.kept += [Kept(queries), Kept(keys)]
            addNorm([queries, keys])
        }
        if model.conventions.biases.contains(.attentionInput) {
            other.backward.kernels.append([Stored(queries), Stored(text)])
            other.otherKernels += 1
        }
        other.messages = TensorMessages(inputs: [h], results: [h])
        if model.text?.projection != Model.Text.Projection.none {
            other.messages.wholeInputs = [Message(model.textWidth, .text)]
        }
        part.add(other)
        core.cross = model.crossCore
        words = words.adding(cross, model)
    }

    private static func crossProducts(_ model: Model) -> [Product] {
        let (widths, h) = (CrossWidths(model), Width(whole: model.hidden))
        return [
            Product(inputs: h, outputs: Width(cut: widths.queries)),
            Product(
                .text, inputs: Width(whole: model.textWidth), outputs: Width(cut: widths.keys + widths.values)),
            Product(inputs: Width(cut: widths.attended), outputs: h),
        ]
    }

    private static func crossTensors(_ model: Model, _ cross: CrossAttention) -> [TensorSpec] {
        let (widths, prefix) = (CrossWidths(model), "cross_attn.")
        func matrix(_ name: String, from inputs: Int, _ outputs: Int, joins: Bool = false) -> [TensorSpec] {
            model.matrix(
                "\(prefix)\(name).weight", bias: "\(prefix)\(name).bias", inputs: inputs, outputs: outputs,
                isCutByOutputs: true, joinsPrevious: joins, biased: .attentionInput)
        }
        func norm(_ name: String, heads: Int) -> [TensorSpec] {
            let (d, kind) = (model.headSize, model.kindOfQKNorms)
            return switch cross.qkNorm {
            case .none: []
            case .head: model.norm(prefix + name, shape: [d], kind: kind)
            case .heads: model.norm(prefix + name, shape: [heads, d], split: .rows, kind: kind)
            case .whole: model.norm(prefix + name, shape: [heads * d], split: .rows, kind: kind)
            }
        }
        return (cross.norm.kind.map { model.norm("\(prefix)norm", kind: $0) } ?? [])
            + matrix("q_proj", from: model.hidden, widths.queries)
            + matrix("k_proj", from: model.textWidth, widths.keys)
            + matrix("v_proj", from: model.textWidth, widths.values, joins: true)
            + model.matrix(
                "\(prefix)o_proj.weight", bias: "\(prefix)o_proj.bias", inputs: widths.attended, outputs: model.hidden,
                isCutByOutputs: false, biased: .attentionOutput)
            + norm("q_norm", heads: model.heads) + norm("k_norm", heads: model.kvHeads)
    }
}

/// Numbers in a row of the tensors of a cross-attention, over all tensor ranks.
private struct CrossWidths {
    let queries: Int
    let keys: Int
    let values: Int
    let attended: Int

    init(_ model: Model) {
        let valueSize = model.block.valueSize ?? model.headSize
        queries = model.heads * model.headSize
        keys = model.kvHeads * model.headSize
        values = model.kvHeads * valueSize
        attended = model.heads * valueSize
    }
}

extension Model {
    /// The core of the block's cross-attention; nil: it has none.
    var crossCore: CrossCore? {
        guard block.crossAttention != nil, let text else { return nil }
        let widths = CrossWidths(self)
        return CrossCore(keys: text.tokens, width: Double(widths.queries + widths.attended) / 2)
    }
}

extension Part {
    /// The part on the rows of the text. In the last block that text passes it has no product that leads back.
    fileprivate func ofTextAlone(_ model: Model) -> Part {
        guard model.block.stream == .lastDouble else { return self }
        var part = self
        let output = model.conventions.joinsProjections ? "attn.c_proj." : "self_attn.o_proj."
        part.tensors.removeAll { $0.name.hasPrefix(output) }
        let isBack = { (product: Product) in product.inputs.cut > 0 }
        let attended = Width(cut: model.heads * (model.block.valueSize ?? model.headSize))
        part.products.removeAll(where: isBack)
        // Queries alone, with keys of an earlier block, are as wide as the attention's result, which stands behind them.
        let place = part.operands.lastIndex { $0.extent.width == attended }
        if let place { part.operands.remove(at: place) }
        part.forward.casts = []
        part.messages.results = []
        return part
    }
}

extension AttentionWords {
    /// The formulas of an attention with weights of its own for each stream.
    fileprivate func onBothStreams(_ model: Model) -> AttentionWords {
        var both = self
        let isLast = model.block.stream == .lastDouble
        let back = isLast ? "\(attended)·h" : nil
        let bias = isLast && model.hasAttentionOutputBias ? "h" : nil
        func less(_ formula: String, _ terms: String?...) -> String {
            formula + terms.compactMap { $0.map { " − \($0)" } }.joined()
        }
        both.name = "\(name) with two streams"
        both.parameters = less("2·(\(parameters))", back, bias)
        both.wholeParameters = wholeParameters.map { less("2·(\($0))", bias) }
        guard isLast else { return both }
        both.sizes += model.textSymbols
        both.weights = "\(weights) − n_t/s·\(attended)·h"
        both.operands = "(\(operands) − n_t/s·\(attended))"
        both.output = "(s − n_t)/s·h/σ"
        return both
    }

    /// The formulas of an attention with a cross-attention behind it.
    fileprivate func adding(_ cross: CrossAttention, _ model: Model) -> AttentionWords {
        var both = self
        let v = model.block.valueSize == nil ? "d" : "d_v"
        let width = model.text?.projection == Model.Text.Projection.none ? "h_t" : "h"
        let (keysAndValues, attended) = (v == "d" ? "2·g·d" : "g·(d + d_v)", "a·\(v)")
        let biases = model.conventions.biases
        let inputBias = biases.contains(.attentionInput) ? "a·d + \(keysAndValues)" : nil
        let outputBias = biases.contains(.attentionOutput) ? "h" : nil
        let normTensors = cross.norm.kind?.tensors ?? 0
        let norm = normTensors == 0 ? nil : "\(normTensors)·h"
        let kinds = cross.qkNorm == .none ? 0 : model.kindOfQKNorms.tensors
        let isHead = cross.qkNorm == .head
        let meeting = kinds == 0 ? nil : isHead ? "\(2 * kinds)·d" : "\(kinds)·(a + g)·d"
        both.name = "\(name) with cross-attention"
        both.parameters = sum(
            parameters, "h·a·d + \(width)·\(keysAndValues) + \(attended)·h", inputBias, outputBias, norm, meeting)
        both.wholeParameters = sumOrNil(wholeParameters, outputBias, norm, isHead ? meeting : nil)
        both.weights = "\(weights) + h·a·d + \(width)·\(keysAndValues)·n_t/s + \(attended)·h"
        both.cross = (v == "d" ? "a·d" : "a·(d + d_v)/2") + "·n_t/s"
        let hasNorm = cross.norm != .none
        let again = cross.qkNorm == .none ? nil : "a·d"
        let keysAgain = cross.qkNorm == .none ? "" : " + g·d"
        both.kept =
            "\(kept) + w·\(hasNorm ? "2·" : "")h/σ + w·(\(sum("a·d", attended, again)))/t"
            + " + w·(\(keysAndValues)\(keysAgain))/t·n_t·c/s"
        both.operands = "(\(operands) + a·d + \(attended) + \(keysAndValues)·n_t·c/s)"
        both.scatteredOperands = "(\(sum(scatteredOperands, "2·h")))"
        both.projected = "\(projected) + a·d/t + \(keysAndValues)/t·n_t·c/s"
        both.output = "2·h/σ"
        both.sizes += model.textSymbols
        if width == "h_t" {
            both.sizes.append(SizeSymbol("h_t", model.textWidth, "numbers of a row of the text"))
        }
        return both
    }
}
