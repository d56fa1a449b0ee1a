internal import Tensors

/// Memory for a number of rows that changes from one micro-batch to the next; it only grows, so that after some steps
/// nothing is allocated.
final class GrowingRows {
    private var storage = FloatStorage(count: 0)

    var pointer: UnsafeMutablePointer<Float> { storage.pointer }

    /// Room for `count` numbers; what was there may be lost.
    func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
        // A third more than needed: routing shifts a little at every step.
        if count > storage.count { storage = FloatStorage(count: count + count / 3) }
        return storage.pointer
    }
}
