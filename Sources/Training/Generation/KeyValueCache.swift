internal import Tensors

/// The keys and values that a rank's blocks have made of the tokens of several sequences, each in a slot of its own. Letters:
/// `ShapeLetters`.
///
/// Keys are kept as attention reads them, turned to their positions. A block with a window keeps all of them and reads the
/// last ones.
final class KeyValueCache {
    /// Most tokens of a sequence.
    let capacity: Int
    private let (heads, headSize): (Int, Int)
    /// By block: [slots, K, capacity, D].
    private let keys: [Storage<Float>]
    private let values: [Storage<Float>]

    /// Memory is taken as tokens come.
    init(blocks: Int, slots: Int, capacity: Int, heads: Int, headSize: Int) {
        (self.capacity, self.heads, self.headSize) = (capacity, heads, headSize)
        let count = slots * heads * capacity * headSize
        func made() -> [Storage<Float>] { (0..<blocks).map { _ in Storage(count: count, sparse: [0..<count]) } }
        (keys, values) = (made(), made())
    }

    private func rows(_ storage: Storage<Float>, _ slot: Int) -> KeptRows {
        KeptRows(
            storage.pointer + slot * heads * capacity * headSize, headStride: capacity * headSize, headSize: headSize)
    }

    func keys(block: Int, slot: Int) -> KeptRows { rows(keys[block], slot) }
    func values(block: Int, slot: Int) -> KeptRows { rows(values[block], slot) }

    /// keys, values [L, K · D]: keeps those of the tokens at `position` and behind it.
    func keep(keys new: Matrix, values newValues: Matrix, block: Int, slot: Int, at position: Int) {
        keys(block: block, slot: slot).keep(new, at: position)
        values(block: block, slot: slot).keep(newValues, at: position)
    }
}
