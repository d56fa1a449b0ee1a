internal import Numbers
package import Reading

extension Model {
    /// The problem of a shape with more parameters than can be counted; nil if there is none. Its sizes must lie within
    /// `Bounds`.
    package var countProblem: PlanProblem? {
        let total = parameters().approximateTotal
        guard total > Double(Bounds.parameters.upperBound) else { return nil }
        return PlanProblem(
            field: "model", value: "about \(Figures.magnitude(total))",
            rule: "has more parameters than the \(Figures.grouped(Bounds.parameters.upperBound)) that are counted",
            fix: "lower layers, hidden, ffn, vocab or the experts")
    }

    /// The rules of `shapeProblems`, each with its key as the field.
    var problemsBetweenSizes: [PlanProblem] {
        shapeProblems.map { key, problem in
            var problem = problem
            problem.field = key
            return problem
        }
    }

    /// The rules between the sizes of a block that a kind of block breaks, each once, with the key that it concerns.
    var shapeProblems: [(key: String, problem: PlanProblem)] {
        let own = block.problems
        guard !kinds.isEmpty else { return own + predictionProblems + pictureProblems + rotaryProblems }
        let ofKinds = kinds.flatMap { kind in
            kind.shape.problems.map { problem in
                let known = own.contains { $0.key == problem.key && $0.problem == problem.problem }
                return (known ? problem.key : "kinds.\(kind.name).\(problem.key)", problem.problem)
            }
        }
        return ofKinds + predictionProblems + pictureProblems + rotaryProblems
    }
}

extension BlockShape {
    /// The rules between its sizes that a block breaks, each with the key that it concerns.
    var problems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        if mla == nil, hasSoftmax, kvHeads == 0 || heads % kvHeads != 0 {
            add(
                "kvHeads", "\(kvHeads)", "must divide heads \(heads)",
                fix: "every key/value head serves the same number of heads")
        }
        if let moe, moe.topK > moe.experts {
            add("moe.topK", "\(moe.topK)", "must be at most the \(moe.experts) experts")
        }
        if let moe, moe.sharedGate, moe.sharedWidth == 0 {
            add("moe.sharedGate", "true", "needs shared experts, whose result it multiplies", fix: "give moe.shared")
        }
        if let moe, moe.capacityFactor == nil {
            for (isGiven, key, value) in [
                (moe.padToCapacity, "padToCapacity", "true"),
                (moe.tokenDropPolicy != .probs, "tokenDropPolicy", moe.tokenDropPolicy.rawValue),
            ] where isGiven {
                add("moe.\(key)", value, "needs a capacity of the experts", fix: "give moe.capacityFactor")
            }
        }
        func need(_ isGiven: Bool, _ key: String, _ value: String, _ rule: String, fix: String = "") {
            if isGiven { add(key, value, rule, fix: fix) }
        }
        if !halves.hasAttention {
            for (isGiven, key, value) in statedOfAttention {
                need(
                    isGiven, key, value, "needs a block with attention", fix: "remove it, or halves: \(halves.rawValue)"
                )
            }
        }
        need(!halves.hasFeedForward && moe != nil, "moe", "(given)", "needs a block with a feed-forward half")
        need(
            window != nil && mla?.indexer != nil, "window", "\(window ?? 0)", "an indexer chooses the keys",
            fix: "remove window, or mla.indexer")
        for (isOther, other) in [
            (window != nil, "window"), (chunk != nil, "chunk"), (keyCompression != nil, "keyCompression"),
        ] {
            need(
                keyBlocks != nil && isOther, "keyBlocks", "(given)", "an indexer chooses the keys",
                fix: "remove it, or \(other)")
        }
        need(
            keyCompression != nil && chunk != nil, "keyCompression", "(given)",
            "compressed keys are seen beside a window, not beside chunks", fix: "remove it, or chunk")
        need(
            keyCompression != nil && keyValues != .keysAreValues, "keyCompression", "(given)",
            "a compressed key is its own value", fix: "give keyValues: keysAreValues")
        need(window != nil && chunk != nil, "chunk", "\(chunk ?? 0)", "a block has a window or chunks, not both")
        need(
            keyValues == .keysAreValues && valueSize.map { $0 != headSize } ?? false, "valueSize", "\(valueSize ?? 0)",
            "values that are keys have the size of keys, \(headSize)")
        if let mla {
            for (isGiven, key, value) in statedOfAttention.dropLast() where !["window", "outputGate"].contains(key) {
                need(isGiven, key, value, "latent attention has none", fix: "remove \(key), or mla")
            }
            need(
                mla.indexer != nil && mla.queryRank == 0, "mla.indexer", "(given)",
                "takes its queries from latent queries", fix: "give mla.queryRank")
        }
        need(
            (outputGroups == nil) != (outputRank == nil), outputGroups == nil ? "outputRank" : "outputGroups",
            "\(outputGroups ?? outputRank ?? 0)", "outputGroups and outputRank go together", fix: "give both or none")
        if let outputGroups, heads % outputGroups != 0 {
            add("outputGroups", "\(outputGroups)", "must divide heads \(heads)")
        }
        need(
            parallel != .none && norms != .pre, "norms", norms.rawValue,
            "halves side by side have their norms before them",
            fix: "remove norms or parallel")
        return problems + mixerProblems + textProblems
    }
}
