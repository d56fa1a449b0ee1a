internal import Reading

extension Model {
    /// Modules for multi-token prediction, one behind the other: each joins the rows before it with the embedding of the
    /// next token, passes them through a block, and its results through the model's head (DeepSeek-AI 2024, DeepSeek-V3,
    /// section 2.2; Megatron-Core's `mtp_num_layers`).
    package struct MultiTokenPrediction: Hashable, Codable, Sendable {
        /// Number of modules. Each predicts one more token.
        package var layers: Int
        /// The kind of the modules' blocks; nil: that of the model's last block.
        package var kind: String?

        package init(layers: Int, kind: String? = nil) {
            self.layers = layers
            self.kind = kind
        }

        /// The keys of `mtp:`, in the order of a written plan.
        static let sizes: [ShapeKey<MultiTokenPrediction>] = [
            .count("layers", in: Bounds.mtpLayers, \.layers, example: "modules, e.g. 1"), .name("kind", \.kind),
        ]
    }

    /// Modules for multi-token prediction.
    package var predictors: Int { mtp?.layers ?? 0 }

    /// Whether the first and the last stage both hold the table of tokens: as a tied head, or to look up the tokens of
    /// multi-token prediction.
    package var sharesTable: Bool { tiedEmbeddings || mtp != nil }

    /// The shape of the block of every module; nil without multi-token prediction.
    package var predictorShape: BlockShape? {
        guard let mtp else { return nil }
        var shape = shape(ofBlock: max(0, layers - 1))
        if let named = mtp.kind.flatMap({ name in kinds.first { $0.name == name } }) {
            shape = named.shape
            shape.moe?.firstDense = 0
            shape.moe?.every = 1
        }
        shape.predicts = true
        return shape
    }

    /// The rules that multi-token prediction breaks, each with the key that it concerns.
    var predictionProblems: [(key: String, problem: PlanProblem)] {
        guard let mtp else { return [] }
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        if let kind = mtp.kind {
            let used = Set(pattern.filter(kinds.indices.contains)).sorted().map { kinds[$0].name }
            if !used.contains(kind), pattern.count == layers || kinds.isEmpty {
                add(
                    "mtp.kind", "'\(kind)'", "is not a kind of block that the pattern names",
                    fix: used.isEmpty
                        ? "remove it: the modules have the model's last block"
                        : "kinds: \(used.joined(separator: ", "))")
            }
        }
        let ends: [(Bool, String)] = [
            (conventions.positions == .learned, "positions that are not learned"), (embeddingNorm, "no embeddingNorm"),
            (embeddingSize != nil, "no embeddingSize"),
        ]
        for (isGiven, rule) in ends where isGiven {
            add("mtp", "(given)", "needs \(rule): modules look tokens up alone")
        }
        return problems
    }
}
