import Models
import Plans

/// Tensors that blocks of images and videos keep and send in addition, one by one of diffusers' blocks.
extension CountedActivations {
    /// Rows of the text and samples on one device. A text outside the sequence is whole on every context rank.
    private static func others(_ model: Model, _ layout: Layout, rows: Double) -> (text: Double, samples: Double) {
        let samples = Double(layout.microbatch)
        let tokens = Double(model.text?.tokens ?? 0)
        return (samples * tokens / (model.textJoins ? Double(layout.context) : 1), samples)
    }

    /// Tensors of modulation and of a cross-attention.
    mutating func addPicture(
        _ model: Model, _ shape: BlockShape, _ layout: Layout, rows: Double, ownRows: Double, selective: Bool,
        dropout: Bool
    ) {
        let (h, t) = (Double(model.hidden), Double(layout.tensor))
        let (text, samples) = Self.others(model, layout, rows: rows)
        if let diffusion = model.diffusion, shape.modulation > 0 {
            let isDouble = shape.stream == .double || shape.stream == .lastDouble
            // Norms' results before they are scaled; halves' results before they are gated.
            let norms = shape.isJoined && shape.readsOneNorm ? 1 : shape.halves == .both ? 2.0 : 1
            let gates =
                Double(shape.modulation) >= 3 * norms ? (shape.isJoined ? 1 : shape.halves == .both ? 2.0 : 1) : 0
            if shape.stream != .lastDouble { elements += ownRows * h * (norms + gates) }
            // The vectors of a sample, and the condition that the layer reads which computes them.
            let ofText = shape.stream == .lastDouble ? min(2, shape.modulation) : isDouble ? shape.modulation : 0
            elements += samples * h * Double(shape.modulation + ofText)
            if !diffusion.sharedModulation {
                elements += samples * Double(diffusion.conditionSize ?? model.hidden) * (isDouble ? 2 : 1)
            }
        }
        guard let cross = shape.crossAttention else { return }
        let (heads, keys) = (Double(shape.heads) / t, Double(shape.kvHeads) / t)
        let (d, v) = (Double(shape.headSize), Double(shape.valueHead))
        elements += ownRows * h * (cross.norm == .none ? 1 : 2)  // the stream, and the norm's result
        elements += rows * heads * (d + v) + text * keys * (d + v)  // queries, results; keys, values
        if cross.qkNorm != .none { elements += rows * heads * d + text * keys * d }  // before their norms
        guard !selective else { return }
        if layout.flashAttention {
            bytes += 4 * rows * heads
        } else {
            let scores = rows * heads * Double(model.text?.tokens ?? 0)
            elements += scores * (dropout ? 2 : 1)
            if dropout { bytes += scores }
        }
    }

    /// A block that the text's rows do not leave: of them it keeps the stream and the norm's result, with its scaled
    /// result, and queries, keys, values and the attention's result.
    mutating func addLastStreams(
        _ model: Model, _ shape: BlockShape, _ layout: Layout, rows: Double, ownRows: Double, selective: Bool,
        dropout: Bool
    ) {
        let h = Double(model.hidden)
        let text = Self.others(model, layout, rows: rows).text
        let ownText = layout.sequenceParallel ? text / Double(layout.tensor) : text
        let (image, ownImage) = (rows - text, ownRows - ownText)
        let norms = shape.norms == .both ? 3.0 : 2  // the stream, and norms' results and inputs
        elements += 2 * ownImage * h * norms + ownText * h * norms
        if shape.modulation > 0, model.diffusion != nil {
            let gates = shape.modulation >= 6 ? 2.0 : 0
            elements += ownImage * h * (2 + gates) + ownText * h
        }
        attention(
            model, shape, layout, rows: rows, ownRows: ownRows, again: selective ? [.coreAttention] : [],
            dropout: dropout)
        feedForward(shape, width: Double(shape.ffn) / Double(layout.tensor), rows: image)
        if dropout { bytes += 2 * ownImage * h }
    }

    /// Operands between the halves of a split backward that a block has in addition, or lacks.
    static func pictureOperands(
        _ model: Model, _ shape: BlockShape, _ layout: Layout, rows: Double, ownRows: Double
    ) -> Double {
        let (h, t) = (Double(model.hidden), Double(layout.tensor))
        let (text, samples) = others(model, layout, rows: rows)
        var numbers = 0.0
        if let diffusion = model.diffusion, shape.modulation > 0, !diffusion.sharedModulation {
            let isDouble = shape.stream == .double || shape.stream == .lastDouble
            let ofText = shape.stream == .lastDouble ? min(2, shape.modulation) : isDouble ? shape.modulation : 0
            // The condition, and the gradients of the vectors.
            numbers += samples * h * Double(shape.modulation + ofText)
            numbers += samples * Double(diffusion.conditionSize ?? model.hidden) * (isDouble ? 2 : 1)
        }
        if shape.crossAttention != nil {
            let width = Double(shape.headSize + shape.valueHead)
            // The input and the gradient of the result; gradient of the queries and input of the last product; gradients of
            // keys and values. Their input, the text, is there for all blocks.
            numbers +=
                2 * ownRows * h + rows * Double(shape.heads) * width / t + text * Double(shape.kvHeads) * width / t
        }
        if shape.stream == .lastDouble {
            let ownText = layout.sequenceParallel ? text / t : text
            // Text has no product back, no network, and one norm alone.
            numbers -= text * Double(shape.heads * shape.valueHead) / t
            numbers -= text * Double(shape.ways + 1) * Double(shape.ffn) / t
            numbers -= 3 * ownText * h
        }
        return numbers
    }
}
