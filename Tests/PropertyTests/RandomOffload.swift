import Models
import Numbers
import Plans
import TestSupport

/// Draws what the devices of a plan offload, from numbers of its own: all plans stay as they are without it.
struct RandomOffload {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x0ff1)) }

    /// The plan with some offload; nil if none that is drawn obeys the rules.
    mutating func offloading(_ plan: Plan) -> Plan? {
        guard let layout = plan.layout, plan.cluster.host != nil else { return nil }
        for _ in 0..<8 {
            var offload = Layout.Offload()
            if numbers.chance(0.7) { offload.optimizer = numbers.pick([1, 1, 0.5, 0.25]) }
            let isSharded = layout.sharding == .gradients || layout.sharding == .parameters
            if isSharded, numbers.chance(0.6) { (offload.optimizer, offload.gradients) = (1, true) }
            if offload.gradients, layout.sharding == .parameters { offload.parameters = numbers.chance(0.7) }
            if numbers.chance(0.5) {
                offload.activations = numbers.chance(0.5) ? .all : .first(numbers.pick([1, 1, 2, 3]))
            }
            offload.overlap = numbers.chance(0.7)
            guard !offload.isEmpty else { continue }
            let drawn = plan.with { $0.offload = offload }
            if drawn.isLegal { return drawn }
        }
        return nil
    }
}

extension Corpus {
    /// The plans of the corpus that can offload something, with something offloaded.
    static let offloading: [Plan] = {
        var source = RandomOffload(seed: 20_260_102)
        return plans.compactMap { source.offloading($0) }
    }()
}
