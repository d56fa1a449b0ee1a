internal import Plans
internal import Tensors

/// One pipeline stage of a GPT on one rank: embeddings on the first, final norm, head and loss on the last, pre-norm
/// blocks between. It knows nothing of other ranks.
///
/// Letters in the comments: R rows (tokens of the micro-batch), H hidden, F ffn, V vocabulary.
final class GPTStage {
    let index: Int
    let isFirst: Bool
    let isLast: Bool
    let shape: MicrobatchShape
    let blockCount: Int
    private let blocks: [BlockParameters]
    private let tokenTable: WeightAndGradient?
    private let positionTable: WeightAndGradient?
    private let finalGain: WeightAndGradient?
    private let finalBias: WeightAndGradient?
    private let head: WeightAndGradient?
    private let workspace: StageWorkspace

    init(
        model: Model, index: Int, layers: Range<Int>, isFirst: Bool, isLast: Bool, parameters: ParameterSet,
        shape: MicrobatchShape, workspace: StageWorkspace
    ) {
        self.index = index
        self.isFirst = isFirst
        self.isLast = isLast
        self.shape = shape
        self.workspace = workspace
        blockCount = layers.count
        func tensor(_ name: String) -> WeightAndGradient { WeightAndGradient(parameters, stage: index, name: name) }
        blocks = layers.map { BlockParameters(block: "h.\($0).", tensor: tensor) }
        tokenTable = isFirst ? tensor("wte.weight") : nil
        positionTable = isFirst ? tensor("wpe.weight") : nil
        finalGain = isLast ? tensor("ln_f.weight") : nil
        finalBias = isLast ? tensor("ln_f.bias") : nil
        head = isLast ? tensor(model.tiedEmbeddings ? "wte.weight" : "lm_head.weight") : nil
    }

    /// Embeds `tokens` `[R]` into `output` `[R, H]`. First stage only.
    func embed(tokens: UnsafePointer<Int32>, output: UnsafeMutablePointer<Float>, shape: MicrobatchShape) {
        guard let tokenTable, let positionTable else { return }
        Embedding.forward(
            tokens: tokens, tokenTable: tokenTable.weight, positionTable: positionTable.weight, y: output,
            batch: shape.sequences, sequence: shape.sequence, width: shape.hidden)
    }

    /// Runs the blocks from `activations.input`. On the last stage also the norm and the head, leaving logits in
    /// `activations.head`; elsewhere the result goes to `output` `[R, H]`.
    func forward(_ activations: StageActivations, output: UnsafeMutablePointer<Float>?, shape: MicrobatchShape) {
        let rows = shape.rows
        let hidden = shape.hidden
        let delta = workspace.rowsByHidden
        for (position, block) in blocks.enumerated() {
            let kept = activations.blocks[position]
            if position == 0 {
                LayerNorm.forward(
                    x: kept.input, gain: block.gain1.weight, bias: block.bias1.weight, y: kept.normed1,
                    mean: kept.mean1, inverseDeviation: kept.inverse1, rows: rows, width: hidden)
            } else {
                // The previous block's feed-forward output joins the residual stream together with this norm.
                let previous = blocks[position - 1]
                LayerNorm.addForward(
                    x: activations.blocks[position - 1].middle, delta: delta, deltaBias: previous.contractBias.weight,
                    sum: kept.input, gain: block.gain1.weight, bias: block.bias1.weight, y: kept.normed1,
                    mean: kept.mean1, inverseDeviation: kept.inverse1, rows: rows, width: hidden)
            }
            Linear.forward(
                x: kept.normed1, weight: block.qkv.weight, bias: block.qkvBias.weight, y: kept.qkv, rows: rows,
                inputs: hidden, outputs: 3 * hidden)
            CausalAttention.forward(
                qkv: kept.qkv, output: kept.attention, logSumExp: kept.logSumExp, workspace: workspace.attention,
                batch: shape.sequences, sequence: shape.sequence, heads: shape.heads, headSize: shape.headSize)
            Linear.forward(
                x: kept.attention, weight: block.projection.weight, bias: nil, y: delta, rows: rows, inputs: hidden,
                outputs: hidden)
            LayerNorm.addForward(
                x: kept.input, delta: delta, deltaBias: block.projectionBias.weight, sum: kept.middle,
                gain: block.gain2.weight, bias: block.bias2.weight, y: kept.normed2, mean: kept.mean2,
                inverseDeviation: kept.inverse2, rows: rows, width: hidden)
            Linear.forward(
                x: kept.normed2, weight: block.expand.weight, bias: nil, y: kept.expanded, rows: rows,
                inputs: hidden, outputs: shape.ffn)
            Gelu.forward(
                x: kept.expanded, bias: block.expandBias.weight, y: kept.activated, rows: rows, width: shape.ffn)
            Linear.forward(
                x: kept.activated, weight: block.contract.weight, bias: nil, y: delta, rows: rows,
                inputs: shape.ffn, outputs: hidden)
        }
        guard let last = blocks.last, let middle = activations.blocks.last?.middle else { return }
        if let kept = activations.head, let finalGain, let finalBias, let head {
            LayerNorm.addForward(
                x: middle, delta: delta, deltaBias: last.contractBias.weight, sum: kept.input,
                gain: finalGain.weight, bias: finalBias.weight, y: kept.normed, mean: kept.mean,
                inverseDeviation: kept.inverse, rows: rows, width: hidden)
            Linear.transposedForward(
                x: kept.normed, weight: head.weight, y: kept.logits, rows: rows, inputs: hidden, outputs: shape.vocab)
        } else if let output {
            VectorMath.residualAdd(
                x: middle, delta: delta, bias: last.contractBias.weight, y: output, rows: rows, width: hidden)
        }
    }

    /// Turns the logits into their gradient times `scale` and returns the summed loss. Last stage only.
    func loss(_ activations: StageActivations, targets: UnsafePointer<Int32>, scale: Float) -> Double {
        guard let kept = activations.head else { return 0 }
        return CrossEntropy.lossAndGradient(
            logits: kept.logits, targets: targets, rows: shape.rows, vocab: shape.vocab, scale: scale)
    }

    /// The full backward: adds every weight gradient and turns `gradient` `[R, H]`, the loss's gradient by this stage's
    /// output (ignored on the last stage), into the gradient by its input. `tokens` are the first stage's.
    func backward(
        _ activations: StageActivations, gradient: UnsafeMutablePointer<Float>, tokens: UnsafePointer<Int32>?
    ) {
        let rows = shape.rows
        let hidden = shape.hidden
        if let kept = activations.head, let finalGain, let finalBias, let head {
            let dNormed = workspace.rowsByHidden
            Linear.transposedWeightGradient(
                x: kept.normed, dy: kept.logits, dWeight: head.gradient, rows: rows, inputs: hidden,
                outputs: shape.vocab)
            Linear.transposedInputGradient(
                dy: kept.logits, weight: head.weight, dx: dNormed, rows: rows, inputs: hidden, outputs: shape.vocab)
            LayerNorm.weightGradient(
                dy: dNormed, x: kept.input, mean: kept.mean, inverseDeviation: kept.inverse, dGain: finalGain.gradient,
                dBias: finalBias.gradient, rows: rows, width: hidden)
            LayerNorm.inputGradient(
                dy: dNormed, x: kept.input, gain: finalGain.weight, mean: kept.mean, inverseDeviation: kept.inverse,
                dx: gradient, rows: rows, width: hidden, accumulate: false)
        }
        for (block, kept) in zip(blocks, activations.blocks).reversed() {
            feedForwardBackward(block, kept, gradient: gradient)
            attentionBackward(block, kept, gradient: gradient)
        }
        if let tokens, let tokenTable, let positionTable {
            Embedding.weightGradient(
                tokens: tokens, dy: gradient, dTokenTable: tokenTable.gradient, dPositionTable: positionTable.gradient,
                batch: shape.sequences, sequence: shape.sequence, width: hidden)
        }
    }

    /// y = x + W₂·gelu(W₁·norm₂(x) + b₁) + b₂, `gradient` by y in, by x out.
    private func feedForwardBackward(
        _ block: BlockParameters, _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>
    ) {
        let rows = shape.rows
        let hidden = shape.hidden
        let dExpanded = workspace.rowsByWidest
        let dNormed = workspace.rowsByHidden
        Linear.weightGradient(
            x: kept.activated, dy: gradient, dWeight: block.contract.gradient, dBias: block.contractBias.gradient,
            rows: rows, inputs: shape.ffn, outputs: hidden)
        Linear.inputGradient(
            dy: gradient, weight: block.contract.weight, dx: dExpanded, rows: rows, inputs: shape.ffn, outputs: hidden)
        Gelu.inputGradient(x: kept.expanded, dy: dExpanded, dx: dExpanded, count: rows * shape.ffn)
        Linear.weightGradient(
            x: kept.normed2, dy: dExpanded, dWeight: block.expand.gradient, dBias: block.expandBias.gradient,
            rows: rows, inputs: hidden, outputs: shape.ffn)
        Linear.inputGradient(
            dy: dExpanded, weight: block.expand.weight, dx: dNormed, rows: rows, inputs: hidden, outputs: shape.ffn)
        LayerNorm.weightGradient(
            dy: dNormed, x: kept.middle, mean: kept.mean2, inverseDeviation: kept.inverse2,
            dGain: block.gain2.gradient, dBias: block.bias2.gradient, rows: rows, width: hidden)
        LayerNorm.inputGradient(
            dy: dNormed, x: kept.middle, gain: block.gain2.weight, mean: kept.mean2, inverseDeviation: kept.inverse2,
            dx: gradient, rows: rows, width: hidden, accumulate: true)
    }

    /// y = x + W_o·attention(W_qkv·norm₁(x) + b_qkv) + b_o, `gradient` by y in, by x out.
    private func attentionBackward(
        _ block: BlockParameters, _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>
    ) {
        let rows = shape.rows
        let hidden = shape.hidden
        let dAttention = workspace.rowsByHidden
        let dQKV = workspace.rowsByWidest
        Linear.weightGradient(
            x: kept.attention, dy: gradient, dWeight: block.projection.gradient, dBias: block.projectionBias.gradient,
            rows: rows, inputs: hidden, outputs: hidden)
        Linear.inputGradient(
            dy: gradient, weight: block.projection.weight, dx: dAttention, rows: rows, inputs: hidden, outputs: hidden)
        CausalAttention.inputGradient(
            qkv: kept.qkv, output: kept.attention, dOutput: dAttention, logSumExp: kept.logSumExp, dqkv: dQKV,
            workspace: workspace.attention, batch: shape.sequences, sequence: shape.sequence, heads: shape.heads,
            headSize: shape.headSize)
        Linear.weightGradient(
            x: kept.normed1, dy: dQKV, dWeight: block.qkv.gradient, dBias: block.qkvBias.gradient, rows: rows,
            inputs: hidden, outputs: 3 * hidden)
        // dAttention is no longer needed: the same buffer takes the norm's gradient.
        Linear.inputGradient(
            dy: dQKV, weight: block.qkv.weight, dx: dAttention, rows: rows, inputs: hidden, outputs: 3 * hidden)
        LayerNorm.weightGradient(
            dy: dAttention, x: kept.input, mean: kept.mean1, inverseDeviation: kept.inverse1,
            dGain: block.gain1.gradient, dBias: block.bias1.gradient, rows: rows, width: hidden)
        LayerNorm.inputGradient(
            dy: dAttention, x: kept.input, gain: block.gain1.weight, mean: kept.mean1,
            inverseDeviation: kept.inverse1, dx: gradient, rows: rows, width: hidden, accumulate: true)
    }
}
