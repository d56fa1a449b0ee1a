internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// One pipeline stage on one rank: embeddings on the first, final norm, head and loss on the last, blocks between. It
/// knows nothing of other stages; what its layers share with other ranks goes through the context.
///
/// R rows (tokens of the micro-batch), S rows of the stream, H hidden, V vocabulary entries of this rank.
final class ModelStage {
    let index: Int
    let isFirst: Bool
    let isLast: Bool
    let context: StageContext
    let blocks: [TransformerBlock]
    /// Which feed-forward each block has.
    let kinds: [BlockActivations.Kind]
    private let embedding: VocabularyParallelEmbedding?
    private let finalNorm: NormLayer?
    private let head: LinearLayer?

    /// - Parameter tableStage: the stage whose token table a tied head uses, when it lies on this rank.
    init(
        model: Model, index: Int, layers: Range<Int>, isFirst: Bool, isLast: Bool, parameters: ParameterSet,
        tableStage: Int? = nil, context: StageContext
    ) {
        self.index = index
        self.isFirst = isFirst
        self.isLast = isLast
        self.context = context
        let names = TensorNames(model)
        let build = BlockBuilder(model: model, parameters: parameters, stage: index, context: context)
        blocks = zip(layers, context.recompute(blocks: layers.count)).map { build.block($0, recompute: $1) }
        kinds = layers.map { model.hasExperts($0) ? .mixture : .dense }
        let shape = context.shape
        embedding =
            isFirst
            ? VocabularyParallelEmbedding(
                table: build.parameter(names.table), positions: names.positions.map { build.parameter($0) },
                places: context.positions, tensor: context.tensor, profile: context.profile) : nil
        finalNorm = isLast ? build.norm(names.finalNorm) : nil
        let table =
            isLast
            ? parameters.parameter(
                stage: tableStage ?? index, name: model.tiedEmbeddings ? names.table : names.head) : nil
        head = table.map {
            LinearLayer(
                weight: $0, bias: nil, inputs: shape.hidden, outputs: shape.vocab, isTransposed: true,
                mixed: context.mixed)
        }
    }

    /// What of each block is recomputed.
    var recompute: [Layout.Recompute] { blocks.map(\.recomputed) }

    /// Embeds `tokens` `[R]` into `output` `[S, H]`. First stage only.
    func embed(
        tokens: UnsafePointer<Int32>, output: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        guard let embedding else { return }
        try context.shards.need(embedding.table.unit)
        if let positions = embedding.positions { try context.shards.need(positions.unit) }
        try embedding.forward(tokens: tokens, into: output, shape: shape)
    }

    /// Runs the blocks from `activations.input`. On the last stage also the norm and the head, leaving logits in
    /// `activations.head`; elsewhere the result goes to `output` `[S, H]`.
    func forward(
        _ activations: StageActivations, output: UnsafeMutablePointer<Float>?, shape: MicrobatchShape
    ) throws(MPIError) {
        let (rows, profile) = (shape.streamRows, context.profile)
        for (position, block) in blocks.enumerated() {
            let kept = activations.block(position)
            try context.shards.need(block.unit)
            if position == 0 {
                block.norm1.forward(kept.input, into: kept.normed1, kept.statistics1, rows: rows, profile)
            } else {
                // The previous block's feed-forward output joins the residual stream together with this norm.
                block.norm1.addForward(
                    activations.block(position - 1).middle, context.delta,
                    bias: blocks[position - 1].feedForward.outputBias, sum: kept.input, into: kept.normed1,
                    kept.statistics1, rows: rows, profile)
            }
            try block.attentionForward(kept, shape: shape)
            block.joinAttention(kept, shape: shape)
            try block.feedForward.forward(kept, shape: shape)
        }
        guard let last = blocks.last else { return }
        let middle = activations.block(blocks.count - 1).middle
        if let kept = activations.head, let finalNorm, let head {
            try context.shards.need(finalNorm.gain.unit)
            finalNorm.addForward(
                middle, context.delta, bias: last.feedForward.outputBias, sum: kept.input, into: kept.normed,
                kept.statistics, rows: rows, profile)
            try context.shards.need(head.weight.unit)
            let x = try context.tensor.gather(kept.normed, rows: shape.rows, width: shape.hidden)
            head.forward(x, into: kept.logits, rows: shape.rows, addsBias: false, profile)
        } else if let output {
            Residual.join(
                middle, context.delta, bias: last.feedForward.outputBias, into: output, rows: rows,
                width: shape.hidden, profile)
        }
    }

    /// Turns the logits into their gradient times `scale` and returns the summed loss. Last stage only.
    func loss(
        _ activations: StageActivations, targets: UnsafePointer<Int32>, scale: Float
    ) throws(MPIError) -> Double {
        guard let kept = activations.head else { return 0 }
        return try context.loss.lossAndGradient(
            logits: kept.logits, targets: targets, rows: context.shape.rows, vocab: context.shape.vocab, scale: scale)
    }

    /// Turns `gradient` `[S, H]`, the loss's gradient by this stage's output (ignored on the last stage), into the
    /// gradient by its input. Adds all weight gradients, or with `weightsLater` those that are not the matrices', keeping
    /// what `weightGradients` needs. `tokens` are the first stage's.
    func backward(
        _ activations: StageActivations, gradient: UnsafeMutablePointer<Float>, tokens: UnsafePointer<Int32>?,
        weightsLater: Bool
    ) throws(MPIError) {
        let (shape, shards) = (context.shape, context.shards)
        if let kept = activations.head, let finalNorm, let head {
            if kept.isDerived {
                try shards.need(finalNorm.gain.unit)
                finalNorm.apply(
                    kept.input, kept.statistics, into: kept.normed, rows: shape.streamRows, context.profile)
            }
            try shards.need(head.weight.unit)
            if !weightsLater { try headWeightGradient(kept, head) }
            head.inputGradient(
                kept.logits, into: context.tensor.partial(of: context.delta), rows: shape.rows, context.profile)
            try context.tensor.sum(rows: shape.rows, width: shape.hidden, into: context.delta)
            try shards.need(finalNorm.gain.unit)
            finalNorm.backward(
                dy: context.delta, x: kept.input, kept.statistics, dx: gradient, rows: shape.streamRows,
                accumulate: false, context.profile)
            try shards.finish(finalNorm.gain.unit)
        }
        for (position, block) in blocks.enumerated().reversed() {
            let kept = activations.block(position)
            try shards.need(block.unit)
            try block.recompute(kept, shape: shape)
            try block.backward(kept, gradient: gradient, weightsLater: weightsLater)
            if weightsLater { try shards.pause(block.unit) } else { try shards.finish(block.unit) }
        }
        if let tokens, let embedding {
            try embedding.backward(tokens: tokens, gradient: gradient, shape: shape)
            try shards.finish(embedding.table.unit)
            if let positions = embedding.positions {
                embedding.positionsBackward(gradient: gradient, shape: shape)
                try shards.finish(positions.unit)
            }
        }
    }

    /// The second half of a split backward: the matrices' gradients.
    func weightGradients(_ activations: StageActivations) throws(MPIError) {
        if let kept = activations.head, let head { try headWeightGradient(kept, head) }
        for (position, block) in blocks.enumerated().reversed() {
            try block.weightGradients(activations.block(position))
            try context.shards.finish(block.unit)
        }
    }

    private func headWeightGradient(
        _ kept: StageActivations.HeadActivations, _ head: LinearLayer
    ) throws(MPIError) {
        let shape = context.shape
        let x = try context.tensor.gather(kept.normed, rows: shape.rows, width: shape.hidden)
        head.weightGradient(x, kept.logits, rows: shape.rows, context.profile)
        try context.shards.finish(head.weight.unit)
    }
}
