extension End {
    /// The final norm and the head, whose product with the vocabulary table gives the logits of the loss.
    ///
    /// Letter: h hidden. A norm reads and writes h numbers, and its backward also reads a gradient. Tensor ranks hold
    /// some of the table's rows each, so that each computes some of the logits. The loss adds up three numbers of a row
    /// over them: maximum, target logit and sum of exponentials (Megatron-LM's vocabulary-parallel loss). Rows of a
    /// narrower table are projected before they are gathered.
    static func head(_ model: Model) -> End {
        let stream = Extent(.scattered, whole: model.hidden)
        let logits = Extent(.all, Width(entries: model.vocab))
        let norms = model.hasFinalNorm ? 1.0 : 0
        let whole = [
            model.hasFinalNorm ? model.normWords(count: 1) : nil, model.conventions.biases.contains(.head) ? "V" : nil,
            model.embeddingSize == nil ? nil : "h·h_e",
        ].compactMap { $0 }
        var part = Part()
        part.tensors = model.finalNorm + model.headTensors + [model.head]
        part.products = headProducts(model)
        part.kept = [
            Kept(stream, times: norms), Kept(stream, role: model.hasFinalNorm ? .normResult : .other),
            Kept(logits, .single, role: .logits),
        ]
        if let size = model.embeddingSize { part.kept.append(Kept(Extent(.scattered, whole: size))) }
        // The kept inputs stay. In addition: the logits' gradients, in the format of activations.
        part.operands = [Stored(logits)]
        if model.hasFinalNorm {
            part.forward.kernels = [[Stored(stream, times: 2)]]
            part.backward.kernels = [[Stored(stream, times: 3)]]
        }
        part.messages = TensorMessages(keptInputs: [model.tableWidth], totals: [1, 1, 1])
        return End(
            part: part, logits: logits, width: model.tableWidth,
            words: EndWords(
                model, whole: whole, kept: EndWords.kept(norms: model.hasFinalNorm ? 2 : 1, model),
                keptWithoutNorm: EndWords.kept(norms: 1, model), logits: "T·V_p/t"))
    }

    static func headProducts(_ model: Model) -> [Product] {
        let table = Product(inputs: Width(whole: model.tableWidth), outputs: Width(entries: model.vocab))
        guard let size = model.embeddingSize else { return [table] }
        return [Product(.scattered, inputs: Width(whole: model.hidden), outputs: Width(whole: size)), table]
    }
}

extension Model {
    /// The output projection; a tied one is a copy of the embedding's table.
    package var head: TensorSpec { table(tiedEmbeddings ? conventions.names.table : conventions.names.head) }

    /// The norm after the last block.
    package var finalNorm: [TensorSpec] { hasFinalNorm ? norm(conventions.names.finalNorm) : [] }

    /// The bias of the head, and the projection to a narrower embedding.
    package var headTensors: [TensorSpec] {
        (conventions.biases.contains(.head)
            ? [TensorSpec(name: "lm_head.bias", shape: [vocab], start: .zeros, seesStreamRows: true)] : [])
            + (embeddingSize.map { size in
                [
                    TensorSpec(
                        name: "model.project_out.weight", shape: [size, hidden], start: .normal(Self.startDeviation),
                        seesStreamRows: true)
                ]
            } ?? [])
    }
}
