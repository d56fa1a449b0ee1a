import Models
import Numbers
import Plans
import TestSupport

/// Draws what a model has beside its sizes: kinds of norms and positions, attentions that see less, blocks of several
/// kinds. Half of the plans have none of it, and each of it is in a minority.
///
/// Numbers of its own, so that a new feature leaves the sizes and layouts of all plans as they were.
struct RandomFeatures {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0xfea7)) }

    /// The model with features, for a layout whose degrees divide its widths.
    mutating func add(to model: inout Model, _ layout: Layout) {
        guard numbers.chance(0.5) else { return }
        ends(&model)
        features(&model.block, model, layout)
        guard numbers.chance(0.4) else { return }
        let count = numbers.pick([1, 2, 2, 2, 3])
        model.kinds = (0..<count).map { number in
            var shape = model.block
            if number > 0 || numbers.chance(0.5) { change(&shape, model, layout) }
            return BlockKind(name: ["local", "global", "third-kind"][number], shape: shape)
        }
        model.pattern = pattern(model.layers, kinds: count)
    }

    /// A period that repeats, or any order.
    private mutating func pattern(_ layers: Int, kinds: Int) -> [Int] {
        let period = numbers.chance(0.3) ? layers : numbers.pick([1, 2, 3, 4, 6])
        let kind = (0..<period).map { _ in numbers.pick(Array(0..<kinds)) }
        return (0..<layers).map { kind[$0 % period] }
    }

    // MARK: - Ends

    private mutating func ends(_ model: inout Model) {
        if numbers.chance(0.3) { model.norm = numbers.pick(Norm.allCases) }
        if numbers.chance(0.3) { model.positionKind = numbers.pick([Positions.learned, .rotary, .alibi, .none]) }
        if model.positionKind ?? (model.family == .gpt ? .learned : .rotary) == .learned, numbers.chance(0.4) {
            model.positionEntries = model.sequence + numbers.pick([2, 128, 4096])
        }
        if numbers.chance(0.35) {
            let share = numbers.pick([0.2, 0.5, 0.9])
            model.biases = Bias.allCases.filter { _ in numbers.chance(share) }
        }
        model.embeddingNorm = numbers.chance(0.12)
        model.hasFinalNorm = !numbers.chance(0.12)
        if numbers.chance(0.12) { model.embeddingSize = numbers.pick([64, 192, 512]) }
        if numbers.chance(0.12) { model.otherParameters = numbers.pick([1, 777, 100_000]) }
    }

    // MARK: - Blocks

    private mutating func features(_ shape: inout BlockShape, _ model: Model, _ layout: Layout) {
        if numbers.chance(0.12), shape.moe == nil { shape.halves = numbers.pick([.attention, .feedForward]) }
        if shape.halves == .feedForward {
            shape.mla = nil
        } else if shape.mla == nil {
            attention(&shape, model)
        } else if shape.mla?.queryRank ?? 0 > 0, numbers.chance(0.5) {
            shape.mla?.indexer = Model.Indexer(
                heads: numbers.pick([1, 4, 64]), headSize: numbers.pick([32, 128]),
                topK: numbers.pick([64, 2048, 3 * model.sequence]))
        }
        switch numbers.pick([0, 0, 1, 2, 3, 4]) {
        case 1: shape.norms = .post
        case 2: shape.norms = .both
        case 3: shape.parallel = .oneNorm
        case 4: shape.parallel = .twoNorms
        default: break
        }
        if shape.moe?.shared ?? 0 > 0 { shape.moe?.sharedGate = numbers.chance(0.5) }
        shape.moe?.routerCorrection = numbers.chance(0.2)
        if shape.moe != nil, numbers.chance(0.25) { shape.moe?.latentSize = numbers.pick([48, 256]) }
        if shape.moe != nil, numbers.chance(0.25) { shape.moe?.denseFfn = layout.tensor * numbers.pick([64, 320]) }
        if numbers.chance(0.12) { shape.extraParameters = numbers.pick([1, 77, 4096]) }
    }

    private mutating func attention(_ shape: inout BlockShape, _ model: Model) {
        switch numbers.pick([0, 0, 1, 2]) {
        case 1: shape.window = max(1, numbers.pick([1, 100, model.sequence / 4, model.sequence / 2 + 3, 10_000]))
        case 2: shape.chunk = max(1, numbers.pick([1, 100, model.sequence / 3, model.sequence / 4, 10_000]))
        default: break
        }
        if numbers.chance(0.35) { shape.qkNorm = numbers.pick(BlockShape.QKNorm.allCases) }
        if numbers.chance(0.25) { shape.outputGate = numbers.pick([.elementwise, .head]) }
        shape.sinks = numbers.chance(0.15)
        if numbers.chance(0.2) { shape.keyValues = numbers.pick([.keysAreValues, .shared]) }
        if numbers.chance(0.2), shape.keyValues != .keysAreValues { shape.valueSize = numbers.pick([16, 96, 256]) }
    }

    /// Another kind beside the first: other sizes, no experts, another attention.
    private mutating func change(_ shape: inout BlockShape, _ model: Model, _ layout: Layout) {
        let plain = model.block
        shape = BlockShape(
            heads: plain.heads, kvHeads: plain.kvHeads, headSize: plain.headSize, ffn: plain.ffn, mlp: plain.mlp,
            moe: plain.moe, mla: plain.mla)
        shape.mla?.indexer = nil
        if numbers.chance(0.3) {
            shape.mla = nil
            shape.kvHeads = shape.heads
        }
        if shape.mla == nil, numbers.chance(0.3) {
            shape.headSize = numbers.pick([32, 96])
            shape.kvHeads = shape.heads
        }
        if numbers.chance(0.3) { shape.ffn = layout.tensor * numbers.pick([128, 448]) }
        if numbers.chance(0.2) { shape.mlp = numbers.pick(Model.MLP.allCases) }
        if numbers.chance(0.4) {
            shape.moe = nil
        } else if numbers.chance(0.3) {
            shape.moe?.ffn *= 2
            shape.moe?.shared = 1
        }
        features(&shape, model, layout)
    }
}

extension Model {
    /// The model with another number of blocks, of kinds that go on as they did.
    func with(layers: Int) -> Model {
        var model = self
        model.layers = layers
        if !pattern.isEmpty { model.pattern = (0..<layers).map { pattern[$0 % pattern.count] } }
        return model
    }
}
