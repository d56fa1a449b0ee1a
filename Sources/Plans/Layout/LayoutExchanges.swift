package import Models
internal import Schedules
internal import Numbers
internal import Reading

extension Layout {
    /// How the ranks that share a sequence bring its queries and keys together.
    package enum ContextExchange: String, Hashable, Codable, Sendable, CaseIterable {
        /// Keys and values are passed on from rank to rank (Liu et al. 2023).
        case ring
        /// Every rank gathers all keys and values (Llama team 2024, section 3.3.2).
        case gather
        /// Pieces of sequences are exchanged for whole sequences of some heads (Jacobs et al. 2023, DeepSpeed-Ulysses).
        case heads
        /// Neighbouring ranks exchange heads, and rings pass keys and values on between these groups (Fang and Zhao
        /// 2024, USP; Megatron-Core's `a2a+p2p`).
        case headsAndRing
    }

    /// The way by which rows of tokens reach their experts and come back.
    package enum Dispatcher: String, Hashable, Codable, Sendable, CaseIterable {
        /// One copy of a row is sent to each of its experts.
        case alltoall
        /// Every rank gathers the rows of all; sums of the results are scattered.
        case allgather
        /// A row is sent once to each node with an expert for it, and there once to each rank with one (DeepEP).
        case deepep
        /// A row is sent as by DeepEP, by fewer multiprocessors, and sorted by expert on its way (its branch hybrid-ep).
        case hybridep

        /// Whether a row travels once to each node and rank, rather than once to each expert.
        package var sendsOnce: Bool { self == .deepep || self == .hybridep }
    }

    /// Context ranks that exchange heads with one another; 1 if only rings or gatherings join them.
    package var headRanks: Int {
        switch contextExchange {
        case .ring, .gather: 1
        case .heads: context
        case .headsAndRing: max(1, contextHeads ?? 1)
        }
    }

    /// Ranks of a ring that passes keys and values on.
    package var ringRanks: Int { max(1, context / headRanks) }

    /// The context degree, with the exchange where it is not a ring: `8 heads`, `8 headsAndRing/4`.
    package var contextWords: String {
        guard context > 1, contextExchange != .ring else { return "\(context)" }
        return "\(context) \(contextExchange.rawValue)" + (contextHeads.map { "/\($0)" } ?? "")
    }

    /// Whether the heads of all blocks of `model` can be exchanged among `headRanks`: they are divided evenly, and a
    /// key/value head belongs to one rank or is sent to several.
    package func dividesHeads(_ model: Model) -> Bool { headMisfits(model).isEmpty }

    /// Numbers of heads that the ranks which exchange them do not divide.
    private func headMisfits(_ model: Model) -> [(name: String, value: Int)] {
        guard headRanks > 1 else { return [] }
        let ranks = tensor * headRanks
        return model.widthsCutByTensor.filter { name, value in
            switch name {
            case "heads": value % ranks != 0
            case "kvHeads": value % ranks != 0 && ranks % value != 0
            default: false
            }
        }
    }

    /// Problems of the exchange among context ranks that no model makes.
    var contextExchangeProblems: [PlanProblem] {
        func refuse(_ field: String, _ value: String, _ rule: String, _ fix: String, fits: Bool = true) -> [PlanProblem]
        {
            [
                fits
                    ? PlanProblem(field: "layout.\(field)", value: value, rule: rule, fix: fix)
                    : PlanProblem(.misfit, field: "layout.\(field)", value: value, rule: rule, fix: fix)
            ]
        }
        if contextExchange != .ring, context == 1 {
            return refuse(
                "contextExchange", contextExchange.rawValue, "needs context above 1: one rank has the whole sequence",
                "remove it or raise layout.context", fits: false)
        }
        guard contextExchange == .headsAndRing else {
            guard let contextHeads else { return [] }
            return refuse(
                "contextHeads", "\(contextHeads)", "belongs to contextExchange headsAndRing",
                "remove it, or set layout.contextExchange to headsAndRing")
        }
        guard let contextHeads else {
            return refuse(
                "contextExchange", contextExchange.rawValue,
                "needs contextHeads, the neighbouring ranks that exchange heads", "e.g. contextHeads: 2")
        }
        guard context % contextHeads == 0, contextHeads > 1, contextHeads < context else {
            return refuse(
                "contextHeads", "\(contextHeads)",
                "must divide context \(context) into several groups of several ranks",
                "use heads for one group, or ring for none", fits: false)
        }
        return []
    }

    /// Problems of heads that the ranks which exchange them do not divide.
    func headProblems(_ model: Model) -> [PlanProblem] {
        // A missing or wrong number of ranks is reported by itself.
        guard contextExchange != .headsAndRing || contextExchangeProblems.isEmpty else { return [] }
        return undividedHeads(model)
    }

    private func undividedHeads(_ model: Model) -> [PlanProblem] {
        headMisfits(model).map { name, value in
            let rule =
                name == "heads"
                ? "must divide model.heads \(value)"
                : "must divide model.kvHeads \(value), or be a multiple of it, so that each rank gets whole heads"
            return PlanProblem(
                .misfit, field: "layout.contextExchange", value: contextExchange.rawValue,
                rule: "exchanges heads: tensor · \(contextHeads == nil ? "context" : "contextHeads") "
                    + "\(tensor) · \(headRanks) \(rule)",
                fix: "use ring or gather, or fewer ranks")
        }
    }

    /// Problems of the way by which rows reach their experts.
    func dispatcherProblems(_ model: Model) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        if let dispatcher, model.mixtures.isEmpty {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.dispatcher", value: dispatcher.rawValue,
                    rule: "the model has no experts to send rows to", fix: "remove it"))
        }
        if let dispatcher, dispatcher != .alltoall, model.mixtures.contains(where: { $0.capacityFactor != nil }) {
            // Megatron-Core, transformer_config.py.
            problems.append(
                PlanProblem(
                    field: "layout.dispatcher", value: dispatcher.rawValue,
                    rule: "must be alltoall for experts with a capacity", fix: "remove it, or moe.capacityFactor"))
        }
        return problems
    }

    /// Problems of exchanges behind the shared experts that no model makes.
    var sharedExpertProblems: [PlanProblem] {
        guard overlap.sharedExperts else { return [] }
        var problems: [PlanProblem] = []
        func refuse(_ rule: String, _ fix: String) {
            problems.append(
                PlanProblem(field: "layout.overlap.sharedExperts", value: "true", rule: rule, fix: fix))
        }
        if !modulesAgain.isDisjoint(with: [.sharedExperts, .mixture]) {
            // Megatron-Core, transformer_config.py.
            refuse(
                "shared experts that are recomputed by themselves hide no exchange",
                "remove it, or shared_experts and moe from recomputeModules")
        }
        if schedule.splitsBackward {
            refuse("is not priced in schedules that split backwards", "remove it, or use schedule 1f1b")
        }
        if overlap.expert {
            refuse(
                "another micro-batch's compute hides the exchanges already (overlap.expert)", "remove one of the two")
        }
        return problems
    }

    func missingSharedExperts(_ model: Model) -> [PlanProblem] {
        guard overlap.sharedExperts, !model.mixtures.contains(where: { $0.sharedWidth > 0 }) else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.overlap.sharedExperts", value: "true",
                rule: "the model has no shared experts whose compute could hide an exchange", fix: "remove it")
        ]
    }
}
