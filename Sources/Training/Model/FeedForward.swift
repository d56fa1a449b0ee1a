internal import MPI
internal import Tensors

/// The branch behind a block's second norm. Letters: `ShapeLetters`.
protocol FeedForwardBranch {
    /// The bias that joins the stream with the branch.
    var outputBias: Parameter? { get }

    /// normed [S, H], the second norm's output.
    /// - Returns: the branch's output [S, H] without its bias, in scratch memory.
    func forward(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) -> Matrix

    /// The forward up to what the backward needs.
    func recompute(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError)

    /// normed, gradient [S, H]: the gradient by the branch's output becomes the gradient by its input. Weight gradients are
    /// added now, or left to `weightGradients`.
    /// - Returns: the gradient by the second norm's output [S, H], in scratch memory.
    func backward(
        _ saved: SavedBlock, normed: Matrix, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix

    /// The second half of a split backward.
    func weightGradients(_ saved: SavedBlock) throws(MPIError)
}

/// A block's feed-forward branch on one rank, x·W₁ → activation → ·W₂. Letters: `ShapeLetters`.
struct FeedForward: FeedForwardBranch {
    let expand: LinearLayer
    let contract: LinearLayer
    let activation: Activation
    /// F.
    let width: Int
    let context: StageContext

    var outputBias: Parameter? { contract.bias }

    func forward(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) -> Matrix {
        let activated = try activated(normed, saved)
        let output = context.scratch.narrow(like: normed)
        try context.tensor.sum(into: output) { part in
            contract.forward(activated, into: part, addsBias: false, context.profile)
        }
        return output
    }

    func recompute(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) { _ = try activated(normed, saved) }

    /// normed [S, H]: the first product, and the activation behind it.
    /// - Returns: the activation's output [R, F]: saved, or in scratch memory.
    func activated(_ normed: Matrix, _ saved: SavedBlock) throws(MPIError) -> Matrix {
        let x = try context.tensor.gather(normed)
        expand.forward(x, into: saved.expanded, addsBias: false, context.profile)
        let activated = saved.activated ?? context.scratch.wide(rows: saved.expanded.rows, columns: width)
        context.profile.measure(.activations) {
            activation.forward(saved.expanded, bias: expand.bias.map { UnsafePointer($0.weight) }, into: activated)
        }
        return activated
    }

    func backward(
        _ saved: SavedBlock, normed: Matrix, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix {
        let dExpanded = try expandedGradient(
            saved, normed: normed, gradient: gradient, weightsLater: weightsLater)
        let dNormed = context.scratch.narrow(like: gradient)
        try context.tensor.sum(into: dNormed) { part in
            expand.inputGradient(dExpanded, into: part, context.profile)
        }
        return dNormed
    }

    /// normed, gradient [S, H]: the backward up to the output of the first product.
    /// - Returns: the gradient by that output [R, F] or [R, 2F]. It takes the place of `saved.expanded`.
    func expandedGradient(
        _ saved: SavedBlock, normed: Matrix, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix {
        let (tensor, profile) = (context.tensor, context.profile)
        let dy = try tensor.gather(gradient)
        if weightsLater {
            guard let place = saved.outputGradient else {
                preconditionFailure("a split backward without room for a block's output gradient")
            }
            place.copy(from: gradient)
        } else if let activated = saved.activated {
            contract.weightGradient(activated, dy, profile)
        }
        let dExpanded = saved.expanded
        let dActivated = context.scratch.wide(rows: dExpanded.rows, columns: width)
        contract.inputGradient(dy, into: dActivated, profile)
        if saved.activated == nil {
            // The activation's output, made again, takes the place of its gradient.
            profile.measure(.activations) { activation.inputGradientAndValue(dExpanded, dy: dActivated) }
            contract.weightGradient(dActivated, dy, profile)
        } else {
            profile.measure(.activations) { activation.inputGradient(dExpanded, dy: dActivated, into: dExpanded) }
        }
        if !weightsLater { expand.weightGradient(try tensor.gather(normed), dExpanded, profile) }
        return dExpanded
    }

    func weightGradients(_ saved: SavedBlock) throws(MPIError) {
        let (tensor, profile) = (context.tensor, context.profile)
        guard let outputGradient = saved.outputGradient, let activated = saved.activated, let normed = saved.normed2
        else {
            preconditionFailure("the first half of a split backward left no tensors for the second")
        }
        contract.weightGradient(activated, try tensor.gather(outputGradient), profile)
        expand.weightGradient(try tensor.gather(normed), saved.expanded, profile)
    }
}
