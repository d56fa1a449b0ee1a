import Models
import Numbers
import Plans
import TestSupport

/// Draws what makes a model one of images or videos: a picture with as many tokens as the sequence had, a text that joins
/// the sequence or that blocks attend to, and vectors that modulate blocks.
struct RandomPictures {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x91c7)) }

    /// The model with a picture in place of a text, for a layout whose degrees divide its widths.
    mutating func add(to model: inout Model, _ layout: Layout) {
        guard numbers.chance(0.15) else {
            if numbers.chance(0.1) { seeBothSides(&model, layout) }
            return
        }
        if numbers.chance(0.3) { model.positionKind = .sinusoidal }
        (model.vocab, model.tiedEmbeddings, model.embeddingSize, model.positionEntries) = (0, false, nil, nil)
        model.biases?.removeAll { $0 == .head }
        change(&model) { $0.causal = false }
        // An indexer goes by the keys before a query.
        change(&model) { $0.mla?.indexer = nil }
        if model.kinds.contains(where: { $0.shape.chunk != nil }) { change(&model) { $0.chunk = nil } }
        if numbers.chance(0.5) { model.qkNormKind = numbers.pick(Norm.allCases) }
        let isFused = numbers.chance(0.9)
        change(&model) { shape in
            guard isFused, shape.parallel == .oneNorm, shape.moe == nil, shape.mla == nil else { return }
            shape.parallel = .fused
        }
        let isDiffusion = numbers.chance(0.7)
        if isDiffusion { model.diffusion = diffusion() } else if numbers.chance(0.6) { model.classes = 1000 }
        if numbers.chance(0.7) { text(&model, layout) }
        let patches = model.sequence - (model.textJoins ? model.text?.tokens ?? 0 : 0)
        picture(&model, patches)
        if isDiffusion { modulate(&model) }
    }

    /// Attention without a mask, as in encoders of text.
    private func seeBothSides(_ model: inout Model, _ layout: Layout) {
        change(&model) { shape in
            // Chunks of several lengths without a mask are not divided among context ranks.
            guard shape.halves != .feedForward, shape.mla?.indexer == nil, shape.chunk == nil || layout.context == 1
            else { return }
            shape.causal = false
        }
    }

    private func change(_ model: inout Model, _ change: (inout BlockShape) -> Void) {
        change(&model.block)
        for kind in model.kinds.indices { change(&model.kinds[kind].shape) }
    }

    private mutating func diffusion() -> Model.Diffusion {
        var diffusion = Model.Diffusion()
        diffusion.scalars = numbers.pick([1, 1, 2, 3])
        diffusion.scalarSize = numbers.pick([256, 512])
        diffusion.labels = numbers.pick([0, 0, 1001])
        diffusion.pooledText = numbers.pick([0, 768])
        diffusion.conditionSize = numbers.chance(0.3) ? 384 : nil
        diffusion.outputChannels = numbers.chance(0.3) ? 8 : nil
        return diffusion
    }

    /// A text of which every context rank, and with sequence parallelism every tensor rank, can have as much.
    private mutating func text(_ model: inout Model, _ layout: Layout) {
        let ranks = layout.tensor * layout.context
        let most = max(1, model.sequence / (2 * ranks))
        var text = Model.Text(tokens: ranks * min(most, numbers.pick([1, 2, 3])), width: numbers.pick([512, 768]))
        let shapes = [model.block] + model.kinds.map(\.shape)
        let isPlain = shapes.allSatisfy { $0.mla == nil && $0.parallel == .none && $0.halves == .both && !$0.sinks }
        if isPlain, numbers.chance(0.5) {
            text.projection = numbers.pick(Model.Text.Projection.allCases)
            change(&model) { $0.crossAttention = CrossAttention() }
            let (norm, qkNorm) = (
                numbers.pick(CrossAttention.InputNorm.allCases), numbers.pick(BlockShape.QKNorm.allCases)
            )
            change(&model) { $0.crossAttention?.norm = norm }
            change(&model) { $0.crossAttention?.qkNorm = qkNorm }
        } else {
            text.projection = numbers.pick([.linear, .mlp])
            text.refinerLayers = text.projection == .linear ? numbers.pick([0, 0, 2]) : 0
            let mayDouble = isPlain && shapes.allSatisfy { $0.moe == nil }
            let kind: BlockShape.StreamKind = mayDouble && numbers.chance(0.6) ? .double : .single
            change(&model) { $0.stream = kind }
            let mayEnd = shapes.allSatisfy { $0.norms == .pre }
            if kind == .double, mayEnd, numbers.chance(0.4) { endText(&model) }
        }
        model.text = text
    }

    /// The last block is the last that text passes.
    private func endText(_ model: inout Model) {
        guard model.layers > 1 else {
            if model.kinds.isEmpty { model.block.stream = .lastDouble }
            return
        }
        if model.kinds.isEmpty {
            model.kinds = [BlockKind(name: "joint", shape: model.block)]
            model.pattern = [Int](repeating: 0, count: model.layers)
        }
        var last = model.kinds[model.pattern[model.layers - 1]].shape
        last.stream = .lastDouble
        model.kinds.append(BlockKind(name: "last", shape: last))
        model.pattern[model.layers - 1] = model.kinds.count - 1
    }

    /// An image or a video of `tokens` tokens.
    private mutating func picture(_ model: inout Model, _ tokens: Int) {
        var picture = Model.Picture()
        let hasClassToken = tokens > 2 && numbers.chance(0.2)
        picture.classToken = hasClassToken
        let patches = tokens - (hasClassToken ? 1 : 0)
        let (edge, squeeze) = (numbers.pick([1, 2, 14]), numbers.pick([1, 8]))
        picture.channels = numbers.pick([3, 4, 16])
        picture.bias = numbers.chance(0.8)
        let rows = numbers.pick(Divisors.of(patches).filter { $0 <= 64 })
        if numbers.chance(0.5) {
            picture.patch = [edge]
            picture.compression = [squeeze]
            (picture.height, picture.width) = (rows * edge * squeeze, patches / rows * edge * squeeze)
            model.image = picture
        } else {
            picture.patch = [1, edge, edge]
            picture.compression = [4, squeeze, squeeze]
            // The first frame may stand alone.
            picture.frames = rows * 4 - (numbers.chance(0.5) ? 3 : 0)
            (picture.height, picture.width) = (edge * squeeze, patches / rows * edge * squeeze)
            model.video = picture
        }
    }

    private mutating func modulate(_ model: inout Model) {
        guard numbers.chance(0.8), ([model.block] + model.kinds.map(\.shape)).allSatisfy({ $0.norms == .pre }) else {
            return
        }
        let vectors = numbers.pick([2, 3, 4, 6, 12])
        change(&model) { $0.modulation = vectors }
        if numbers.chance(0.4) { model.diffusion?.sharedModulation = true }
    }
}
