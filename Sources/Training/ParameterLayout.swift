package import Plans

/// One weight tensor of a GPT, under its Hugging Face GPT-2 name.
package struct ParameterTensor: Hashable, Sendable {
    /// How a tensor starts when no weights are given.
    package enum Start: Hashable, Sendable {
        case zeros, ones
        /// Normal with this standard deviation.
        case normal(Float)
    }

    package var name: String
    /// Row-major; matrices are `[inputs, outputs]` (Conv1D), embeddings `[entries, hidden]`.
    package var shape: [Int]
    package var start: Start

    package var count: Int { shape.reduce(1, *) }
    /// AdamW decays matrices and embeddings, not biases and norms.
    package var decays: Bool { shape.count >= 2 }
}

/// Which tensors a pipeline stage holds.
package enum ParameterLayout {
    /// The tensors of blocks `layers`, with the embeddings on the first stage and the final norm and head on the last.
    /// With tied embeddings the first and the last stage each hold a copy of `wte.weight`.
    /// Matrices start as N(0, 0.02), projections onto the residual stream as N(0, 0.02/√(2·layers)) (Radford et al. 2019).
    package static func tensors(model: Model, layers: Range<Int>, isFirst: Bool, isLast: Bool) -> [ParameterTensor] {
        let hidden = model.hidden
        let residual = 0.02 / Float(2 * model.layers).squareRoot()
        var tensors: [ParameterTensor] = []
        func add(_ name: String, _ shape: [Int], _ start: ParameterTensor.Start) {
            tensors.append(ParameterTensor(name: name, shape: shape, start: start))
        }
        if isFirst || (isLast && model.tiedEmbeddings) { add("wte.weight", [model.vocab, hidden], .normal(0.02)) }
        if isFirst { add("wpe.weight", [model.sequence, hidden], .normal(0.02)) }
        for layer in layers {
            let block = "h.\(layer)."
            add(block + "ln_1.weight", [hidden], .ones)
            add(block + "ln_1.bias", [hidden], .zeros)
            add(block + "attn.c_attn.weight", [hidden, 3 * hidden], .normal(0.02))
            add(block + "attn.c_attn.bias", [3 * hidden], .zeros)
            add(block + "attn.c_proj.weight", [hidden, hidden], .normal(residual))
            add(block + "attn.c_proj.bias", [hidden], .zeros)
            add(block + "ln_2.weight", [hidden], .ones)
            add(block + "ln_2.bias", [hidden], .zeros)
            add(block + "mlp.c_fc.weight", [hidden, model.ffn], .normal(0.02))
            add(block + "mlp.c_fc.bias", [model.ffn], .zeros)
            add(block + "mlp.c_proj.weight", [model.ffn, hidden], .normal(residual))
            add(block + "mlp.c_proj.bias", [hidden], .zeros)
        }
        if isLast {
            add("ln_f.weight", [hidden], .ones)
            add("ln_f.bias", [hidden], .zeros)
            if !model.tiedEmbeddings { add("lm_head.weight", [model.vocab, hidden], .normal(0.02)) }
        }
        return tensors
    }

    /// Every tensor of the whole model, each once.
    package static func allTensors(model: Model) -> [ParameterTensor] {
        tensors(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
    }
}
