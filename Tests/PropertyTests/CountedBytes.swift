import Plans
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

    /// - Parameter elementBytes: of an activation.
    static func byRank(_ plan: Plan, _ layout: Layout, _ placed: PlacedBlocks, elementBytes w: Double) -> [CountedBytes]
    {
        let model = plan.model
        let inventory = Inventory(model)
        var ranks = [CountedBytes](repeating: CountedBytes(), count: layout.pipeline)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        let tensor = w * rows * Double(model.hidden)
        for microbatch in 0..<placed.schedule.microbatches {
            for (stage, layers) in placed.layers.enumerated() {
                let rank = placed.schedule.placement.rank(stage: stage, microbatch: microbatch)
                for (index, layer) in layers.enumerated() {
                    let isRecomputed = layout.recompute == .full && index < layout.recomputeLayers ?? .max
                    ranks[rank].add(
                        inventory.isMixture(layer), isRecomputed: isRecomputed, model, layout, rows: rows,
                        elementBytes: w)
                }
                // Activations go on, gradients come back, where the neighbour is another rank. Sequence parallelism has
                // each tensor rank send its own rows.
                guard stage + 1 < placed.layers.count else { continue }
                let next = placed.schedule.placement.rank(stage: stage + 1, microbatch: microbatch)
                guard next != rank else { continue }
                let message = tensor / (layout.sequenceParallel ? Double(layout.tensor) : 1)
                ranks[rank].pipeline += message
                ranks[next].pipeline += message
            }
        }
        return ranks
    }

    private mutating func add(
        _ isMixture: Bool, isRecomputed: Bool, _ model: Model, _ layout: Layout, rows: Double, elementBytes w: Double
    ) {
        let ring = { (ranks: Int) in Double(ranks - 1) / Double(ranks) }
        let tensorBytes = w * rows * Double(model.hidden)
        // Attention and the feed-forward network each end in an all-reduce, forward and backward (Shoeybi et al. 2019,
        // figure 4). With sequence parallelism each begins with an all-gather and ends with a reduce-scatter, and the
        // backward gathers the input again for the weight gradient (Korthikanti et al. 2022, section 4.2.2). Routed rows
        // that sequence parallelism has scattered stay so, and need neither; shared experts do as the network they
        // replace, and so do routed ones whose rows every tensor rank must have again.
        let isScattered = isMixture && layout.sequenceParallel && model.moe?.shared == 0
        let parts = isScattered ? 1.0 : 2.0
        let forward = 2.0
        let backward = layout.sequenceParallel ? 3.0 : 2.0
        tensor += parts * (forward + backward + (isRecomputed ? forward : 0)) * tensorBytes * ring(layout.tensor)
        // A ring passes every other rank's keys and values by (Liu et al. 2023), and in the backward their gradients too.
        let keyWidth = model.mla.map { model.heads * ($0.nopeSize + $0.ropeSize) } ?? model.kvHeads * model.headSize
        let valueWidth = model.mla.map { model.heads * $0.valueSize } ?? model.kvHeads * model.headSize
        let piece = w * rows * Double(keyWidth + valueWidth) / Double(layout.tensor)
        context += Double(layout.context - 1) * piece * (1 + 2 + (isRecomputed ? 1 : 0))
        guard isMixture, let moe = model.moe else { return }
        // To the experts and back, forward and backward; all but the own part leaves. Each tensor rank its own rows.
        let routed = w * rows / Double(layout.tensor) * Double(moe.topK) * Double(model.hidden)
        expert += (4 + (isRecomputed ? 2 : 0)) * routed * ring(layout.expert)
    }
}
