internal import Models
internal import Plans
internal import Tensors

/// Finds a stage's tensors by name and makes layers of them.
struct BlockBuilder {
    let model: Model
    let parameters: ParameterSet
    let stage: Int
    let context: StageContext

    init(model: Model, parameters: ParameterSet, stage: Int, context: StageContext) {
        self.model = model
        self.parameters = parameters
        self.stage = stage
        self.context = context
    }

    func parameter(_ name: String) -> Parameter { parameters.parameter(stage: stage, name: name) }

    private func optional(_ name: String) -> Parameter? {
        parameters.find(stage: stage, name: name).map { Parameter(unit: $0.unit, offset: $0.slot.offset) }
    }

    func norm(_ name: String) -> NormLayer {
        NormLayer(
            gain: parameter(name + ".weight"), shift: optional(name + ".bias"), epsilon: Float(model.epsilonOfNorms))
    }

    /// The norms of queries and keys; nil without.
    private func headNorms(_ block: String) -> HeadNorms? {
        guard context.shape.normsHeads else { return nil }
        let prefix = block + (model.conventions.joinsProjections ? "attn." : "self_attn.")
        return HeadNorms(query: norm(prefix + "q_norm"), key: norm(prefix + "k_norm"), shape: context.shape)
    }

    /// `weight`: the matrix, or the first of those that lie one behind the other so that one product reads them all.
    private func linear(_ weight: TensorSpec, _ inputs: Int, _ outputs: Int) -> LinearLayer {
        let name = weight.name
        let bias = name.hasSuffix(".weight") ? String(name.dropLast(6)) + "bias" : ""
        var layer = LinearLayer(
            weight: parameter(name), bias: optional(bias), inputs: inputs, outputs: outputs,
            isTransposed: model.conventions.isTransposed, mixed: context.mixed)
        if let lora = model.tuning?.lora { layer.adapters = adapters(of: weight, inputs, lora) }
        return layer
    }

    /// The adapters of a product: of its first matrix, and of those that follow it directly in memory.
    private func adapters(of weight: TensorSpec, _ inputs: Int, _ lora: LoRA) -> [AdapterLayer] {
        guard let (unit, place) = parameters.find(stage: stage, name: weight.name),
            let first = unit.slots.firstIndex(where: { $0.tensor.name == weight.name })
        else { return [] }
        _ = place
        var found: [AdapterLayer] = []
        var start = 0
        for slot in unit.slots[first...] {
            if slot.tensor.name != weight.name, !slot.tensor.joinsPrevious { break }
            let columns = slot.count / inputs
            let name = slot.tensor.module
            if let up = optional(name + ".lora_B.weight") {
                found.append(
                    AdapterLayer(
                        down: parameter(name + ".lora_A.weight"), up: up, rank: lora.rank, inputs: inputs,
                        columns: start..<start + columns, scale: Float(lora.scale), mixed: context.mixed,
                        scratch: context.adapterScratch))
            }
            start += columns
        }
        return found
    }

    /// The first and the last matrix of a part: into its own widths, and back onto the stream.
    private func ends(_ tensors: [TensorSpec]) -> (inward: TensorSpec, outward: TensorSpec) {
        let matrices = tensors.filter { $0.shape.count >= 2 }
        guard let first = matrices.first, let last = matrices.last else {
            preconditionFailure("every part of a block has matrices")
        }
        return (first, last)
    }

    func block(_ layer: Int, recompute: Layout.Recompute) -> TransformerBlock {
        let (shape, names, tensors) = (context.shape, model.conventions.names, model.tensors(ofBlock: layer))
        let norm1 = norm(names.block(layer) + names.attentionNorm)
        let feedForward: any FeedForwardBranch =
            model.hasExperts(layer) ? mixture(tensors.feedForward, layer) : dense(tensors.feedForward, shape.ffn)
        let attention = ends(tensors.attention)
        return TransformerBlock(
            units: parameters.units(stage: stage, .block(layer)),
            passesGradient: layer >= model.tuning?.firstTrained ?? 0, norm1: norm1,
            qkv: linear(attention.inward, shape.hidden, shape.qkvWidth),
            headNorms: headNorms(names.block(layer)),
            projection: linear(attention.outward, shape.width, shape.hidden),
            norm2: norm(names.block(layer) + names.feedForwardNorm),
            feedForward: feedForward, recomputed: recompute, context: context)
    }

    /// The nonlinearity of the feed-forward networks. `RuntimeSupport` refuses models with one that the runtime does not
    /// have.
    private var activation: Activation { Activation(model.mlp) ?? .gelu }

    private func dense(_ tensors: [TensorSpec], _ width: Int) -> FeedForward {
        let (hidden, matrices) = (context.shape.hidden, ends(tensors))
        return FeedForward(
            expand: linear(matrices.inward, hidden, context.shape.expandedWidth(width)),
            contract: linear(matrices.outward, width, hidden), activation: activation, width: width,
            context: context
        )
    }

    private func mixture(_ tensors: [TensorSpec], _ layer: Int) -> any FeedForwardBranch {
        guard let moe = model.moe, let expertParallel = context.expertParallel else {
            preconditionFailure("a block with experts needs a way to them")
        }
        let first = expertParallel.rank * expertParallel.localExperts
        let inner = moe.ffn / expertParallel.pieces
        let experts = (first..<first + expertParallel.localExperts).map { number in
            let expert = ends(model.tensors(ofExpert: number, inBlock: layer))
            return (
                expand: linear(expert.inward, model.hidden, context.shape.expandedWidth(inner)),
                contract: linear(expert.outward, inner, model.hidden)
            )
        }
        return MixtureOfExperts(
            router: linear(tensors[0], model.hidden, moe.experts),
            routing: Router(experts: moe.experts, chosen: moe.topK), experts: experts,
            units: parameters.units(stage: stage, .experts(layer)),
            shared: moe.sharedWidth > 0
                ? dense(Array(tensors.dropFirst()), context.shape.sharedWidth) : nil,
            activation: activation, ffn: inner, expertParallel: expertParallel, balance: context.balance,
            context: context)
    }
}

/// The residual stream.
enum Residual {
    /// y = x + delta + bias. All `[rows, width]`, bias `[width]`.
    static func join(
        _ x: UnsafePointer<Float>, _ delta: UnsafePointer<Float>, bias: Parameter?, into y: UnsafeMutablePointer<Float>,
        rows: Int, width: Int, _ profile: Profile
    ) {
        profile.measure(.norms) {
            VectorMath.residualAdd(
                x: x, delta: delta, bias: bias.map { UnsafePointer($0.weight) }, y: y, rows: rows, width: width)
        }
    }
}
