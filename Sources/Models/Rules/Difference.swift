internal import Numbers

extension Model {
    /// A value in which two models compute differently.
    package struct Difference: Hashable, Sendable {
        /// The key in a plan, from `model.` on.
        package var key: String
        package var theirs: String
        package var ours: String
    }

    /// The first value in which the model and `other` would compute something else from the same tokens, sizes first; nil:
    /// they compute the same. Names, the length of sequences without a table of positions, and what is trained say nothing.
    package func difference(from other: Model) -> Difference? {
        for (key, value) in Self.computed(in: sequence) {
            let (theirs, ours) = (value(other), value(self))
            if theirs != ours { return Difference(key: key, theirs: theirs, ours: ours) }
        }
        return nil
    }

    private static func computed(in sequence: Int) -> [(key: String, value: (Model) -> String)] {
        func mixture(_ path: KeyPath<Mixture, Int>) -> (Model) -> String {
            { $0.moe.map { "\($0[keyPath: path])" } ?? none }
        }
        let none = "none"
        return [
            ("family", { $0.family.rawValue }), ("layers", { "\($0.layers)" }), ("hidden", { "\($0.hidden)" }),
            ("kinds", { $0.kinds.isEmpty ? none : $0.kinds.map(\.name).joined(separator: ", ") }),
            ("heads", { "\($0.heads)" }), ("kvHeads", { "\($0.kvHeads)" }), ("headSize", { "\($0.headSize)" }),
            ("moe.experts", mixture(\.experts)), ("moe.topK", mixture(\.topK)), ("moe.ffn", mixture(\.ffn)),
            ("moe.shared", mixture(\.shared)),
            ("moe.sharedFfn", { $0.moe.map { $0.shared > 0 ? "\($0.sharedFfn)" : none } ?? none }),
            (
                "moe.firstDense",
                { model in
                    let dense = (0..<model.layers).filter { !model.hasExperts($0) }
                    return model.moe == nil || dense.isEmpty ? none : "blocks \(dense) without experts"
                }
            ),
            ("ffn", { $0.denseLayers > 0 ? "\($0.ffn)" : none }), ("mlp", { $0.mlp.rawValue }),
            ("vocab", { "\($0.vocab)" }), ("tiedEmbeddings", { "\($0.tiedEmbeddings)" }),
            ("norm", { $0.conventions.norm.rawValue }), ("positions", { $0.conventions.positions.rawValue }),
            (
                "positionEntries",
                { $0.conventions.positions == .learned ? "\($0.positionEntries ?? $0.sequence)" : none }
            ),
            ("biases", { "[\($0.conventions.biases.sorted().map(\.rawValue).joined(separator: ", "))]" }),
            ("qkNorm", { $0.block.qkNorm.rawValue }),
            // A window that no sequence of the plan leaves changes nothing.
            ("window", { $0.block.window.flatMap { $0 < sequence ? "\($0)" : nil } ?? none }),
            ("normEpsilon", { Figures.plain($0.epsilonOfNorms) }),
            ("rotaryBase", { $0.conventions.isRotary ? Figures.plain($0.baseOfRotation) : none }),
            ("rotaryScaling", { $0.rotaryScaling?.words ?? none }),
        ]
    }
}

extension Model.RotaryScaling {
    /// The keys and values in one line, as in a plan.
    var words: String {
        "{\(Self.keys.flatMap { $0.lines(of: self, isComplete: $0.key != "truncate") }.joined(separator: ", "))}"
    }
}
