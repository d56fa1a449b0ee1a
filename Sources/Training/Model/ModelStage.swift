package import MPI
package import Models
package import Plans
package import Tensors

/// One pipeline stage on one rank: embeddings on the first, final norm, head and loss on the last, blocks between. It
/// knows nothing of other stages; what its layers share with other ranks goes through the context. Letters: `ShapeLetters`.
package final class ModelStage {
    let index: Int
    let isFirst: Bool
    let isLast: Bool
    let context: StageContext
    let blocks: [TransformerBlock]
    /// The feed-forward of each block.
    package let kinds: [FeedForwardKind]
    private let embedding: VocabularyParallelEmbedding?
    /// Final norm and head; nil but on the last stage.
    let end: (norm: NormLayer, head: LinearLayer)?

    /// - Parameter tableStage: the stage whose token table a tied head uses, when it lies on this rank.
    package init(
        model: Model, index: Int, layers: Range<Int>, isFirst: Bool, isLast: Bool, parameters: ParameterSet,
        tableStage: Int? = nil, context: StageContext
    ) {
        self.index = index
        self.isFirst = isFirst
        self.isLast = isLast
        self.context = context
        let names = model.conventions.names
        let build = BlockBuilder(model: model, parameters: parameters, stage: index, context: context)
        blocks = zip(layers, context.recompute(blocks: layers.count, stage: index)).map {
            build.block($0, recompute: $1)
        }
        kinds = layers.map { model.hasExperts($0) ? .mixture : .dense }
        let shape = context.shape
        embedding =
            isFirst
            ? VocabularyParallelEmbedding(
                table: build.parameter(names.table), positionTable: model.positions.map { build.parameter($0.name) },
                positions: context.positions, tensor: context.tensor, profile: context.profile) : nil
        guard isLast else {
            end = nil
            return
        }
        let table = parameters.parameter(
            stage: tableStage ?? index, name: model.head.name)
        end = (
            norm: build.norm(names.finalNorm),
            head: LinearLayer(
                weight: table, bias: nil, inputs: shape.hidden, outputs: shape.vocab, isTransposed: true,
                mixed: context.mixed)
        )
    }

    /// The recomputation of each block.
    package var recompute: [Layout.Recompute] { blocks.map(\.recomputed) }

    /// tokens [R], output [S, H]: embeds tokens. First stage only.
    package func embed(tokens: UnsafePointer<Int32>, output: Matrix, shape: MicrobatchShape) throws(MPIError) {
        guard let embedding else { preconditionFailure("stage \(index) has no embedding") }
        try context.dataParallel.gatherWeights(of: embedding.table.unit)
        if let positions = embedding.positionTable { try context.dataParallel.gatherWeights(of: positions.unit) }
        try embedding.forward(tokens: tokens, into: output, shape: shape, documents: context.documents)
    }

    /// output [S, H]: runs the blocks from `activations.input`. On the last stage also the norm and the head, which leaves
    /// logits in `activations.head`; elsewhere the result goes to `output`.
    package func forward(
        _ activations: SavedStage, output: Matrix?, shape: MicrobatchShape
    ) throws(MPIError) {
        var pending: PendingBranch?
        for (position, block) in blocks.enumerated() {
            for unit in block.units { try context.dataParallel.gatherWeights(of: unit) }
            pending = try block.forward(activations.block(position).first(shape), joining: pending)
        }
        guard let end else {
            guard let output else { preconditionFailure("stage \(index) needs a place for its output") }
            guard let branch = pending else {
                // A stage without blocks passes on what came in.
                output.copy(from: activations.input)
                return
            }
            Residual.join(
                branch.stream.pointer, branch.output.pointer, bias: branch.bias, into: output.pointer,
                rows: branch.stream.rows, width: branch.stream.columns, context.profile)
            return
        }
        let saved = head(activations)
        let input = saved.input.rows(0..<shape.streamRows)
        try context.dataParallel.gatherWeights(of: end.norm.gain.unit)
        let normed = saved.normed?.rows(0..<shape.streamRows) ?? context.scratch.narrow(like: input)
        if let pending {
            end.norm.joinForward(pending, sum: input, into: normed, saved.statistics, context.profile)
        } else {
            input.copy(from: activations.input.rows(0..<shape.streamRows))
            end.norm.forward(input, into: normed, saved.statistics, context.profile)
        }
        try context.dataParallel.gatherWeights(of: end.head.weight.unit)
        end.head.forward(
            try context.tensor.gather(normed), into: saved.logits.rows(0..<shape.rows), addsBias: false,
            context.profile)
    }

    private func head(_ activations: SavedStage) -> SavedHead {
        guard let head = activations.head else { preconditionFailure("stage \(index) has no tensors of a head") }
        return head
    }

    /// targets [R]: turns the logits into their gradient times `scale`. Last stage only.
    /// - Returns: the summed loss.
    package func loss(
        _ activations: SavedStage, targets: UnsafePointer<Int32>, scale: Float
    ) throws(MPIError) -> Double {
        try context.loss.lossAndGradient(logits: head(activations).logits, targets: targets, scale: scale)
    }

    /// gradient [S, H]: turns the loss's gradient by this stage's output (ignored on the last stage) into the gradient by its
    /// input. Adds all weight gradients, or with `weightsLater` only those that are not the matrices', keeping what
    /// `weightGradients` needs.
    /// - Parameter tokens: the first stage's tokens [R]; nil elsewhere.
    package func backward(
        _ activations: SavedStage, gradient: Matrix, tokens: UnsafePointer<Int32>?, weightsLater: Bool
    ) throws(MPIError) {
        let dataParallel = context.dataParallel
        if let end {
            try endBackward(head(activations), end, gradient: gradient, weightsLater: weightsLater)
        }
        for (position, block) in blocks.enumerated().reversed() {
            // Nothing here, nor before, has weights that training changes.
            guard block.passesGradient else { return }
            let saved = activations.block(position)
            for unit in block.units { try dataParallel.gatherWeights(of: unit) }
            try block.recompute(saved)
            try block.backward(saved, gradient: gradient, weightsLater: weightsLater)
            for unit in block.units {
                if weightsLater {
                    try dataParallel.reducePartial(unit)
                } else {
                    try dataParallel.reduceWhenComplete(unit)
                }
            }
        }
        if let tokens, let embedding, !embedding.table.unit.isFrozen || embedding.hasTrainedPositions {
            if !embedding.table.unit.isFrozen {
                try embedding.backward(tokens: tokens, gradient: gradient, shape: context.shape)
                try dataParallel.reduceWhenComplete(embedding.table.unit)
            }
            if let positions = embedding.positionTable, !positions.unit.isFrozen {
                embedding.positionsBackward(gradient: gradient, shape: context.shape, documents: context.documents)
                try dataParallel.reduceWhenComplete(positions.unit)
            }
        }
    }

    /// gradient [S, H]: writes the gradient by the last block's output.
    private func endBackward(
        _ saved: SavedHead, _ end: (norm: NormLayer, head: LinearLayer), gradient: Matrix,
        weightsLater: Bool
    ) throws(MPIError) {
        let (dataParallel, scratch, profile) = (context.dataParallel, context.scratch, context.profile)
        var normed = saved.normed
        if normed == nil {
            try dataParallel.gatherWeights(of: end.norm.gain.unit)
            let made = scratch.narrow(like: saved.input)
            end.norm.apply(saved.input, saved.statistics, into: made, profile)
            normed = made
        }
        try dataParallel.gatherWeights(of: end.head.weight.unit)
        if !weightsLater, let normed { try headWeightGradient(normed, saved, end.head) }
        let dNormed = scratch.narrow(like: saved.input)
        try context.tensor.sum(into: dNormed) { part in end.head.inputGradient(saved.logits, into: part, profile) }
        try dataParallel.gatherWeights(of: end.norm.gain.unit)
        end.norm.backward(
            dy: dNormed, x: saved.input, saved.statistics, dx: gradient, accumulate: false, profile)
        try dataParallel.reduceWhenComplete(end.norm.gain.unit)
    }

    /// The second half of a split backward: the matrices' gradients.
    package func weightGradients(_ activations: SavedStage) throws(MPIError) {
        if let end {
            let saved = head(activations)
            guard let normed = saved.normed else { preconditionFailure("a split backward keeps the norms' outputs") }
            try headWeightGradient(normed, saved, end.head)
        }
        for (position, block) in blocks.enumerated().reversed() {
            guard block.passesGradient else { return }
            try block.weightGradients(activations.block(position))
            for unit in block.units { try context.dataParallel.reduceWhenComplete(unit) }
        }
    }

    /// normed [S, H]: the final norm's output.
    private func headWeightGradient(
        _ normed: Matrix, _ saved: SavedHead, _ head: LinearLayer
    ) throws(MPIError) {
        head.weightGradient(try context.tensor.gather(normed), saved.logits, context.profile)
        try context.dataParallel.reduceWhenComplete(head.weight.unit)
    }
}
