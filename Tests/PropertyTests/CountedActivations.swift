import Models
import Plans
import Schedules

/// Bytes one block keeps from the forward to the backward of one micro-batch on one device: the sum over the tensors
/// that the backward reads.
///
/// Korthikanti et al. 2022, section 4.1 and table 2, tensor by tensor. Flash attention keeps the log-sum-exp of every
/// row in fp32 instead of the scores (Dao 2023, algorithm 1). Dropout masks take a byte an element.
struct CountedActivations {
    /// Elements (`w` bytes each) and bytes.
    var elements = 0.0
    var bytes = 0.0

    /// One block of `plan`.
    /// - Parameters:
    ///   - again: the modules that are recomputed by themselves.
    ///   - dropout: whether masks are kept.
    static func block(
        _ plan: Plan, _ layout: Layout, _ shape: BlockShape, mixture: Bool, isModule: Bool,
        again: Set<RecomputeModules.Name>,
        dropout: Bool, elementBytes w: Double
    ) -> Double {
        let model = plan.model
        var kept = CountedActivations()
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        // Sequence parallelism cuts by rows what tensor parallelism leaves whole.
        let ownRows = layout.sequenceParallel ? rows / t : rows
        let h = Double(model.hidden)
        let halves: Double = shape.halves == .both ? 2 : 1
        // Norms whose results are computed again.
        var freed = 0.0
        if again.contains(.norms), shape.norms != .post {
            let runsInside = softwareWithNormsInProducts.contains(plan.framework(for: layout).name)
            if shape.isJoined, shape.parallel == .oneNorm {
                freed = 1
            } else {
                // Latent attention's norm, and that before experts, leads to several products.
                if shape.hasCore, !runsInside || shape.mla != nil { freed += 1 }
                if shape.hasNetwork, !runsInside || mixture { freed += 1 }
            }
        }
        kept.elements -= freed * ownRows * h
        let selective = again.contains(.coreAttention)
        kept.addPicture(model, shape, layout, rows: rows, ownRows: ownRows, selective: selective, dropout: dropout)
        if shape.stream == .lastDouble {
            kept.addLastStreams(
                model, shape, layout, rows: rows, ownRows: ownRows, selective: selective, dropout: dropout)
            let image = rows - Double(layout.microbatch * (model.text?.tokens ?? 0)) / Double(layout.context)
            kept.elements += CountedGates.more(plan, layout, shape, width: Double(shape.ffn) / t, rows: image)
            if let norms = CountedNorms(plan, layout, elementBytes: w) {
                let text = Double(layout.microbatch * (model.text?.tokens ?? 0)) / Double(layout.context)
                let ownText = layout.sequenceParallel ? text / t : text
                let each = shape.norms == .both ? 2.0 : 1
                kept.bytes += norms.more(2 * each, inputs: 2 * each, rows: ownRows - ownText)
                kept.bytes += norms.more(each, inputs: each, rows: ownText)
            }
            return w * kept.elements + kept.bytes
        }
        if let norms = CountedNorms(plan, layout, elementBytes: w) {
            kept.bytes += norms.more(shape, isModule: isModule, rows: ownRows, again: again.contains(.norms))
        }
        if shape.isJoined {
            kept.elements += ownRows * h  // the stream that both halves read
            kept.elements += ownRows * h * (shape.readsOneNorm ? 1 : 2)  // results of the norms
        } else {
            kept.elements += halves * ownRows * h  // inputs of norms, or of halves without a norm before them
            if shape.norms != .post { kept.elements += halves * ownRows * h }  // outputs of norms, inputs of halves
            if shape.norms != .pre { kept.elements += halves * ownRows * h }  // results of halves, inputs of norms
        }
        // A module: inputs of its three norms, and the joined rows that are projected.
        if isModule { kept.elements += (3 + 2) * ownRows * h }
        if shape.hasCore {
            kept.attention(
                model, shape, layout, rows: rows, ownRows: ownRows, again: again, dropout: dropout)
        }
        if shape.hasNetwork, mixture {
            // All of it comes again from the input, which the norm keeps.
            if !again.contains(.mixture) {
                kept.experts(
                    model, shape, layout, rows: rows, ownRows: ownRows,
                    keepsResults: plan.framework(for: layout).keepsCombinedRows, again: again)
            }
        } else if shape.hasNetwork, !again.contains(.network) {
            kept.feedForward(shape, width: Double(shape.ffn) / t, rows: rows)
            kept.elements += CountedGates.more(plan, layout, shape, width: Double(shape.ffn) / t, rows: rows)
        }
        // Masks of the dropout after attention and after the feed-forward network.
        if dropout { kept.bytes += halves * ownRows * h }
        return w * kept.elements + kept.bytes
    }

    /// Bytes that one block of `plan` keeps between the halves of a split backward: for every product with weights, its
    /// input and the gradient of its output. Products of one input, or whose outputs are added, keep that tensor once.
    static func betweenHalves(
        _ plan: Plan, _ layout: Layout, _ shape: BlockShape, mixture: Bool, isModule: Bool, elementBytes w: Double
    ) -> Double {
        let model = plan.model
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        let ownRows = layout.sequenceParallel ? rows / t : rows
        let h = Double(model.hidden)
        let halves: Double = shape.halves == .both ? 2 : 1
        // A module: the joined rows, and the gradient of what this rank projects of them.
        let joined = isModule ? 2 * ownRows * h + rows * h / t : 0
        // Inputs of the halves (of attention: of its projections; of the other: also of router and shared experts).
        var elements = ownRows * h * (shape.isJoined && shape.readsOneNorm ? 1 : halves)
        elements += ownRows * h * (shape.isJoined ? 1 : halves)  // gradients of their results
        elements += joined
        if shape.hasCore { elements += attentionOperands(shape, rows: rows / t, ownRows: ownRows) }
        elements += pictureOperands(model, shape, layout, rows: rows, ownRows: ownRows)
        guard shape.hasNetwork else { return w * elements }
        let inner = Double(shape.ways)
        guard mixture, let moe = shape.moe else {
            return w * (elements + rows * (inner + 1) * Double(shape.ffn) / t)
        }
        let routed = ExpertRows(moe, own: rows / t).fullest * Double(layout.expertTensor)
        let width = Double(moe.ffn) / Double(layout.expertTensor)
        let row = Double(moe.latentSize ?? model.hidden)
        elements += routed * (row + inner * width)  // inputs and gradients of the experts' first products
        elements += routed * (width + row)  // of their second ones
        // Gradient of the projection to latent rows, and input of the one from them.
        if moe.latentSize != nil { elements += 2 * rows / t * row }
        elements += rows * (inner + 1) * Double(moe.shared * moe.sharedFfn + moe.denseFfn) / t
        if moe.sharedGate { elements += ownRows }  // gradient of the gate
        return w * elements + 4 * rows / t * Double(moe.experts)
    }

    /// - Parameter rows: rows over tensor ranks.
    private static func attentionOperands(_ shape: BlockShape, rows: Double, ownRows: Double) -> Double {
        let heads = Double(shape.heads)
        guard let mla = shape.mla else {
            var widths = heads * Double(shape.headSize) + Double(shape.gates)
            if shape.projectsKeys { widths += Double(shape.kvHeads * shape.headSize) }
            if shape.projectsValues { widths += Double(shape.kvHeads * shape.valueHead) }
            return rows * (widths + heads * Double(shape.valueHead))
        }
        let (query, key) = (Double(mla.queryRank), Double(mla.kvRank))
        var elements = ownRows * (query + key + Double(mla.ropeSize))  // gradients of the latents
        elements += ownRows * (query + key)  // inputs of the products that widen them
        elements += rows * heads * Double(mla.nopeSize + mla.ropeSize)  // gradient of the query
        elements += rows * heads * Double(mla.nopeSize + mla.valueSize)  // of key and value
        elements += rows * heads * Double(mla.valueSize)  // input of the output product
        if let indexer = mla.indexer {
            // Gradients of the indexer's queries, key and weights. Its inputs are there.
            elements += ownRows * Double(indexer.heads * indexer.headSize + indexer.headSize + indexer.heads)
        }
        return elements
    }

    mutating func attention(
        _ model: Model, _ shape: BlockShape, _ layout: Layout, rows: Double, ownRows: Double,
        again: Set<RecomputeModules.Name>, dropout: Bool
    ) {
        let heads = Double(shape.heads) / Double(layout.tensor)
        if let mla = shape.mla {
            let head = Double(mla.nopeSize + mla.ropeSize)
            // Latents before and after their norms; the keys' rotary part beside them. Megatron-Core keeps them by rows
            // with sequence parallelism (multi_latent_attention.py: q_compressed, kv_compressed [s/TP, b, rank]).
            elements += ownRows * Double(2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize)
            if !again.contains(.latentProjections) {
                elements += rows * heads * (2 * head + Double(mla.valueSize))  // query, key, value
            }
            elements += rows * heads * Double(mla.valueSize)  // result, the input of the output product
            if let indexer = mla.indexer {
                // Queries, weights of heads, the key before and after its norm; and the places of the keys that are
                // chosen, which the core attention of every tensor rank reads.
                elements += ownRows * Double(indexer.heads * (indexer.headSize + 1) + 2 * indexer.headSize)
                bytes += rows * 4 * Double(min(indexer.topK, model.sequence))
            }
        } else {
            // Ranks beyond the heads of keys share them (Megatron-Core, attention.py: one query group a rank).
            let keyHeads = Double(max(shape.kvHeads, layout.tensor)) / Double(layout.tensor)
            let (d, v) = (Double(shape.headSize), Double(shape.valueHead))
            elements += rows * heads * d
            if shape.projectsKeys { elements += rows * keyHeads * d }
            if shape.projectsValues { elements += rows * keyHeads * v }
            // Before their norms.
            if shape.qkNorm != .none { elements += rows * (heads + (shape.projectsKeys ? keyHeads : 0)) * d }
            elements += rows * heads * v  // result, the input of the output product or of the gate
            if shape.gates > 0 {
                elements += rows * Double(shape.gates) / Double(layout.tensor)
                elements += rows * heads * v  // the result with its gate
            }
        }
        // Selective recomputation runs core attention again, whose own tensors are then not kept.
        guard !again.contains(.coreAttention) else { return }
        // Where heads are exchanged the result exists twice, for pieces of sequences and for whole ones, and each rank has
        // keys and values of the heads that it computes, however many ranks have them too (Transformer Engine,
        // AttnFuncWithCPAndQKVOA2A: q_part, k_part, v_part, out_part).
        let ranks = layout.contextExchange == .heads ? layout.context : layout.contextHeads ?? 1
        if layout.context > 1, ranks > 1 {
            let (key, value) =
                shape.mla.map { ($0.nopeSize + $0.ropeSize, $0.valueSize) } ?? (shape.headSize, shape.valueHead)
            let keyHeads = shape.mla == nil ? shape.kvHeads : shape.heads
            let own = shape.heads / layout.tensor / ranks
            let keys = Set((0..<own).map { $0 * keyHeads / shape.heads }).count
            elements += rows * heads * Double(value)
            // Tensor ranks beyond the heads of keys and values have one head each.
            elements += rows * Double((ranks * keys - max(1, keyHeads / layout.tensor)) * (key + value))
        }
        if layout.flashAttention {
            bytes += 4 * rows * heads  // log-sum-exp
        } else {
            // Output of softmax; its dropped copy and the mask. A row has a score for every key of the whole sequence.
            let scores = rows * heads * Double(model.sequence)
            elements += scores
            if dropout {
                elements += scores
                bytes += scores
            }
        }
    }

    /// Input and output of the activation; gated ones have two inputs.
    mutating func feedForward(_ shape: BlockShape, width: Double, rows: Double) {
        elements += rows * width * Double(shape.ways + 1)
    }

    /// Router logits and probabilities in fp32, rows as they arrive at their experts, the experts' and the shared networks'
    /// inner tensors, and the results that the router's probabilities multiply where the tokens came from.
    private mutating func experts(
        _ model: Model, _ shape: BlockShape, _ layout: Layout, rows: Double, ownRows: Double, keepsResults: Bool,
        again: Set<RecomputeModules.Name>
    ) {
        guard let moe = shape.moe else { return }
        let t = Double(layout.tensor)
        // Every tensor rank routes its own rows, with and without sequence parallelism; the ranks that share an expert's
        // matrices gather theirs (Megatron-Core, token_dispatcher.py), so each sees the rows of all.
        bytes += 8 * rows / t * Double(moe.experts)
        let taken = ExpertRows(moe, own: rows / t)
        let routed = taken.sent
        let gathered = taken.fullest * Double(layout.expertTensor)
        let row = Double(moe.latentSize ?? model.hidden)
        elements += gathered * row
        let width = Double(moe.ffn) / Double(layout.expertTensor)
        feedForward(shape, width: width, rows: gathered)
        if again.contains(.expertActivation) { elements -= gathered * width }  // output of the activation
        if keepsResults { elements += routed * row }
        if moe.latentSize != nil { elements += rows / t * row }  // input of the projection from latent rows
        guard !again.contains(.sharedExperts) else { return }
        feedForward(shape, width: Double(moe.shared * moe.sharedFfn) / t, rows: rows)
        feedForward(shape, width: Double(moe.denseFfn) / t, rows: rows)
        // A product of two tensors has both as gradients: the gate and the shared experts' result (Megatron-Core,
        // shared_experts.py: gate_score · output).
        if moe.sharedGate { elements += ownRows * Double(model.hidden + 1) }
    }

    /// Shipped software that does not keep the experts' results. Since Megatron-Core 0.12.1 the probabilities multiply
    /// inside the experts' activation (moe/experts.py, permuted_probs); DeepEP's combine adds unweighted rows up on their
    /// way (README).
    static let softwareWithoutResults: Set = [
        "megatron-core", "megatron-core-graphs", "megatron-core-2026", "mindspeed", "maxtext", "deepseek-2024",
    ]

    /// Software whose norms before dense products are part of them (Transformer Engine's LayerNormLinear).
    static let softwareWithNormsInProducts: Set = [
        "megatron-core", "megatron-core-graphs", "megatron-core-2026", "mindspeed", "maxtext",
    ]
}

/// Blocks whose tensors a backward has at once: one block, or a run of blocks that are recomputed together.
struct BlocksAtOnce {
    /// Bytes before their backward, during it, and between the halves of a split one.
    var kept: Double
    var during: Double
    var later: Double

    /// Bytes during the backward beyond the larger of what is there before it and behind its first half.
    func beyond(isSplit: Bool) -> Double { max(0, during - (isSplit ? max(kept, later) : kept)) }
}

/// Most bytes that the blocks of every rank keep at once, by walking the schedule's lists.
struct CountedPeaks {
    /// Bytes of the blocks' kept tensors alone.
    private(set) var blocks: [Double] = []

    /// Most bytes of every rank's blocks while one backward after the other passes through them, from the last block of its
    /// stage to the first.
    static func duringBackwards(_ placed: PlacedBlocks, _ stages: [[BlocksAtOnce]]) -> [Double] {
        let kept = stages.map { $0.reduce(0) { $0 + $1.kept } }
        let later = stages.map { $0.reduce(0) { $0 + $1.later } }
        return placed.schedule.actions.map { actions in
            var (now, peak) = (0.0, 0.0)
            func pass(_ stage: Int, _ left: (BlocksAtOnce) -> Double) {
                for blocks in stages[stage].reversed() {
                    peak = max(peak, now + blocks.during - blocks.kept)
                    now += left(blocks) - blocks.kept
                    peak = max(peak, now)
                }
            }
            for action in actions {
                switch action.kind {
                case .forward: now += kept[Int(action.stage)]
                case .backward: pass(Int(action.stage)) { _ in 0 }
                case .backwardInput: pass(Int(action.stage), \.later)
                case .backwardWeight: now -= later[Int(action.stage)]
                case .fused:
                    now += kept[Int(action.stage)]
                    pass(Int(action.partnerStage)) { _ in 0 }
                case .softmax, .outputGradient: break
                }
                peak = max(peak, now)
            }
            return peak
        }
    }

    /// - Parameters:
    ///   - kept: bytes a block keeps of one micro-batch, by layer and by whether it is recomputed. A recomputed block
    ///     inside a run keeps nothing.
    ///   - later: those it keeps between the halves of a split backward, by layer.
    init(
        _ placed: PlacedBlocks, layout: Layout, kept: (_ layer: Int, _ isRecomputed: Bool) -> Double,
        later: (_ layer: Int) -> Double
    ) {
        let laterOfStage = placed.layers.map { $0.reduce(0.0) { $0 + later($1) } }
        let ofStage = placed.layers.enumerated().map { number, stage in
            stage.enumerated().reduce(0.0) { sum, block in
                let isRecomputed = placed.computesAgain(block.offset, ofStage: number, layout)
                if isRecomputed, !layout.keepsInput(block.offset) { return sum }
                return sum + kept(block.element, isRecomputed)
            }
        }
        for actions in placed.schedule.actions {
            var (now, peak) = (0.0, 0.0)
            for action in actions {
                switch action.kind {
                case .forward: now += ofStage[Int(action.stage)]
                case .backward: now -= ofStage[Int(action.stage)]
                case .backwardInput: now += laterOfStage[Int(action.stage)] - ofStage[Int(action.stage)]
                case .backwardWeight: now -= laterOfStage[Int(action.stage)]
                case .fused: now += ofStage[Int(action.stage)]
                case .softmax, .outputGradient: break
                }
                peak = max(peak, now)
                if action.kind == .fused { now -= ofStage[Int(action.partnerStage)] }
            }
            blocks.append(peak)
        }
    }
}
