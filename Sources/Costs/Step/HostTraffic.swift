internal import Models
internal import Plans

/// Bytes that one device of a pipeline rank copies to its host and back in one step.
package struct HostTraffic: Hashable, Sendable {
    package private(set) var toHost = 0.0
    package private(set) var fromHost = 0.0

    /// Nothing is copied by a layout that offloads nothing.
    package init(_ work: LayoutWork, rank: Int) {
        guard let copies = work.device.copies else { return }
        let (share, device) = (work.shares.ranks[rank], work.device)
        for (kind, block) in work.parts.blocks.enumerated() where share.blocks[kind] > 0 {
            let times = BlockTimes(
                block: block, sequence: work.model.sequence, rates: work.rates, device: device,
                gradientBytes: work.state.gradient)
            let count = Double(share.blocks[kind])
            let copied: Double =
                switch copies.offload.activations {
                case .none: 0
                case .all: count
                case .first: Double(share.recomputed[kind])
                }
            let activations = copied > 0 ? copied * times.copiedActivations : 0
            toHost += activations + count * copies.handedBytes(times.reducedShards)
            fromHost += activations + count * copies.returnedBytes(times.reducedShards)
            fromHost += 2 * count * copies.fetchedBytes(times.shards(device.held(of: block)))
        }
        func add(_ end: End) {
            for held in EndTimes.held(end, device) {
                let shards = Double(device.shardGroup.size)
                toHost += copies.handedBytes(held.trained / shards)
                fromHost += copies.returnedBytes(held.trained / shards)
                fromHost += (held.isReadBack ? 2 : 1) * copies.fetchedBytes(held.parameters / shards)
            }
        }
        if share.holdsEmbedding { add(work.parts.embedding) }
        if share.holdsHead { add(work.parts.head) }
        let passes = Double(work.m) * work.shares.passShare
        (toHost, fromHost) = (passes * toHost, passes * fromHost)
        guard let step = HostStep(owned: work.owned(share), work) else { return }
        toHost += step.copiedOut
        fromHost += step.copiedBack
    }
}
