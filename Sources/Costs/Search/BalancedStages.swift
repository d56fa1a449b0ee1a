internal import Models
package import Plans
internal import Schedules

extension Pricer {
    /// `layout` with the blocks divided over the stages so that the slowest rank takes as little time as it can, each rank
    /// by the speed of its own group's devices, and no rank more blocks than its devices' memory holds. The layout as it is
    /// if no division fits, with the one that is fastest.
    ///
    /// Blocks are given one by one to the rank that then takes least, which makes the slowest as fast as possible. They
    /// count the mean of the model's kinds of block. A rank divides its blocks evenly among its stages.
    /// - Parameter share: fraction of a device's memory that may be used.
    package func balanced(_ layout: Layout, usable share: Double) throws(CostError) -> Layout {
        try balancedWork(layout, usable: share)?.work.layout ?? layout
    }

    /// The work of the layout that `balanced` finds, and the memory of its ranks; nil: its stages are not divided.
    package func balancedWork(
        _ layout: Layout, usable share: Double
    ) throws(CostError) -> (work: LayoutWork, memory: [RankMemory])? {
        guard plan.cluster.groups != nil, layout.pipeline > 1, layout.stages <= plan.model.layers else { return nil }
        var even = layout
        even.layersPerStage = nil
        let work = try work(even, hides: even.overlap)
        guard let mixed = work.mixed else { return nil }
        let counts = work.parts.kinds.counts
        let blocks = Double(plan.model.layers)
        let seconds = mixed.works.map { own in
            zip(own.units.blocks, counts).reduce(0) { $0 + Double($1.1) * $1.0.total } / blocks
        }
        let ranks = mixed.placeOfRank.enumerated().map { rank, place in
            let units = mixed.works[place].units
            let ends = (rank == 0 ? units.embedding.total : 0) + (rank == work.headRank ? units.head.total : 0)
            return RankSpeed(block: seconds[place], ends: ends)
        }
        var most = [Int](repeating: plan.model.layers, count: ranks.count)
        var best: (work: LayoutWork, memory: [RankMemory])?
        // Each turn lowers the limits of the ranks that are too full; few turns suffice, since memory grows linearly.
        for _ in 0..<6 {
            guard
                let held = Self.divide(
                    plan.model.layers, among: ranks, atLeast: layout.virtualStages, atMost: most)
            else { break }
            var divided = layout
            divided.layersPerStage = Self.stages(of: held, mixed.rankOfStage)
            let found = try self.work(divided, hides: divided.overlap)
            let memory = LayoutMemory(found).ranks
            let isFirst = best == nil
            best = best ?? (found, memory)
            var isFull = false
            for (rank, memory) in memory.enumerated() {
                let room = share * mixed.works[mixed.placeOfRank[rank]].plan.cluster.device.memoryBytes
                guard memory.peak > room, held[rank] > 0 else { continue }
                isFull = true
                // Bytes beside those of blocks stay, so this is at least what a block takes.
                let block = max(1, (memory.peak - memory.outside) / Double(held[rank]))
                most[rank] = min(most[rank], held[rank] - max(1, Int(((memory.peak - room) / block).rounded(.up))))
            }
            if !isFull { return (found, memory) }
            if isFirst, !Self.mayFit(memory, held: held, layers: plan.model.layers, share: share, mixed) { break }
        }
        return best
    }

    /// Whether any division may fit: the blocks for which all ranks together have room, each of the fewest bytes that a
    /// block of its group was seen to take.
    private static func mayFit(
        _ memory: [RankMemory], held: [Int], layers: Int, share: Double, _ mixed: MixedWork
    ) -> Bool {
        var least = [Double](repeating: .infinity, count: 1 + (mixed.groupOfRank.max() ?? 0))
        for (rank, memory) in memory.enumerated() where held[rank] > 0 {
            let bytes = memory.weights + memory.gradients + memory.optimizer + memory.activations
            let group = mixed.groupOfRank[rank]
            least[group] = min(least[group], bytes / Double(held[rank]))
        }
        var room = 0.0
        for (rank, memory) in memory.enumerated() {
            let device = mixed.works[mixed.placeOfRank[rank]].plan.cluster.device.memoryBytes
            room += max(0, (share * device - memory.outside) / least[mixed.groupOfRank[rank]])
        }
        return room >= Double(layers)
    }

    /// The works of a layout that hide fewer transfers than it allows.
    package func worksHidingLess(_ layout: Layout) throws(CostError) -> [LayoutWork] {
        guard layout.waysOfHiding(plan.model).count > 1 else { return [] }
        return Array(try works(layout).dropFirst())
    }

    /// Seconds of a micro-batch on one rank: of a block, and of the model's ends.
    private struct RankSpeed {
        var block: Double
        var ends: Double
    }

    /// Blocks of each rank; nil: the limits leave blocks over.
    private static func divide(
        _ layers: Int, among ranks: [RankSpeed], atLeast least: Int, atMost most: [Int]
    ) -> [Int]? {
        var held = [Int](repeating: least, count: ranks.count)
        guard zip(held, most).allSatisfy({ $0 <= $1 }) else { return nil }
        var left = layers - least * ranks.count
        while left > 0 {
            var best: (rank: Int, load: Double)?
            // Of equal ranks the last gets the block, since the first holds most micro-batches.
            for rank in ranks.indices.reversed() where held[rank] < most[rank] {
                let load = Double(held[rank] + 1) * ranks[rank].block + ranks[rank].ends
                if load < best?.load ?? .infinity { best = (rank, load) }
            }
            guard let best else { return nil }
            held[best.rank] += 1
            left -= 1
        }
        return left == 0 ? held : nil
    }

    /// Blocks of each stage, of those that its rank holds.
    private static func stages(of held: [Int], _ rankOfStage: [Int]) -> [Int] {
        var (count, taken) = ([Int](repeating: 0, count: held.count), [Int](repeating: 0, count: held.count))
        for rank in rankOfStage { count[rank] += 1 }
        return rankOfStage.map { rank in
            defer { taken[rank] += 1 }
            return held[rank] / count[rank] + (taken[rank] < held[rank] % count[rank] ? 1 : 0)
        }
    }
}
