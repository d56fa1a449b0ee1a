import Models
import Plans
import Schedules

/// One kind of parameter tensor, as the papers and the peers' checkpoints list them.
struct ParameterTensor {
    enum Split {
        /// Every tensor rank has it whole.
        case whole
        /// Cut over the tensor ranks by rows or columns.
        case tensor
        /// One of the routed experts: spread over the expert ranks, each cut over the expert-tensor ranks.
        case expert
    }

    var name: String
    var shape: [Int]
    var split: Split
    /// Tensors of this kind.
    var count = 1
    /// Of these, how many one token passes through.
    var used = 1

    var size: Int { shape.reduce(1, *) }
    /// Whether it multiplies activations: a matrix product of 2 FLOPs an element and token.
    var isMatrix: Bool { shape.count == 2 }

    init(_ name: String, _ shape: [Int], _ split: Split, count: Int = 1, used: Int? = nil) {
        self.name = name
        self.shape = shape
        self.split = split
        self.count = count
        self.used = used ?? count
    }
}

/// Every parameter tensor of a model, counted without the planner's formulas.
///
/// Shapes: GPT-2 and GPT-3 (Radford et al. 2019, Brown et al. 2020; names of Hugging Face's `gpt2`), Llama (Touvron et
/// al. 2023), Mixtral (Jiang et al. 2024), DeepSeek-V2 and V3 (DeepSeek-AI 2024, section 2.1). What tensor parallelism
/// cuts: Megatron-LM's ColumnParallelLinear, RowParallelLinear and VocabParallelEmbedding.
struct Inventory {
    let model: Model
    let plainBlock: [ParameterTensor]
    let mixtureBlock: [ParameterTensor]

    init(_ model: Model) {
        self.model = model
        plainBlock = Self.block(model, mixture: false)
        mixtureBlock = model.moe == nil ? [] : Self.block(model, mixture: true)
    }

    /// Whether block `layer` is a mixture: after `firstDense` dense blocks one block in `every`, the last of each group.
    func isMixture(_ layer: Int) -> Bool {
        guard let moe = model.moe, layer >= moe.firstDense else { return false }
        return (layer - moe.firstDense + 1) % moe.every == 0
    }

    func tensors(ofBlock layer: Int) -> [ParameterTensor] { isMixture(layer) ? mixtureBlock : plainBlock }

    // MARK: - Blocks

    private static func block(_ model: Model, mixture: Bool) -> [ParameterTensor] {
        norm(model, "attention norm", model.hidden) + attention(model) + norm(model, "feed-forward norm", model.hidden)
            + (mixture ? experts(model) : feedForward(model, "feed-forward", model.ffn, .tensor))
    }

    /// LayerNorm has a scale and a shift, RMSNorm a scale.
    private static func norm(_ model: Model, _ name: String, _ width: Int) -> [ParameterTensor] {
        [ParameterTensor(name, [width], .whole)]
            + (model.family == .gpt ? [ParameterTensor("\(name) shift", [width], .whole)] : [])
    }

    /// A matrix of `rows` outputs and, in GPT's blocks, its bias: cut with the outputs, whole where the inputs are cut.
    private static func linear(
        _ model: Model, _ name: String, _ rows: Int, _ columns: Int, _ split: ParameterTensor.Split,
        biasIsCut: Bool, count: Int = 1, used: Int? = nil
    ) -> [ParameterTensor] {
        let matrix = ParameterTensor(name, [rows, columns], split, count: count, used: used)
        guard model.family == .gpt else { return [matrix] }
        let biasSplit: ParameterTensor.Split = split == .tensor && !biasIsCut ? .whole : split
        return [matrix, ParameterTensor("\(name) bias", [rows], biasSplit, count: count, used: used)]
    }

    private static func attention(_ model: Model) -> [ParameterTensor] {
        let (h, a) = (model.hidden, model.heads)
        guard let mla = model.mla else {
            let (query, key) = (a * model.headSize, model.kvHeads * model.headSize)
            return linear(model, "query", query, h, .tensor, biasIsCut: true)
                + linear(model, "key", key, h, .tensor, biasIsCut: true)
                + linear(model, "value", key, h, .tensor, biasIsCut: true)
                + linear(model, "attention output", h, query, .tensor, biasIsCut: false)
        }
        let head = mla.nopeSize + mla.ropeSize
        var tensors: [ParameterTensor] = []
        if mla.queryRank > 0 {
            tensors += [
                ParameterTensor("query latent", [mla.queryRank, h], .whole),
                ParameterTensor("query latent norm", [mla.queryRank], .whole),
                ParameterTensor("query", [a * head, mla.queryRank], .tensor),
            ]
        } else {
            tensors.append(ParameterTensor("query", [a * head, h], .tensor))
        }
        return tensors + [
            ParameterTensor("key-value latent", [mla.kvRank + mla.ropeSize, h], .whole),
            ParameterTensor("key-value latent norm", [mla.kvRank], .whole),
            ParameterTensor("key", [a * mla.nopeSize, mla.kvRank], .tensor),
            ParameterTensor("value", [a * mla.valueSize, mla.kvRank], .tensor),
            ParameterTensor("attention output", [h, a * mla.valueSize], .tensor),
        ]
    }

    private static func feedForward(
        _ model: Model, _ name: String, _ width: Int, _ split: ParameterTensor.Split, count: Int = 1, used: Int? = nil
    ) -> [ParameterTensor] {
        let inputs = [.swiglu, .geglu, .reglu].contains(model.mlp) ? ["gate", "up"] : ["up"]
        return inputs.flatMap {
            linear(
                model, "\(name) \($0)", width, model.hidden, split, biasIsCut: true, count: count, used: used)
        }
            + linear(
                model, "\(name) down", model.hidden, width, split, biasIsCut: false, count: count, used: used)
    }

    /// A router without bias, routed experts, and the shared ones as one network of their widths together (DeepSeek-V2;
    /// Megatron-Core's SharedExpertMLP, which tensor parallelism cuts like any other). Experts have no biases (Mixtral,
    /// DeepSeek; Megatron-Core's grouped products take none), whatever the family.
    private static func experts(_ model: Model) -> [ParameterTensor] {
        guard let moe = model.moe else { return [] }
        var plain = model
        plain.family = .llama
        var tensors = [ParameterTensor("router", [moe.experts, model.hidden], .whole)]
        tensors += feedForward(plain, "expert", moe.ffn, .expert, count: moe.experts, used: moe.topK)
        if moe.shared > 0 { tensors += feedForward(plain, "shared expert", moe.shared * moe.sharedFfn, .tensor) }
        return tensors
    }

    // MARK: - Ends

    /// The word table of `vocabulary` rows and, in GPT's models, the position table.
    func embedding(vocabulary: Int) -> [ParameterTensor] {
        [ParameterTensor("embedding", [vocabulary, model.hidden], .tensor)]
            + (model.family == .gpt
                ? [ParameterTensor("positions", [model.sequence, model.hidden], .whole)] : [])
    }

    func finalNorm() -> [ParameterTensor] { Self.norm(model, "final norm", model.hidden) }

    /// The output head, which is the embedding's table where they are tied.
    func head(vocabulary: Int) -> ParameterTensor {
        ParameterTensor("head", [vocabulary, model.hidden], .tensor)
    }

    // MARK: - Totals

    var total: Int { sum { $0.count } }
    /// What one token passes through; the whole of both tables counts (DeepSeek-V3's and Mixtral's own figures).
    var active: Int { sum { $0.used } }

    private func sum(_ count: (ParameterTensor) -> Int) -> Int {
        var all = embedding(vocabulary: model.vocab) + finalNorm()
        if !model.tiedEmbeddings { all.append(head(vocabulary: model.vocab)) }
        let ends = all.reduce(0) { $0 + $1.size * count($1) }
        return (0..<model.layers).reduce(ends) { sum, layer in
            tensors(ofBlock: layer).reduce(sum) { $0 + $1.size * count($1) }
        }
    }
}

/// Parameters that one device of a pipeline rank holds.
struct HeldParameters: Equatable {
    /// All but routed experts.
    var dense = 0.0
    /// Routed experts.
    var experts = 0.0

    mutating func add(_ tensors: [ParameterTensor], _ layout: Layout) {
        for tensor in tensors {
            let elements = Double(tensor.size * tensor.count)
            switch tensor.split {
            case .whole: dense += elements
            case .tensor: dense += elements / Double(layout.tensor)
            case .expert: experts += elements / Double(layout.expert * layout.expertTensor)
            }
        }
    }
}

extension Inventory {
    /// Parameters on one device of every pipeline rank.
    ///
    /// The vocabulary is rounded up to a multiple of 128 · tensor (Megatron-LM, `--make-vocab-size-divisible-by`). A tied
    /// table lies on the rank of the first stage and on that of the last (Megatron-LM keeps a copy there); a rank with
    /// both has it once.
    func held(_ layout: Layout, _ placed: PlacedBlocks) -> [HeldParameters] {
        let multiple = 128 * layout.tensor
        let vocabulary = (model.vocab + multiple - 1) / multiple * multiple
        return (0..<layout.pipeline).map { rank in
            var held = HeldParameters()
            let stages = placed.stages(of: rank)
            for stage in stages {
                for layer in placed.layers[stage] { held.add(tensors(ofBlock: layer), layout) }
            }
            let (first, last) = (stages.contains(0), stages.contains(placed.layers.count - 1))
            if first { held.add(embedding(vocabulary: vocabulary), layout) }
            if last {
                held.add(finalNorm(), layout)
                if !model.tiedEmbeddings || !first { held.add([head(vocabulary: vocabulary)], layout) }
            }
            return held
        }
    }
}

/// Which blocks lie where.
struct PlacedBlocks {
    /// Blocks of every stage.
    var layers: [Range<Int>]
    var schedule: Schedule

    /// The stages of a rank, those of both directions.
    func stages(of rank: Int) -> [Int] {
        let placement = schedule.placement
        return layers.indices.filter {
            placement.stageToRank[$0] == rank || placement.reverseStageToRank?[$0] == rank
        }
    }

    init(_ plan: Plan, _ layout: Layout) throws {
        var start = 0
        layers = StagePartition(layout, model: plan.model).sizes.map { size in
            defer { start += size }
            return start..<start + size
        }
        schedule = try layout.schedule.schedule(
            ranks: layout.pipeline, virtualStages: layout.virtualStages,
            microbatches: plan.batch / (layout.data * layout.microbatch))
    }
}
