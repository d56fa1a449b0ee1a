internal import MPI
internal import Plans
internal import Tensors

/// A block's feed-forward of many experts, of which the router sends every token to a few (Shazeer et al. 2017), and of
/// shared ones that every token passes through (DeepSeekMoE, Dai et al. 2024). Letters: `ShapeLetters`.
///
///     x ─► router ─► C experts a token ─► rows sorted by expert ─► exchange ─► experts ─► exchange back ─► weighted sum
///       └──────────────────────────────► shared experts ────────────────────────────────────────────────────► + ─► y
///
/// The experts of a block are shared out over the ranks of `ExpertParallel`; the router's weights are the same on all. With
/// tensor parallelism every rank routes T of the micro-batch's rows: with sequence parallelism its rows of the stream,
/// without it its part of all rows, and the sum over the tensor ranks puts the results together again (Singh et al. 2023,
/// DeepSpeed-TED, drop the duplicates likewise). Gradients of experts' weights are made in the first half of a split
/// backward.
struct MixtureOfExperts: FeedForwardBranch {
    let router: LinearLayer
    let routing: Router
    /// This rank's experts: gate and up in one product, and the way back.
    let experts: [(expand: LinearLayer, contract: LinearLayer)]
    /// The experts' weights: those that training changes, then frozen ones.
    let units: [ParameterUnit]
    let shared: FeedForward?
    let activation: Activation
    /// F, of an expert's piece on this rank.
    let ffn: Int
    let expertParallel: ExpertParallel
    let balance: LoadBalanceLoss
    let context: StageContext

    var outputBias: Parameter? { nil }

    func forward(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) -> Matrix {
        let mixture = tensors(saved)
        let activated = try run(normed, saved, mixture)
        let output = context.scratch.narrow(like: normed)
        try addUp(into: output) { part in
            if let shared, let activated {
                shared.contract.forward(activated, into: part, addsBias: false, context.profile)
            }
        } routed: { own in
            context.profile.measure(.router) {
                ExpertRows.unpermute(
                    rows: mixture.returned.rows(0..<own.rows * routing.chosen), places: mixture.places,
                    weights: mixture.weights, y: own, chosen: routing.chosen, accumulate: shared != nil)
            }
        }
        return output
    }

    func recompute(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) {
        _ = try run(normed, saved, tensors(saved))
    }

    private func tensors(_ saved: SavedBlock) -> SavedMixture {
        guard let mixture = saved.mixture else { preconditionFailure("a block with experts saves their tensors") }
        return mixture
    }

    /// x [S, H]: the T rows that this rank routes.
    private func routedRows(_ x: Matrix) -> Matrix {
        let tensor = context.tensor
        if tensor.splitsRows { return x }
        let count = x.rows / tensor.size
        return x.rows(tensor.rank * count..<(tensor.rank + 1) * count)
    }

    /// output [S, H]: the sum over the tensor ranks of two parts. `shared` writes the shared experts' part [R, H], and
    /// `routed` adds the part of this rank's T rows, or writes it where there are no shared experts.
    private func addUp(
        into output: Matrix, shared write: (Matrix) -> Void, routed: (Matrix) -> Void
    ) throws(MPIError) {
        // Each rank holds just the rows it routed, and there is nothing else to add.
        if shared == nil, context.tensor.splitsRows { return routed(output) }
        try context.tensor.sum(into: output) { part in
            if shared != nil {
                write(part)
            } else if context.tensor.size > 1 {
                // The other ranks' rows come from them.
                part.fill(with: 0)
            }
            let count = part.rows / context.tensor.size
            routed(part.rows(context.tensor.rank * count..<(context.tensor.rank + 1) * count))
        }
    }

    /// normed [S, H]: routes tokens to experts and runs the experts, up to the weighted sum.
    /// - Returns: the shared experts' inner columns [R, F]; nil without shared experts.
    private func run(
        _ normed: Matrix, _ saved: SavedBlock, _ mixture: SavedMixture
    ) throws(MPIError) -> Matrix? {
        let (profile, scratch, hidden) = (context.profile, context.expertScratch, normed.columns)
        let x = routedRows(normed)
        let choiceCount = x.rows * routing.chosen
        let probabilities = mixture.probabilities.rows(0..<x.rows)
        router.forward(x, into: probabilities, addsBias: false, profile)
        let sorted = scratch.rows.reserve(rows: choiceCount, columns: hidden)
        profile.measure(.router) {
            routing.forward(logits: probabilities, choices: mixture.choices, weights: mixture.weights)
            routing.loads(choices: mixture.choices, into: mixture.loads, tokens: x.rows)
            ExpertRows.sort(
                choices: mixture.choices, counts: mixture.counts, places: mixture.places, tokens: x.rows,
                chosen: routing.chosen, experts: routing.experts)
            ExpertRows.permute(x: x, places: mixture.places, rows: sorted, chosen: routing.chosen)
        }
        try balance.averageLoads(mixture.loads, count: routing.experts)
        let total = try expertParallel.exchangeCounts(counts: mixture.counts, arriving: mixture.arriving)
        mixture.reserve(rows: total, inner: ffn)
        try expertParallel.dispatch(
            sorted, counts: mixture.counts, arriving: mixture.arriving, into: mixture.arrived)
        let outputs = scratch.outputs.reserve(rows: total, columns: hidden)
        for unit in units { try context.dataParallel.gatherWeights(of: unit) }
        forEachExpert(mixture) { expert, rows in
            let (expanded, activated) = (mixture.expanded.rows(rows), mixture.activated.rows(rows))
            expert.expand.forward(mixture.arrived.rows(rows), into: expanded, addsBias: false, profile)
            profile.measure(.activations) { activation.forward(expanded, bias: nil, into: activated) }
            expert.contract.forward(activated, into: outputs.rows(rows), addsBias: false, profile)
        }
        try expertParallel.combine(
            outputs, counts: mixture.counts, arriving: mixture.arriving,
            into: mixture.returned.rows(0..<choiceCount))
        guard let shared else { return nil }
        return try shared.activated(normed, saved)
    }

    func backward(
        _ saved: SavedBlock, normed: Matrix, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix {
        let mixture = tensors(saved)
        let (profile, scratch) = (context.profile, context.expertScratch)
        let dy = routedRows(gradient)
        let choiceCount = dy.rows * routing.chosen
        // Experts first: where all units share one place for gradients, the block has none there yet.
        let rows = scratch.rows.reserve(rows: choiceCount, columns: dy.columns)
        profile.measure(.router) {
            ExpertRows.unpermuteGradient(
                dy: dy, rows: mixture.returned, places: mixture.places, weights: mixture.weights, dRows: rows,
                dWeights: mixture.weightGradients, chosen: routing.chosen)
        }
        let dOutputs = scratch.outputs.reserve(rows: mixture.arrived.rows, columns: dy.columns)
        try expertParallel.dispatch(rows, counts: mixture.counts, arriving: mixture.arriving, into: dOutputs)
        for unit in units { try context.dataParallel.gatherWeights(of: unit) }
        expertsBackward(mixture, dOutputs)
        for unit in units { try context.dataParallel.reduceWhenComplete(unit) }
        // The gradient by the experts' input has taken the place of that by their output.
        try expertParallel.combine(dOutputs, counts: mixture.counts, arriving: mixture.arriving, into: rows)
        try context.dataParallel.gatherWeights(of: router.weight.unit)
        let dExpanded = try shared?.expandedGradient(
            saved, normed: normed, gradient: gradient, weightsLater: weightsLater)
        let dLogits = scratch.routerGradient.reserve(rows: dy.rows, columns: routing.experts)
        let dNormed = context.scratch.narrow(like: gradient)
        precondition(normed.pointer != dNormed.pointer, "a block with experts saves its second norm's output")
        let x = routedRows(normed)
        try addUp(into: dNormed) { part in
            if let shared, let dExpanded { shared.expand.inputGradient(dExpanded, into: part, profile) }
        } routed: { dx in
            profile.measure(.router) {
                ExpertRows.permuteGradient(
                    dRows: rows, places: mixture.places, dx: dx, chosen: routing.chosen, accumulate: shared != nil)
                routing.inputGradient(
                    probabilities: mixture.probabilities, choices: mixture.choices, dWeights: mixture.weightGradients,
                    loads: mixture.loads, auxiliaryScale: balance.weight(tokens: dy.rows), dLogits: dLogits)
            }
            router.weightGradient(x, dLogits, profile)
            router.inputGradient(dLogits, into: dx, accumulate: true, profile)
        }
        return dNormed
    }

    /// gradient [M, H]: adds the weight gradients of this rank's experts. The gradient by their outputs becomes the gradient
    /// by their inputs.
    private func expertsBackward(_ mixture: SavedMixture, _ gradient: Matrix) {
        let profile = context.profile
        let inner = context.expertScratch.inner.reserve(rows: gradient.rows, columns: ffn)
        forEachExpert(mixture) { expert, rows in
            let (dy, dInner, expanded) = (gradient.rows(rows), inner.rows(rows), mixture.expanded.rows(rows))
            expert.contract.weightGradient(mixture.activated.rows(rows), dy, profile)
            expert.contract.inputGradient(dy, into: dInner, profile)
            profile.measure(.activations) { activation.inputGradient(expanded, dy: dInner, into: expanded) }
            expert.expand.weightGradient(mixture.arrived.rows(rows), expanded, profile)
            expert.expand.inputGradient(expanded, into: dy, profile)
        }
    }

    /// Calls `body` with each of this rank's experts and the rows that came for it, where any came.
    private func forEachExpert(
        _ mixture: SavedMixture,
        _ body: (_ expert: (expand: LinearLayer, contract: LinearLayer), _ rows: Range<Int>) -> Void
    ) {
        var start = 0
        for (index, expert) in experts.enumerated() {
            var count = 0
            for rank in 0..<expertParallel.senders {
                count += Int(mixture.arriving[rank * expertParallel.localExperts + index])
            }
            if count > 0 { body(expert, start..<start + count) }
            start += count
        }
    }

    func weightGradients(_ saved: SavedBlock) throws(MPIError) {
        if let shared { try shared.weightGradients(saved) }
    }
}

/// The scratch memory of a rank's blocks with experts. The number of rows changes from one micro-batch to the next.
final class ExpertScratch {
    /// Tokens sorted by expert, and their gradient [T · C, H].
    let rows = GrowingStorage<Float>()
    /// The experts' outputs, and their gradient [M, H].
    let outputs = GrowingStorage<Float>()
    /// Gradient of the experts' inner columns [M, F].
    let inner = GrowingStorage<Float>()
    /// Gradient of the router's logits [T, E].
    let routerGradient = GrowingStorage<Float>()
}

/// The load-balance loss of a micro-batch (Fedus et al. 2021). Its tokens may lie on several context- and tensor-parallel
/// ranks, equally many on each.
final class LoadBalanceLoss {
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
    func averageLoads(_ loads: UnsafeMutablePointer<Float>, count: Int) throws(MPIError) {
        guard let group, group.size > 1 else { return }
        try group.allReduceInPlace(UnsafeMutableBufferPointer(start: loads, count: count))
        for index in 0..<count { loads[index] /= Float(group.size) }
    }

    /// Weight of the load-balance loss of `tokens` of this rank: coefficient · tokens / tokens of the global batch.
    func weight(tokens: Int) -> Float { Float(coefficient * Double(tokens) / batchTokens) }
}
