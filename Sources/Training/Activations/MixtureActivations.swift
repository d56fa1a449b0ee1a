internal import Tensors

/// What a block with experts keeps of one micro-batch. T tokens routed here, k choices, E experts, G ranks that share
/// them, P pieces of an expert, M rows that arrive at this rank's experts (another number every time), F this rank's
/// columns of an expert, H hidden.
final class MixtureActivations {
    private let numbers: FloatStorage
    private let integers: UnsafeMutablePointer<Int32>
    /// `[T, E]`.
    let probabilities: UnsafeMutablePointer<Float>
    /// Weights of a token's experts `[T, k]`, and their gradient.
    let weights: UnsafeMutablePointer<Float>
    let weightGradients: UnsafeMutablePointer<Float>
    /// Share of the choices that fell on each expert `[E]`, over all ranks that hold the micro-batch.
    let loads: UnsafeMutablePointer<Float>
    /// `[T, k]`: a token's experts, and the rows its choices take when sorted by expert.
    let choices: UnsafeMutablePointer<Int32>
    let places: UnsafeMutablePointer<Int32>
    /// Rows for each expert `[E]`, and from each rank for each of this rank's `[P, G, E/G]`.
    let counts: UnsafeMutablePointer<Int32>
    let arriving: UnsafeMutablePointer<Int32>
    /// M.
    var total = 0
    /// Rows at this rank's experts `[M, H]`, gate and input there `[M, 2F]`, what the activation makes of them `[M, F]`.
    let arrived = GrowingRows()
    let expanded = GrowingRows()
    let activated = GrowingRows()
    /// The experts' outputs back at the tokens `[T·k, H]`.
    let returned: UnsafeMutablePointer<Float>

    init(tokens: Int, experts: Int, pieces: Int, chosen: Int, hidden: Int) {
        let picks = tokens * chosen
        numbers = FloatStorage(count: tokens * experts + 2 * picks + experts + picks * hidden + 5 * 16)
        var arena = Arena(numbers)
        probabilities = arena.take(tokens * experts)
        weights = arena.take(picks)
        weightGradients = arena.take(picks)
        loads = arena.take(experts)
        returned = arena.take(picks * hidden)
        let count = 2 * picks + (1 + pieces) * experts
        integers = .allocate(capacity: count)
        integers.initialize(repeating: 0, count: count)
        choices = integers
        places = integers + picks
        counts = integers + 2 * picks
        arriving = integers + 2 * picks + experts
    }

    deinit { integers.deallocate() }
}
