internal import Models
internal import Plans

/// Tells what a collective is for: by the ranks of its group on the plan's grid of ranks, else by what is known of it.
struct GroupGuide {
    private let layout: Layout
    private let grid: RankGrid
    private let experts: ExpertGrid
    private let hasExperts: Bool

    init(_ layout: Layout, _ model: Model) {
        self.layout = layout
        grid = RankGrid(layout)
        experts = ExpertGrid(layout)
        hasExperts = model.mixtureLayers > 0 && layout.expert > 1
    }

    /// A direction in which ranks of the grid differ.
    private enum Direction { case tensor, context, data, pipeline }

    private func directions(_ ranks: [Int]) -> Set<Direction> {
        guard let first = ranks.first else { return [] }
        let home = grid.coordinates(of: first)
        return ranks.dropFirst().reduce(into: []) { found, rank in
            let place = grid.coordinates(of: rank)
            if place.tensor != home.tensor { found.insert(.tensor) }
            if place.context != home.context { found.insert(.context) }
            if place.data != home.data { found.insert(.data) }
            if place.pipeline != home.pipeline { found.insert(.pipeline) }
        }
    }

    /// The kind of message that a collective is, by its name in c10d and by that of its kernel.
    private enum Kind { case message, exchange, collective }

    private func kind(_ collective: TraceEvents.Collective, kernel: String) -> Kind {
        let name = (collective.name ?? "").lowercased()
        if name.contains("alltoall") || name.contains("all_to_all") { return .exchange }
        if name == "send" || name == "recv" || name.contains("isend") || name.contains("irecv") { return .message }
        let kernel = kernel.lowercased()
        if kernel.contains("alltoall") || kernel.contains("all_to_all") || kernel.contains("deepep")
            || kernel.contains("deep_ep")
        {
            return .exchange
        }
        if kernel.contains("sendrecv") || kernel.hasPrefix("gloo:send") || kernel.hasPrefix("gloo:recv") {
            return .message
        }
        return .collective
    }

    /// The parallelism that a collective of `rank` serves.
    /// - Parameters:
    ///   - kernel: the kernel's name.
    ///   - groups: process groups that the trace lists.
    func group(
        of collective: TraceEvents.Collective, kernel: String, groups: [String: TraceEvents.Group]
    ) -> TracedGroup {
        let kind = kind(collective, kernel: kernel)
        let listed = collective.groupName.flatMap { groups[$0] }
        var ranks = listed.map(\.ranks) ?? []
        // The list of a kernel leaves out the middle of large groups, that of the head may be cut, too.
        if ranks.count < collective.ranks.count { ranks = collective.ranks }
        if ranks.isEmpty, collective.groupName == nil, collective.size == nil {
            // Backends without records of their collectives: the only group there is.
            let possible = groups.values.filter { $0.ranks.count > 1 }
            if possible.count == 1, let only = possible.first { ranks = only.ranks }
        }
        ranks = ranks.filter { $0 < grid.size }
        let isWhole = ranks.count == (collective.size ?? ranks.count)
        if ranks.count > 1 { return TracedGroup(parts: parts(kind, ranks), ranks: isWhole ? ranks : []) }
        if let words = collective.description ?? listed?.description, let parts = parts(kind, words: words.lowercased())
        {
            return TracedGroup(parts: parts, ranks: [])
        }
        return TracedGroup(parts: parts(kind, size: collective.size), ranks: [])
    }

    // MARK: By ranks

    private func parts(_ kind: Kind, _ ranks: [Int]) -> StepParts {
        let directions = directions(ranks)
        let isInStage = !directions.contains(.pipeline)
        switch kind {
        case .message:
            // NCCL runs exchanges of all with all as sends and receives, too.
            if directions == [.pipeline] { return .pipeline }
            if directions == [.context], !(hasExperts && isOfExperts(ranks)) { return .context }
            if isInStage, hasExperts { return directions == [.context] ? [.expert, .context] : .expert }
            return directions.contains(.pipeline) ? .pipeline : dense(directions)
        case .exchange:
            guard isInStage else { return .outside }
            if hasExperts, isOfExperts(ranks) {
                return directions == [.context] ? [.expert, .context] : .expert
            }
            if directions == [.context] { return .context }
            return hasExperts ? .expert : dense(directions)
        case .collective:
            if directions == [.pipeline] {
                // First and last stage add up the gradients of a tied table.
                return ranks.count < layout.pipeline || layout.pipeline == 2 ? StepParts(.reduction) : .outside
            }
            guard isInStage else { return .outside }
            if directions == [.tensor] { return .tensor }
            if directions == [.context] { return layout.data == 1 ? [.context, .data] : .context }
            if hasExperts, isOfExperts(ranks), !isDenseData(ranks) { return .expert }
            return dense(directions)
        }
    }

    private func dense(_ directions: Set<Direction>) -> StepParts {
        switch directions {
        case [.tensor]: .tensor
        case [.context]: .context
        case [.data], [.data, .context]: .data
        case [.tensor, .context]: [.tensor, .context]
        default: directions.contains(.pipeline) ? .outside : .data
        }
    }

    /// Whether these are ranks among which the experts of a stage are distributed.
    private func isOfExperts(_ ranks: [Int]) -> Bool {
        guard ranks.count <= experts.expert * experts.tensor else { return false }
        let places = ranks.map { experts.coordinates(ofSeat: grid.seat(of: grid.coordinates(of: $0))) }
        return places.allSatisfy { $0.copy == places[0].copy } && places.contains { $0.expert != places[0].expert }
    }

    /// Whether these are all data-parallel ranks of their part of the model.
    private func isDenseData(_ ranks: [Int]) -> Bool {
        let directions = directions(ranks)
        return directions.isSubset(of: [.data, .context]) && ranks.count == layout.data * layout.context
    }

    // MARK: By words and sizes

    /// The parallelism that the description of a process group names, as Megatron-LM and meshes of PyTorch write it.
    private func parts(_ kind: Kind, words: String) -> StepParts? {
        func has(_ parts: [String]) -> Bool { parts.contains { words.contains($0) } }
        if has(["expert_data", "intra_partial_expert"]) { return .data }
        if has(["expert", "mesh_ep", "_ep"]) { return kind == .collective && has(["data"]) ? .data : .expert }
        if has(["tensor_and_data", "model_parallel_group"]), !has(["tensor_model", "pipeline_model"]) {
            return .outside
        }
        if has(["tensor_model", "mesh_tp", "_tp"]) || words == "tp" { return .tensor }
        if has(["pipeline", "mesh_pp"]) || words == "pp" { return kind == .message ? .pipeline : .outside }
        if has(["embedding"]) { return StepParts(.reduction) }
        if has(["data_parallel", "mesh_dp", "fsdp", "dp_shard", "dp_replicate"]) || words == "dp" { return .data }
        if has(["context", "mesh_cp"]) || words == "cp" { return .context }
        return nil
    }

    /// All that a collective of a group of `size` ranks can be; nil: of any size.
    private func parts(_ kind: Kind, size: Int?) -> StepParts {
        func can(_ degree: Int) -> Bool { degree > 1 && (size == nil || size == degree) }
        var found: StepParts = []
        if kind != .exchange, can(layout.pipeline), kind == .message { found.formUnion(.pipeline) }
        if kind == .message, size == 2, layout.pipeline > 1 { found.formUnion(.pipeline) }
        if kind != .message, can(layout.tensor), kind == .collective { found.formUnion(.tensor) }
        if can(layout.context) { found.formUnion(.context) }
        if hasExperts, can(layout.expert * layout.expertTensor) || can(layout.expert),
            kind != .collective || size == nil
        {
            found.formUnion(.expert)
        }
        if kind == .collective, can(layout.data * layout.context) || can(layout.data) || can(layout.shardRanks) {
            found.formUnion(.data)
        }
        return found.isEmpty ? .outside : found
    }
}
