internal import Reading

extension Model {
    /// A shape of the same sizes without what makes its fields contradict each other: the pattern goes on as it began, and
    /// a block that breaks a rule loses what its attention states, or all but its sizes. nil if that breaks a rule too.
    ///
    /// A plan whose model is wrong is refused. Other keys may be wrong as well, and are named in the same answer; the
    /// rules that tell need some model.
    var standIn: Model? {
        var model = self
        model.block = block.standIn
        for index in kinds.indices { model.kinds[index].shape = kinds[index].shape.standIn }
        if kinds.isEmpty, mixtureLayers == 0 {
            model.block.moe?.firstDense = 0
            model.block.moe?.every = 1
        } else if !kinds.isEmpty, pattern.count != layers {
            let begun = pattern.isEmpty ? Array(kinds.indices) : pattern
            model.pattern = (0..<layers).map { begun[$0 % begun.count] }
        }
        return model.shapeProblems.isEmpty && model.countProblem == nil ? model : nil
    }
}

extension Model {
    /// A plain model, with which rules are asked that read none of its keys, where a plan's own cannot be read. Degrees in
    /// use divide all its sizes.
    package static func plain(layers: Int) -> Model {
        let size = 256 * 3 * 5 * 7
        return Model(
            family: .llama, layers: min(max(1, layers), Bounds.layers.upperBound), hidden: size, heads: size,
            vocab: size,
            sequence: size, tiedEmbeddings: false)
    }
}

extension BlockShape {
    /// The block itself if it breaks no rule.
    fileprivate var standIn: BlockShape {
        guard !problems.isEmpty else { return self }
        var block = self
        (block.window, block.chunk, block.sinks, block.qkNorm) = (nil, nil, false, .none)
        (block.outputGate, block.keyValues, block.valueSize, block.queryRank) = (.none, .own, nil, nil)
        (block.outputGroups, block.outputRank, block.keyBlocks, block.keyCompression) = (nil, nil, nil, nil)
        if block.problems.isEmpty { return block }
        let keyHeads = kvHeads > 0 && heads % kvHeads == 0 ? kvHeads : heads
        block = BlockShape(
            heads: heads, kvHeads: keyHeads, headSize: max(1, headSize), ffn: ffn, mlp: mlp, moe: moe, mla: mla)
        if block.problems.isEmpty { return block }
        (block.moe, block.mla) = (nil, nil)
        return block
    }
}
