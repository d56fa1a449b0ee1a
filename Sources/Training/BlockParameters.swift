/// A tensor's weights and the place its gradient is summed up.
struct WeightAndGradient {
    let weight: UnsafeMutablePointer<Float>
    let gradient: UnsafeMutablePointer<Float>

    init(_ parameters: ParameterSet, stage: Int, name: String) {
        let offset = parameters.offset(stage: stage, name: name)
        weight = parameters.weights + offset
        gradient = parameters.gradients + offset
    }
}

/// The twelve tensors of one GPT block; matrices are `[inputs, outputs]`.
struct BlockParameters {
    let gain1: WeightAndGradient
    let bias1: WeightAndGradient
    let qkv: WeightAndGradient
    let qkvBias: WeightAndGradient
    let projection: WeightAndGradient
    let projectionBias: WeightAndGradient
    let gain2: WeightAndGradient
    let bias2: WeightAndGradient
    let expand: WeightAndGradient
    let expandBias: WeightAndGradient
    let contract: WeightAndGradient
    let contractBias: WeightAndGradient

    /// `tensor` finds a stage's tensor by name; `block` is the names' prefix, `h.3.`.
    init(block: String, tensor: (String) -> WeightAndGradient) {
        gain1 = tensor(block + "ln_1.weight")
        bias1 = tensor(block + "ln_1.bias")
        qkv = tensor(block + "attn.c_attn.weight")
        qkvBias = tensor(block + "attn.c_attn.bias")
        projection = tensor(block + "attn.c_proj.weight")
        projectionBias = tensor(block + "attn.c_proj.bias")
        gain2 = tensor(block + "ln_2.weight")
        bias2 = tensor(block + "ln_2.bias")
        expand = tensor(block + "mlp.c_fc.weight")
        expandBias = tensor(block + "mlp.c_fc.bias")
        contract = tensor(block + "mlp.c_proj.weight")
        contractBias = tensor(block + "mlp.c_proj.bias")
    }
}
