package import Models
package import Plans
internal import Schedules

extension ActivationBytes {
    /// Bytes that one block of a layout keeps for one micro-batch.
    /// - Parameters:
    ///   - recompute: nil: the layout's own.
    ///   - rates: rates of the block; nil: the layout's.
    ///   - isSplit: whether backwards are split; nil: the layout's schedule decides.
    package init(
        _ work: LayoutWork, block: Block, recompute: Layout.Recompute? = nil, isSplit: Bool? = nil,
        rates stated: DeviceRates? = nil
    ) {
        self.init(
            block, work.device, sequence: work.model.sequence, rates: stated ?? work.rates,
            recompute: recompute ?? work.layout.recompute, isSplit: isSplit ?? work.layout.schedule.splitsBackward)
    }
}
