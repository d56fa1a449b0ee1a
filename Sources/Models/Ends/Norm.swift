extension Model {
    /// Tensors of a norm: its scale, and its shift if the family has one.
    ///
    /// - Parameter name: without `.weight`.
    package func norm(_ name: String, width: Int? = nil) -> [TensorSpec] {
        let shape = [width ?? hidden]
        let scale = TensorSpec(name: name + ".weight", shape: shape, start: .ones, seesStreamRows: true)
        guard conventions.hasBiases else { return [scale] }
        return [scale, TensorSpec(name: name + ".bias", shape: shape, start: .zeros, seesStreamRows: true)]
    }

    /// Formula of the parameters of `count` norms: h for each tensor of a norm.
    func normWords(count: Int) -> String {
        let tensors = count * (conventions.hasBiases ? 2 : 1)
        return tensors == 1 ? "h" : "\(tensors)·h"
    }
}

extension Part {
    /// The two norms of a block and the two additions to the residual stream, one after each half of the block.
    ///
    /// Letter: h hidden. A norm reads and writes h numbers, and its backward also reads a gradient. An addition reads
    /// two tensors and writes one, with dropout.
    static func norms(_ model: Model) -> Part {
        let stream = Extent(.scattered, whole: model.hidden)
        let conventions = model.conventions
        var part = Part()
        part.tensors = normTensors(model)
        part.kept = [
            Kept(stream, times: 2), Kept(stream, times: 2, role: .normResult), Kept(stream, .mask, times: 2),
        ]
        // The results of both norms, and the gradients of the outputs of both halves.
        part.operands = [Stored(stream, .operand, times: 4)]
        let sum = [Stored(stream, times: 3), Stored(stream, .mask)]
        part.forward.kernels = [[Stored(stream, times: 2)], [Stored(stream, times: 2)], sum, sum]
        part.backward.kernels = [[Stored(stream, times: 3)], [Stored(stream, times: 3)], sum, sum]
        part.otherKernels = 4
        if conventions.hasBiases {
            // The gradients of the biases at the end of both halves.
            part.backward.kernels.append([Stored(stream, times: 2)])
        }
        return part
    }

    static func normTensors(_ model: Model) -> [TensorSpec] {
        let names = model.conventions.names
        return model.norm(names.attentionNorm) + model.norm(names.feedForwardNorm)
    }
}
