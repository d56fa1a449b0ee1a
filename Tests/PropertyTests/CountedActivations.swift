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
    private var elements = 0.0
    private var bytes = 0.0

    /// One block of `plan`, nothing recomputed or core attention alone.
    /// - Parameter dropout: whether masks are kept.
    static func block(
        _ plan: Plan, _ layout: Layout, mixture: Bool, selective: Bool, dropout: Bool, elementBytes w: Double
    ) -> Double {
        let model = plan.model
        var kept = CountedActivations()
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        // Sequence parallelism cuts by rows what tensor parallelism leaves whole.
        let ownRows = layout.sequenceParallel ? rows / t : rows
        let h = Double(model.hidden)
        kept.elements += ownRows * h  // input of the attention's norm
        kept.elements += ownRows * h  // its output, the input of query, key and value
        kept.attention(model, layout, rows: rows, ownRows: ownRows, selective: selective, dropout: dropout, w)
        kept.elements += ownRows * h  // input of the feed-forward's norm
        kept.elements += ownRows * h  // its output
        if mixture {
            kept.experts(
                model, layout, rows: rows, keepsResults: plan.framework(for: layout).keepsCombinedRows)
        } else {
            kept.feedForward(model, width: Double(model.ffn) / t, rows: rows)
        }
        // Masks of the dropout after attention and after the feed-forward network.
        if dropout { kept.bytes += 2 * ownRows * h }
        return w * kept.elements + kept.bytes
    }

    /// Bytes that one block of `plan` keeps between the halves of a split backward: for every product with weights, its
    /// input and the gradient of its output. Products of one input, or whose outputs are added, keep that tensor once.
    static func betweenHalves(_ plan: Plan, _ layout: Layout, mixture: Bool, elementBytes w: Double) -> Double {
        let model = plan.model
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        let ownRows = layout.sequenceParallel ? rows / t : rows
        let (h, heads) = (Double(model.hidden), Double(model.heads) / t)
        let inner = Double([.swiglu, .geglu, .reglu].contains(model.mlp) ? 2 : 1)
        var elements = ownRows * h  // input of query, key and value, or of the projections to latents
        if let mla = model.mla {
            let (query, key) = (Double(mla.queryRank), Double(mla.kvRank))
            elements += ownRows * (query + key + Double(mla.ropeSize))  // gradients of the latents
            elements += ownRows * (query + key)  // inputs of the products that widen them
            elements += rows * heads * Double(mla.nopeSize + mla.ropeSize)  // gradient of the query
            elements += rows * heads * Double(mla.nopeSize + mla.valueSize)  // of key and value
            elements += rows * heads * Double(mla.valueSize)  // input of the output product
        } else {
            elements += rows * (heads + 2 * Double(model.kvHeads) / t) * Double(model.headSize)
            elements += rows * heads * Double(model.headSize)
        }
        elements += ownRows * h  // gradient of the attention's result
        elements += ownRows * h  // input of the feed-forward network, of the router and of shared experts
        elements += ownRows * h  // gradient of the block's result
        guard mixture, let moe = model.moe else {
            return w * (elements + rows * (inner + 1) * Double(model.ffn) / t)
        }
        let routed = rows / t * Double(moe.topK * layout.expertTensor) * moe.imbalance
        let width = Double(moe.ffn) / Double(layout.expertTensor)
        elements += routed * (h + inner * width)  // inputs and gradients of the experts' first products
        elements += routed * (width + h)  // of their second ones
        elements += rows * (inner + 1) * Double(moe.shared * moe.sharedFfn) / t
        return w * elements + 4 * rows / t * Double(moe.experts)
    }

    private mutating func attention(
        _ model: Model, _ layout: Layout, rows: Double, ownRows: Double, selective: Bool, dropout: Bool, _ w: Double
    ) {
        let heads = Double(model.heads) / Double(layout.tensor)
        if let mla = model.mla {
            let head = Double(mla.nopeSize + mla.ropeSize)
            // Latents before and after their norms; the keys' rotary part beside them. Megatron-Core keeps them by rows
            // with sequence parallelism (multi_latent_attention.py: q_compressed, kv_compressed [s/TP, b, rank]).
            elements += ownRows * Double(2 * mla.queryRank + 2 * mla.kvRank + mla.ropeSize)
            elements += rows * heads * (2 * head + Double(mla.valueSize))  // query, key, value
            elements += rows * heads * Double(mla.valueSize)  // result, the input of the output product
        } else {
            let keyHeads = Double(model.kvHeads) / Double(layout.tensor)
            elements += rows * (heads + 2 * keyHeads) * Double(model.headSize)
            elements += rows * heads * Double(model.headSize)
        }
        // Selective recomputation runs core attention again, whose own tensors are then not kept.
        guard !selective else { return }
        if layout.flashAttention {
            bytes += 4 * rows * heads  // log-sum-exp
        } else {
            // Output of softmax; its dropped copy and the mask. A row sees the keys of the whole sequence.
            let scores = rows * heads * Double(model.sequence)
            elements += scores
            if dropout {
                elements += scores
                bytes += scores
            }
        }
    }

    /// Input and output of the activation; gated ones have two inputs.
    private mutating func feedForward(_ model: Model, width: Double, rows: Double) {
        elements += rows * width * ([.swiglu, .geglu, .reglu].contains(model.mlp) ? 3 : 2)
    }

    /// Router logits and probabilities in fp32, rows as they arrive at their experts, the experts' and the shared networks'
    /// inner tensors, and the results that the router's probabilities multiply where the tokens came from.
    private mutating func experts(_ model: Model, _ layout: Layout, rows: Double, keepsResults: Bool) {
        guard let moe = model.moe else { return }
        let t = Double(layout.tensor)
        // Every tensor rank routes its own rows, with and without sequence parallelism; the ranks that share an expert's
        // matrices gather theirs (Megatron-Core, token_dispatcher.py), so each sees the rows of all.
        bytes += 8 * rows / t * Double(moe.experts)
        let routed = rows / t * Double(moe.topK)
        let gathered = routed * Double(layout.expertTensor) * moe.imbalance
        elements += gathered * Double(model.hidden)
        feedForward(model, width: Double(moe.ffn) / Double(layout.expertTensor), rows: gathered)
        if keepsResults { elements += routed * Double(model.hidden) }
        if moe.shared > 0 { feedForward(model, width: Double(moe.shared * moe.sharedFfn) / t, rows: rows) }
    }

    /// Shipped software that does not keep the experts' results. Since Megatron-Core 0.12.1 the probabilities multiply
    /// inside the experts' activation (moe/experts.py, permuted_probs); DeepEP's combine adds unweighted rows up on their
    /// way (README).
    static let softwareWithoutResults: Set = ["megatron-core", "megatron-core-graphs", "deepseek-2024"]
}

/// Most bytes that the blocks of every rank keep at once, by walking the schedule's lists.
struct CountedPeaks {
    /// Bytes of the blocks' kept tensors alone.
    private(set) var blocks: [Double] = []

    /// - Parameters:
    ///   - kept: bytes a block keeps of one micro-batch, by layer and by whether it is recomputed.
    ///   - later: those it keeps between the halves of a split backward, by layer.
    init(
        _ placed: PlacedBlocks, layout: Layout, kept: (_ layer: Int, _ isRecomputed: Bool) -> Double,
        later: (_ layer: Int) -> Double
    ) {
        let laterOfStage = placed.layers.map { $0.reduce(0.0) { $0 + later($1) } }
        let ofStage = placed.layers.map { stage in
            stage.enumerated().reduce(0.0) { sum, block in
                let isRecomputed = layout.recompute == .full && block.offset < layout.recomputeLayers ?? .max
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
                }
                peak = max(peak, now)
                if action.kind == .fused { now -= ofStage[Int(action.partnerStage)] }
            }
            blocks.append(peak)
        }
    }
}
