extension End {
    /// The final norm and the head, whose product with the vocabulary table gives the logits of the loss.
    ///
    /// Letter: h hidden. A norm reads and writes h numbers, and its backward also reads a gradient. Tensor ranks hold
    /// some of the table's rows each, so that each computes some of the logits. The loss adds up three numbers of a row
    /// over them: maximum, target logit and sum of exponentials (Megatron-LM's vocabulary-parallel loss).
    static func head(_ model: Model) -> End {
        let stream = Extent(.scattered, whole: model.hidden)
        let logits = Extent(.all, Width(entries: model.vocab))
        var part = Part()
        part.tensors = model.finalNorm + [model.head]
        part.products = headProducts(model)
        part.kept = [Kept(stream), Kept(stream, role: .normResult), Kept(logits, .single, role: .logits)]
        // The kept inputs stay. In addition: the logits' gradients, in the format of activations.
        part.operands = [Stored(logits)]
        part.forward.kernels = [[Stored(stream, times: 2)]]
        part.backward.kernels = [[Stored(stream, times: 3)]]
        part.messages = TensorMessages(keptInputs: [model.hidden], totals: [1, 1, 1])
        return End(
            part: part, logits: logits, hidden: model.hidden,
            words: EndWords(
                wholeParameters: model.normWords(count: 1), kept: "2·w·T·h/σ", keptWithoutNorm: "w·T·h/σ",
                logits: "T·V_p/t"))
    }

    static func headProducts(_ model: Model) -> [Product] {
        [Product(inputs: Width(whole: model.hidden), outputs: Width(entries: model.vocab))]
    }
}

extension Model {
    /// The output projection; a tied one is a copy of the embedding's table.
    package var head: TensorSpec { table(tiedEmbeddings ? conventions.names.table : conventions.names.head) }

    /// The norm after the last block.
    package var finalNorm: [TensorSpec] { norm(conventions.names.finalNorm) }
}
