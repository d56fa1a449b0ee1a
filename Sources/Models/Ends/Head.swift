extension End {
    /// The final norm and the head, whose product with the vocabulary table gives the logits of the loss.
    ///
    /// Letter: h hidden. A norm reads and writes h numbers, and its backward also reads a gradient. Tensor ranks hold
    /// some of the table's rows each, so that each computes some of the logits. The loss adds up three numbers of a row
    /// over them: maximum, target logit and sum of exponentials (Megatron-LM's vocabulary-parallel loss). Rows of a
    /// narrower table are projected before they are gathered.
    ///
    /// Every module of multi-token prediction looks up the embedding of its tokens on the stage with the head, and has
    /// logits and a loss of its own from the head's table (Megatron-Core, `multi_token_prediction.py`).
    static func head(_ model: Model) -> End {
        guard !model.hasPicture else { return predictions(model) }
        let stream = Extent(.scattered, whole: model.hidden)
        let logits = Extent(.all, Width(entries: model.vocab))
        let norms = model.hasFinalNorm ? 1.0 : 0
        let whole = [
            model.hasFinalNorm ? model.normWords(count: 1) : nil, model.conventions.biases.contains(.head) ? "V" : nil,
            model.embeddingSize == nil ? nil : "h·h_e",
        ].compactMap { $0 }
        var part = Part()
        part.tensors = model.finalNorm + model.headTensors + [model.head]
        let (modules, losses) = (model.predictors, model.predictors + 1)
        part.products = Array(repeating: headProducts(model), count: losses).flatMap(\.self)
        part.kept = [
            Kept(stream, times: norms, role: model.roleOfNormInputs),
            Kept(stream, times: Double(losses), role: model.hasFinalNorm ? .normResult : .other),
            Kept(logits, .single, times: Double(losses), role: .logits),
        ]
        part.kept += model.stepsOfNorms(
            stream, count: model.hasFinalNorm ? 1 : 0, isTrained: model.changesHead && model.changesNorms)
        if let size = model.embeddingSize { part.kept.append(Kept(Extent(.scattered, whole: size))) }
        // The kept inputs stay. In addition: the logits' gradients, in the format of activations.
        part.operands = [Stored(logits, times: Double(losses))]
        if model.hasFinalNorm {
            part.forward.kernels = [[Stored(stream, times: 2)]]
            part.backward.kernels = [[Stored(stream, times: 3)]]
        }
        part.messages = TensorMessages(
            keptInputs: Array(repeating: model.tableWidth, count: losses),
            totals: [Int](repeating: 1, count: 3 * losses))
        if modules > 0 {
            let lookup = End.lookup(model)
            part.kept.append(Kept(stream, .mask, times: Double(modules)))
            part.forward.kernels += Array(repeating: lookup.forward, count: modules)
            part.backward.kernels += Array(repeating: lookup.backward, count: modules)
            part.messages.results = Array(repeating: Message(model.tableWidth), count: modules)
        }
        return End(
            part: part, logits: logits, losses: losses, width: model.tableWidth,
            words: EndWords(
                model, whole: whole, kept: EndWords.kept(norms: (model.hasFinalNorm ? 2 : 1) + modules, model),
                keptWithoutNorm: EndWords.kept(norms: model.hasFinalNorm ? 1 : losses, model),
                masks: modules == 0 ? nil : modules == 1 ? "T·h/σ" : "\(modules)·T·h/σ", logits: "T·V_p/t",
                losses: losses, stepsOfNorm: part.stepsOfNorm),
            tuned: TunedEnd(
                model, changesTable: model.changesHeadTable, changesOthers: model.changesHead,
                whole: part.tensors.wholeParameters, norms: model.finalNorm.parameters))
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
