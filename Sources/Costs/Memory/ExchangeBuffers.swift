internal import Models
internal import Plans

/// Buffers for rows on their way between the ranks of a sequence, and between the ranks that hold a block's experts
/// [own].
enum ExchangeBuffers {
    /// Bytes on one device: those of the block with most. Rings, and all-to-alls among experts, have none beyond the
    /// tensors that are counted as kept.
    static func bytes(_ work: LayoutWork) -> Double {
        context(work) + experts(work)
    }

    /// Bytes of the keys, values and other rows that context ranks exchange or gather.
    static func context(_ work: LayoutWork) -> Double {
        guard work.device.contextExchange != .ring, work.device.context > 1 else { return 0 }
        return work.parts.blocks.reduce(0) {
            max(
                $0,
                ContextWays(
                    $1, work.device, sequence: work.model.sequence, elementBytes: work.rates.elementBytes
                ).buffers)
        }
    }

    /// Bytes of the rows of all ranks that a rank gathers for its experts.
    static func experts(_ work: LayoutWork) -> Double {
        guard work.framework.dispatcher(work.layout.dispatcher) == .allgather else { return 0 }
        return work.parts.blocks.reduce(0) { most, block in
            guard let moe = block.mixture else { return most }
            let ways = ExpertWays(hidden: work.model.hidden, moe, rates: work.rates, device: work.device)
            return max(most, ways.gathered)
        }
    }
}
