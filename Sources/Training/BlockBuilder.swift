internal import Plans
internal import Tensors

/// Finds a stage's tensors by name and makes layers of them.
struct BlockBuilder {
    let model: Model
    let parameters: ParameterSet
    let stage: Int
    let context: StageContext

    func parameter(_ name: String) -> Parameter { parameters.parameter(stage: stage, name: name) }

    func norm(_ name: String) -> NormLayer {
        NormLayer(gain: parameter(name + ".weight"), shift: parameter(name + ".bias"), width: model.hidden)
    }

    private func linear(_ name: String, _ inputs: Int, _ outputs: Int) -> LinearLayer {
        LinearLayer(
            weight: parameter(name + ".weight"), bias: parameter(name + ".bias"), inputs: inputs, outputs: outputs,
            isTransposed: false)
    }

    func block(_ layer: Int) -> TransformerBlock {
        let (shape, name) = (context.shape, "h.\(layer).")
        let norm1 = norm(name + "ln_1")
        return TransformerBlock(
            unit: norm1.gain.unit, norm1: norm1, qkv: linear(name + "attn.c_attn", shape.hidden, shape.qkvWidth),
            projection: linear(name + "attn.c_proj", shape.width, shape.hidden), norm2: norm(name + "ln_2"),
            feedForward: FeedForward(
                expand: linear(name + "mlp.c_fc", shape.hidden, shape.ffn),
                contract: linear(name + "mlp.c_proj", shape.ffn, shape.hidden), context: context),
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
            if let bias {
                VectorMath.residualAdd(x: x, delta: delta, bias: bias.weight, y: y, rows: rows, width: width)
            } else {
                y.update(from: x, count: rows * width)
                VectorMath.add(into: y, from: delta, count: rows * width)
            }
        }
    }
}
