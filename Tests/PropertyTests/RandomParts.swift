import Models
import Numbers
import Plans
import TestSupport

/// Draws what few models have: fewer heads of keys than tensor ranks, multi-token prediction, experts with a capacity.
///
/// Numbers of its own, so that a new part leaves the other features of all plans as they were.
struct RandomParts {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x9a27)) }

    mutating func add(to model: inout Model, _ layout: Layout) {
        fewHeads(&model, layout)
        prediction(&model)
        capacity(&model.block)
        for kind in model.kinds.indices { capacity(&model.kinds[kind].shape) }
    }

    private mutating func capacity(_ shape: inout BlockShape) {
        guard shape.moe != nil, numbers.chance(0.3) else { return }
        shape.moe?.capacityFactor = numbers.pick([0.4, 1, 1.25, 1.5, 8])
        shape.moe?.padToCapacity = numbers.chance(0.5)
        if numbers.chance(0.3) { shape.moe?.tokenDropPolicy = .position }
    }

    /// Modules of multi-token prediction, of the last block's kind or of another.
    private mutating func prediction(_ model: inout Model) {
        let isLearned = (model.positionKind ?? (model.family == .gpt ? .learned : .rotary)) == .learned
        guard numbers.chance(0.2), !isLearned, !model.embeddingNorm, model.embeddingSize == nil else { return }
        let named = numbers.chance(0.5) && !model.pattern.isEmpty
        model.mtp = Model.MultiTokenPrediction(
            layers: numbers.pick([1, 1, 1, 2, 3]),
            kind: named ? model.kinds[numbers.pick(model.pattern)].name : nil)
    }

    /// Heads of keys of which several tensor ranks share one, in every block or in some kinds.
    private mutating func fewHeads(_ model: inout Model, _ layout: Layout) {
        guard layout.tensor > 1, numbers.chance(0.25) else { return }
        let heads = numbers.pick(Divisors.of(layout.tensor))
        func change(_ shape: inout BlockShape) {
            guard shape.mla == nil, shape.heads % heads == 0 else { return }
            shape.kvHeads = heads
        }
        change(&model.block)
        for kind in model.kinds.indices where numbers.chance(0.7) { change(&model.kinds[kind].shape) }
    }
}
