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
    var fate = Fate.trained
    /// Whether it belongs to an adapter, and the name of the matrix beside it.
    var isAdapter = false
    var base = ""
    /// Whose rows it multiplies.
    var rows = MultipliedRows.tokens

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
/// al. 2023), Mixtral (Jiang et al. 2024), DeepSeek-V2 and V3 (DeepSeek-AI 2024, section 2.1); attentions, norms and ends
/// of others: `InventoryBlocks.swift`. What tensor parallelism cuts: Megatron-LM's ColumnParallelLinear,
/// RowParallelLinear and VocabParallelEmbedding.
struct Inventory {
    let model: Model
    /// The shapes that the pattern names, or the one of all blocks.
    private let shapes: [BlockShape]
    private let plain: [[ParameterTensor]]
    private let mixtures: [[ParameterTensor]]

    init(_ model: Model) {
        self.model = model
        shapes = model.kinds.isEmpty ? [model.block] : model.kinds.map(\.shape)
        plain = shapes.map { Self.block(model, $0, mixture: false) }
        mixtures = shapes.map { $0.moe == nil ? [] : Self.block(model, $0, mixture: true) }
    }

    /// The kind of block `layer`. Modules of multi-token prediction follow the model's blocks, and have the kind that is
    /// named or that of the last block.
    private func entry(_ layer: Int) -> Int {
        guard !model.kinds.isEmpty else { return 0 }
        if isModule(layer), let name = model.mtp?.kind { return model.kinds.firstIndex { $0.name == name } ?? 0 }
        return model.pattern[min(layer, model.layers - 1)]
    }

    /// Blocks of the model and of its modules of multi-token prediction.
    var blocks: Range<Int> { 0..<model.layers + (model.mtp?.layers ?? 0) }
    func isModule(_ layer: Int) -> Bool { layer >= model.layers }

    /// The shape of block `layer`; whether it has experts asks `isMixture`.
    func shape(_ layer: Int) -> BlockShape { shapes[entry(layer)] }

    /// The shapes that some block has.
    var usedShapes: Set<BlockShape> { Set((0..<model.layers).map(shape)) }

    /// Whether block `layer` is a mixture: after `firstDense` dense blocks one block in `every`, the last of each group.
    func isMixture(_ layer: Int) -> Bool {
        guard let moe = shape(layer).moe else { return false }
        if isModule(layer) { return model.mtp?.kind != nil || isMixture(model.layers - 1) }
        guard layer >= moe.firstDense else { return false }
        return (layer - moe.firstDense + 1) % moe.every == 0
    }

    func tensors(ofBlock layer: Int) -> [ParameterTensor] {
        let whole = isMixture(layer) ? mixtures[entry(layer)] : plain[entry(layer)]
        let own = model.tuning.map { tuned(whole, layer: layer, $0) } ?? whole
        guard isModule(layer) else { return own }
        // DeepSeek-V3's layer 61 and MiMo's: norms of both rows, the matrix that joins them, a norm before the head.
        return own + (0..<3).flatMap { Self.norm(model, "norm of a module \($0)", model.hidden) }
            + [ParameterTensor("joining", [model.hidden, 2 * model.hidden], .tensor)]
    }

    // MARK: - Ends

    /// The word table of `vocabulary` rows, a table of learned positions, a norm of their sum (BLOOM), the projection of
    /// a narrower table (OPT 350M), and tensors that are given as a number.
    func embedding(vocabulary: Int) -> [ParameterTensor] {
        if let picture = model.image ?? model.video { return pictureLayers(picture) }
        var tensors = [ParameterTensor("embedding", [vocabulary, model.tableNumbers], .tensor)]
        if (model.positionKind ?? (model.family == .gpt ? .learned : .rotary)) == .learned {
            tensors.append(
                ParameterTensor("positions", [model.positionEntries ?? model.sequence, model.hidden], .whole))
        }
        if model.embeddingNorm { tensors += Self.norm(model, "embedding norm", model.hidden) }
        if let width = model.embeddingSize {
            tensors.append(ParameterTensor("projection in", [model.hidden, width], .whole))
        }
        return tuned(ends: tensors + Self.given("others", model.otherParameters), isHead: false)
    }

    /// The norm before the head, the projection to a narrower table and the head's bias, which every tensor rank is taken
    /// to hold whole.
    func headOthers() -> [ParameterTensor] {
        if model.image != nil || model.video != nil { return pictureHead() }
        return tuned(
            ends: (model.hasFinalNorm ? Self.norm(model, "final norm", model.hidden) : [])
                + (model.embeddingSize.map { [ParameterTensor("projection out", [$0, model.hidden], .whole)] } ?? [])
                + (model.adds(.head) ? [ParameterTensor("head bias", [model.vocab], .whole)] : []), isHead: true)
    }

    /// The output head, which is the embedding's table where they are tied.
    func head(vocabulary: Int) -> ParameterTensor {
        tuned(ends: [ParameterTensor("head", [vocabulary, model.tableNumbers], .tensor)], isHead: true)[0]
    }

    // MARK: - Totals

    var total: Int { sum { $0.count } }
    /// What one token passes through; the whole of both tables counts (DeepSeek-V3's and Mixtral's own figures).
    var active: Int { sum { $0.used } }

    private func sum(_ count: (ParameterTensor) -> Int) -> Int {
        var all = embedding(vocabulary: model.vocab) + headOthers()
        if !model.tiedEmbeddings { all.append(head(vocabulary: model.vocab)) }
        let ends = all.reduce(0) { $0 + $1.size * count($1) }
        return blocks.reduce(ends) { sum, layer in
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
    /// Parameters that are trained, and parameters that are stored in four bits.
    var trained = (dense: 0.0, experts: 0.0)
    var few = (dense: 0.0, experts: 0.0)

    static func == (a: Self, b: Self) -> Bool {
        a.dense == b.dense && a.experts == b.experts && a.trained == b.trained && a.few == b.few
    }

    mutating func add(_ tensors: [ParameterTensor], _ layout: Layout) {
        for tensor in tensors {
            let elements = Double(tensor.size * tensor.count)
            let held: (dense: Double, experts: Double) =
                switch tensor.split {
                case .whole: (elements, 0)
                case .tensor: (elements / Double(layout.tensor), 0)
                case .expert: (0, elements / Double(layout.expert * layout.expertTensor))
                }
            dense += held.dense
            experts += held.experts
            switch tensor.fate {
            case .trained:
                trained.dense += held.dense
                trained.experts += held.experts
            case .quantized:
                few.dense += held.dense
                few.experts += held.experts
            case .frozen: break
            }
        }
    }

    /// Bytes of the weights that are not trained.
    /// - Parameter weight: bytes of a weight of 16 bits, or in fp32.
    func frozenBytes(_ plan: Plan, weight: Double) -> (dense: Double, experts: Double) {
        // Four bits, and for 64 weights a largest value: fp32, or 8 bits with an fp32 value for 256 of these.
        let isDouble = plan.model.tuning?.quantized?.isDouble ?? true
        let bits = 4 + (isDouble ? 8 + 32.0 / 256 : 32) / 64
        return (
            weight * (dense - trained.dense - few.dense) + bits / 8 * few.dense,
            weight * (experts - trained.experts - few.experts) + bits / 8 * few.experts
        )
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
            if layout.vocabularyParallel != nil {
                // Rows of both tables on every rank; positions and the final norm where they were.
                let rows = VocabularyByHand.paddedEntries(model, layout) / layout.pipeline
                let tables = [head(vocabulary: rows), head(vocabulary: rows)]
                held.add(tables, layout)
                if first { held.add(Array(embedding(vocabulary: rows).dropFirst()), layout) }
                if last { held.add(headOthers(), layout) }
                return held
            }
            if first { held.add(embedding(vocabulary: vocabulary), layout) }
            if last {
                held.add(headOthers(), layout)
                // Modules look tokens up where the head is (Megatron-Core, multi_token_prediction.py).
                if model.mtp != nil, !model.tiedEmbeddings, !first {
                    held.add([head(vocabulary: vocabulary)], layout)
                }
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
    /// Blocks of the model itself.
    private let own: Int

    /// Whether the stage's block `index`, which counts from 0, is computed again in the backward. Where some blocks keep
    /// everything, modules of multi-token prediction do (Megatron-LM's block method leaves them alone).
    func computesAgain(_ index: Int, ofStage stage: Int, _ layout: Layout) -> Bool {
        let isOwn = layers[stage].lowerBound + index < own
        return layout.computesAgain(index, ofStage: stage) && (isOwn || layout.recomputed == .all)
    }

    /// The places of a stage's blocks that are computed again, in the sets that are there at once.
    func againTogether(ofStage stage: Int, _ layout: Layout) -> [[Int]] {
        layout.againTogether(layers[stage].count, ofStage: stage)
            .map { $0.filter { layout.recompute != .full || computesAgain($0, ofStage: stage, layout) } }
            .filter { !$0.isEmpty }
    }

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
        // Modules of multi-token prediction are on the last stage.
        let end = layers.count - 1
        layers[end] = layers[end].lowerBound..<layers[end].upperBound + (plan.model.mtp?.layers ?? 0)
        own = plan.model.layers
        schedule = try layout.schedule.schedule(
            PipelineShape(
                ranks: layout.pipeline, virtualStages: layout.virtualStages,
                microbatches: plan.batch / (layout.data * layout.microbatch), vocabulary: layout.vocabularyParallel))
    }
}
