internal import Tensors

/// Buffers [S, H] for the tensors that cross stage boundaries. A receive or a forward takes one, and the last reader gives
/// it back. The pool grows when a schedule needs more at once, so that in the steady state nothing is allocated.
final class BoundaryPool {
    private let (rows, columns): (Int, Int)
    private var storage: [Storage<Float>] = []
    private var free: [Matrix] = []

    init(shape: MicrobatchShape) { (rows, columns) = (shape.streamRows, shape.hidden) }

    func take() -> Matrix {
        if let buffer = free.popLast() { return buffer }
        let added = Storage<Float>(count: rows * columns)
        storage.append(added)
        free.reserveCapacity(storage.count)
        return added.matrix(rows: rows, columns: columns)
    }

    func giveBack(_ buffer: Matrix) { free.append(buffer) }
}
