internal import MPI
internal import Tensors

/// What stands behind a block's second norm.
protocol FeedForwardBranch {
    /// The bias that joins the stream with the branch.
    var outputBias: Parameter? { get }

    /// From `kept.normed2`; the output, without its bias, goes to `context.delta` `[S, H]`.
    func forward(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError)

    /// The forward up to what the backward needs.
    func recompute(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError)

    /// `gradient` `[S, H]` by the branch's output; the gradient by its input, before norm₂, goes to `context.delta`.
    func backward(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError)

    /// The second half of a split backward.
    func weightGradients(_ kept: BlockActivations) throws(MPIError)
}

/// A block's feed-forward branch, x·W₁ → activation → ·W₂, on one rank. R rows, S rows of the stream, H hidden, F this
/// rank's inner columns.
struct FeedForward: FeedForwardBranch {
    let expand: LinearLayer
    let contract: LinearLayer
    let activation: Activation
    /// F.
    let width: Int
    let context: StageContext

    var outputBias: Parameter? { contract.bias }

    func forward(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        try recompute(kept, shape: shape)
        _ = partialOutput(kept, shape: shape)
        try context.tensor.sum(rows: shape.rows, width: shape.hidden, into: context.delta)
    }

    /// This rank's part `[R, H]` of the output after `recompute`; `TensorParallel.sum` must follow.
    func partialOutput(_ kept: BlockActivations, shape: MicrobatchShape) -> UnsafeMutablePointer<Float> {
        let partial = context.tensor.partial(of: context.delta)
        contract.forward(kept.activated, into: partial, rows: shape.rows, addsBias: false, context.profile)
        return partial
    }

    func recompute(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        let x = try context.tensor.gather(kept.normed2, rows: shape.rows, width: shape.hidden)
        expand.forward(x, into: kept.expanded, rows: shape.rows, addsBias: false, context.profile)
        context.profile.measure(.activations) {
            activation.forward(
                kept.expanded, bias: expand.bias.map { UnsafePointer($0.weight) }, into: kept.activated,
                rows: shape.rows, width: width)
        }
    }

    func backward(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError) {
        _ = try partialInputGradient(kept, gradient: gradient, weightsLater: weightsLater)
        try context.tensor.sum(rows: context.shape.rows, width: context.shape.hidden, into: context.delta)
    }

    /// `backward` up to this rank's part `[R, H]` of the input's gradient; `TensorParallel.sum` must follow.
    func partialInputGradient(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError) -> UnsafeMutablePointer<Float> {
        let (shape, tensor, profile) = (context.shape, context.tensor, context.profile)
        let (rows, hidden) = (shape.rows, shape.hidden)
        let dy = try tensor.gather(gradient, rows: rows, width: hidden)
        if weightsLater {
            kept.outputGradient.update(from: gradient, count: shape.boundaryCount)
        } else if !kept.isDerived {
            contract.weightGradient(kept.activated, dy, rows: rows, profile)
        }
        contract.inputGradient(dy, into: context.wide, rows: rows, profile)
        // The gradient takes the activation's input's place; a split backward keeps it there.
        let dExpanded = kept.expanded
        profile.measure(.activations) {
            if kept.isDerived {
                activation.inputGradientAndValue(dExpanded, dy: context.wide, rows: rows, width: width)
            } else {
                activation.inputGradient(kept.expanded, dy: context.wide, into: dExpanded, rows: rows, width: width)
            }
        }
        if kept.isDerived { contract.weightGradient(context.wide, dy, rows: rows, profile) }
        if !weightsLater {
            let x = try tensor.gather(kept.normed2, rows: rows, width: hidden)
            expand.weightGradient(x, dExpanded, rows: rows, profile)
        }
        let partial = tensor.partial(of: context.delta)
        expand.inputGradient(dExpanded, into: partial, rows: rows, profile)
        return partial
    }

    func weightGradients(_ kept: BlockActivations) throws(MPIError) {
        let (shape, tensor, profile) = (context.shape, context.tensor, context.profile)
        let dy = try tensor.gather(kept.outputGradient, rows: shape.rows, width: shape.hidden)
        contract.weightGradient(kept.activated, dy, rows: shape.rows, profile)
        let x = try tensor.gather(kept.normed2, rows: shape.rows, width: shape.hidden)
        expand.weightGradient(x, kept.expanded, rows: shape.rows, profile)
    }
}
