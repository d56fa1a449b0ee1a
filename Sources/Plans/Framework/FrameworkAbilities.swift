package import Models
internal import Numbers
internal import Reading
package import Schedules

extension Framework {
    /// Abilities of a generation of software: the `can:` section of its file. Everything is allowed if the file has
    /// none.
    package struct Abilities: Hashable, Codable, Sendable {
        /// The divisions of blocks among pipeline stages that the software allows.
        package enum Stages: String, Hashable, Codable, Sendable, CaseIterable {
            /// Every stage holds the same number of blocks.
            case even
            /// All ranks hold the same number of blocks, except that the first and the last may each hold another
            /// number. Another division must be stated.
            case ends
            case any
        }

        /// The distributions of experts over ranks that the software allows.
        package enum Experts: String, Hashable, Codable, Sendable, CaseIterable {
            /// Every rank holds all experts.
            case none
            /// Experts are distributed over ranks, and each expert is whole.
            case whole
            /// Experts are distributed over ranks, and each expert is whole or cut by the degree of tensor parallelism.
            case tensor
            /// Experts are distributed over ranks, and each expert may be cut by a degree of its own.
            case any
        }

        /// The method by which context-parallel ranks share keys and values.
        package enum Context: String, Hashable, Codable, Sendable, CaseIterable {
            /// Keys and values are passed on from rank to rank.
            case ring
            /// Every rank gathers all keys and values.
            case gather
            /// Pieces of sequences are exchanged for whole sequences of some heads. The context degree must divide the
            /// heads of a rank.
            case heads
        }

        /// The method by which collectives among tensor ranks run behind compute.
        package enum TensorOverlap: String, Hashable, Codable, Sendable, CaseIterable {
            /// They do not.
            case none
            /// Each collective is cut into chunks, all but one of which run behind the products of a pass.
            case chunks
            /// Each gathering and scattering runs in chunks with the product next to it, over buffers that all ranks
            /// see (Transformer Engine's user buffers). Sums need sequence parallelism, which replaces them.
            case userBuffers
        }

        package var schedules = ScheduleName.allCases
        /// Kinds of sharding without a pipeline, and with one.
        package var sharding = Layout.Sharding.allCases
        package var shardingWithPipeline = Layout.Sharding.allCases
        /// Whether shards may be held by groups smaller than all data-parallel ranks.
        package var shardGroups = true
        /// Whether replicas of a shard may shard the optimizer's state among themselves.
        package var outerSharding = true
        /// Whether the ranks of a pipeline may divide the vocabulary.
        package var vocabularyParallel = true
        /// Whether activations are offloaded only without a pipeline and without recomputation.
        package var offloadsActivationsAlone = false
        /// Whether parameters, gradients and the whole optimizer are offloaded together or not at all.
        package var offloadsStateWhole = false
        package var stages = Stages.any
        /// Whether stages have equal numbers of blocks unless a layout says otherwise. If not, or where stages do not divide
        /// the blocks, the division that balances the ranks is taken.
        package var dividesEvenly = false
        package var experts = Experts.any
        /// Whether tensor parallelism of a model with experts requires sequence parallelism.
        package var expertsNeedSequenceParallel = false
        /// Methods of context parallelism. Empty: sequences are not cut.
        package var context = Context.allCases
        /// Optimizers, formats of their moments, and kinds of master weights.
        package var optimizers = Optimizer.Name.allCases
        package var moments = Optimizer.Moment.allCases
        package var masters = Optimizer.Master.allCases
        /// Ways of computing the loss.
        package var losses = LossComputation.Kind.allCases
        /// Recipes of products in 8 and 4 bits.
        package var recipes = Recipe.Scaling.allCases
        /// How collectives among tensor ranks run behind compute.
        package var tensorOverlap = TensorOverlap.chunks
        /// Ways by which rows reach their experts.
        package var dispatchers = Layout.Dispatcher.allCases
        /// Parts of a run that devices can keep in the memory of their host.
        package var offload = Layout.Offload.Part.allCases
        /// Optimizers that the software can step on a host, and formats of the moments there.
        package var hostOptimizers = Optimizer.Name.allCases
        package var hostMoments = Optimizer.Moment.allCases

        package init() {}
    }
}

extension Framework.Abilities {
    /// Blocks of each stage of a layout that states no division. nil: no division is allowed.
    package func usualStages(_ layout: Layout, model: Model) -> [Int]? {
        let stages = layout.stages
        if dividesEvenly, stages > 0, model.layers % stages == 0, layout.vocabularyParallel == nil {
            return [Int](repeating: model.layers / stages, count: stages)
        }
        return self.stages.split(layout, model: model)
    }

    /// The kinds of sharding that are allowed with a pipeline of this many ranks.
    package func sharding(pipeline: Int) -> [Layout.Sharding] { pipeline > 1 ? shardingWithPipeline : sharding }

    package func allows(context degree: Int, tensor: Int, model: Model) -> Bool {
        guard degree > 1, !context.contains(.ring), !context.contains(.gather) else { return true }
        guard context.contains(.heads) else { return false }
        return model.heads % (tensor * degree) == 0 && model.kvHeads % (tensor * degree) == 0
    }

    /// Whether the software has this exchange among context ranks.
    package func allows(_ exchange: Layout.ContextExchange) -> Bool {
        switch exchange {
        case .ring: context.contains(.ring)
        case .gather: context.contains(.gather)
        case .heads: context.contains(.heads)
        case .headsAndRing: context.contains(.heads) && context.contains(.ring)
        }
    }

    package func allows(expert: Int, expertTensor: Int, tensor: Int) -> Bool {
        switch experts {
        case .none: expert == 1 && (expertTensor == 1 || expertTensor == tensor)
        case .whole: expertTensor == 1
        case .tensor: expertTensor == 1 || expertTensor == tensor
        case .any: true
        }
    }

    /// Whether this use of sequence parallelism is allowed with the model's experts and the degree of tensor
    /// parallelism.
    package func allows(sequenceParallel: Bool, tensor: Int, model: Model) -> Bool {
        sequenceParallel || tensor == 1 || model.mixtureLayers == 0 || !expertsNeedSequenceParallel
    }

    /// Parts of `layout` that the software `name` cannot run, one clause each.
    package func obstacles(to layout: Layout, model: Model, name: String) -> [String] {
        var found: [String] = []
        let isPipeline = layout.pipeline > 1
        if isPipeline, !schedules.contains(layout.schedule) {
            found.append("\(name) has no schedule \(layout.schedule.rawValue)")
        }
        if !sharding(pipeline: layout.pipeline).contains(layout.sharding) {
            found.append("\(name) has no sharding \(layout.sharding.rawValue)" + (isPipeline ? " with a pipeline" : ""))
        }
        if layout.sharding != .none, layout.shardRanks < layout.data * layout.context, !shardGroups {
            found.append("\(name) shards over all data-parallel ranks, not over groups of \(layout.shardRanks)")
        }
        if let vocabulary = layout.vocabularyParallel, !vocabularyParallel {
            found.append("\(name) does not divide the vocabulary over stages (\(vocabulary.rawValue))")
        }
        if layout.outerSharding != .none, !outerSharding {
            found.append("\(name) does not shard among the replicas of a shard")
        }
        if isPipeline {
            let sizes = StagePartition(layout, model: model).sizes
            // Software with other divisions than it makes itself runs those that a plan states.
            if !(stages == .ends && layout.layersPerStage != nil), !stages.allow(sizes, ranks: layout.pipeline) {
                found.append(
                    "\(name) does not divide \(model.layers) layers over \(sizes.count) stages as \(Self.written(sizes))"
                )
            }
        }
        if !allows(context: layout.context, tensor: layout.tensor, model: model) {
            found.append("\(name) does not cut sequences over \(layout.context) ranks")
        } else if layout.context > 1, layout.contextExchange != .ring, !allows(layout.contextExchange) {
            found.append("\(name) has no context exchange by \(layout.contextExchange.rawValue)")
        }
        if layout.overlap.tensor, layout.tensor > 1 {
            if tensorOverlap == .none { found.append("\(name) does not hide tensor collectives") }
            if tensorOverlap == .userBuffers, !layout.sequenceParallel {
                found.append("\(name) hides tensor collectives only with sequenceParallel")
            }
        }
        if let dispatcher = layout.dispatcher, !dispatchers.contains(dispatcher) {
            found.append("\(name) has no dispatcher \(dispatcher.rawValue)")
        }
        if !allows(expert: layout.expert, expertTensor: layout.expertTensor, tensor: layout.tensor) {
            found.append(
                layout.expertTensor > 1
                    ? "\(name) does not cut experts by \(layout.expertTensor)" : "\(name) does not spread experts")
        }
        found += obstacles(to: layout.offload, name: name)
        if offloadsActivationsAlone, let offload = layout.offload, offload.activations != .none,
            isPipeline || layout.recompute != .none
        {
            found.append("\(name) offloads activations only without a pipeline and without recomputation")
        }
        if !allows(sequenceParallel: layout.sequenceParallel, tensor: layout.tensor, model: model) {
            found.append(
                "\(name) does not train experts with tensor \(layout.tensor) unless sequenceParallel is true")
        }
        return found
    }

    /// Parts that the software `name` does not offload, one clause each.
    package func obstacles(to offload: Layout.Offload?, name: String) -> [String] {
        let lacking = (offload?.parts ?? []).filter { !self.offload.contains($0) }.map {
            "\(name) does not offload \($0 == .optimizer ? "the optimizer" : $0.rawValue)"
        }
        guard lacking.isEmpty, offloadsStateWhole, let offload, !offload.hasStateWhole else { return lacking }
        return ["\(name) offloads parameters, gradients and the whole optimizer together or not at all"]
    }

    /// Reasons why the software `name` cannot step what is offloaded with this optimizer, one clause each.
    package func obstacles(stepping optimizer: Optimizer, of offload: Layout.Offload?, name: String) -> [String] {
        guard let offload, offload.optimizer > 0, self.offload.contains(.optimizer) else { return [] }
        guard hostOptimizers.contains(optimizer.name) else {
            // Software without the optimizer is said to have none.
            return optimizers.contains(optimizer.name)
                ? ["\(name) does not step \(optimizer.name.rawValue) on the host"] : []
        }
        return optimizer.keptMoments.filter { moments.contains($0) && !hostMoments.contains($0) }.map {
            "\(name) keeps no moments in \($0.rawValue) on the host"
        }
    }

    /// Choices of a run beside its layout that the software `name` does not have, one clause each.
    package func obstacles(to optimizer: Optimizer, loss: LossComputation, recipe: Recipe?, name: String) -> [String] {
        var found: [String] = []
        if let recipe, !recipes.contains(recipe.scaling) {
            found.append("\(name) has no recipe \(recipe.scaling.rawValue)")
        }
        if !losses.contains(loss.kind) { found.append("\(name) has no loss \(loss.kind.rawValue)") }
        if !optimizers.contains(optimizer.name) { found.append("\(name) has no optimizer \(optimizer.name.rawValue)") }
        for moment in optimizer.keptMoments where !moments.contains(moment) {
            found.append("\(name) keeps no moments in \(moment.rawValue)")
        }
        if !masters.contains(optimizer.master) {
            found.append(
                optimizer.master == .none
                    ? "\(name) does not train without master weights"
                    : "\(name) keeps no master weights as \(optimizer.master.rawValue)")
        }
        return found
    }

    /// The sizes as text, with equal neighbours counted: `7, 14 × 8, 7`.
    private static func written(_ sizes: [Int]) -> String {
        let words = Figures.runs(sizes)
        return words.count <= 6 ? words.joined(separator: ", ") : words.prefix(5).joined(separator: ", ") + " …"
    }
}

extension Optimizer {
    /// Formats of the moments that are kept, each once.
    fileprivate var keptMoments: [Moment] {
        let kept = (keepsFirst ? [firstMoment] : []) + (keepsSecond ? [secondMoment] : [])
        return Set(kept).sorted { $0.rawValue < $1.rawValue }
    }
}

extension Framework.Abilities.Stages {
    /// Whether the software allows stages of these sizes, stage s on rank s mod `ranks`.
    package func allow(_ sizes: [Int], ranks: Int) -> Bool {
        guard let first = sizes.first, let last = sizes.last, ranks > 1 else { return true }
        switch self {
        case .any: return true
        case .even: return sizes.allSatisfy { $0 == first }
        case .ends:
            let inner = sizes.dropFirst().dropLast()
            let isLevel = inner.allSatisfy { $0 == inner.first }
            if sizes.count <= ranks { return isLevel }
            // The embedding and the loss may each count as one block.
            if isLevel, let level = inner.first, (0...1).contains(level - first), (0...1).contains(level - last) {
                return true
            }
            // The ranks at the ends have their own numbers of blocks, and each rank's stages are equal.
            let isSpread = sizes.indices.allSatisfy { sizes[$0] == sizes[$0 % ranks] }
            return isSpread && sizes[1..<(ranks - 1)].allSatisfy { $0 == sizes[1] }
        }
    }

    /// Blocks of each of the layout's stages: the balanced division if it is allowed, else the allowed one whose
    /// heaviest rank is lightest. nil: no division is allowed.
    /// - Parameter head: `model.headInBlocks`, where it is known; nil: it is computed here.
    package func split(_ layout: Layout, model: Model, head: Double? = nil) -> [Int]? {
        var open = layout
        open.layersPerStage = nil
        let stages = layout.stages
        guard stages > 0, stages <= model.layers else { return nil }
        let headInBlocks = head ?? model.headInBlocks
        let balanced = StagePartition(open, model: model, head: headInBlocks).sizes
        if allow(balanced, ranks: layout.pipeline) { return balanced }
        guard layout.pipeline > 1 else { return nil }
        let (ranks, layers, head) = (layout.pipeline, model.layers, headInBlocks)
        let virtualStages = stages / ranks
        guard virtualStages > 0, stages % ranks == 0 else { return nil }
        var splits: [[Int]] = []
        if layers % stages == 0 { splits.append([Int](repeating: layers / stages, count: stages)) }
        if self == .ends {
            if layers % virtualStages == 0,
                let shares = Self.ends(layers / virtualStages, ranks: ranks, head: head / Double(virtualStages))
            {
                splits.append((0..<stages).map { shares[$0 % ranks] })
            }
            for (embedding, loss) in virtualStages > 1 ? [(1, 0), (0, 1), (1, 1)] : [] {
                let counted = layers + embedding + loss
                guard counted % stages == 0, counted / stages > 1 else { continue }
                var sizes = [Int](repeating: counted / stages, count: stages)
                sizes[0] -= embedding
                sizes[stages - 1] -= loss
                splits.append(sizes)
            }
        }
        func load(_ sizes: [Int]) -> (Double, Int, Int) {
            var loads = [Double](repeating: 0, count: ranks)
            for (stage, size) in sizes.enumerated() { loads[stage % ranks] += Double(size) }
            loads[ranks - 1] += head
            let heaviest = ((loads.max() ?? 0) * 1e4).rounded()
            return (heaviest, sizes.max() ?? 0, sizes.reduce(0) { $0 + $1 * $1 })
        }
        return splits.filter { allow($0, ranks: ranks) }.min { load($0) < load($1) }
    }

    /// The layout with `layersPerStage` set to the allowed division if that is not the balanced one. nil: no division
    /// is allowed.
    package func divided(_ layout: Layout, model: Model) -> Layout? {
        guard let sizes = split(layout, model: model) else { return nil }
        guard sizes != StagePartition(layout, model: model).sizes else { return layout }
        var layout = layout
        layout.layersPerStage = sizes
        return layout
    }

    /// Blocks of each rank, equal for all ranks but the first and the last, so that the heaviest rank is as light as
    /// possible. The last rank also holds the output head.
    private static func ends(_ layers: Int, ranks: Int, head: Double) -> [Int]? {
        guard ranks > 1, layers >= ranks else { return nil }
        var best: (load: Double, sizes: [Int])?
        // The order of the candidates is fixed and the first of equal ones is taken, so that every process chooses the
        // same.
        for inner in [layers / ranks, (layers + ranks - 1) / ranks] {
            let rest = layers - (ranks - 2) * inner
            guard rest >= 2 else { continue }
            // If the head outweighs all remaining blocks, the last rank gets one block.
            let middle = max(1, Int(saturating: (Double(rest) - min(head, 1e6)) / 2))
            for last in (middle - 1)...(middle + 2) where last >= 1 && rest - last >= 1 {
                let first = rest - last
                let load = max(Double(max(ranks > 2 ? inner : 0, first)), Double(last) + head)
                if load < best?.load ?? .infinity {
                    best = (load, [first] + [Int](repeating: inner, count: ranks - 2) + [last])
                }
            }
        }
        return best?.sizes
    }
}
