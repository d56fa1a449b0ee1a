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
        let t = Double(layout.tensor)
        for microbatch in 0..<placed.schedule.microbatches {
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
                        rows: rows, elementBytes: w)
                }
                // Embeddings of a slice of the vocabulary are added up; so are the gradients of the head's input, and each
                // token's maximum, target logit and sum of exponentials in fp32 (Megatron-LM, vocabulary-parallel
                // cross-entropy). Sequence parallelism scatters the one sum and the other, and gathers what was scattered.
                // A narrower word table is widened behind the one and narrowed to before the other.
                let halves = 2 * w * rows * Double(model.tableNumbers) * (t - 1) / t
                if stage == 0 { ranks[rank].tensor += halves }
                if stage == placed.layers.count - 1 {
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
                let message = tensor / (layout.sequenceParallel || scattersMessages ? t : 1)
                for end in [rank, next] {
                    ranks[end].pipeline += message
                    if scattersMessages { ranks[end].tensor += tensor * (t - 1) / t }
                }
            }
        }
        return ranks
    }

    private mutating func add(
        _ shape: BlockShape, _ isMixture: Bool, isRecomputed: Bool, _ model: Model, _ layout: Layout, rows: Double,
        elementBytes w: Double
    ) {
        let ring = { (ranks: Int) in Double(ranks - 1) / Double(ranks) }
        let (forward, backward) = Self.widths(shape, isMixture, model, layout)
        let again = isRecomputed ? forward : Self.widthAgain(shape, isMixture, model, layout)
        tensor += (forward + backward + again) * w * rows * ring(layout.tensor)
        if shape.hasCore {
            // A ring passes every other rank's keys and values by (Liu et al. 2023), and in the backward their gradients
            // too; as far as some rank sees keys of theirs.
            let keyWidth = shape.mla.map { shape.heads * ($0.nopeSize + $0.ropeSize) } ?? shape.kvHeads * shape.headSize
            let valueWidth = shape.mla.map { shape.heads * $0.valueSize } ?? shape.kvHeads * shape.valueHead
            // Ranks that share a head of keys pass it on each.
            let holders = shape.mla == nil ? max(1, Double(layout.tensor) / Double(shape.kvHeads)) : 1
            let piece = w * rows * Double(keyWidth + valueWidth) * holders / Double(layout.tensor)
            let passes = SeenKeys.ranksBefore(shape, ranks: layout.context, length: model.sequence)
            context += Double(passes) * piece * (1 + 2 + (isRecomputed ? 1 : 0))
        }
        guard shape.hasNetwork, isMixture, let moe = shape.moe else { return }
        // To the experts and back, forward and backward; all but the own part leaves. Each tensor rank its own rows.
        let sent = ExpertRows(moe, own: rows / Double(layout.tensor)).sent
        let routed = w * sent * Double(moe.latentSize ?? model.hidden)
        let exchanges: Double = isRecomputed || layout.modulesByHand.contains(.mixture) ? 6 : 4
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
            let takesTheSame = shape.isJoined && shape.parallel == .oneNorm && shape.mla?.queryRank ?? 0 == 0
            inputs += takesTheSame ? 0 : h
            results += shape.isJoined ? 0 : h
        }
        guard layout.sequenceParallel else { return (2 * results + columns, 2 * inputs + columns) }
        let forward = inputs + rotary + results + columns
        return (forward, forward + inputs)
    }
}
