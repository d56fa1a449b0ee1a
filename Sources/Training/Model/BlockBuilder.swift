internal import Models
internal import Plans
internal import Tensors

/// Finds a stage's tensors by name and makes layers of them.
struct BlockBuilder {
    let model: Model
    let parameters: ParameterSet
    let stage: Int
    let context: StageContext
    let names: TensorNames

    init(model: Model, parameters: ParameterSet, stage: Int, context: StageContext) {
        self.model = model
        self.parameters = parameters
        self.stage = stage
        self.context = context
        names = TensorNames(model)
    }

    func parameter(_ name: String) -> Parameter { parameters.parameter(stage: stage, name: name) }

    private func optional(_ name: String) -> Parameter? {
        parameters.find(stage: stage, name: name).map { Parameter(unit: $0.unit, offset: $0.slot.offset) }
    }

    func norm(_ name: String) -> NormLayer {
        NormLayer(gain: parameter(name + ".weight"), shift: optional(name + ".bias"), width: model.hidden)
    }

    /// `isTransposed`: llama's matrices.
    private func linear(_ name: String, _ inputs: Int, _ outputs: Int) -> LinearLayer {
        LinearLayer(
            weight: parameter(name + ".weight"), bias: optional(name + ".bias"), inputs: inputs, outputs: outputs,
            isTransposed: model.family == .llama, mixed: context.mixed)
    }

    func block(_ layer: Int, recompute: Layout.Recompute) -> TransformerBlock {
        let (shape, block) = (context.shape, names.block(named: layer))
        let norm1 = norm(block + names.norms.0)
        let isGPT = model.family == .gpt
        let feedForward: any FeedForwardBranch =
            model.hasExperts(layer)
            ? mixture(block, layer)
            : dense(
                block + (isGPT ? "mlp.c_fc" : "mlp.gate_proj"), block + (isGPT ? "mlp.c_proj" : "mlp.down_proj"),
                shape.ffn)
        return TransformerBlock(
            unit: norm1.gain.unit, norm1: norm1,
            // The first of the matrices that one product reads gives its name.
            qkv: linear(block + (isGPT ? "attn.c_attn" : "self_attn.q_proj"), shape.hidden, shape.qkvWidth),
            projection: linear(block + (isGPT ? "attn.c_proj" : "self_attn.o_proj"), shape.width, shape.hidden),
            norm2: norm(block + names.norms.1),
            feedForward: feedForward, recomputed: recompute, context: context)
    }

    private func dense(_ expand: String, _ contract: String, _ width: Int) -> FeedForward {
        let hidden = context.shape.hidden
        return FeedForward(
            expand: linear(expand, hidden, context.shape.expandedWidth(width)),
            contract: linear(contract, width, hidden), activation: Activation(model.mlp), width: width, context: context
        )
    }

    private func mixture(_ block: String, _ layer: Int) -> any FeedForwardBranch {
        guard let moe = model.moe, let expertParallel = context.expertParallel else {
            preconditionFailure("a block with experts needs a way to them")
        }
        let first = expertParallel.rank * expertParallel.localExperts
        let inner = moe.ffn / expertParallel.pieces
        let experts = (first..<first + expertParallel.localExperts).map { number in
            let name = block + "mlp.experts.\(number)."
            return (
                expand: linear(name + "gate_proj", model.hidden, 2 * inner),
                contract: linear(name + "down_proj", inner, model.hidden)
            )
        }
        return MixtureOfExperts(
            router: linear(block + "mlp.gate", model.hidden, moe.experts),
            routing: Router(experts: moe.experts, chosen: moe.topK), experts: experts,
            unit: experts[0].expand.weight.unit,
            shared: moe.sharedWidth > 0
                ? dense(
                    block + "mlp.shared_experts.gate_proj", block + "mlp.shared_experts.down_proj",
                    context.shape.sharedWidth)
                : nil,
            activation: Activation(model.mlp), ffn: inner, expertParallel: expertParallel, balance: context.balance,
            context: context)
    }
}

/// The residual stream.
enum Residual {
    /// y = x + delta + bias. All `[rows, width]`, bias `[width]`.
    static func join(
        _ x: UnsafePointer<Float>, _ delta: UnsafePointer<Float>, bias: Parameter?, into y: UnsafeMutablePointer<Float>,
        rows: Int, width: Int, _ profile: Profile
    ) {
        profile.measure(.norms) {
            VectorMath.residualAdd(
                x: x, delta: delta, bias: bias.map { UnsafePointer($0.weight) }, y: y, rows: rows, width: width)
        }
    }
}
