import Models

/// Rows that a matrix of a model of images or videos multiplies.
enum MultipliedRows {
    /// All of the sequence; in a block of two streams those that are not text.
    case tokens
    case image
    case text
    /// One for each sample.
    case samples
}

extension ParameterTensor {
    /// The tensor with the text's rows instead of the sequence's.
    var ofText: ParameterTensor {
        var tensor = self
        if tensor.rows == .tokens { tensor.rows = .text }
        return tensor
    }

    /// The tensor with the rows that are not text.
    var ofImage: ParameterTensor {
        var tensor = self
        if tensor.rows == .tokens { tensor.rows = .image }
        return tensor
    }

    fileprivate func of(_ rows: MultipliedRows) -> ParameterTensor {
        var tensor = self
        tensor.rows = rows
        return tensor
    }
}

/// Layers of diffusers' `PatchEmbed`, `TimestepEmbedding`, `PixArtAlphaTextProjection`, `HunyuanVideoTokenRefiner` and
/// `AdaLayerNorm`s, and of timm's `VisionTransformer`: which tensor ranks all hold whole.
extension Inventory {
    private func layer(
        _ name: String, _ outputs: Int, _ inputs: Int, _ rows: MultipliedRows, bias: Bool = true
    ) -> [ParameterTensor] {
        [ParameterTensor(name, [outputs, inputs], .whole).of(rows)]
            + (bias ? [ParameterTensor("\(name) bias", [outputs], .whole)] : [])
    }

    /// Two layers with an activation between them.
    private func embedder(_ name: String, _ inputs: Int, _ size: Int, _ rows: MultipliedRows) -> [ParameterTensor] {
        layer("\(name) 1", size, inputs, rows) + layer("\(name) 2", size, size, rows)
    }

    func pictureLayers(_ picture: Model.Picture) -> [ParameterTensor] {
        let h = model.hidden
        let points = picture.patch.count == 1 ? picture.patch[0] * picture.patch[0] : picture.patch.reduce(1, *)
        var tensors = layer("patches", h, picture.channels * points, .image, bias: picture.bias)
        if picture.classToken { tensors.append(ParameterTensor("class token", [h], .whole)) }
        if picture.registers > 0 { tensors.append(ParameterTensor("registers", [picture.registers * h], .whole)) }
        if (model.positionKind ?? (model.family == .gpt ? .learned : .rotary)) == .learned {
            tensors.append(ParameterTensor("positions", [(model.positionEntries ?? model.sequence) * h], .whole))
        }
        if model.embeddingNorm { tensors += Self.norm(model, "embedding norm", h) }
        if let text = model.text, text.projection != .none {
            tensors += layer("text", h, text.width, .text)
            if text.projection == .mlp { tensors += layer("text 2", h, h, .text) }
            if text.refinerLayers > 0 {
                tensors += embedder("refiner's time", model.diffusion?.scalarSize ?? 256, h, .samples)
                tensors += embedder("refiner's text", text.width, h, .samples)
            }
            for _ in 0..<text.refinerLayers {
                for name in ["query", "key", "value", "output"] { tensors += layer("refiner's \(name)", h, h, .text) }
                tensors += layer("refiner's up", 4 * h, h, .text) + layer("refiner's down", h, 4 * h, .text)
                tensors += layer("refiner's gates", 2 * h, h, .samples)
                tensors.append(ParameterTensor("refiner's norms", [4 * h], .whole))
            }
        }
        if let diffusion = model.diffusion {
            let size = diffusion.conditionSize ?? h
            for _ in 0..<diffusion.scalars { tensors += embedder("scalar", diffusion.scalarSize, size, .samples) }
            if diffusion.pooledText > 0 { tensors += embedder("pooled text", diffusion.pooledText, size, .samples) }
            if diffusion.labels > 0 { tensors.append(ParameterTensor("labels", [diffusion.labels * size], .whole)) }
            let vectors = usedShapes.union([model.block]).map(\.modulation).max() ?? 0
            if diffusion.sharedModulation { tensors += layer("all vectors", vectors * h, size, .samples) }
        }
        return tensors + Self.given("others", model.otherParameters)
    }

    func pictureHead() -> [ParameterTensor] {
        let h = model.hidden
        let norm = model.hasFinalNorm ? Self.norm(model, "final norm", h) : []
        if let classes = model.classes { return norm + layer("classes", classes, h, .samples) }
        guard let diffusion = model.diffusion, let picture = model.image ?? model.video else { return norm }
        let points = picture.patch.count == 1 ? picture.patch[0] * picture.patch[0] : picture.patch.reduce(1, *)
        let output = layer("output", (diffusion.outputChannels ?? picture.channels) * points, h, .image)
        if diffusion.sharedModulation { return norm + output + [ParameterTensor("output's table", [2 * h], .whole)] }
        return norm + output + layer("output's vectors", 2 * h, diffusion.conditionSize ?? h, .samples)
    }

    /// The vectors of a block: a layer of each block's own, or a table that is added to those of all (PixArt, Wan).
    static func modulation(_ model: Model, vectors: Int) -> [ParameterTensor] {
        guard vectors > 0, let diffusion = model.diffusion else { return [] }
        let (h, size) = (model.hidden, diffusion.conditionSize ?? model.hidden)
        if diffusion.sharedModulation { return [ParameterTensor("vectors' table", [vectors * h], .whole)] }
        return [
            ParameterTensor("vectors", [vectors * h, size], .whole).of(.samples),
            ParameterTensor("vectors bias", [vectors * h], .whole),
        ]
    }

    /// Wan's `attn2`: heads are cut, keys and values come from the text.
    static func crossAttention(_ model: Model, _ shape: BlockShape, _ cross: CrossAttention) -> [ParameterTensor] {
        let (h, a, g, d) = (model.hidden, shape.heads, shape.kvHeads, shape.headSize)
        let text = model.text.map { $0.projection == .none ? $0.width : h } ?? 0
        func inward(_ name: String, _ outputs: Int, _ inputs: Int) -> [ParameterTensor] {
            linear(model, name, outputs, inputs, .tensor, bias: .attentionInput, biasIsCut: true)
        }
        var tensors = inward("cross query", a * d, h)
        tensors += (inward("cross key", g * d, text) + inward("cross value", g * shape.valueHead, text)).map(\.ofText)
        tensors += linear(
            model, "cross output", h, a * shape.valueHead, .tensor, bias: .attentionOutput, biasIsCut: false)
        if let kind = Norm(rawValue: cross.norm.rawValue) { tensors += norm(model, "cross norm", h, kind: kind) }
        for heads in [a, g] {
            switch cross.qkNorm {
            case .none: break
            case .head: tensors += norm(model, "cross norm of a head", d, kind: model.qkNormKind)
            case .heads, .whole:
                tensors += norm(model, "cross norm of heads", heads * d, .tensor, kind: model.qkNormKind)
            }
        }
        return tensors
    }

    /// Rows that a matrix multiplies in `sequences` samples.
    func rows(_ rows: MultipliedRows, _ sequences: Double) -> Double {
        let text = Double(model.text?.tokens ?? 0)
        let all = Double(model.sequence)
        return switch rows {
        case .tokens: sequences * all
        case .image: sequences * (all - (joins ? text : 0))
        case .text: sequences * text
        case .samples: sequences
        }
    }

    /// Whether the text is part of the sequence.
    var joins: Bool { model.text != nil && usedShapes.union([model.block]).contains { $0.stream != .none } }
}
