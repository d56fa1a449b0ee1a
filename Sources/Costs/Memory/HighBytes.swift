internal import Models
internal import Plans

/// Bytes of the blocks at both ends of a model that a recipe leaves in bf16.
struct HighBytes {
    /// Bytes that they keep beyond other blocks.
    private(set) var kept = (start: 0.0, end: 0.0)
    /// Bytes that a backward recomputes at once of one of them, or of a run of blocks with some of them; 0: of none.
    private(set) var atOnce = (start: 0.0, end: 0.0)
    /// `atOnce.start`, beside the most of other tensors and the most that these blocks keep beyond others, which may be at two
    /// moments. `atOnce.start` is beside the most of both at one moment.
    private(set) var atStartBesideMost = 0.0

    /// - Parameter isSplit: whether backwards are split.
    init(_ work: LayoutWork, isSplit: Bool) {
        guard let blocks = work.highBlocks, let high = work.rates.bf16Blocks else { return }
        /// - Parameter isWhole: whether the backward is taken to be whole though the schedule splits it.
        func bytes(_ one: HighBlocks.One, rates: DeviceRates? = nil, isWhole: Bool = false) -> ActivationBytes {
            ActivationBytes(
                work, block: work.parts.blocks[one.kind], recompute: one.isPlain ? Layout.Recompute.none : nil,
                isSplit: isSplit && !isWhole, rates: rates)
        }
        func extra(_ blocks: [HighBlocks.One]) -> Double {
            blocks.reduce(0) { $0 + bytes($1, rates: high).kept - bytes($1).kept }
        }
        kept = (extra(blocks.start), extra(blocks.end))
        guard work.layout.recompute != .none else { return }
        // Between the halves of a split backward all blocks are counted alike, J bytes of which lie where tensors are
        // recomputed (`ActivationBytes.recomputed`).
        let isReduced = isSplit && !work.framework.memory.pools
        guard case .runs(let length) = work.layout.recomputed, work.layout.recompute == .full, length > 0 else {
            // Behind the first half of its backward a block is counted with J − K bytes more than before it. A block at the
            // start loses what it keeps beyond others then. One at the end is counted with that at all times, as the inputs of
            // the head are.
            func largest(_ blocks: [HighBlocks.One], losesMore: Bool) -> Double {
                blocks.filter { !$0.isPlain }.reduce(0) { most, one in
                    let (whole, own) = (bytes(one, rates: high, isWhole: true), bytes(one))
                    let there = isReduced ? max(0, own.later - (losesMore ? whole : own).kept) : 0
                    return max(most, whole.recomputed - there)
                }
            }
            atOnce = (largest(blocks.start, losesMore: true), largest(blocks.end, losesMore: false))
            atStartBesideMost = largest(blocks.start, losesMore: false)
            return
        }
        /// The largest run of a stage with blocks in bf16: what all its blocks recompute, without an input that is kept.
        func largestRun(_ kinds: ArraySlice<Int>, isHigh: (_ place: Int) -> Bool) -> Double {
            let kinds = kinds.map { HighBlocks.One(kind: $0, isPlain: false) }
            return stride(from: 0, to: kinds.count, by: length).reduce(0.0) { most, first in
                let run = first..<min(kinds.count, first + length)
                guard run.contains(where: isHigh) else { return most }
                var (all, input) = (0.0, Double.infinity)
                for place in run {
                    let own = bytes(kinds[place])
                    let inside =
                        isHigh(place)
                        ? bytes(kinds[place], rates: high, isWhole: true).recomputedInside
                            - (isReduced ? own.later : 0)
                        : own.recomputedInside
                    all += inside
                    input = min(input, own.keptOfRun)
                }
                return max(most, all - input)
            }
        }
        let kinds = work.parts.kinds.kindOfBlock.prefix(work.model.layers)
        let (first, last) = (work.layers.first ?? 0, work.layers.last ?? 0)
        atOnce = (
            largestRun(kinds.prefix(first)) { $0 < blocks.start.count },
            largestRun(kinds.suffix(last)) { $0 >= last - blocks.end.count }
        )
        atStartBesideMost = atOnce.start
    }
}
