internal import Plans

/// The tensors of a family by their Hugging Face names.
struct TensorNames {
    let table: String
    /// nil for rotary positions.
    let positions: String?
    /// Without `.weight`.
    let finalNorm: String
    let head: String

    init(_ model: Model) {
        table = "wte.weight"
        positions = "wpe.weight"
        finalNorm = "ln_f"
        head = "lm_head.weight"
    }

    /// Gain and shift of a norm.
    func norm(_ name: String, _ model: Model) -> [ParameterTensor] {
        [
            ParameterTensor(name: name + ".weight", shape: [model.hidden], start: .ones, seesStreamRows: true),
            ParameterTensor(name: name + ".bias", shape: [model.hidden], start: .zeros, seesStreamRows: true),
        ]
    }

    /// The tensors of block `layer`.
    func block(_ layer: Int, _ model: Model) -> [ParameterTensor] {
        let (hidden, width) = (model.hidden, model.heads * model.headSize)
        let residual = 0.02 / Float(2 * model.layers).squareRoot()
        let block = "h.\(layer)."
        /// A matrix `[inputs, outputs]` and its bias; `groups` of columns are cut, or the rows with 0.
        func linear(_ name: String, _ inputs: Int, _ outputs: Int, _ deviation: Float, groups: Int) -> [ParameterTensor]
        {
            [
                ParameterTensor(
                    name: block + name + ".weight", shape: [inputs, outputs], start: .normal(deviation),
                    split: groups > 0 ? .columns(groups: groups) : .rows),
                ParameterTensor(
                    name: block + name + ".bias", shape: [outputs], start: .zeros,
                    split: groups > 0 ? .columns(groups: groups) : .whole),
            ]
        }
        return norm(block + "ln_1", model) + linear("attn.c_attn", hidden, 3 * width, 0.02, groups: 3)
            + linear("attn.c_proj", width, hidden, residual, groups: 0) + norm(block + "ln_2", model)
            + linear("mlp.c_fc", hidden, model.ffn, 0.02, groups: 1)
            + linear("mlp.c_proj", model.ffn, hidden, residual, groups: 0)
    }
}
