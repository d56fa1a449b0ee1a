extension Part {
    /// The part of a multi-token prediction module beside its block: norms of the rows before it and of the next token's
    /// embedding, the projection of both together to one row, and the norm before the head (DeepSeek-AI 2024,
    /// DeepSeek-V3, section 2.2). The embedding and the head are the model's own (`End.head`).
    ///
    /// Letter: h hidden. Tensor ranks hold some of the projection's columns each and gather its results; with sequence
    /// parallelism each keeps its own rows of them, and the ranks gather the gradients of all (Megatron-Core,
    /// `multi_token_prediction.py`: `_concat_embeddings`). The inputs of the three norms are kept, and the joined rows
    /// that the projection reads.
    static func prediction(_ model: Model) -> Part {
        let h = model.hidden
        let stream = Extent(.scattered, whole: h)
        let projected = Extent(.all, cut: h)
        var part = Part()
        part.tensors = model.predictionNorms + [model.predictionProjection]
        part.products = [Product(inputs: Width(whole: 2 * h), outputs: Width(cut: h))]
        part.kept =
            [Kept(stream, times: 3, role: model.roleOfNormInputs), Kept(stream, times: 2, role: .normResult)]
            + model.stepsOfNorms(stream, count: 3)
        part.operands = [Stored(stream, .operand, times: 2), Stored(projected, .operand)]
        // Three norms, and both rows joined.
        part.forward = Elementwise(
            Array(repeating: [Stored(stream, times: 2)], count: 3) + [[Stored(stream, times: 4)]],
            casts: [[Extent(.scattered, whole: 2 * h)]])
        part.backward = Elementwise(
            Array(repeating: [Stored(stream, times: 3)], count: 3), casts: [[projected]])
        part.otherKernels = 3
        part.messages = TensorMessages(inputs: [2 * h], columns: [GatheredColumns(width: h, areSummedBack: false)])
        return part
    }
}

extension Model {
    /// The three norms of a module of multi-token prediction.
    var predictionNorms: [TensorSpec] { ["enorm", "hnorm", "shared_head.norm"].flatMap { norm($0) } }

    /// The matrix that joins two rows in a module of multi-token prediction. It has no bias.
    var predictionProjection: TensorSpec {
        let isTransposed = conventions.isTransposed
        return TensorSpec(
            name: "eh_proj.weight", shape: isTransposed ? [hidden, 2 * hidden] : [2 * hidden, hidden],
            start: .normal(Self.startDeviation), split: isTransposed ? .rows : .columns(groups: 1))
    }
}
