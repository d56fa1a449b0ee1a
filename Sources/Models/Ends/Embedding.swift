extension End {
    /// The embedding: a row of the vocabulary table for each token, and the row of its position if positions are
    /// learned.
    ///
    /// Letter: h hidden. A lookup reads and writes h numbers, and so does the addition of a position. The backward
    /// reads a gradient and adds it to the table's gradients. Tensor ranks hold some of the table's rows each and add
    /// up what they find (Shoeybi et al. 2019, section 3). Dropout on the first residual stream keeps a mask
    /// (Korthikanti et al. 2022, section 4.3). Rows of a narrower table are added up, and each rank projects those of its
    /// part of the residual stream.
    static func embedding(_ model: Model) -> End {
        guard !model.hasPicture else { return pictures(model) }
        let (rows, stream) = (Extent(.all, whole: model.hidden), Extent(.scattered, whole: model.hidden))
        let positions = model.positions
        var part = Part()
        part.tensors =
            [model.embedding] + [positions].compactMap { $0 } + model.embeddingTensors
            + model.extra("model.other", model.otherParameters)
        part.kept = [Kept(stream, .mask)]
        let lookup = lookup(model)
        let addsPositions = positions != nil || model.conventions.positions == .sinusoidal
        part.forward.kernels = [addsPositions ? [Stored(rows, times: 4)] : lookup.forward]
        part.backward.kernels = [lookup.backward]
        part.messages = TensorMessages(results: [model.tableWidth])
        var whole = positions == nil ? [] : [model.positionEntries == nil ? "s·h" : "s_p·h"]
        if model.embeddingNorm {
            part.kept.append(Kept(stream, role: model.roleOfNormInputs))
            part.kept += model.stepsOfNorms(
                stream, count: 1, isTrained: model.changesEmbedding && model.changesNorms)
            part.forward.kernels.append([Stored(stream, times: 2)])
            part.backward.kernels.append([Stored(stream, times: 3)])
            whole += [model.normWords(count: 1)].compactMap { $0 }
        }
        if let size = model.embeddingSize {
            part.products = [Product(.scattered, inputs: Width(whole: size), outputs: Width(whole: model.hidden))]
            part.kept.append(Kept(Extent(.scattered, whole: size)))
            whole.append("h_e·h")
        }
        if model.otherParameters > 0 { whole.append("n_o") }
        return End(
            part: part, looksUp: true, width: model.tableWidth,
            words: EndWords(
                model, whole: whole, kept: EndWords.kept(norms: model.embeddingNorm ? 1 : 0, model),
                masks: "T·h/σ", stepsOfNorm: part.stepsOfNorm),
            tuned: TunedEnd(
                model, changesTable: model.changesTable, changesOthers: model.changesEmbedding,
                whole: part.tensors.wholeParameters,
                norms: model.embeddingNorm ? model.norm("model.embed_norm").parameters : 0))
    }

    /// The kernels of looking up rows of the vocabulary table, and of adding their gradients to the table's.
    package static func lookup(_ model: Model) -> (forward: [Stored], backward: [Stored]) {
        let (rows, stream) = (Extent(.all, whole: model.hidden), Extent(.scattered, whole: model.hidden))
        return ([Stored(rows, times: 2)], [Stored(stream), Stored(stream, .gradient, times: 2)])
    }
}

extension Model {
    /// Table of learned positions; nil with other positions.
    package var positions: TensorSpec? {
        guard conventions.positions == .learned else { return nil }
        return TensorSpec(
            name: conventions.names.positions, shape: [positionEntries ?? sequence, hidden],
            start: .normal(Self.startDeviation), seesStreamRows: true)
    }

    /// The norm behind the embedding, and the projection of a narrower embedding.
    package var embeddingTensors: [TensorSpec] {
        (embeddingNorm ? norm("model.embed_norm") : [])
            + (embeddingSize.map { size in
                [
                    TensorSpec(
                        name: "model.project_in.weight", shape: [hidden, size], start: .normal(Self.startDeviation),
                        seesStreamRows: true)
                ]
            } ?? [])
    }

    /// Numbers in a row of the token table.
    package var tableWidth: Int { embeddingSize ?? hidden }

    /// Table of the token embedding.
    package var embedding: TensorSpec { table(conventions.names.table) }
}
