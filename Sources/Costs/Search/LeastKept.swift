internal import Models
internal import Plans

/// Lower bounds of the bytes that one micro-batch keeps in the blocks of a rank. They depend neither on the number of expert
/// ranks nor on the networks, so that many layouts share them.
struct LeastKept: Sendable {
    /// Everything in a layout that the bytes depend on.
    private struct Key: Hashable {
        var tensor: Int
        var context: Int
        var headRanks: Int
        var expertTensor: Int
        var microbatch: Int
        var sequenceParallel: Bool
        var recompute: Layout.Recompute

        init(_ layout: Layout) {
            (tensor, context, headRanks) = (layout.tensor, layout.context, layout.headRanks)
            (expertTensor, microbatch) = (layout.expertTensor, layout.microbatch)
            (sequenceParallel, recompute) = (layout.sequenceParallel, layout.recompute)
        }
    }

    private var known: [Key: (kept: [Double], beside: Double)] = [:]

    /// Bytes of a block of each kind, and beside them, as `LeastPass` has them.
    mutating func bytes(_ layout: Layout, _ rates: DeviceRates, _ pricer: Pricer) -> (kept: [Double], beside: Double) {
        let key = Key(layout)
        if let bytes = known[key] { return bytes }
        let device = pricer.share(of: layout, LayoutGroups.alone, rates)
        let losses = 1 + rates.framework.fragmentation
        var (all, beside): ([Double], Double) = ([], .infinity)
        for block in pricer.parts.blocks {
            let tensors = BlockTensors(block, device, sequence: pricer.plan.model.sequence, rates: rates)
            var (kept, atOnce) = (Double.infinity, Double.infinity)
            for isSplit in [false, true] {
                let bytes = ActivationBytes(
                    tensors, recompute: layout.recompute, keepsOperations: rates.framework.selectiveOperations,
                    splitsBackward: isSplit, modules: device.modules)
                kept = min(kept, bytes.kept)
                atOnce = min(atOnce, bytes.recomputed)
            }
            all.append(losses * kept)
            beside = min(beside, losses * (atOnce + tensors.widestGradients))
        }
        let bytes = (kept: all, beside: beside.isFinite ? beside : 0)
        known[key] = bytes
        return bytes
    }
}

extension Pricer {
    /// A device's part of `layout`, whose groups are `groups`.
    func share(of layout: Layout, _ groups: LayoutGroups, _ rates: DeviceRates) -> DeviceShare {
        DeviceShare(
            plan: plan, layout: layout, groups: groups, vocabulary: plan.model.paddedVocab(tensor: layout.tensor),
            dropout: options.dropout ?? !layout.flashAttention, fusesNorms: rates.framework.fusesNorms)
    }
}
