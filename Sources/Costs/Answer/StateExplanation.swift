internal import Models
internal import Numbers
internal import Plans

/// Explains the parameters, gradients and optimizer state that a device holds, and the time of their update.
struct StateExplanation {
    let work: LayoutWork
    private let words: ModelWords
    var layout: Layout { work.layout }
    private var model: Model { work.model }
    private var state: StateBytes { work.state }

    init(_ work: LayoutWork) {
        self.work = work
        words = ModelWords(work)
    }

    /// Adds the bytes of a parameter, the ranks that shard parameters, and the parameters of each kind of block.
    func addShards(to lines: inout Derivation) {
        lines.define("b_w", state.keptWeight, "bytes", "bytes of a weight that is kept")
        lines.define("b_p", state.weight, "bytes", "bytes of a weight that products read")
        lines.define("b_g", state.keptGradient, "bytes", "bytes of a gradient that is kept")
        lines.define("b_r", state.gradient, "bytes", "bytes of a gradient that is reduced")
        lines.define("b_o", state.optimizer, "bytes", "bytes of a parameter's optimizer state")
        let group = layout.shardGroup == nil ? "all with the same parameters" : "the shard group"
        lines.define("S", layout.shardRanks, "ranks", "ranks that share out parameters' state: \(group)")
        lines.define("S_e", work.device.expertShardGroup.size, "ranks", "ranks that share out experts' state")
        lines.define("S_o", layout.optimizerRanks, "ranks", "ranks that share out the optimizer's state")
        lines.define(
            "S_oe", work.device.expertOptimizerRanks, "ranks", "ranks that share out the optimizer's state of experts")
        let multiple = Model.vocabularyMultiple
        if words.embedding.hasTable {
            if let divided = work.divided {
                lines.define("p_v", divided.ranks, "ranks", "pipeline ranks that divide the vocabulary")
                lines.define("V_p", work.vocabulary, "", "vocabulary, padded so that t·p_v ranks hold equal parts")
            } else {
                lines.derive(
                    "padded vocabulary", as: "V_p", "ceil(V/(\(multiple)·t))·\(multiple)·t", "",
                    after: "Megatron-LM: a multiple of \(multiple)·tensor")
            }
        }
        for kind in words.kinds {
            let (x, whole) = (kind.symbol, "Y_\(kind.symbol)")
            lines.derive(
                "on every tensor rank, of a \(kind.name)", as: whole,
                sum(
                    kind.norms, kind.attention.wholeParameters.map(kind.own),
                    kind.feedForward.wholeParameters.map(kind.own), kind.wholeAdapters),
                "parameters", note: "norms, row biases, projections to latents" + (kind.isMixture ? ", router" : ""))
            let halves = kind.own(kind.isMixture ? "A + X" : "A + F")
            let routed = kind.isMixture ? " − " + kind.own("E·(\(kind.feedForward.expertParameters))") : ""
            lines.derive(
                "a \(kind.name) on a device" + (kind.isMixture ? ", routed ones aside" : ""), as: "Q_\(x)",
                "(\(sum(halves, kind.norms, kind.projection, kind.adapters))\(routed) − \(whole))/t + \(whole)",
                "parameters")
            guard kind.isMixture else { continue }
            lines.derive(
                "routed experts of a block\(kind.ofKind) on a device", as: kind.own("Q_x"),
                kind.own("E·(\(kind.expertParameters))") + "/(e·e_t)",
                "parameters")
        }
    }

    /// Adds the parameters of a rank with this `share`, as the symbols N_d and N_e followed by `suffix`.
    private func addHeld(to lines: inout Derivation, _ share: PipelineShares.Rank, _ suffix: String, _ rank: String) {
        let held = words.kinds.filter { share.blocks[$0.number] > 0 }
        for kind in held {
            lines.define(
                "l_\(kind.symbol)\(suffix)", share.blocks[kind.number], "blocks", "\(kind.names) of \(rank)")
        }
        let headTable = share.holdsHead && model.hasHeadTable(holdsEmbedding: share.holdsEmbedding)
        let looksUp = share.holdsHead && !share.holdsEmbedding && model.mtp != nil && !model.tiedEmbeddings
        let tables = [share.holdsEmbedding, headTable, looksUp].count { $0 }
        let terms =
            held.map { "l_\($0.symbol)\(suffix)·Q_\($0.symbol)" } + [
                work.divided != nil
                    ? "2·\(words.embedding.heldTable)/p_v"
                    : tables > 0 && words.embedding.hasTable ? "\(tables)·\(words.embedding.heldTable)" : nil,
                share.holdsEmbedding ? words.embedding.wholeParameters : nil,
                share.holdsHead ? words.head.wholeParameters : nil,
            ]
        lines.derive(
            "parameters a device of \(rank), routed experts aside", as: "N_d\(suffix)", sum(terms), "parameters",
            after: "Megatron-LM's layers")
        if work.holdsExperts(share) {
            lines.derive(
                "routed experts' parameters a device of \(rank)", as: "N_e\(suffix)",
                sum(held.filter(\.isMixture).map { "l_\($0.symbol)\(suffix)·\($0.own("Q_x"))" }), "parameters")
        }
    }

    private func shared(
        _ share: PipelineShares.Rank, _ isShared: Bool, suffix: String = "", isOptimizer: Bool = false
    ) -> String {
        let (dense, experts) = Self.trained(work)
        guard isShared else { return sum("\(dense)\(suffix)", work.holdsExperts(share) ? "\(experts)\(suffix)" : nil) }
        let (shards, expertShards) = isOptimizer && layout.sharesOptimizer ? ("S_o", "S_oe") : ("S", "S_e")
        return sum(
            "\(dense)\(suffix)/\(shards)", work.holdsExperts(share) ? "\(experts)\(suffix)/\(expertShards)" : nil)
    }

    func addState(to lines: inout Derivation, rank: Int) {
        let share = work.shares.ranks[rank]
        addHeld(to: &lines, share, "", "the fullest rank")
        Self.defineTrained(&lines, work, share, "", "the fullest rank")
        let frozen = Self.defineFrozen(&lines, work, share)
        let sharding = layout.sharding
        let onHost = "on the host"
        lines.derive(
            "parameters a device", as: "N_all", sum("N_d", work.holdsExperts(share) ? "N_e" : nil), "parameters",
            note: "rank \(rank), the fullest: \(work.rankLayers(rank)) blocks")
        let weights = "b_w·(\(shared(share, sharding == .parameters)))" + frozen + addCopies(to: &lines, share)
        lines.derive(
            "weights", as: "weights", layout.offloadsParameters ? "0" : weights, "bytes",
            note: "sharding \(sharding.rawValue)" + (layout.offloadsParameters ? ", \(onHost)" : ""),
            after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020")
        let two = StateMemory.keepsTwoGradients(work)
        let isUnseen = StateMemory.unseenParameters(of: share, work) > 0
        if isUnseen {
            lines.define("v_1", work.framework.memory.lookedUp ?? 0, "", "entries of a looked-up table with gradients")
            lines.derive(
                "parameters that no token reads", as: "N_0", "(V_p/t − v_1)·\(words.embedding.width)", "parameters")
        }
        let less = isUnseen ? " − N_0" : ""
        let gradients = shared(share, sharding == .parameters || sharding == .gradients) + less
        lines.derive(
            "gradients", as: "gradients",
            layout.offloadsGradients ? "0" : "b_g·(\(gradients))" + (two ? "·(1 + b_p/b_r)" : ""),
            "bytes",
            note: layout.offloadsGradients ? onHost : two ? "the gradients of the products are kept beside them" : "",
            after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020")
        let owned = shared(share, sharding != .none, isOptimizer: true) + less
        let state = "b_o·(\(owned))" + addMatrixState(to: &lines, share)
        let isSplit = layout.offloadedOptimizer > 0
        if isSplit { Self.defineOffloaded(&lines, layout) }
        var stays = ""
        if isSplit, self.state.staying > 0 {
            lines.define("b_m", self.state.staying, "bytes", "bytes of main weights that stay on the device as well")
            stays = " + b_m·f_o·(\(owned))"
        }
        lines.derive(
            "optimizer state", as: "optimizerState", isSplit ? "(1 − f_o)·\(state)\(stays)" : state,
            "bytes",
            after: "Megatron-LM distributed optimizer; Rajbhandari et al. 2020"
        )
        if isSplit { addHostState(to: &lines, owned: owned, state: state, weights: weights) }
    }

    /// Adds the copies of weights in a recipe's format.
    /// - Returns: the terms that the formula of the weights ends in.
    private func addCopies(to lines: inout Derivation, _ share: PipelineShares.Rank) -> String {
        guard let recipe = work.rates.recipe, !LowPrecision.isGathered(layout) else { return "" }
        let parameters = LowPrecision.parameters(of: share, work)
        lines.define(
            "N_q", parameters.dense + parameters.experts, "parameters", "weights of \(recipe.scaling.rawValue) products"
        )
        lines.define(
            "b_q", LowPrecision.copyBytes(work.rates), "bytes",
            "bytes of a weight's copies along rows and columns"
                + (recipe.parameterGather ? ", less the bf16 weight that is not kept" : ""))
        return " + b_q·N_q"
    }

    /// Adds the parameters of matrices whose state is not that of all other parameters.
    /// - Returns: the terms that the formula of the optimizer state ends in.
    private func addMatrixState(to lines: inout Derivation, _ share: PipelineShares.Rank) -> String {
        guard let matrices = work.matrices else { return "" }
        if work.plan.optimizer.name == .adafactor {
            lines.define(
                "N_v", matrices.factors(of: share, work), "",
                "numbers of a device's second moments: one a row and a column (Shazeer and Stern 2018)")
            return " + 4·N_v"
        }
        let owned = matrices.owned(share, work)
        lines.define(
            "N_μ", owned.mean, "parameters", "parameters of blocks' matrices, the mean of those who share them")
        lines.define("N_f", owned.fullest, "parameters", "parameters of the whole matrices that the fullest steps")
        lines.define(
            "b_μ", state.leastOptimizer, "bytes", "bytes of a matrix parameter's state: one moment, and master")
        return " − b_o·N_μ + b_μ·N_f"
    }

    private var updateName: String {
        switch work.plan.optimizer.name {
        case .adamw: "Adam's update"
        case .muon: "Muon's and Adam's updates"
        case .adafactor: "Adafactor's update"
        case .lion: "Lion's update"
        case .sgd: "SGD's update"
        }
    }

    func addOptimizer(to lines: inout Derivation) {
        let slowest = OptimizerTime(work).slowestKind
        StateExplanation(work.on(kind: slowest)).addOptimizer(to: &lines, work.shares.kinds[slowest].share)
    }

    /// Adds the update of the rank with this `share`, which takes longest.
    private func addOptimizer(to lines: inout Derivation, _ share: PipelineShares.Rank) {
        addHeld(to: &lines, share, "_u", "the rank with most parameters")
        Self.defineTrained(&lines, work, share, "_u", "the rank with most parameters")
        let scattered = layout.sharding == .gradients || layout.sharding == .parameters
        lines.derive(
            "parameters whose update a device does", as: "U",
            shared(share, layout.sharding != .none, suffix: "_u", isOptimizer: true),
            "parameters")
        lines.derive(
            "gradients a device zeroes", as: "Z", shared(share, scattered, suffix: "_u"), "parameters")
        lines.define("b_c", state.writtenCopy, "bytes", "bytes of the weights' copy that an update writes")
        lines.define("β", work.rates.memoryRate, "bytes/s", "bytes a second of memory-bound kernels")
        lines.define("λ", work.rates.launch, "s", "seconds of one kernel's launch")
        lines.define(
            "ω", work.framework.optimizer, "", "the software's optimizer over one kernel (\(work.framework.name))")
        let moved = Figures.plain(state.moved)
        let owned = work.owned(share)
        var bytes = "(b_r + \(moved) + b_c)·U"
        var products: String?
        if let matrices = work.matrices, work.plan.optimizer.name == .muon {
            let owned = matrices.owned(share, work)
            lines.define("M_μ", owned.mean, "parameters", "parameters of matrices, the mean of those who share them")
            lines.define("M_f", owned.fullest, "parameters", "parameters of the matrices that the slowest steps")
            lines.define(
                "b_2", StateBytes.moved(work.plan.optimizer.secondMoment), "bytes",
                "bytes of the second moment that matrices have not")
            lines.define("F_μ", matrices.flops(of: share, work), "FLOPs", "FLOPs of Newton–Schulz on the slowest rank")
            lines.define(
                "T_μ", matrices.seconds(of: share, work), "s",
                "seconds of Newton–Schulz by the roofline of its products, and of gathering matrices")
            bytes = "(\(bytes) − (b_r + \(moved) + b_c)·M_μ + (b_r + \(moved) + b_c − b_2)·M_f)"
            products = "T_μ"
        }
        // A rank without trained weights only casts its frozen ones.
        var update = owned > 0 ? "ω·(max(λ, \(bytes)/β) + max(λ, b_r·U/β) + max(λ, b_r·Z/β))" : "0"
        if let host = HostStep(owned: owned, work) {
            update = sum(
                hostUpdate(&lines, host, owned: owned, bytes: bytes),
                layout.offloadsGradients ? nil : "ω·(max(λ, b_r·U/β) + max(λ, b_r·Z/β))")
        }
        var casts: String?
        if work.rates.recipe != nil {
            lines.define(
                "N_c", LowPrecision.castParameters(of: share, work), "parameters", "weights that are cast once a step")
            lines.define("b_k", LowPrecision.castBytes(work.rates), "bytes", "bytes that the cast of a weight moves")
            if LowPrecision.castParameters(of: share, work) > 0 { casts = "max(λ, b_k·N_c/β)" }
        }
        lines.derive(
            "optimizer", as: "optimizer", sum(update, casts, products), "s",
            note: "\(updateName), the gradient's norm, zeroing: memory-bound"
                + (layout.offloadedOptimizer > 0 ? ", \(Self.where(layout))" : ""))
    }
}
