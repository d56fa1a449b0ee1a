internal import Tensors

/// The tensors that a block with experts saves of one micro-batch. Letters: `ShapeLetters`.
final class SavedMixture {
    private let numbers: Storage<Float>
    private let integers: Storage<Int32>
    /// The router's probabilities [T, E].
    let probabilities: Matrix
    /// Weights of a token's experts [T, C].
    let weights: UnsafeMutablePointer<Float>
    /// Gradient of those weights [T, C].
    let weightGradients: UnsafeMutablePointer<Float>
    /// Share of the choices that fell on each expert [E], over all ranks that hold the micro-batch.
    let loads: UnsafeMutablePointer<Float>
    /// A token's experts [T, C].
    let choices: UnsafeMutablePointer<Int32>
    /// The row that each choice takes when rows are sorted by expert [T, C].
    let places: UnsafeMutablePointer<Int32>
    /// Rows for each expert [E].
    let counts: UnsafeMutablePointer<Int32>
    /// Rows from each rank for each of this rank's experts [P, G, E / G].
    let arriving: UnsafeMutablePointer<Int32>
    /// The experts' outputs back at the tokens [T · C, H].
    let returned: Matrix

    private let hidden: Int
    private let (arrivedStorage, expandedStorage, activatedStorage) = (
        GrowingStorage<Float>(), GrowingStorage<Float>(), GrowingStorage<Float>()
    )
    /// Rows at this rank's experts [M, H]. M is another number in every micro-batch.
    private(set) var arrived: Matrix
    /// Gate and up of those rows [M, 2F]; their gradient after the backward has passed.
    private(set) var expanded: Matrix
    /// The activation's output of those rows [M, F].
    private(set) var activated: Matrix

    init(tokens: Int, experts: Int, pieces: Int, chosen: Int, hidden: Int) {
        let choiceCount = tokens * chosen
        numbers = Storage(count: tokens * experts + 2 * choiceCount + experts + choiceCount * hidden + 5 * 16)
        var arena = Arena(numbers)
        probabilities = arena.take(rows: tokens, columns: experts)
        weights = arena.take(choiceCount)
        weightGradients = arena.take(choiceCount)
        loads = arena.take(experts)
        returned = arena.take(rows: choiceCount, columns: hidden)
        integers = Storage(count: 2 * choiceCount + (1 + pieces) * experts)
        choices = integers.pointer
        places = choices + choiceCount
        counts = places + choiceCount
        arriving = counts + experts
        self.hidden = hidden
        arrived = arrivedStorage.reserve(rows: 0, columns: hidden)
        expanded = expandedStorage.reserve(rows: 0, columns: 0)
        activated = activatedStorage.reserve(rows: 0, columns: 0)
    }

    /// Makes room for `rows` rows at this rank's experts, of `inner` inner columns.
    func reserve(rows: Int, inner: Int) {
        arrived = arrivedStorage.reserve(rows: rows, columns: hidden)
        expanded = expandedStorage.reserve(rows: rows, columns: 2 * inner)
        activated = activatedStorage.reserve(rows: rows, columns: inner)
    }
}
