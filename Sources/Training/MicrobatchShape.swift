package import Plans

/// Sizes of one micro-batch inside a stage.
package struct MicrobatchShape: Hashable, Sendable {
    package var sequences: Int
    package var sequence: Int
    package var hidden: Int
    package var heads: Int
    package var ffn: Int
    package var vocab: Int

    package init(model: Model, sequences: Int, sequence: Int? = nil) {
        self.sequences = sequences
        self.sequence = sequence ?? model.sequence
        hidden = model.hidden
        heads = model.heads
        ffn = model.ffn
        vocab = model.vocab
    }

    /// Tokens of the micro-batch: the rows of every activation.
    package var rows: Int { sequences * sequence }
    package var headSize: Int { hidden / heads }
    /// Elements of the tensor that crosses a stage boundary, `[rows, hidden]`.
    package var boundaryCount: Int { rows * hidden }
}
