extension End {
    /// The embedding: a row of the vocabulary table for each token, and the row of its position if positions are
    /// learned.
    ///
    /// Letter: h hidden. A lookup reads and writes h numbers, and so does the addition of a position. The backward
    /// reads a gradient and adds it to the table's gradients. Tensor ranks hold some of the table's rows each and add
    /// up what they find (Shoeybi et al. 2019, section 3). Dropout on the first residual stream keeps a mask
    /// (Korthikanti et al. 2022, section 4.3).
    static func embedding(_ model: Model) -> End {
        let (rows, stream) = (Extent(.all, whole: model.hidden), Extent(.scattered, whole: model.hidden))
        let positions = model.positions
        var part = Part()
        part.tensors = [model.embedding] + [positions].compactMap { $0 }
        part.kept = [Kept(stream, .mask)]
        part.forward.kernels = [[Stored(rows, times: positions == nil ? 2 : 4)]]
        part.backward.kernels = [[Stored(stream), Stored(stream, .gradient, times: 2)]]
        part.messages = TensorMessages(results: [model.hidden])
        return End(
            part: part, hidden: model.hidden,
            words: EndWords(wholeParameters: positions == nil ? nil : "s·h", kept: "T·h/σ"))
    }
}

extension Model {
    /// Table of learned positions; nil with rotary positions.
    package var positions: TensorSpec? {
        conventions.names.positions.map {
            TensorSpec(
                name: $0, shape: [sequence, hidden], start: .normal(Self.startDeviation), seesStreamRows: true)
        }
    }

    /// Table of the token embedding.
    package var embedding: TensorSpec { table(conventions.names.table) }
}
