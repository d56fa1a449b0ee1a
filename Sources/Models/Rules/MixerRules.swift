internal import Reading

extension BlockShape {
    /// The rules between a token mixer's sizes, and between the mixer and the rest of the block, that a block breaks,
    /// each with the key that it concerns.
    var mixerProblems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        /// `value` of the size `name` must be a multiple of the size `divisor`.
        func divides(_ key: String, _ divisor: String, _ part: Int, _ name: String, _ value: Int) {
            guard part < 1 || value % part != 0 else { return }
            add("\(key).\(divisor)", "\(part)", "must divide \(name) \(value)")
        }
        guard let first = mixers.first else {
            if besideAttention { add("besideAttention", "true", "needs a token mixer", fix: "e.g. mamba2") }
            return problems
        }
        for other in mixers.dropFirst() {
            add(
                other.key, "(given)", "a block has one token mixer, and has \(first.key)",
                fix: "\(first.key): none takes one away that the model states for all blocks")
        }
        for mixer in mixers {
            if !halves.hasAttention {
                add(mixer.key, "(given)", "stands in place of the attention", fix: "remove it, or halves: feedForward")
            }
            switch mixer {
            case .mamba2(let sizes): divides("mamba2", "groups", sizes.groups, "heads", sizes.heads)
            case .gatedDeltaNet(let sizes):
                divides("gatedDeltaNet", "keyHeads", sizes.keyHeads, "valueHeads", sizes.valueHeads)
            case .rgLRU(let sizes): divides("rgLRU", "blocks", sizes.blocks, "width", sizes.width)
            case .mamba, .kimiDeltaAttention, .lightningAttention, .shortConvolution, .rwkv, .mLSTM: break
            }
        }
        guard halves.hasAttention, !hasSoftmax else { return problems }
        for (isGiven, key, value) in statedOfAttention where isGiven {
            add(
                key, value, "a block with \(first.key) has no softmax attention",
                fix: "remove \(key), or besideAttention: true for both")
        }
        return problems
    }

    /// Keys that need softmax attention: whether the block states each, its name and its value.
    var statedOfAttention: [(isGiven: Bool, key: String, value: String)] {
        [
            (window != nil, "window", "\(window ?? 0)"), (chunk != nil, "chunk", "\(chunk ?? 0)"),
            (sinks, "sinks", "true"), (qkNorm != .none, "qkNorm", qkNorm.rawValue),
            (outputGate != .none, "outputGate", outputGate.rawValue),
            (keyValues != .own, "keyValues", keyValues.rawValue),
            (valueSize != nil, "valueSize", "\(valueSize ?? 0)"), (queryRank != nil, "queryRank", "\(queryRank ?? 0)"),
            (outputGroups != nil, "outputGroups", "\(outputGroups ?? 0)"),
            (keyBlocks != nil, "keyBlocks", "(given)"), (keyCompression != nil, "keyCompression", "(given)"),
            (mla != nil, "mla", "(given)"),
        ]
    }
}
