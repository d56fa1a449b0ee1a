internal import Tensors

/// Buffers for the tensors that cross stage boundaries, `[rows, hidden]` each: taken by a receive or a forward, given
/// back when the tensor is no longer read. Grows when a schedule needs more at once, so that in the steady state
/// nothing is allocated.
final class BoundaryPool {
    private let count: Int
    private var storage: [FloatStorage] = []
    private var free: [UnsafeMutablePointer<Float>] = []

    init(elements: Int) { count = elements }

    func take() -> UnsafeMutablePointer<Float> {
        if let buffer = free.popLast() { return buffer }
        let added = FloatStorage(count: count)
        storage.append(added)
        free.reserveCapacity(storage.count)
        return added.pointer
    }

    func giveBack(_ buffer: UnsafeMutablePointer<Float>) { free.append(buffer) }
}
