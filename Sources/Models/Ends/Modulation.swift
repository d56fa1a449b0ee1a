extension Part {
    /// Adds adaptive layer norm (Peebles and Xie 2022, DiT, section 3.2): vectors of a sample, which a product computes
    /// from its condition, scale and shift the results of norms and gate those of halves.
    ///
    /// Letters: h hidden, h_c numbers of the condition. Each norm's result is kept for the gradient of its scale, and each
    /// gated half's result for that of its gate (facebookresearch/DiT, `DiTBlock`). Every tensor rank computes all
    /// vectors (NeMo, `dit_layer_spec.py`: AdaLN's linear layer is not cut), and so does every context rank. With shared
    /// modulation the embedding computes the product once, and a block adds a table of its own (PixArt, Wan).
    mutating func addModulation(_ model: Model, inputs: Int, results: Int) {
        let stream = Extent(.scattered, whole: model.hidden)
        let vectors = Width(whole: model.block.modulation * model.hidden)
        let gated = model.block.modulation >= 3 * inputs ? results : 0
        kept.append(Kept(stream, times: Double(inputs), role: .normResult))
        kept.append(Kept(stream, times: Double(gated)))
        let modulated = Array(repeating: [Stored(stream, times: 2)], count: inputs + gated)
        forward.kernels += modulated
        backward.kernels += Array(repeating: [Stored(stream, times: 3)], count: inputs + gated)
        otherKernels += inputs + gated
        let isShared = model.diffusion?.sharedModulation == true
        let ofSample = Extent(.samples, whole: vectors.total + (isShared ? 0 : model.conditionSize))
        kept.append(Kept(ofSample))
        guard !isShared else { return }
        operands.append(Stored(ofSample, .operand))
        products = Self.modulationProducts(model)
    }

    /// The product that computes a block's vectors from a sample's condition; none if the embedding computes it.
    static func modulationProducts(_ model: Model) -> [Product] {
        guard model.block.modulation > 0, model.diffusion?.sharedModulation != true else { return [] }
        return [
            Product(
                .samples, inputs: Width(whole: model.conditionSize),
                outputs: Width(whole: model.block.modulation * model.hidden))
        ]
    }

    /// The weights of the modulation of a block's norms, or its table.
    static func modulationTensors(_ model: Model) -> [TensorSpec] {
        let vectors = model.block.modulation
        guard vectors > 0 else { return [] }
        if model.diffusion?.sharedModulation == true {
            return [
                TensorSpec(
                    name: "scale_shift_table", shape: [vectors, model.hidden], start: .normal(Model.startDeviation),
                    seesStreamRows: true)
            ]
        }
        return [
            TensorSpec(
                name: "modulation.weight", shape: [vectors * model.hidden, model.conditionSize], start: .zeros,
                seesStreamRows: true),
            TensorSpec(
                name: "modulation.bias", shape: [vectors * model.hidden], start: .zeros, seesStreamRows: true),
        ]
    }

    /// The products of a block's modulation, those of both streams.
    static func allModulationProducts(_ model: Model) -> [Product] {
        let own = modulationProducts(model)
        return own + (model.block.stream.isDouble ? modulationProducts(model.ofLastText) : [])
    }
}

extension Model {
    /// The model as the text's rows see it: in the last block that text passes, they have an attention alone, whose norm is
    /// scaled and shifted.
    var ofLastText: Model {
        guard block.stream == .lastDouble else { return self }
        var model = self
        model.block.halves = .attention
        model.block.parallel = .none
        model.block.modulation = min(2, block.modulation)
        model.block.extraParameters = 0
        return model
    }
}
