internal import MPI
internal import Plans
internal import Tensors

/// A block's feed-forward of many experts, of which the router sends every token to a few (Shazeer et al. 2017), and of
/// shared ones that every token passes through (DeepSeekMoE, Dai et al. 2024).
///
///     x ─► router ─► k experts a token ─► rows sorted by expert ─► exchange ─► experts ─► exchange back ─► weighted sum
///       └──────────────────────────────► shared experts ────────────────────────────────────────────────────► + ─► y
///
/// The experts of a block are shared out over the ranks of `ExpertExchange`; the router's weights are the same on all.
/// With tensor parallelism every rank routes its own rows of the stream, the T that sequence parallelism gives it; without
/// it takes them out of all rows, and the sum over the tensor ranks puts the results together again (Singh et al. 2023,
/// DeepSpeed-TED, drop the duplicates likewise). Gradients of experts' weights are made in the first half of a split
/// backward. T tokens, k choices, E experts, H hidden, F this rank's columns of an expert.
struct MixtureOfExperts: FeedForwardBranch {
    let router: LinearLayer
    let routing: Router
    /// This rank's experts: x·(gate | input) and the way back.
    let experts: [(expand: LinearLayer, contract: LinearLayer)]
    let unit: ParameterUnit
    let shared: FeedForward?
    let activation: Activation
    let ffn: Int
    let exchange: ExpertExchange
    let balance: LoadBalance
    let context: StageContext

    var outputBias: Parameter? { nil }

    func forward(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        try recompute(kept, shape: shape)
        guard let mixture = kept.mixture else { return }
        let place = ownRows(of: shared?.partialOutput(kept, shape: shape), shape: shape)
        context.profile.measure(.router) {
            ExpertRows.unpermute(
                rows: mixture.returned, places: mixture.places, weights: mixture.weights, y: place,
                tokens: shape.routedRows, chosen: routing.chosen, width: shape.hidden, accumulate: shared != nil)
        }
        try join(shape)
    }

    /// This rank's tokens among the rows of the stream that it holds.
    private func tokens(
        of stream: UnsafeMutablePointer<Float>, _ shape: MicrobatchShape
    ) -> UnsafeMutablePointer<Float> {
        context.tensor.splitsRows ? stream : stream + context.tensor.rank * shape.routedRows * shape.hidden
    }

    /// Where what comes of this rank's tokens is put so that `join` completes it: on top of its rows in the shared experts'
    /// part `[R, H]`, or alone.
    private func ownRows(
        of part: UnsafeMutablePointer<Float>?, shape: MicrobatchShape
    ) -> UnsafeMutablePointer<Float> {
        guard needsSum else { return context.delta }
        let count = shape.routedRows * shape.hidden
        let partial = part ?? context.tensor.partial(of: context.delta)
        if part == nil, context.tensor.size > 1 {
            // The other ranks' rows come from them.
            VectorMath.fill(partial, count: shape.rows * shape.hidden, with: 0)
        }
        return partial + context.tensor.rank * count
    }

    /// Leaves the sum over the tensor ranks of what lies at `ownRows` in `context.delta` `[S, H]`.
    private func join(_ shape: MicrobatchShape) throws(MPIError) {
        if needsSum { try context.tensor.sum(rows: shape.rows, width: shape.hidden, into: context.delta) }
    }

    /// Not where each rank holds just the rows it routed and there is nothing else to add.
    private var needsSum: Bool { shared != nil || !context.tensor.splitsRows }

    func recompute(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        guard let mixture = kept.mixture else { return }
        let (tokens, hidden, profile) = (shape.routedRows, shape.hidden, context.profile)
        let picks = tokens * routing.chosen
        let x = self.tokens(of: kept.normed2, shape)
        router.forward(x, into: mixture.probabilities, rows: tokens, addsBias: false, profile)
        let sorted = context.expertRows.reserve(picks * hidden)
        profile.measure(.router) {
            routing.forward(
                logits: mixture.probabilities, choices: mixture.choices, weights: mixture.weights, tokens: tokens)
            routing.loads(choices: mixture.choices, into: mixture.loads, tokens: tokens)
            ExpertRows.sort(
                choices: mixture.choices, counts: mixture.counts, places: mixture.places, tokens: tokens,
                chosen: routing.chosen, experts: routing.experts)
            ExpertRows.permute(
                x: x, places: mixture.places, rows: sorted, tokens: tokens, chosen: routing.chosen,
                width: hidden)
        }
        try balance.average(mixture.loads, count: routing.experts)
        mixture.total = try exchange.announce(counts: mixture.counts, arriving: mixture.arriving)
        let total = mixture.total
        let arrived = mixture.arrived.reserve(total * hidden)
        try exchange.send(
            sorted, counts: mixture.counts, arriving: mixture.arriving, total: total, into: arrived, sent: picks)
        let expanded = mixture.expanded.reserve(total * 2 * ffn)
        let activated = mixture.activated.reserve(total * ffn)
        let outputs = context.expertOutputs.reserve(total * hidden)
        try context.shards.need(unit)
        forEachExpert(mixture) { expert, start, rows in
            let inner = expanded + start * 2 * ffn
            expert.expand.forward(arrived + start * hidden, into: inner, rows: rows, addsBias: false, profile)
            profile.measure(.activations) {
                activation.forward(inner, bias: nil, into: activated + start * ffn, rows: rows, width: ffn)
            }
            expert.contract.forward(
                activated + start * ffn, into: outputs + start * hidden, rows: rows, addsBias: false, profile)
        }
        try exchange.sendBack(
            outputs, counts: mixture.counts, arriving: mixture.arriving, total: total, into: mixture.returned,
            sent: picks)
        if let shared { try shared.recompute(kept, shape: shape) }
    }

    func backward(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError) {
        guard let mixture = kept.mixture else { return }
        let (shape, profile) = (context.shape, context.profile)
        let (tokens, hidden, total) = (shape.routedRows, shape.hidden, mixture.total)
        let picks = tokens * routing.chosen
        let dy = self.tokens(of: gradient, shape)
        // Experts first: where all units share one place for gradients, the block has none there yet.
        let rows = context.expertRows.reserve(picks * hidden)
        profile.measure(.router) {
            ExpertRows.unpermuteGradient(
                dy: dy, rows: mixture.returned, places: mixture.places, weights: mixture.weights, dRows: rows,
                dWeights: mixture.weightGradients, tokens: tokens, chosen: routing.chosen, width: hidden)
        }
        let dOutputs = context.expertOutputs.reserve(total * hidden)
        try exchange.send(
            rows, counts: mixture.counts, arriving: mixture.arriving, total: total, into: dOutputs, sent: picks)
        try context.shards.need(unit)
        expertsBackward(mixture, dOutputs)
        try context.shards.finish(unit)
        // The gradient by the experts' input has taken the place of that by their output.
        try exchange.sendBack(
            dOutputs, counts: mixture.counts, arriving: mixture.arriving, total: total, into: rows, sent: picks)
        try context.shards.need(router.weight.unit)
        let part = try shared?.partialInputGradient(kept, gradient: gradient, weightsLater: weightsLater)
        let dx = ownRows(of: part, shape: shape)
        let dLogits = context.routerGradient.reserve(tokens * routing.experts)
        profile.measure(.router) {
            ExpertRows.permuteGradient(
                dRows: rows, places: mixture.places, dx: dx, tokens: tokens, chosen: routing.chosen, width: hidden,
                accumulate: shared != nil)
            routing.inputGradient(
                probabilities: mixture.probabilities, choices: mixture.choices, dWeights: mixture.weightGradients,
                loads: mixture.loads, auxiliaryScale: balance.scale(tokens: tokens), dLogits: dLogits, tokens: tokens)
        }
        router.weightGradient(self.tokens(of: kept.normed2, shape), dLogits, rows: tokens, profile)
        router.inputGradient(dLogits, into: dx, rows: tokens, accumulate: true, profile)
        try join(shape)
    }

    /// Weight gradients of this rank's experts; `gradient` `[M, H]` by their outputs becomes that by their inputs.
    private func expertsBackward(_ mixture: MixtureActivations, _ gradient: UnsafeMutablePointer<Float>) {
        let (hidden, profile) = (context.shape.hidden, context.profile)
        let inner = context.expertInner.reserve(mixture.total * ffn)
        let (arrived, expanded, activated) = (
            mixture.arrived.pointer, mixture.expanded.pointer, mixture.activated.pointer
        )
        forEachExpert(mixture) { expert, start, rows in
            let (dy, wide) = (gradient + start * hidden, expanded + start * 2 * ffn)
            expert.contract.weightGradient(activated + start * ffn, dy, rows: rows, profile)
            expert.contract.inputGradient(dy, into: inner + start * ffn, rows: rows, profile)
            profile.measure(.activations) {
                activation.inputGradient(wide, dy: inner + start * ffn, into: wide, rows: rows, width: ffn)
            }
            expert.expand.weightGradient(arrived + start * hidden, wide, rows: rows, profile)
            expert.expand.inputGradient(wide, into: dy, rows: rows, profile)
        }
    }

    /// This rank's experts with the rows that came for each.
    private func forEachExpert(
        _ mixture: MixtureActivations,
        _ body: (_ expert: (expand: LinearLayer, contract: LinearLayer), _ start: Int, _ rows: Int) -> Void
    ) {
        var start = 0
        for (index, expert) in experts.enumerated() {
            var rows = 0
            for rank in 0..<exchange.senders { rows += Int(mixture.arriving[rank * exchange.local + index]) }
            if rows > 0 { body(expert, start, rows) }
            start += rows
        }
    }

    func weightGradients(_ kept: BlockActivations) throws(MPIError) {
        if let shared { try shared.weightGradients(kept) }
    }
}

/// The load-balance loss of a micro-batch (Fedus et al. 2021), whose tokens may lie on several context- and tensor-parallel
/// ranks, equally many on each.
final class LoadBalance {
    private let group: Communicator?
    private let coefficient: Double
    /// Tokens of the global batch.
    private let batchTokens: Double

    init(_ group: Communicator?, coefficient: Double, batchTokens: Int) {
        self.group = group
        self.coefficient = coefficient
        self.batchTokens = Double(batchTokens)
    }

    /// Loads of this rank's tokens become those of the micro-batch.
    func average(_ loads: UnsafeMutablePointer<Float>, count: Int) throws(MPIError) {
        guard let group, group.size > 1 else { return }
        try group.allReduceInPlace(UnsafeMutableBufferPointer(start: loads, count: count))
        for index in 0..<count { loads[index] /= Float(group.size) }
    }

    /// What the gradient of the loss over `tokens` of this rank counts in the batch's: a micro-batch as much as its
    /// share of the tokens.
    func scale(tokens: Int) -> Float { Float(coefficient * Double(tokens) / batchTokens) }
}
