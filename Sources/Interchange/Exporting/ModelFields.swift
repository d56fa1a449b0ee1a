internal import Models

extension Model {
    /// The shape in a plan's own keys, for files of ours beside those of a tool. Only features that `TorchtitanExport` allows.
    var fields: JSONEntries {
        var fields = JSONEntries()
        fields.add("family", "llama")
        fields.add("layers", layers)
        fields.add("hidden", hidden)
        fields.add("heads", heads)
        if let mla {
            fields.add("mla") {
                $0.add("queryRank", mla.queryRank)
                $0.add("kvRank", mla.kvRank)
                $0.add("nopeSize", mla.nopeSize)
                $0.add("ropeSize", mla.ropeSize)
                $0.add("valueSize", mla.valueSize)
            }
        } else {
            fields.add("kvHeads", kvHeads)
            fields.add("headSize", headSize)
            if block.qkNorm == .head { fields.add("qkNorm", "head") }
        }
        fields.add("ffn", ffn)
        fields.add("mlp", mlp.rawValue)
        fields.add("vocab", vocab)
        fields.add("sequence", sequence)
        fields.add("tiedEmbeddings", tiedEmbeddings)
        if !conventions.biases.isEmpty {
            fields.add("biases", .list(conventions.biases.sorted().map { .text($0.rawValue) }))
        }
        guard let moe else { return fields }
        fields.add("moe") {
            $0.add("experts", moe.experts)
            $0.add("topK", moe.topK)
            $0.add("ffn", moe.ffn)
            if moe.sharedWidth > 0 {
                $0.add("shared", moe.shared)
                $0.add("sharedFfn", moe.sharedFfn)
            }
            if moe.firstDense > 0 { $0.add("firstDense", moe.firstDense) }
            if moe.every > 1 { $0.add("every", moe.every) }
            if moe.routerCorrection { $0.add("routerCorrection", true) }
            if let limit = moe.nodeLimit { $0.add("nodeLimit", limit) }
        }
        return fields
    }
}
