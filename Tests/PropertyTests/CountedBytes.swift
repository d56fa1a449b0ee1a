import Models
import Plans
import PricingSupport
import Schedules

/// Bytes one device of every pipeline rank sends in one iteration, collective by collective.
///
/// Ring counts (Thakur et al. 2005; Patarasuk and Yuan 2009): of n ranks and a tensor of S bytes in all, an all-gather or
/// a reduce-scatter sends S(n−1)/n, an all-reduce both.
struct CountedBytes {
    var tensor = 0.0
    var pipeline = 0.0
    var context = 0.0
    var expert = 0.0
    /// Exchanges of a vocabulary that all stages divide.
    var vocabulary = 0.0

    /// - Parameters:
    ///   - elementBytes: of an activation.
    ///   - scattersMessages: whether each tensor rank sends its part of a message (Narayanan et al. 2021, section 4.1).
    static func byRank(
        _ plan: Plan, _ layout: Layout, _ placed: PlacedBlocks, elementBytes w: Double, scattersMessages: Bool
    ) -> [CountedBytes] {
        let model = plan.model
        let inventory = Inventory(model)
        var ranks = [CountedBytes](repeating: CountedBytes(), count: layout.pipeline)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        let tensor = w * rows * Double(model.hidden)
        let isPicture = model.image != nil || model.video != nil
        let beside = w * passedOn(model, layout)
        let t = Double(layout.tensor)
        for microbatch in 0..<placed.schedule.microbatches {
            if let way = layout.vocabularyParallel {
                let parts = VocabularyByHand(model, layout, elementBytes: w)
                for rank in ranks.indices {
                    ranks[rank].tensor += parts.tensorBytes(way)
                    ranks[rank].vocabulary += parts.pipelineBytes
                }
            }
            for (stage, layers) in placed.layers.enumerated() {
                let rank = placed.schedule.placement.rank(stage: stage, microbatch: microbatch)
                for (index, layer) in layers.enumerated() {
                    let isRecomputed = placed.computesAgain(index, ofStage: stage, layout)
                    if inventory.isModule(layer) {
                        // The joined rows are gathered like other inputs, their projection's columns once more. With
                        // sequence parallelism each rank goes on with its rows, and gathers the gradients of all.
                        let passes: Double = layout.sequenceParallel ? 2 * 3 : 2 * 2
                        let forward: Double = layout.sequenceParallel ? 2 + 1 : 1
                        let back: Double = layout.sequenceParallel ? 1 : 0
                        let whole = passes + (1 + back) + (isRecomputed ? forward : 0)
                        ranks[rank].tensor += whole * tensor * (t - 1) / t
                    }
                    ranks[rank].add(
                        inventory.shape(layer), inventory.isMixture(layer), isRecomputed: isRecomputed, model, layout,
                        rows: rows, elementBytes: w, hasBackward: layer >= inventory.firstPassed,
                        adapters: inventory.tensors(ofBlock: layer).filter(\.isAdapter))
                }
                // Embeddings of a slice of the vocabulary are added up; so are the gradients of the head's input, and each
                // token's maximum, target logit and sum of exponentials in fp32 (Megatron-LM, vocabulary-parallel
                // cross-entropy). Sequence parallelism scatters the one sum and the other, and gathers what was scattered.
                // A narrower word table is widened behind the one and narrowed to before the other.
                let halves = 2 * w * rows * Double(model.tableNumbers) * (t - 1) / t
                // Ends of pictures are whole on every tensor rank.
                let isWhole = !isPicture && layout.vocabularyParallel == nil
                if stage == 0, isWhole { ranks[rank].tensor += halves }
                if stage == placed.layers.count - 1, isWhole {
                    let modules = Double(model.mtp?.layers ?? 0)
                    ranks[rank].tensor += (1 + modules) * (halves + 3 * 2 * 4 * rows * (t - 1) / t)
                    // Their tokens are looked up here.
                    ranks[rank].tensor += modules * halves
                }
                // Activations go on, gradients come back, where the neighbour is another rank. Sequence parallelism has
                // each tensor rank send its own rows. A message sent in parts is gathered by the ranks that get it.
                guard stage + 1 < placed.layers.count else { continue }
                let next = placed.schedule.placement.rank(stage: stage + 1, microbatch: microbatch)
                guard next != rank else { continue }
                let whole = tensor / (layout.sequenceParallel ? t : 1) + beside
                let message = whole / (scattersMessages ? t : 1)
                for end in [rank, next] {
                    ranks[end].pipeline += message
                    if scattersMessages { ranks[end].tensor += whole * (t - 1) / t }
                }
            }
        }
        return ranks
    }

    /// Numbers that every stage passes on beside the stream: a sample's condition, with shared modulation also the vectors
    /// computed from it, and the text's rows that cross-attentions read.
    private static func passedOn(_ model: Model, _ layout: Layout) -> Double {
        let samples = Double(layout.microbatch)
        var numbers = 0.0
        if let diffusion = model.diffusion {
            numbers += samples * Double(diffusion.conditionSize ?? model.hidden)
            let vectors = ([model.block] + model.kinds.map(\.shape)).map(\.modulation).max() ?? 0
            if diffusion.sharedModulation { numbers += samples * Double(vectors * model.hidden) }
        }
        if let text = model.text, !model.textJoins {
            numbers += samples * Double(text.tokens) * Double(text.projection == .none ? text.width : model.hidden)
        }
        return numbers
    }

    private mutating func add(
        _ shape: BlockShape, _ isMixture: Bool, isRecomputed: Bool, _ model: Model, _ layout: Layout, rows: Double,
        elementBytes w: Double, hasBackward: Bool, adapters: [ParameterTensor]
    ) {
        let ring = { (ranks: Int) in Double(ranks - 1) / Double(ranks) }
        var (forward, backward) = Self.widths(shape, isMixture, model, layout)
        let isRecomputed = isRecomputed && hasBackward
        var narrow = 0.0
        for a in adapters where a.name.hasPrefix("A of") && a.split != .expert {
            guard let b = adapters.first(where: { $0.name == "B of \(a.base)" }) else { continue }
            let rank = Double(a.shape[0])
            if a.split == .tensor {
                // A's parts of the results are added up, scattered with sequence parallelism, whose gradient is gathered.
                forward += layout.sequenceParallel ? rank : 2 * rank
                if layout.modulesByHand.contains(where: { CountedFLOPs.makes($0, a.base) }) {
                    narrow += layout.sequenceParallel ? rank : 2 * rank
                }
                backward += layout.sequenceParallel ? rank : 0
            } else if b.split == .tensor {
                backward += 2 * rank
            }
        }
        if !hasBackward { backward = 0 }
        let passes = hasBackward ? 1.0 : 0
        let modules = hasBackward ? Self.widthAgain(shape, isMixture, model, layout) + narrow : 0
        let again = isRecomputed ? forward : modules
        tensor += (forward + backward + again) * w * rows * ring(layout.tensor)
        if shape.crossAttention != nil, let text = model.text, text.projection != .none {
            // The gradient of the text's rows, of which every rank has the part of its heads.
            tensor += 2 * w * Double(layout.microbatch * text.tokens * model.hidden) * ring(layout.tensor)
        }
        if shape.hasCore {
            context += contextBytes(
                shape, model, layout, rows: w * rows, isRecomputed: isRecomputed, hasBackward: hasBackward)
        }
        guard shape.hasNetwork, isMixture, let moe = shape.moe else { return }
        let repeatsExperts = hasBackward && layout.modulesByHand.contains(.mixture)
        if layout.dispatcher == .allgather {
            // Every rank of all the slices of all experts gets the rows of all, and scatters the sums of its results.
            let own = w * rows / Double(layout.tensor) * Double(moe.latentSize ?? model.hidden)
            let passes: Double = isRecomputed || repeatsExperts ? 6 : 2 + 2 * passes
            expert += passes * own * Double(layout.expert * layout.expertTensor - 1)
            return
        }
        // To the experts and back, forward and backward; all but the own part leaves. Each tensor rank its own rows.
        let sent = ExpertRows(moe, own: rows / Double(layout.tensor)).sent
        let routed = w * sent * Double(moe.latentSize ?? model.hidden)
        let exchanges = 2 + 2 * passes + (isRecomputed || repeatsExperts ? 2 : 0)
        expert += exchanges * routed * ring(layout.expert)
        // Ranks that share an expert gather each other's rows and scatter the sums of its results (Megatron-Core,
        // token_dispatcher.py: all-gather and reduce-scatter over the expert-tensor group).
        let shared = routed * Double(layout.expertTensor)
        expert += exchanges * shared * ring(layout.expertTensor)
    }

    /// Numbers of a row that tensor ranks gather, scatter or add up again for modules that are recomputed by themselves; an
    /// all-reduce is two.
    private static func widthAgain(
        _ shape: BlockShape, _ isMixture: Bool, _ model: Model, _ layout: Layout
    ) -> Double {
        let (modules, h) = (layout.modulesByHand, Double(model.hidden))
        var again = 0.0
        // The products that widen latents gather them, or hidden rows, with sequence parallelism; without it every rank has
        // them.
        if modules.contains(.latentProjections), shape.hasCore, let mla = shape.mla, layout.sequenceParallel {
            again += Double(mla.kvRank) + (mla.queryRank > 0 ? Double(mla.queryRank) : h)
        }
        guard shape.hasNetwork else { return again }
        // A gathering and a scattering of rows, or the sum of results.
        guard isMixture, let moe = shape.moe else { return again + (modules.contains(.network) ? 2 * h : 0) }
        let hasOthers = moe.shared > 0 || moe.denseFfn > 0
        if modules.contains(.mixture) { return again + (layout.sequenceParallel && !hasOthers ? 0 : 2 * h) }
        return again + (modules.contains(.sharedExperts) && hasOthers ? 2 * h : 0)
    }

    /// Bytes that a device sends to the other ranks of its sequences for one block: the mean over the ranks that exchange
    /// heads, each of which sends every other the heads that that one computes.
    /// - Parameter rows: bytes of a number times rows of a device.
    private func contextBytes(
        _ shape: BlockShape, _ model: Model, _ layout: Layout, rows: Double, isRecomputed: Bool, hasBackward: Bool
    ) -> Double {
        let (key, value) =
            shape.mla.map { ($0.nopeSize + $0.ropeSize, $0.valueSize) } ?? (shape.headSize, shape.valueHead)
        let keyHeads = shape.mla == nil ? shape.kvHeads : shape.heads
        let query = shape.mla.map { $0.nopeSize + $0.ropeSize } ?? shape.headSize
        let ranks = layout.contextExchange == .heads ? layout.context : layout.contextHeads ?? 1
        // Heads of the first tensor rank; rank j of those that exchange computes the j-th part of them.
        let heads = shape.heads / layout.tensor / ranks
        var (sent, piece) = (0.0, 0.0)
        for rank in 0..<ranks {
            let own = rank * heads..<(rank + 1) * heads
            let keys = Set(own.map { $0 * keyHeads / shape.heads }).count * (key + value)
            piece += rows * Double(keys) * Double(ranks) / Double(ranks)
            // All other ranks send it these.
            if ranks > 1 { sent += Double(ranks - 1) * rows * Double(heads * (query + value) + keys) / Double(ranks) }
        }
        let forwards: Double = isRecomputed ? 2 : 1
        let backward = hasBackward ? 1.0 : 0
        if layout.contextExchange == .gather {
            // Every rank sends its keys and values to all others, in the backward again, and their gradients back.
            return Double(layout.context - 1) * piece * (forwards + 2 * backward)
        }
        // A ring passes every other rank's keys and values by (Liu et al. 2023), and in the backward their gradients
        // too; as far as some rank sees keys of theirs.
        let passes = SeenKeys.ranksBefore(shape, ranks: layout.context / ranks, length: model.sequence)
        return Double(passes) * piece * (forwards + 2 * backward) + sent * (forwards + backward)
    }

    /// Numbers of a row that tensor ranks gather or scatter in one forward, and in one backward; an all-reduce is both.
    private static func widths(
        _ shape: BlockShape, _ isMixture: Bool, _ model: Model, _ layout: Layout
    ) -> (forward: Double, backward: Double) {
        let h = Double(model.hidden)
        // Rows that come in and results that go out of the halves; rows of which no weight has a gradient.
        var (inputs, results, rotary, columns) = (0.0, 0.0, 0.0, 0.0)
        // Attention and the feed-forward network each end in an all-reduce, forward and backward (Shoeybi et al. 2019,
        // figure 4). With sequence parallelism each begins with an all-gather and ends with a reduce-scatter, and the
        // backward gathers the input again for the weight gradient (Korthikanti et al. 2022, section 4.2.2).
        if shape.hasCore {
            // Latent attention's input is its latents, which every tensor rank projects of its own rows; a query without
            // a latent takes hidden rows (Megatron-Core, multi_latent_attention.py). Keys' rotary part comes with them,
            // and no weight multiplies it.
            inputs += shape.mla.map { Double($0.kvRank) + ($0.queryRank > 0 ? Double($0.queryRank) : h) } ?? h
            rotary += Double(shape.mla?.ropeSize ?? 0)
            results += h
            // With fewer heads of keys than ranks, the columns of the projection are gathered, and their gradients
            // scattered (Megatron-Core, attention.py: all_gather_last_dim_from_tensor_parallel_region).
            if shape.mla == nil, shape.projectsKeys, layout.tensor > shape.kvHeads {
                columns += Double(shape.heads * shape.headSize + shape.gates + shape.kvHeads * shape.headSize)
                if shape.projectsValues { columns += Double(shape.kvHeads * shape.valueHead) }
            }
        }
        // Routed rows that sequence parallelism has scattered stay so, and need neither; networks beside the experts do
        // as the one they replace, and so do routed ones whose rows every tensor rank must have again.
        let isScattered =
            isMixture && layout.sequenceParallel && shape.moe.map { $0.shared == 0 && $0.denseFfn == 0 } ?? false
        if shape.hasNetwork, !isScattered {
            // Halves side by side add their results before the ranks do (Chowdhery et al. 2022, section 2), and behind
            // one norm take the same rows, where both take hidden ones.
            let takesTheSame = shape.isJoined && shape.readsOneNorm && shape.mla?.queryRank ?? 0 == 0
            inputs += takesTheSame ? 0 : h
            results += shape.isJoined ? 0 : h
        }
        if shape.crossAttention != nil {
            inputs += h
            results += h
        }
        if shape.stream == .lastDouble, let text = model.text {
            // The text's rows come in once and do not come out.
            let share = Double(text.tokens) / Double(model.sequence)
            inputs -= h * share
            results -= 2 * h * share
        }
        guard layout.sequenceParallel else { return (2 * results + columns, 2 * inputs + columns) }
        let forward = inputs + rotary + results + columns
        return (forward, forward + inputs)
    }
}
