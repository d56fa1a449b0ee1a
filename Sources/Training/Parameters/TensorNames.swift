internal import Models
internal import Plans

/// The tensors of a family by their Hugging Face names: GPT-2's matrices lie `[inputs, outputs]`, llama's
/// `[outputs, inputs]`.
struct TensorNames {
    let table: String
    /// nil for rotary positions.
    let positions: String?
    /// Without `.weight`.
    let finalNorm: String
    let head: String
    private let model: Model

    init(_ model: Model) {
        self.model = model
        head = "lm_head.weight"
        switch model.family {
        case .gpt: (table, positions, finalNorm) = ("wte.weight", "wpe.weight", "ln_f")
        case .llama: (table, positions, finalNorm) = ("model.embed_tokens.weight", nil, "model.norm")
        }
    }

    /// The prefix of block `layer`'s tensors.
    func block(named layer: Int) -> String { model.family == .gpt ? "h.\(layer)." : "model.layers.\(layer)." }

    /// The two norms of a block, without `.weight`.
    var norms: (String, String) {
        model.family == .gpt ? ("ln_1", "ln_2") : ("input_layernorm", "post_attention_layernorm")
    }

    /// Gain and, for layer norms, shift.
    func norm(_ name: String) -> [ParameterTensor] {
        let gain = ParameterTensor(name: name + ".weight", shape: [model.hidden], start: .ones, seesStreamRows: true)
        guard model.family == .gpt else { return [gain] }
        return [
            gain, ParameterTensor(name: name + ".bias", shape: [model.hidden], start: .zeros, seesStreamRows: true),
        ]
    }

    /// The tensors of block `layer`.
    func block(_ layer: Int) -> [ParameterTensor] {
        let block = block(named: layer)
        let norms = norm(block + norms.0) + norm(block + norms.1)
        if model.family == .gpt { return norms + gptMatrices(block) }
        guard let moe = model.moe, model.hasExperts(layer) else {
            return norms + attention(block) + gatedMatrices(block + "mlp.", model.ffn)
        }
        let router = ParameterTensor(
            name: block + "mlp.gate.weight", shape: [moe.experts, model.hidden], start: .normal(0.02),
            seesOwnRows: true)
        let shared = moe.sharedWidth > 0 ? gatedMatrices(block + "mlp.shared_experts.", moe.sharedWidth) : []
        return norms + attention(block) + [router] + shared
    }

    /// The tensors of expert `number` of block `layer`.
    func expert(_ number: Int, _ layer: Int) -> [ParameterTensor] {
        gatedMatrices(block(named: layer) + "mlp.experts.\(number).", model.moe?.ffn ?? 0)
    }

    /// The number of the expert a tensor belongs to, or nil.
    static func expert(in name: String) -> Int? {
        let parts = name.split(separator: ".")
        guard let place = parts.firstIndex(of: "experts"), place + 1 < parts.count else { return nil }
        return Int(parts[place + 1])
    }

    /// Deviation of the projections onto the residual stream.
    private var residual: Float { 0.02 / Float(2 * model.layers).squareRoot() }

    private func gptMatrices(_ block: String) -> [ParameterTensor] {
        let (hidden, width) = (model.hidden, model.heads * model.headSize)
        /// A matrix and its bias; `groups` of columns are cut, or the rows with 0.
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
        return linear("attn.c_attn", hidden, 3 * width, 0.02, groups: 3)
            + linear("attn.c_proj", width, hidden, residual, groups: 0)
            + linear("mlp.c_fc", hidden, model.ffn, 0.02, groups: 1)
            + linear("mlp.c_proj", model.ffn, hidden, residual, groups: 0)
    }

    /// Queries, keys and values one behind the other, so that one product makes all three.
    private func attention(_ block: String) -> [ParameterTensor] {
        let (width, keyWidth) = (model.heads * model.headSize, model.kvHeads * model.headSize)
        func rows(_ name: String, _ outputs: Int, joins: Bool) -> ParameterTensor {
            ParameterTensor(
                name: block + "self_attn.\(name)_proj.weight", shape: [outputs, model.hidden], start: .normal(0.02),
                split: .rows, joinsPrevious: joins)
        }
        let output = ParameterTensor(
            name: block + "self_attn.o_proj.weight", shape: [model.hidden, width], start: .normal(residual),
            split: .columns(groups: 1))
        return [
            rows("q", width, joins: false), rows("k", keyWidth, joins: true), rows("v", keyWidth, joins: true), output,
        ]
    }

    /// Gate and input one behind the other, then the way back; `prefix` ends in a point.
    private func gatedMatrices(_ prefix: String, _ ffn: Int) -> [ParameterTensor] {
        func rows(_ name: String, joins: Bool) -> ParameterTensor {
            ParameterTensor(
                name: prefix + name + "_proj.weight", shape: [ffn, model.hidden], start: .normal(0.02), split: .rows,
                joinsPrevious: joins)
        }
        return [
            rows("gate", joins: false), rows("up", joins: true),
            ParameterTensor(
                name: prefix + "down_proj.weight", shape: [model.hidden, ffn], start: .normal(residual),
                split: .columns(groups: 1)),
        ]
    }
}
