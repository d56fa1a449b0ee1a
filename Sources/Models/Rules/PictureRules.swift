internal import Numbers
internal import Reading

extension Model {
    /// The rules between an image or a video, a text, and what blocks do with them that the shape breaks, each with the key
    /// that it concerns.
    var pictureProblems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        let entries = kinds.isEmpty ? [("", block)] : kinds.map { ("kinds.\($0.name).", $0.shape) }
        if image != nil, video != nil {
            add(
                "video", "(given)", "a model has an image or a video, not both", fix: "remove one, or write image: none"
            )
        }
        guard picture != nil else {
            for (isGiven, key) in [
                (text != nil, "text"), (diffusion != nil, "diffusion"), (classes != nil, "classes"),
            ] where isGiven {
                add(key, "(given)", "needs an image or a video", fix: "give image or video, or remove \(key)")
            }
            for (place, shape) in entries {
                for (isGiven, key) in [
                    (shape.stream != .none, "stream"), (shape.crossAttention != nil, "crossAttention"),
                    (shape.modulation > 0, "modulation"),
                ] where isGiven {
                    add(place + key, "(given)", "needs an image or a video", fix: "remove it")
                }
            }
            return problems
        }
        for (key, value) in [("image", image), ("video", video)] {
            for (inner, problem) in value?.problems ?? [] { problems.append(("\(key).\(inner)", problem)) }
        }
        if let image {
            for (key, list) in [("patch", image.patch), ("compression", image.compression)]
            where list.count == 3 && list[0] != 1 {
                add("image.\(key)", "\(list)", "an image has height and width alone", fix: "\(key): \(list.suffix(2))")
            }
        }
        guard problems.isEmpty else { return problems }
        if let tokens = tokensOfPicture, !Bounds.sequence.contains(tokens) {
            add(
                image != nil ? "image" : "video", "\(Figures.grouped(tokens)) tokens",
                "makes more than the \(Figures.grouped(Bounds.sequence.upperBound)) tokens of a sequence",
                fix: "take larger patches or a smaller picture")
        }
        addTextProblems(entries, add)
        if classes != nil, diffusion != nil {
            add(
                "classes", "\(classes ?? 0)", "a model tells classes or gives patches, not both",
                fix: "remove diffusion")
        }
        for (place, shape) in entries where shape.modulation > 0 && diffusion == nil {
            add(
                place + "modulation", "\(shape.modulation)", "needs a condition to compute its vectors from",
                fix: "give diffusion, e.g. diffusion: {scalars: 1}")
        }
        if diffusion?.sharedModulation == true, mostModulation == 0 {
            add("diffusion.sharedModulation", "true", "needs blocks with modulation", fix: "e.g. modulation: 6")
        }
        if let refiner = text?.refinerLayers, refiner > 0, text?.projection != .linear {
            add("text.refinerLayers", "\(refiner)", "goes with the projection linear", fix: "remove text.projection")
        }
        if parameterWidths > Double(Bounds.parameters.upperBound) {
            add("model", "(given)", "has more parameters than can be counted", fix: "lower its widths")
        }
        return problems
    }

    /// The rules between a text and the blocks that read it.
    private func addTextProblems(
        _ entries: [(String, BlockShape)],
        _ add: (_ key: String, _ value: String, _ rule: String, _ fix: String) -> Void
    ) {
        let joined = entries.filter { $0.1.stream != .none }
        let crossed = entries.filter { $0.1.crossAttention != nil }
        guard let text else {
            for (place, shape) in joined {
                add(place + "stream", shape.stream.rawValue, "needs a text in the sequence", "give text")
            }
            for (place, _) in crossed {
                add(place + "crossAttention", "(given)", "needs a text to attend to", "give text")
            }
            return
        }
        if joined.isEmpty, crossed.isEmpty {
            add(
                "text", "(given)", "no block reads it",
                "give blocks crossAttention: {norm: none}, or stream: double or single")
        }
        if let first = joined.first, !crossed.isEmpty {
            add(
                first.0 + "stream", first.1.stream.rawValue,
                "a text joins the sequence or is read by cross-attention, not both", "remove stream or crossAttention")
        }
        for (place, shape) in entries where !joined.isEmpty && shape.stream == .none {
            add(
                place + "stream", "none", "every block of a model whose text joins the sequence says how it treats it",
                "stream: single or double")
        }
        if !joined.isEmpty, text.projection == .none, text.width != hidden {
            add(
                "text.projection", "none", "a text that joins the sequence has rows of hidden \(hidden) numbers",
                "projection: linear")
        }
        if let last = joined.first(where: { $0.1.stream == .lastDouble }) {
            let blocks = pattern.indices.filter {
                kinds.indices.contains(pattern[$0]) && kinds[pattern[$0]].shape.stream == .lastDouble
            }
            let isEarly = kinds.isEmpty ? layers > 1 : blocks.contains { $0 < pattern.count - 1 }
            if isEarly {
                add(
                    last.0 + "stream", "lastDouble", "is for the last block: the text's rows end there",
                    "use double for the blocks before it")
            }
        }
    }

    /// Largest products of widths outside blocks, which counts must hold.
    private var parameterWidths: Double {
        let h = Double(max(hidden, conditionSize))
        let rows = [diffusion?.labels, classes, text?.width, diffusion?.pooledText, sequence].compactMap { $0 }
        return rows.reduce(0) { $0 + Double($1) * h } + Double(text?.refinerLayers ?? 0) * 14 * h * h
            + Double(diffusion?.scalars ?? 0) * h * (h + Double(diffusion?.scalarSize ?? 0))
            + Double(mostModulation) * h * h
    }

    /// An image or a video in words: "an image of 224 × 224 pixels in patches of 14 × 14".
    package var tokensInWords: String {
        guard let picture else { return "a sequence" }
        let isVideo = video != nil
        func sizes(_ list: [Int]) -> String { list.map { Figures.grouped($0) }.joined(separator: " × ") }
        let size = sizes((isVideo ? [picture.frames] : []) + [picture.height, picture.width])
        let text = textJoins ? " and \(Figures.grouped(text?.tokens ?? 0)) of a text" : ""
        let grid = sizes(isVideo ? picture.grid : Array(picture.grid.dropFirst()))
        let learned = picture.learnedTokens > 0 ? ", \(picture.learnedTokens) learned" : ""
        return "\(isVideo ? "a video of \(size)" : "an image of \(size) pixels"), \(grid) patches\(learned)\(text)"
    }
}

extension BlockShape {
    /// The rules of blocks that read a text or have vectors of a sample, each with the key that it concerns.
    var textProblems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func refuse(_ isGiven: Bool, _ key: String, _ value: String, _ rule: String, fix: String) {
            guard isGiven else { return }
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        let isDouble = stream.isDouble
        let others: [(Bool, String)] = [
            (moe != nil, "moe"), (mla != nil, "mla"), (!mixers.isEmpty, mixers.first?.key ?? ""),
            (outputGroups != nil, "outputGroups"), (queryRank != nil, "queryRank"), (sinks, "sinks"),
        ]
        for (isGiven, key) in others {
            refuse(isGiven && isDouble, key, "(given)", "no software has it in blocks of two streams", fix: "remove it")
        }
        refuse(
            isDouble && halves != .both, "halves", halves.rawValue, "blocks of two streams have both halves",
            fix: "remove halves")
        refuse(
            isDouble && parallel != .none, "parallel", parallel.rawValue,
            "blocks of two streams have their halves one after the other", fix: "remove parallel")
        refuse(
            isDouble && causal, "causal", "true", "image and text of two streams see each other", fix: "causal: false")
        let crossed: [(Bool, String)] = [
            (mla != nil, "mla"), (!hasSoftmax, mixers.first?.key ?? "halves"), (parallel != .none, "parallel"),
        ]
        for (isGiven, key) in crossed {
            refuse(
                isGiven && crossAttention != nil, key, "(given)",
                "a block with cross-attention has an ordinary attention before it and a network behind",
                fix: "remove it")
        }
        refuse(
            stream == .lastDouble && norms != .pre, "norms", norms.rawValue,
            "the text's rows end before a norm behind a half", fix: "remove norms")
        refuse(
            modulation > 0 && norms != .pre, "norms", norms.rawValue,
            "modulation scales the results of norms before halves",
            fix: "remove norms or modulation")
        refuse(
            !causal && mla?.indexer != nil, "mla.indexer", "(given)",
            "an indexer chooses among the keys before a query",
            fix: "remove it or causal")
        for (isGiven, key) in [(keyBlocks != nil, "keyBlocks"), (keyCompression != nil, "keyCompression")] {
            refuse(
                isGiven && !causal, key, "(given)", "a query takes its keys from those before it",
                fix: "remove it or causal")
        }
        refuse(
            parallel == .fused && (moe != nil || mla != nil || outputGroups != nil), "parallel", "fused",
            "joins the projections of an ordinary attention and a dense network", fix: "use oneNorm")
        return problems
    }
}
