internal import Models
internal import Plans

/// Bytes of the blocks at both ends of a model that a recipe leaves in bf16.
struct HighBytes {
    /// Bytes that they keep beyond other blocks.
    private(set) var kept = (start: 0.0, end: 0.0)
    /// Bytes that a backward recomputes at once of one of them, or of a run of blocks with some of them; 0: of none.
    private(set) var atOnce = (start: 0.0, end: 0.0)

    /// - Parameter isSplit: whether backwards are split.
    init(_ work: LayoutWork, isSplit: Bool) {
        guard let blocks = work.highBlocks, let high = work.rates.bf16Blocks else { return }
        func bytes(_ kind: Int, isPlain: Bool, rates: DeviceRates? = nil) -> ActivationBytes {
            ActivationBytes(
                work, block: work.parts.blocks[kind],
                recompute: isPlain ? Layout.Recompute.none : work.layout.recompute,
                isSplit: isSplit, rates: rates)
        }
        func extra(_ blocks: [HighBlocks.One]) -> Double {
            blocks.reduce(0) { sum, one in
                sum + bytes(one.kind, isPlain: one.isPlain, rates: high).kept
                    - bytes(one.kind, isPlain: one.isPlain).kept
            }
        }
        kept = (extra(blocks.start), extra(blocks.end))
        guard work.layout.recompute != .none else { return }
        guard case .runs(let length) = work.layout.recomputed, work.layout.recompute == .full, length > 0 else {
            func largest(_ blocks: [HighBlocks.One]) -> Double {
                blocks.reduce(0) { $1.isPlain ? $0 : max($0, bytes($1.kind, isPlain: false, rates: high).recomputed) }
            }
            atOnce = (largest(blocks.start), largest(blocks.end))
            return
        }
        /// The largest run of a stage with blocks in bf16: what all its blocks recompute, without an input that is kept.
        func largestRun(_ kinds: ArraySlice<Int>, isHigh: (_ place: Int) -> Bool) -> Double {
            let kinds = Array(kinds)
            return stride(from: 0, to: kinds.count, by: length).reduce(0.0) { most, first in
                let run = first..<min(kinds.count, first + length)
                guard run.contains(where: isHigh) else { return most }
                var (all, input) = (0.0, Double.infinity)
                for place in run {
                    let block = bytes(kinds[place], isPlain: false, rates: isHigh(place) ? high : nil)
                    all += block.recomputedInside
                    input = min(input, block.keptOfRun)
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
    }
}
